"""``limits.regret`` ends a sweep, and what ended it is in the log."""

from __future__ import annotations

import tuner
from tuner.api.regret import RegretWatch
from tuner.api.stores import open_store
from tuner.core.events import CommandReceived, StudyResumed
from tuner.core.scheduler import Scheduler
from tuner.pruners.none import NonePruner
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.trial import Trial, TrialState

SPEC = StudySpec(
    "s", (Metric("loss"),), SearchSpace({"x": Float(0, 1)}), PluginSpec("m"), limits=Limits(trials=9, regret=0.1)
)


def bowl(params, context):
    return (params["x"] - 0.3) ** 2


def done(number, loss=0.5):
    return Trial(number, TrialState.COMPLETE, {"x": 0.5}, {"loss": loss})


def test_a_sweep_ends_when_the_bound_is_below_the_limit(tmp_path):
    study = tuner.run(
        bowl,
        space={"x": tuner.Float(0.0, 1.0)},
        metric="loss",
        trials=300,
        regret=0.01,
        sampler="random",
        executor="inline",
        store=f"sqlite:///{tmp_path}/tuner.db",
    )
    assert study.state == "COMPLETE"
    assert "can hardly be improved by more than" in (study.closed_reason or "")
    assert 20 <= len(study.trials) < 300
    store = open_store(study.store)
    log = [event for _, event in store.events(study.name)]
    store.close()
    (command,) = [event for event in log if isinstance(event, CommandReceived)]
    assert (command.command, command.arguments["reason"]) == ("end", "regret")
    core = Scheduler(study.spec, NonePruner(study.spec.metric))
    for event in log:
        core.handle(event)
    assert core.closed is not None
    assert core.closed.reason == "regret"


class Watch(RegretWatch):
    """One whose bound is what it is told."""

    def __init__(self, bounds):
        self.asked: list[int] = []
        self.said: list[tuple[str, str]] = []
        self.core = Scheduler(SPEC, NonePruner(SPEC.metric))
        super().__init__(SPEC, self.core, lambda command, arguments: self.said.append((command, arguments["reason"])))
        self.bounds = iter(bounds)

    def _measure(self):
        self.asked.append(len(self._complete))
        return next(self.bounds)


def test_it_looks_after_five_trials_then_after_a_tenth_more():
    watch = Watch([1.0] * 99)
    for number in range(130):
        watch.update([], [done(number)])
    assert watch.asked[:10] == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
    assert watch.asked[-4:] == [94, 103, 113, 124]


def test_it_ends_the_sweep_once():
    watch = Watch([None, 1.0, 0.05, 0.01])
    for number in range(40):
        watch.update([], [done(number)])
    assert watch.said == [("end", "regret")]
    assert watch.asked == [5, 10, 15]


def test_trials_of_earlier_drivers_are_known_and_limits_may_change():
    watch = Watch([0.5, 0.5])
    watch.know([done(n) for n in range(30)] + [Trial(30, TrialState.FAIL, {}, {})])
    watch.update([], [done(31)])
    assert watch.asked == [31]
    watch.core.handle(StudyResumed(0.0, Limits(trials=99)))
    for number in range(32, 60):
        watch.update([], [done(number)])
    assert watch.asked == [31]
