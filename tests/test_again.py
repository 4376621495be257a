"""A sweep file that is run again for a study that is there."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from contextlib import ExitStack

import pytest

from tuner.api.again import check_same, moved_objective, new_limits
from tuner.api.options import RunOptions
from tuner.api.runs import run_sweep
from tuner.api.signals import terminable
from tuner.errors import StudyExists
from tuner.study import PluginSpec
from tuner.sweep import load

SWEEP = """
name: parabola
objective: {function: work_again:train}
metric: {name: loss, goal: minimize}
parameters: {x: {low: -2.0, high: 2.0}}
sampler: random
limits: {trials: 3}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a sweep, and what runs it."""
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "work_again.py").write_text("def train(params):\n    return {'loss': params['x'] ** 2, 'gain': 1.0}\n")
    (folder / "sweep.yaml").write_text(SWEEP)
    monkeypatch.delitem(__import__("sys").modules, "work_again", raising=False)

    def run(where=folder, **overrides):
        options = RunOptions(store=f"sqlite:///{tmp_path}/t.db", executor=PluginSpec("inline"), if_exists="resume")
        return run_sweep(load(where / "sweep.yaml", overrides), options)

    run.folder = folder  # type: ignore[attr-defined]
    return run


def test_a_sweep_whose_folder_has_moved_goes_on_from_there(place, tmp_path):
    assert len(place().trials) == 3
    shutil.move(place.folder, tmp_path / "second")
    study = place(tmp_path / "second", **{"limits.trials": 5})
    assert (study.state, len(study.trials)) == ("COMPLETE", 5)


def test_an_unchanged_sweep_leaves_a_complete_study_as_it_is(place):
    before = place()
    again = place()
    assert again.state == "COMPLETE"
    assert [t.finished_at for t in again.trials] == [t.finished_at for t in before.trials]


@pytest.mark.parametrize(
    ("overrides", "differs"),
    [
        ({"parameters.x.high": 3.0}, "space"),
        ({"metric.name": "gain"}, "metrics"),
        ({"objective.function": "work_again:other"}, "objective"),
    ],
)
def test_a_sweep_that_asks_for_something_else_is_refused(place, overrides, differs):
    place()
    with pytest.raises(StudyExists, match=f"differs from this sweep in {differs}"):
        place(**overrides)


def test_what_may_change_is_told_from_what_may_not(place):
    before, now = (load(place.folder / "sweep.yaml", {"limits.trials": n}).spec for n in (3, 9))
    check_same(before, now)
    assert new_limits(before, now) == {"trials": 9}
    assert new_limits(before, before) == {}
    assert moved_objective(before, now) is None


def test_sigterm_closes_what_was_opened_and_its_handler_goes_again():
    before = signal.getsignal(signal.SIGTERM)
    closed: list[bool] = []

    def terminated():
        with ExitStack() as stack:
            stack.enter_context(terminable(active=True))
            stack.callback(closed.append, True)
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(5.0)

    with pytest.raises(KeyboardInterrupt):
        terminated()
    assert closed == [True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_is_left_alone_where_it_is_not_ours():
    before = signal.getsignal(signal.SIGTERM)
    with terminable(active=False):
        assert signal.getsignal(signal.SIGTERM) is before
    seen = []

    def elsewhere():
        with terminable(active=True):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(5.0)
    assert seen == [before]
