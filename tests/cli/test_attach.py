"""attach: a study that runs elsewhere, to its end or until one looks away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tuner.api.stores import open_store
from tuner.cli import attach
from tuner.cluster.jobs import Job
from tuner.errors import StudyNotFound


@pytest.fixture
def as_if_dead(monkeypatch):
    """The keeper writes in this process, which lives: look at its study as at one whose owner died."""
    monkeypatch.setattr("tuner.stores.sql.living_owner", lambda owner, remaining_s: None)


def test_a_complete_study_is_told_as_its_driver_told_it(tuner, digits):
    answer = tuner("attach", "digits", "--store", digits.url)
    assert answer.lines[0].startswith("digits  COMPLETE")
    assert any(line.startswith("best ") for line in answer.lines)
    assert "COMPLETE: 6 trials were run" in answer.stderr


def test_as_json_it_is_what_run_gives(tuner, digits):
    told = tuner("attach", "digits", "-q", "-o", "json", "--store", digits.url).json
    assert (told["study"], told["state"], told["best"]["number"]) == ("digits", "COMPLETE", 1)


@pytest.mark.parametrize(("state", "code"), [("INTERRUPTED", 3), ("FAILED", 1)])
def test_the_exit_code_is_that_of_the_end(tuner, keeper, state, code):
    keeper.make(state=state)
    tuner("attach", "digits", "--store", keeper.url, exit_code=code)


def test_a_dead_driver_is_told_with_how_to_go_on(tuner, keeper, as_if_dead):
    keeper.make(state="RUNNING")
    answer = tuner("attach", "digits", "--store", keeper.url, exit_code=3)
    assert "its driver died without a word" in answer.stderr
    assert "tuner resume digits" in answer.stderr
    assert tuner("attach", "digits", "--store", keeper.url, "-o", "json", exit_code=3).json["state"] == "DEAD"


def test_it_ends_when_the_study_does(tuner, keeper, monkeypatch):
    log = keeper.make(state="RUNNING")
    monkeypatch.setattr("time.sleep", lambda _: log.close("COMPLETE", "done meanwhile"))
    assert tuner("attach", "digits", "--store", keeper.url).lines[0] == "digits  COMPLETE: done meanwhile"


def test_ctrl_c_looks_away_and_leaves_the_study_alone(tuner, keeper, monkeypatch):
    keeper.make(state="RUNNING")

    def press(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", press)
    answer = tuner("attach", "digits", "--store", keeper.url)
    assert "digits goes on" in answer.stderr
    store = open_store(keeper.url)
    assert store.study("digits").state == "RUNNING"
    store.close()


def test_a_study_that_is_not_there_may_be_a_clusters(tuner, digits):
    answer = tuner("attach", "nothing", "--store", digits.url, exit_code=2)
    assert "--address" in answer.stderr


class _Cluster:
    url = "http://head:8265"

    def __init__(self, *studies):
        self.jobs = [Job(f"tuner-{s}-{n}", s, "RUNNING", "", None, {}, float(n)) for n, s in enumerate(studies)]

    def all(self):
        return self.jobs


def test_the_latest_job_of_a_study_is_followed():
    cluster: Any = _Cluster("adult", "digits", "adult", "adult-2")
    assert attach._job_of(cluster, "adult").job_id == "tuner-adult-2"
    assert attach._job_of(cluster, "dig").job_id == "tuner-digits-1"
    assert attach._job_of(cluster, "@latest").job_id == "tuner-adult-2-3"


def test_a_study_that_no_job_ran_is_told_with_those_that_did():
    cluster: Any = _Cluster("adult", "digits")
    with pytest.raises(StudyNotFound) as caught:
        attach._job_of(cluster, "other")
    assert caught.value.hint == "there are: digits, adult"
    cluster = _Cluster("adult-1", "adult-2")
    with pytest.raises(StudyNotFound, match="several"):
        attach._job_of(cluster, "adult")


def test_a_home_folder_over_there_is_not_taken_for_the_one_here(digits, capsys):
    job = _Cluster("digits").jobs[0]
    at_home = replace(job, environment={"TUNER_STORE": "sqlite:///~/x.db"})
    assert attach._readable(at_home, None) is None
    shared = attach._readable(replace(job, environment={"TUNER_STORE": digits.url}), None)
    assert shared is not None
    assert shared.name == "digits"
    assert attach._readable(job, "nonsense://x") is None
    assert "this is the job's log" in capsys.readouterr().err
