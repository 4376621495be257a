"""Hundreds of random worlds; the seeds are in the header of the run."""

from __future__ import annotations

import pytest

from tuner.core.scheduler import Scheduler
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
    resize = Scheduler._resize

    def greedy(self):
        self._time.limits = type(self.limits)(trials=self.limits.trials, time_s=self.limits.time_s)
        resize(self)

    monkeypatch.setattr(Scheduler, "_resize", greedy)
    with pytest.raises(BrokenLawError, match="parallel"):
        run_all(range(60))
