"""The limits with which a study is taken up again from Python."""

from __future__ import annotations

import inspect

import pytest

import tuner
from tuner.api import open_store
from tuner.api.python import ResumeArguments
from tuner.cli.resume import command
from tuner.core.events import StudyResumed
from tuner.errors import SweepError
from tuner.sweep import LIMITS


def parabola(params):
    return params["x"] ** 2


@pytest.fixture
def store(tmp_path):
    """A store with the study ``short``, of two trials."""
    url = f"sqlite:///{tmp_path}/t.db"
    space = {"x": tuner.Float(-2.0, 2.0)}
    tuner.run(
        parabola, space=space, metric="loss", goal="minimize", name="short", trials=2, executor="inline", store=url
    )
    return url


def limits_after(store, **limits):
    study = tuner.resume("short", store=store, executor="inline", **limits)
    opened = open_store(study.store)
    resumed = [event for _, event in opened.events("short") if isinstance(event, StudyResumed)]
    opened.close()
    return resumed[-1].limits


def test_python_takes_every_limit_that_the_command_line_takes():
    of_command, of_python = set(inspect.signature(command).parameters), set(ResumeArguments.__annotations__)
    assert of_command & set(LIMITS) == of_python & set(LIMITS) == set(LIMITS)


@pytest.mark.parametrize(
    ("limits", "field", "is_now"),
    [
        ({"time": "2h"}, "time_s", 7200.0),
        ({"time": 90}, "time_s", 90.0),
        ({"trial_time": "10m"}, "trial_time_s", 600.0),
        ({"failures": 7}, "failures", 7),
        ({"failures": "20%"}, "failures_share", 0.2),
        ({"parallel": "auto"}, "parallel", None),
        ({"patience": 9}, "patience", 9),
    ],
)
def test_a_limit_that_is_given_replaces_the_one_it_had(store, limits, field, is_now):
    assert getattr(limits_after(store, **limits), field) == is_now


def test_limits_that_are_not_given_hold_on(store):
    assert limits_after(store, time="1h").trials == 2


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"time": "soon"}, "time: "),
        ({"trial_time": -3}, "trial_time: "),
        ({"failures": "many"}, "failures: "),
        ({"trials": "some"}, "trials: "),
        ({"nodes": 0}, "nodes: "),
    ],
)
def test_a_limit_that_is_wrong_is_told_by_its_name(store, limits, told):
    with pytest.raises(SweepError) as caught:
        tuner.resume("short", store=store, executor="inline", **limits)
    assert str(caught.value).startswith(told)
