"""A study that was killed goes on as if it had not been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tuner.core.codec import encode
from tuner.core.events import Event, Finished, NodeJoined, StudyOpened, StudyResumed, Suggested
from tuner.core.ports import Suggestion
from tuner.engine import Engine, replay
from tuner.executors.simulated import Faults
from tuner.executors.simulated import Simulated as Cluster
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.testing.simulation import ListLog, ModelObjective, driver_parts, resume, simulate

SPACE = SearchSpace(
    {
        "kind": Categorical(["a", "b"]),
        "x": Float(0.0, 1.0),
        "y": Float(1e-4, 1.0, log=True, when={"kind": "a"}),
        "n": Int(1, 8),
    }
)


def spec(sampler: str = "tpe", pruner: str = "asha", parallel: int | None = None) -> StudySpec:
    return StudySpec(
        name="interrupted",
        metrics=(Metric("loss"),),
        space=SPACE,
        objective=PluginSpec("model"),
        sampler=PluginSpec(sampler),
        pruner=PluginSpec(pruner),
        limits=Limits(trials=40, parallel=parallel, patience=35),
        seed=17,
    )


def rows(events: Sequence[Event]) -> list[tuple[object, ...]]:
    return [(event.at_s, *encode(event)) for event in events]


def first_difference(a: Sequence[Event], b: Sequence[Event]) -> str | None:
    for position, (left, right) in enumerate(zip(rows(a), rows(b), strict=False)):
        if left != right:
            return f"event {position}: {left} is not {right}"
    return None if len(a) == len(b) else f"{len(a)} events are not {len(b)}"


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
@pytest.mark.parametrize("pruner", ["asha", "median"])
@pytest.mark.parametrize("cut", [3, 40, 90, 150])
def test_resumed_between_two_trials_the_log_equals_that_of_a_study_never_interrupted(sampler, pruner, cut):
    """Event by event, but for the resume itself and the node that joins again."""
    plan = spec(sampler, pruner, parallel=1)
    if sampler == "grid":
        plan = replace(plan, space=SearchSpace({"n": Int(1, 8), "kind": Categorical(["a", "b", "c"])}))
    whole = simulate(plan, Cluster(nodes=1), ModelObjective()).log.events
    cut = next(i for i in range(min(cut, len(whole) - 3), len(whole)) if isinstance(whole[i - 1], Finished))
    log = ListLog(dies_after=cut)
    simulate(plan, Cluster(nodes=1), ModelObjective(), log=log)
    log.dies_after = None
    resume(log, Cluster(nodes=1, start_s=log.events[-1].at_s), ModelObjective())
    resumed_at = next(i for i, event in enumerate(log.events) if isinstance(event, StudyResumed))
    rejoined = [event for event in log.events[resumed_at:] if isinstance(event, NodeJoined)]
    without = [e for e in log.events if not isinstance(e, StudyResumed) and not any(e is r for r in rejoined)]
    assert first_difference(without, whole) is None


class Immortal(Cluster):
    """A cluster that outlives its driver: the next one finds it as it was."""

    def open(self, spec, objective, directory, checkpoints=None):
        if not self._nodes.hosts:
            super().open(spec, objective, directory)

    def close(self):
        pass


@pytest.mark.parametrize("sampler", ["auto", "tpe", "random"])
@pytest.mark.parametrize("pruner", ["asha", "median"])
@pytest.mark.parametrize("cut", range(10, 200, 31))
def test_a_driver_rebuilt_from_its_log_decides_as_the_one_that_never_died(sampler, pruner, cut):
    """Kill the driver at any event, rebuild it from the log alone, let the cluster be: the logs are equal, event by event.

    The new driver is not told that it is one (no ``StudyResumed``), so whatever differed would be lost state.
    """
    plan = spec(sampler, pruner)
    faults = Faults(crash=0.1, duplicate=0.2, delay_s=0.5)
    whole = simulate(plan, Cluster(nodes=4, faults=faults, seed=3), ModelObjective()).log
    log = ListLog()
    cluster = Immortal(nodes=4, faults=faults, seed=3)
    core, sampler_object = driver_parts(plan)
    cluster.open(plan, ModelObjective(), Path())
    engine = Engine(core, sampler_object, cluster, log)
    pending: list[Event] = [StudyOpened(0.0, plan)]
    while len(log.events) < cut and core.closed is None:
        engine._turn(pending) if pending else None
        pending = engine._gather()
    reborn, new_sampler = driver_parts(plan)
    replay(reborn, new_sampler, log.events)
    for event in pending:  # asked for, not yet written: the cluster and the asking go on, only core and sampler are new
        if isinstance(event, Suggested):
            new_sampler.replay(event.trial, Suggestion(event.params, event.sampler_state))
    heir = Engine(reborn, new_sampler, cluster, log)
    heir._wake_at, heir._asking = engine._wake_at, engine._asking
    heir._asking._sampler = new_sampler
    heir.run(pending)
    assert first_difference(log.events, whole.events) is None


def test_a_resumed_study_keeps_every_finished_trial():
    plan = spec()
    log = ListLog(dies_after=120)
    simulate(plan, Cluster(nodes=4), ModelObjective(), log=log)
    before = [trial for trial in log.trials if trial.state.finished]
    log.dies_after = None
    left = resume(log, Cluster(nodes=4, start_s=log.events[-1].at_s), ModelObjective())
    assert before
    assert all(log.trials[trial.number] == trial for trial in before)
    assert left.closed is not None
    assert len(log.trials) == 40
    assert max(log.n_final.values()) == 1


def test_a_second_death_while_resuming_loses_nothing():
    plan = spec()
    log = ListLog(dies_after=60)
    simulate(plan, Cluster(nodes=4), ModelObjective(), log=log)
    for _ in range(5):
        log.dies_after = len(log.events) + 7
        resume(log, Cluster(nodes=4, start_s=log.events[-1].at_s), ModelObjective())
    log.dies_after = None
    left = resume(log, Cluster(nodes=4, start_s=log.events[-1].at_s), ModelObjective())
    assert left.closed is not None
    numbers = [event.trial for event in log.events if isinstance(event, Suggested)]
    assert numbers == list(range(40))
