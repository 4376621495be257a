"""The summary at the end of a run, word for word."""

from pathlib import Path

import pytest

from tuner.api.study import Study
from tuner.cli._summary import Ending, document, lines
from tuner.core.ports import FinalModel


@pytest.fixture
def ended(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNER_STORE", digits.url)

    def ending(**fields):
        return Ending(Study("digits", digits.url, **fields), 65.0, 0.934, 2.0)

    return ending


MODEL = FinalModel(Path(".tuner/models/digits"), {"accuracy": 0.8125}, n_tuning_rows=400, n_test_rows=100)


def test_of_a_study_with_a_model(ended):
    assert (
        "\n".join(lines(ended(model=MODEL)))
        == """\
digits  COMPLETE: 6 trials were run

trials          4: 2 complete, 1 stopped early, 1 failed
failed: raised  1, such as 'ValueError: lr is too large'; see tuner logs digits 3
best            accuracy 0.875 in validation (trial 1), loss 0.25
test            accuracy 0.8125 on 100 rows never seen in tuning
model           .tuner/models/digits
time            1m 05s, 2 CPUs 93% busy
slack           CPU 10%, memory 50% of what was granted lay unused

parameters of trial 1
  lr      0.02
  layers  2
  kind    relu
  slope   0.25

next
  tuner best digits
  tuner trials digits --sort value
  tuner predict .tuner/models/digits data.csv
  tuner export digits --format csv"""
    )


def test_a_model_that_could_not_be_made_is_told_and_takes_nothing_away(ended):
    told = lines(ended(model_error="RuntimeError: no room\nmore"))
    assert "no model        RuntimeError: no room" in told
    assert "best            accuracy 0.875 in validation (trial 1), loss 0.25" in told


def test_as_plain_data(ended):
    told = document(ended(model=MODEL))
    assert told["best"]["number"] == 1
    assert (told["model"], told["test"]) == (".tuner/models/digits", {"accuracy": 0.8125})
    assert told["elapsed_s"] == 65.0


def test_an_interrupted_study_says_how_to_go_on(keeper, monkeypatch):
    keeper.make(state="INTERRUPTED", reason="interrupted; it can be resumed")
    monkeypatch.setenv("TUNER_STORE", keeper.url)
    told = lines(Ending(Study("digits", keeper.url), 5.0, None, 0.0))
    assert told[0] == "digits  INTERRUPTED: interrupted; it can be resumed"
    assert told[-3:] == ["next", "  tuner resume digits", "  tuner status digits"]
    assert "time            5.0 s" in told
