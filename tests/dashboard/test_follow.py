"""A study that is followed through its store looks as it does to whoever runs it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.api.options import RunOptions
from tuner.api.runs import run_sweep
from tuner.api.stores import open_store
from tuner.cli._progress import _Quiet as Silent
from tuner.dashboard.follow import Follower, follow, pause_s
from tuner.study import PluginSpec
from tuner.sweep import parse

SWEEP = """
name: parabola
objective: {function: "work:train"}
metric: {name: loss, goal: minimize}
parameters: {x: {low: -2.0, high: 2.0}}
sampler: random
pruner: {type: asha, min: 1, max: 9, eta: 3}
executor: inline
limits: {trials: 24}
retry: {max: 1, on: [raised]}
seed: 3
"""
WORK = """
def train(params, context):
    for step in range(1, 10):
        context.report(step, loss=params["x"] ** 2 + 1 / step)
        if context.trial % 7 == 3:
            raise ValueError("no luck")
    return {"loss": params["x"] ** 2}
"""


class Both(Silent):
    """The driver's own display; after each turn a follower looks, too."""

    def __init__(self, url, every):
        super().__init__()
        self.store, self.seen = open_store(url), Silent()
        self.follower = Follower(self.store, "parabola", self.seen)
        self.every, self.turns, self.pairs = every, 0, []

    def update(self, events, entries):
        super().update(events, entries)
        self.turns += 1
        if self.turns % self.every == 0:
            self.follower.step({})
            self.pairs.append((self.ended(), self.seen.ended()))


def comparable(snapshot):
    """What does not depend on when something was looked at."""
    return replace(snapshot, details={}, phase="", ended=None, history=(), per_minute=None, left_s=None, running=())


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A study that was run while it was followed, looked at after every so many turns."""
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "work", raising=False)
    url = f"sqlite:///{tmp_path}/t.db"

    def run(every):
        both = Both(url, every)
        run_sweep(parse(SWEEP, tmp_path / "sweep.yaml"), RunOptions(store=url, executor=PluginSpec("inline")), both)
        return both

    return run


@pytest.mark.parametrize("every", [1, 5, 30])
def test_whoever_follows_sees_what_the_driver_sees(watched, every):
    both = watched(every)
    assert len(both.pairs) > 1
    for own, seen in both.pairs:
        assert comparable(seen) == comparable(own)
        assert {row.trial: (row.step, row.value) for row in seen.running} == {
            row.trial: (row.step, row.value) for row in own.running
        }
    both.follower.step({})
    last = both.seen.ended()
    assert comparable(last) == comparable(both.ended())
    assert last.counts.failed > 0
    assert last.counts.retried > 0


def test_whoever_comes_after_the_end_sees_how_it_ended(watched):
    both = watched(1000)
    late = Silent()
    info = follow(Follower(both.store, "parabola", late), {"store": "x"})
    assert info.state == "COMPLETE"
    assert comparable(late.ended()) == comparable(both.ended())
    assert late.ended().details == {"store": "x"}


def test_a_study_that_takes_long_to_read_is_read_less_often():
    assert pause_s(0.0) == 0.5
    assert pause_s(0.2) == pytest.approx(2.0)
    assert pause_s(60.0) == 10.0
