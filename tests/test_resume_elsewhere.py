"""Taking up a study whose driver was inside a cluster, on a machine outside of it."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

import tuner
from tuner.api import open_store
from tuner.core.events import StudyOpened
from tuner.errors import ClusterUnreachable
from tuner.study import PluginSpec


def parabola(params):
    return params["x"] ** 2


@pytest.fixture
def address():
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nothing listens while it is bound
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def stranded(tmp_path, address, monkeypatch):
    """Makes a store with the interrupted study ``adult``, whose driver ran as the facts say."""
    monkeypatch.setattr("tuner.cluster.connect._in_use", lambda: False)  # though other tests' Ray may be joined
    url = f"sqlite:///{tmp_path}/t.db"

    def make(objective=None, **facts):
        space = {"x": tuner.Float(-2.0, 2.0)}
        study = tuner.run(
            parabola, space=space, metric="loss", goal="minimize", trials=1, executor="inline", store=url, name="before"
        )
        spec = replace(study.spec, name="adult", objective=objective or study.spec.objective)
        where = {"type": "ray", "options": {"address": address}}
        store = open_store(url)
        log = store.create(spec, {**study.info.provenance, "executor": where, **facts})
        log.append([StudyOpened(1.0, spec)], [])
        log.close("INTERRUPTED")
        store.close()
        return url

    return make


def refusal(store, **more) -> ClusterUnreachable:
    with pytest.raises(ClusterUnreachable) as caught:
        tuner.resume("adult", store=store, **more)
    return caught.value


def test_a_job_of_a_cluster_is_told_with_what_was_tried_and_the_ways_on(stranded, address):
    error = refusal(stranded(job="tuner-adult-1", host="head-7f"))
    assert "ran inside its cluster as job tuner-adult-1, on head-7f" in error.message
    assert f"no Ray cluster answers at {address}" in error.message
    assert error.hint is not None
    assert "tuner submit SWEEP.yaml --address URL" in error.hint
    assert "tuner resume adult --executor ray" in error.hint


def test_a_driver_on_another_host_is_told_where_no_job_is_known(stranded):
    error = refusal(stranded(host="head-7f"))
    assert "ran on head-7f, a machine of its cluster" in error.message
    assert "submit" not in (error.hint or "")


def test_it_is_told_before_files_are_looked_for_that_lie_in_the_cluster(stranded):
    there = PluginSpec("function", {"function": "nowhere:train", "base": "/gone"})
    assert "job tuner-adult-1" in refusal(stranded(there, job="tuner-adult-1")).message


def test_on_the_host_where_it_ran_nothing_but_the_address_is_told(stranded):
    assert refusal(stranded()).message.startswith("no Ray cluster answers")


def test_an_address_that_the_caller_chose_is_told_as_it_is(stranded, address):
    error = refusal(stranded(job="tuner-adult-1", host="head-7f"), address=address)
    assert error.message.startswith("no Ray cluster answers")


def test_with_another_executor_it_goes_on_here(stranded):
    store = stranded(job="tuner-adult-1", host="head-7f")
    assert tuner.resume("adult", store=store, executor="inline").state == "COMPLETE"
