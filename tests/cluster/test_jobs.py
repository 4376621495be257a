"""Jobs: their names, their bounds, and what Ray's client raises in our words."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from tuner.cluster import jobs
from tuner.errors import ClusterUnreachable, ExecutorError


def details(**fields):
    base = {
        "submission_id": "tuner-a-1", "metadata": {"tuner_study": "a"}, "status": "RUNNING", "message": None,
        "driver_exit_code": None, "runtime_env": {"env_vars": {"TUNER_STORE": "s"}}, "start_time": 1500,
    }  # fmt: skip
    return SimpleNamespace(**base | fields)


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ([], "tuner-a-1"),
        (["tuner-a-1", "tuner-a-9", "tuner-a-10"], "tuner-a-11"),
        (["tuner-a-b-7", "tuner-ab-7", "raysubmit_1"], "tuner-a-1"),
    ],
)
def test_a_studys_jobs_are_numbered(known, name):
    assert jobs.next_id("a", known) == name


def test_a_name_with_dots_is_no_pattern():
    assert jobs.next_id("a.b", ["tuner-axb-3"]) == "tuner-a.b-1"


def test_a_job_of_ours_is_understood_and_others_are_left_alone():
    job = jobs._job(details())
    assert job == jobs.Job("tuner-a-1", "a", "RUNNING", "", None, {"TUNER_STORE": "s"}, 1.5)
    assert jobs._job(details(metadata=None)) is None
    assert jobs._job(details(submission_id=None)) is None


def test_rays_variables_do_not_lead_to_another_cluster(monkeypatch):
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://other:1")
    with jobs._address_is("http://mine:2"):
        assert os.environ["RAY_API_SERVER_ADDRESS"] == "http://mine:2"
    assert os.environ["RAY_API_SERVER_ADDRESS"] == "http://other:1"
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS")
    with jobs._address_is("http://mine:2"):
        pass
    assert "RAY_API_SERVER_ADDRESS" not in os.environ


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (ConnectionError("x"), ClusterUnreachable, "stopped answering"),
        (TimeoutError(), ClusterUnreachable, "stopped answering"),
        (RuntimeError("Request failed with status code 500: Traceback\nValueError: no.\n"), ExecutorError, "no"),
        (RuntimeError("status code 413: Request Entity Too Large"), ExecutorError, "of that size"),
    ],
)
def test_what_rays_client_raises_is_said_in_our_words(raised, kind, said):
    with pytest.raises(kind, match=said), jobs._translated("http://head:8265"):
        raise raised


def test_bugs_are_not_hidden():
    class Bug(Exception):
        pass

    with pytest.raises(Bug), jobs._translated("http://head:8265"):
        raise Bug


class _Client:
    """A cluster whose job prints, whose connection breaks once, and which then ends."""

    def __init__(self, log, breaks_after):
        self.whole, self.breaks_after, self.n_tails = log, breaks_after, 0

    def get_job_info(self, job_id):
        return details(status="RUNNING" if self.n_tails < 2 else "SUCCEEDED")

    def get_job_logs(self, job_id):
        return self.whole

    async def tail_job_logs(self, job_id):
        self.n_tails += 1
        if self.n_tails == 1:
            yield self.whole[: self.breaks_after]
            raise RuntimeError("WebSocket connection closed unexpectedly")
        for start in range(0, len(self.whole) - 4, 5):
            yield self.whole[start : start + 5]


@pytest.mark.parametrize("breaks_after", [0, 3, 5, 12])
def test_a_log_is_told_once_and_whole_though_the_connection_breaks(monkeypatch, breaks_after):
    monkeypatch.setattr(jobs, "_LOOK_EVERY_S", 0.0)
    followed: Any = jobs.Jobs.__new__(jobs.Jobs)
    followed.head, followed._client = (
        SimpleNamespace(url="http://head:8265"),
        _Client("one\ntwo\nthree\n", breaks_after),
    )
    pieces: list[str] = []
    assert followed.follow("tuner-a-1", pieces.append).status == "SUCCEEDED"
    assert "".join(pieces) == "one\ntwo\nthree\n"
    assert followed._client.n_tails == 2


def test_a_cluster_that_is_gone_is_given_up(monkeypatch):
    monkeypatch.setattr(jobs, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(jobs, "_GIVE_UP_S", 0.05)
    followed: Any = jobs.Jobs.__new__(jobs.Jobs)

    def gone(job_id):
        raise ConnectionError

    followed.head, followed._client = SimpleNamespace(url="http://head:8265"), SimpleNamespace(get_job_info=gone)
    with pytest.raises(ClusterUnreachable, match="stopped answering"):
        followed.follow("tuner-a-1", print)
