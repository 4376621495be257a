"""Hundreds of random worlds; the seeds are in the header of the run."""

from __future__ import annotations

import pytest

from tuner.core.checkpoints import Shelf
from tuner.core.room import Room
from tuner.core.trials import Trials
from tuner.testing.swarm import BrokenLawError, digest, run_scenario

N_CHUNKS = 10


def run_all(seeds):
    for seed in seeds:
        run_scenario(seed)


@pytest.mark.parametrize("chunk", range(N_CHUNKS))
def test_the_laws_hold_in_every_world(request, chunk):
    first, n = request.config.getoption("--swarm-first-seed"), request.config.getoption("--swarm-seeds")
    run_all(range(first + chunk, first + n, N_CHUNKS))


@pytest.mark.parametrize("seed", range(20))
def test_the_same_seed_gives_the_same_log(seed):
    assert digest(run_scenario(seed).log.events) == digest(run_scenario(seed).log.events)


def test_the_swarm_finds_a_core_that_takes_stale_events_for_news(monkeypatch):
    def believing(self, event):
        return self.live.get(event.trial)

    monkeypatch.setattr(Trials, "current", believing)
    with pytest.raises((BrokenLawError, AssertionError, IndexError)):
        run_all(range(60))


def test_the_swarm_finds_a_core_that_forgets_the_parallel_limit(monkeypatch):
    monkeypatch.setattr(Room, "limit", lambda self, parallel: None)
    with pytest.raises(BrokenLawError, match="parallel"):
        run_all(range(60))


def test_the_swarm_finds_a_core_that_forgets_who_started_from_a_checkpoint(monkeypatch):
    begin = Trials._begin

    def careless(self, live, lane, grant):
        begin(self, live, lane, grant)
        self.shelf.release(live.started_from)
        live.started_from = None

    monkeypatch.setattr(Trials, "_begin", careless)
    with pytest.raises(BrokenLawError, match="discarded although attempts started from them"):
        run_all(range(60))


def test_the_swarm_finds_a_core_that_keeps_every_checkpoint(monkeypatch):
    monkeypatch.setattr(Shelf, "let_go", lambda self: None)
    with pytest.raises(BrokenLawError, match="checkpoints are kept, the policy says"):
        run_all(range(60))


def test_the_swarm_finds_a_core_that_leaves_paused_trials_behind(monkeypatch):
    fail = Trials.fail

    def forgetful(self, live, failure, at_s):
        if not live.paused:
            fail(self, live, failure, at_s)

    monkeypatch.setattr(Trials, "fail", forgetful)
    with pytest.raises(BrokenLawError, match="unfinished"):
        run_all(range(200))
