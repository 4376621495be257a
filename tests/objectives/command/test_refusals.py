"""What is refused before anything runs, and what is told of a command."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tuner.core.actions import Start
from tuner.errors import ObjectiveError
from tuner.objectives import _command_process
from tuner.objectives.command import Command
from tuner.resources import Resources
from tuner.space import Float, SearchSpace
from tuner.trial import Completed, FailureKind
from tuner.worker import run_attempt


def refused(bench: Any, command: Any, **options: Any) -> str:
    with pytest.raises(ObjectiveError) as caught:
        bench.objective(command, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([], "objective.command is [], expected a program and its arguments"),
        ("", "expected a program and its arguments"),
        (3, "objective.command is 3, expected a program"),
        ("sh -c 'echo", "cannot be split: No closing quotation\n  hint: close the quotes"),
        (["sh", None], "objective.command: None is no argument, expected a string or a number"),
        (["sh", "-c", "{lrr}"], "{lrr} is no parameter of the search space; there are: lr, depth\n  hint: did you mean {lr}?"),
        (["sh", "-c", "{print}"], "hint: to pass it as it stands write {{print}}"),
        (["shh"], "there is no program 'shh' on the PATH\n  hint: did you mean 'sh'?"),
        (["tool"], "hint: the program lies in {base}: write ./tool"),
        (["./tool"], "{base}/tool is not executable\n  hint: chmod +x {base}/tool"),
        (["./tol"], "there is no program {base}/tol\n  hint: did you mean 'tool'?"),
        (["python", "trian.py"], "there is no script 'trian.py' in {base}\n  hint: did you mean 'train.py'?"),
    ],
)  # fmt: skip
def test_commands_that_cannot_work_are_refused(bench, command, said):
    bench.write("tool", "#!/bin/sh\n")
    bench.write("train.py", "")
    message = refused(bench, command)
    for part in said.replace("{base}", str(bench.base.resolve())).split("\n"):
        assert part in message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"params": "jsn"}, "is 'jsn', expected one of arguments, json, environment\n  hint: did you mean 'json'?"),
        ({"metrics": "stderr"}, "objective.metrics is 'stderr', expected one of stdout, file"),
        ({"environment": {"A": [1]}}, "objective.environment.A is [1], expected a string or a number"),
        ({"environment": {"A=B": "1"}}, "objective.environment.A=B"),
        ({"success_exit_codes": [256]}, "objective.success_exit_codes is [256], expected numbers from 0 to 255"),
        ({"success_exit_codes": []}, "objective.success_exit_codes is []"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(bench, options, said):
    assert said in refused(bench, ["sh"], **options)


def test_two_parameters_in_one_variable_are_refused(bench):
    space = SearchSpace({"a.b": Float(0, 1), "A_B": Float(0, 1)})
    said = refused(bench, ["sh"], params="environment", study=bench.spec(space=space))
    assert "'a.b' and 'A_B' would both be TUNER_PARAM_A_B" in said


def test_a_folder_that_is_not_there_is_refused(bench, tmp_path):
    with pytest.raises(ObjectiveError, match="there is no folder"):
        Command(["sh"], base=tmp_path / "nowhere").prepare(bench.spec())


def test_the_description_names_the_command_and_the_digest_of_its_files(bench):
    bench.write("train.sh", "echo")
    described = bench.objective(["sh", "train.sh", "--drop", "{rate_drop}", ["a", "b"]]).describe()
    assert described["command"] == ["sh", "train.sh", ["--drop", "{rate_drop}"], ["a", "b"]]
    assert list(described["files"]) == ["train.sh"]
    assert len(described["files"]["train.sh"]) == 64
    assert json.loads(json.dumps(described)) == described


def test_the_objective_travels_to_workers(bench):
    import pickle

    objective = pickle.loads(pickle.dumps(bench.objective(["sh", "-c", """echo '{"loss": 0.5}'"""])))
    start = Start(4, 1, bench.params, Resources(), lane=0, seed=99)
    assert run_attempt(
        objective, start, bench.spec().metrics, bench.new_link(), bench.base / "scratch"
    ).outcome == Completed({"loss": 0.5})


def test_a_program_whose_exit_code_got_lost_is_no_success(bench, monkeypatch):
    def reaped(*arguments: Any) -> None:
        raise ChildProcessError

    monkeypatch.setattr(os, "waitid", reaped)
    failed = bench.failure(bench.shell("""echo '{"loss": 0.5}'"""))
    assert failed.kind is FailureKind.COMMAND_EXIT
    assert "its exit code is not known" in failed.message


def test_platforms_without_pidfd_and_waitid_do_as_well(bench, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert bench.shell("""echo '{"loss": 0.5}'""").outcome == Completed({"loss": 0.5})
    monkeypatch.delattr(os, "waitid")
    monkeypatch.setattr(_command_process, "_process_folders", list)
    assert bench.shell("""echo '{"loss": 0.5}'""").outcome == Completed({"loss": 0.5})


def test_the_example_runs_with_posix_tools_only(bench, tmp_path):
    folder = Path(__file__).resolve().parents[3] / "examples" / "command"
    from tuner.sweep import load

    study = load(folder / "sweep.yaml").spec
    objective = Command(**{**study.objective.options, "base": str(folder)})
    objective.prepare(study)
    errors = []
    for params in (
        {"rate": 0.05, "momentum": 0.9, "degree": 1},
        {"rate": 0.05, "momentum": 0.9, "degree": 4, "ridge": 0.01},
    ):
        link = bench.new_link()
        start = Start(0, 1, params, Resources(), lane=0, seed=1)
        outcome = run_attempt(objective, start, study.metrics, link, tmp_path).outcome
        assert isinstance(outcome, Completed), outcome
        assert [step for step, _ in link.reports] == list(range(10, 301, 10))
        errors.append(outcome.values["error_ft"])
    assert all(5 < error < 20 for error in errors)
    assert errors[0] != errors[1]
