"""The program itself: verbs, beginnings of verbs, messages, exit codes, start-up."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import tuner
from tuner.cli import _app
from tuner.cli._failures import translated
from tuner.errors import InvalidTransition, StudyNotFound

ROOT = Path(tuner.__file__).resolve().parent.parent
ALL_VERBS = {name: summary for verbs in _app.VERBS.values() for name, summary in verbs.items()}
HEAVY = ("ray", "optuna", "sklearn", "xgboost", "pandas", "pyarrow", "sqlalchemy", "alembic", "skops")


def test_every_file_of_the_folder_is_a_verb_and_every_verb_a_file():
    files = {module.name for module in pkgutil.iter_modules(importlib.import_module("tuner.cli").__path__)}
    assert {name for name in files if not name.startswith("_")} == set(ALL_VERBS)


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_the_listing_says_what_the_verb_says_itself(verb):
    command = importlib.import_module(f"tuner.cli.{verb}").command
    assert (inspect.getdoc(command) or "").splitlines()[0] == ALL_VERBS[verb]


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_every_verb_explains_itself_and_every_option(verb, tuner):
    answer = tuner(verb, "--help")
    assert " ".join(answer.stdout.split()).count(ALL_VERBS[verb]) == 1
    hints = typing.get_type_hints(importlib.import_module(f"tuner.cli.{verb}").command, include_extras=True)
    for name, hint in hints.items():
        if name != "return":
            assert hint.__metadata__[0].help, f"{verb}: {name} has no help"


def test_the_help_lists_the_verbs_by_what_they_are_for(tuner):
    out = tuner("--help").stdout
    positions = [out.index(f"\n  {verb} ") for verb in ALL_VERBS]
    assert positions == sorted(positions)
    assert "Exit codes: 0 done, 1 the sweep failed" in out


def test_no_arguments_show_the_help(tuner):
    result = CliRunner().invoke(_app.app, [])
    assert "Usage: tuner" in result.output


def test_the_version(tuner):
    assert tuner("--version").stdout == f"tuner {importlib.import_module('tuner').__version__}\n"


def test_a_beginning_of_a_verb_is_enough(tuner, digits):
    assert (
        tuner("tri", "digits", "--store", digits.url).stdout == tuner("trials", "digits", "--store", digits.url).stdout
    )


def test_an_ambiguous_beginning_names_what_it_may_be(tuner):
    answer = tuner("s", exit_code=2)
    assert "'s' may be submit, status, show or spaces: write more of it." in answer.stderr


def test_an_unknown_verb_is_answered_with_the_nearest(tuner):
    assert "Did you mean 'trials'" in tuner("trails", exit_code=2).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "--nonsense", "x"),
        ("trials", "x", "--sort", "colour"),
        ("trials", "x", "--limit", "0"),
        ("ls", "-o", "xml"),
    ],
)
def test_wrong_usage_exits_with_2(tuner, arguments):
    answer = tuner(*arguments, exit_code=2)
    assert answer.stdout == ""
    assert "Usage: tuner" in answer.stderr


def test_a_mistake_is_told_without_a_traceback(capsys):
    with pytest.raises(typer.Exit) as stopped, translated():
        raise StudyNotFound("there is no study called 'x'", hint="`tuner ls` lists them")
    assert stopped.value.exit_code == 2
    assert capsys.readouterr().err == "error: there is no study called 'x'\n  hint: `tuner ls` lists them\n"


@pytest.mark.parametrize("error", [ValueError("oh"), InvalidTransition("finished twice", trial=3)])
def test_a_bug_is_short_and_leaves_its_traceback_in_a_file(capsys, monkeypatch, tmp_path, error):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(typer.Exit) as stopped, translated():
        raise error
    assert stopped.value.exit_code == 1
    said = capsys.readouterr().err
    (report,) = tmp_path.iterdir()
    assert str(report) in said
    assert "Traceback" not in said
    written = report.read_text()
    assert "Traceback (most recent call last)" in written
    assert type(error).__name__ in written


def test_ctrl_c_outside_a_study_ends_quietly(capsys):
    with pytest.raises(typer.Exit) as stopped, translated():
        raise KeyboardInterrupt
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().err == "interrupted\n"


def _python(code, *arguments, **options):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, timeout=60, **options
    )


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_start_up_imports_nothing_heavy(arguments):
    code = (
        "import sys\nfrom tuner.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = _python(code, *arguments)
    assert result.stdout.splitlines()[-1] == "HEAVY []", result


def test_looking_at_studies_loads_no_ray_and_no_learning_library(digits):
    code = (
        "import sys\nfrom tuner.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('HEAVY', [name for name in ('ray', 'optuna', 'sklearn', 'xgboost', 'pandas') if name in sys.modules])"
    )
    result = _python(code, "ls", "--store", digits.url)
    assert result.stdout.splitlines()[-1] == "HEAVY []", result


def test_a_reader_that_goes_away_is_no_error(digits):
    code = "from tuner.cli import main\nmain()"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        result = subprocess.run(
            [sys.executable, "-c", code, "trials", "digits", "-o", "json", "--store", digits.url],
            env=environment, stdout=gone, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


def test_the_module_is_the_program():
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    result = subprocess.run(
        [sys.executable, "-m", "tuner", "--version"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.stdout.startswith("tuner ")
