"""init, validate, spaces, export, predict: what goes into a sweep and what comes out of a study."""

import json
import sys

import pytest

from tuner import catalog

CSV = "age,city,income\n" + "".join(f"{20 + n % 40},{'ab'[n % 2]},{'high' if n % 3 else 'low'}\n" for n in range(120))


@pytest.fixture
def table(tmp_path):
    (tmp_path / "people.csv").write_text(CSV, encoding="utf-8")
    return tmp_path / "people.csv"


def test_init_writes_a_sweep_that_validates(tuner, table):
    answer = tuner("init", "people.csv", "--target", "income")
    assert answer.stderr.startswith("wrote people.yaml\nnext  tuner validate people.yaml\n")
    checked = tuner("validate", "people.yaml", "-o", "json").json
    assert checked["ok"] is True
    assert checked["parameters"]["sampled"] > 0


def test_init_never_overwrites_unless_told(tuner, table, tmp_path):
    (tmp_path / "people.yaml").write_text("mine")
    answer = tuner("init", "people.csv", "--target", "income", exit_code=2)
    assert (
        answer.stderr == "error: people.yaml is there already\n  hint: --force overwrites it, -f names another file\n"
    )
    assert (tmp_path / "people.yaml").read_text() == "mine"
    tuner("init", "people.csv", "--target", "income", "--force")
    assert "people.csv" in (tmp_path / "people.yaml").read_text()


def test_init_writes_to_standard_output_when_asked(tuner, table, tmp_path):
    answer = tuner("init", "people.csv", "-t", "income", "-f", "-", "--name", "rich")
    assert 'name: "rich"' in answer.stdout
    assert not (tmp_path / "people.yaml").exists()


def test_init_with_an_unknown_column_names_the_nearest(tuner, table):
    assert "income" in tuner("init", "people.csv", "--target", "incom", exit_code=2).stderr


def test_init_where_nothing_can_be_written_says_so(tuner, table):
    answer = tuner("init", "people.csv", "-t", "income", "-f", "no/such/folder/sweep.yaml", exit_code=2)
    assert "cannot be written" in answer.stderr


@pytest.fixture
def sweep(tmp_path):
    (tmp_path / "work.py").write_text("def train(params, context):\n    return params['x']\n", encoding="utf-8")
    (tmp_path / "sweep.yaml").write_text(
        'name: small\nobjective: {function: "work:train"}\nmetric: loss\n'
        "parameters:\n  x: {low: 0.0, high: 1.0}\n  y: {value: 3}\nlimits: {trials: 5, time: 2h}\n",
        encoding="utf-8",
    )
    sys.modules.pop("work", None)
    yield tmp_path / "sweep.yaml"
    sys.modules.pop("work", None)


def test_validate_tells_what_would_run_and_runs_nothing(tuner, sweep, tmp_path):
    lines = tuner("validate", "sweep.yaml").lines
    assert lines[0] == "OK  sweep.yaml"
    assert "  parameters  sampled 1, constant 1" in lines
    assert any(line.split() == ["limits", "trials", "5,", "time_s", "7200"] for line in lines)
    assert lines[-1] == "next  tuner run sweep.yaml"
    assert not (tmp_path / ".tuner").exists()


def test_validate_finds_what_is_wrong_with_file_and_line(tuner, sweep):
    sweep.write_text(sweep.read_text().replace("limits:", "limitz:"), encoding="utf-8")
    answer = tuner("validate", "sweep.yaml", exit_code=2)
    assert "sweep.yaml:7" in answer.stderr
    assert "'limits'" in answer.stderr


def test_validate_takes_changes_as_run_does(tuner, sweep):
    assert "limits.trials" in tuner("validate", "sweep.yaml", "--set", "limits.trials=-1", exit_code=2).stderr


def test_spaces_lists_the_whole_catalogue(tuner):
    rows = tuner("spaces", "-o", "json").json
    assert [row["name"] for row in rows] == catalog.names()
    head, *lines = tuner("spaces").lines
    assert head.split() == ["space", "parameters", "task", "estimator", "title"]
    assert [line.split()[0] for line in lines] == catalog.names()


@pytest.mark.parametrize("name", catalog.names())
def test_every_space_shows_its_parameters_and_sources(tuner, name):
    entry = catalog.load(name)
    out = tuner("spaces", name).stdout
    for parameter in entry.space:
        assert f"\n{parameter} " in out
    for source in entry.sources:
        assert source.cite in out
    document = tuner("spaces", name, "-o", "json").json
    assert list(document["parameters"]) == list(entry.space)


def test_an_unknown_space_names_the_nearest(tuner):
    assert "xgboost/classifier" in tuner("spaces", "xgboost/clasifier", exit_code=2).stderr


def test_conditions_read_like_sentences():
    from tuner.cli._spaces import condition_text

    assert condition_text("dart") == "= dart"
    assert condition_text(["a", "b"]) == "in [a, b]"
    assert condition_text({"low": 2}) == ">= 2"
    assert condition_text({"high": 0.5}) == "<= 0.5"
    assert condition_text({"low": 2, "high": 5}) == "in 2 to 5"


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "optuna"])
def test_export_writes_a_file_and_prints_its_path(tuner, digits, tmp_path, form):
    answer = tuner("export", "digits", "--format", form, "--store", digits.url)
    path = tmp_path / answer.stdout.strip()
    assert path.stat().st_size > 0
    assert ("optuna-dashboard" in answer.stderr) == (form == "optuna")
    assert "is there already" in tuner("export", "digits", "--format", form, "--store", digits.url, exit_code=2).stderr
    again = tuner("export", "digits", "--format", form, "--force", "--store", digits.url, "-o", "json").json
    assert again["format"] == form


def test_export_of_json_holds_the_trials(tuner, digits, tmp_path):
    tuner("export", "digits", "--format", "json", "-f", "out.json", "--store", digits.url)
    text = (tmp_path / "out.json").read_text()
    assert "0.875" in text
    json.loads(text)


def test_predict_without_a_model_says_what_is_missing(tuner, digits, table):
    assert "there is no folder no/model" in tuner("predict", "no/model", "people.csv", exit_code=2).stderr
    assert (
        "neither the folder of a saved model nor a study"
        in tuner("predict", "nothing", "people.csv", exit_code=2).stderr
    )
    answer = tuner("predict", "digits", "people.csv", "--store", digits.url, exit_code=2)
    assert answer.stderr.startswith("error: study 'digits' has no saved model")


def test_from_a_table_to_predictions(tuner, table, tmp_path):
    tuner("init", "people.csv", "--target", "income")
    ended = tuner("run", "people.yaml", "--trials", "2", "--executor", "inline", "-q", "-o", "json").json
    assert ended["state"] == "COMPLETE"
    assert ended["model"]
    assert ended["test"]
    written = tuner("predict", "@latest", "people.csv", "-f", "out.csv").stdout.strip()
    assert written == "out.csv"
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 121
    by_folder = tuner("predict", ended["model"], "people.csv", "-o", "json").json
    assert by_folder["path"].endswith("people.predictions.csv")
    summary = tuner("run", "people.yaml", "--trials", "2", "--executor", "inline", "-q", "--new").stdout
    assert "rows never seen in tuning" in summary
    assert "  tuner predict .tuner/models/" in summary


def test_how_a_file_was_understood_is_said_beside_the_answer(tuner, sweep):
    sweep.write_text(
        sweep.read_text().replace("limits: {trials: 5, time: 2h}", "run_cap: 5\nproject: mine"), encoding="utf-8"
    )
    answer = tuner("validate", "sweep.yaml", "-o", "json")
    assert answer.json["limits"] == {"trials": 5}
    assert answer.stderr == "note: 'project' has no meaning here and is left out\n"
