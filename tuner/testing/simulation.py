"""A study in virtual time, for tests: a model of an objective, a log in memory, one call to run it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner import plugins
from tuner.core.actions import Action, Close
from tuner.core.events import Event, StudyOpened, StudyResumed
from tuner.core.ports import Context, Executor, Objective, Problem, Pruner, Sampler, StudyLog
from tuner.core.scheduler import Scheduler
from tuner.engine import Engine, replay
from tuner.executors.simulated import Simulation
from tuner.resources import Resources
from tuner.study import StudySpec
from tuner.trial import Attempt, Completed, Failed, FailureKind, Outcome, Params, Trial

__all__ = ["ListLog", "ModelObjective", "Simulated", "driver_parts", "resume", "simulate"]


class ModelObjective(Objective):
    """A learning curve whose height, length and mishaps depend on the parameters and the seed alone.

    The loss at step s is ``floor + gap / s``; ``floor`` is the squared distance of the numeric parameters from 0.3.

    Args:
        steps: Reports of a full attempt; 0 for none.
        step_s: Mean seconds between them.
        p_raise: Share of trials that raise on the way, whatever the attempt.
        metric: Name of what is reported.
        checkpoints: Whether attempts save before every report, and go on from there.
        grows_mib: Memory beyond 100 MiB for each unit of the numeric parameters' sum.
    """

    def __init__(
        self,
        *,
        steps: int = 5,
        step_s: float = 1.0,
        p_raise: float = 0.0,
        metric: str = "loss",
        checkpoints: bool = False,
        grows_mib: float = 0.0,
    ) -> None:
        self.steps, self.step_s, self.p_raise, self.metric = steps, step_s, p_raise, metric
        self.checkpoints, self.grows_mib = checkpoints, grows_mib

    def run(self, params: Params, context: Context) -> Mapping[str, float]:
        """The same course in no time, for executors that run for real."""
        resume_step = context.checkpoint.step if context.checkpoint else None
        course = self.simulate(params, context.seed, context.grant, resume_step)
        for _, step, values in course.reports:
            if self.checkpoints:
                with context.save_checkpoint(step):
                    pass
            context.report(step, values)
        if isinstance(course.outcome, Failed):
            raise ValueError(course.outcome.message)
        assert isinstance(course.outcome, Completed)
        return course.outcome.values

    def simulate(self, params: Params, seed: int, grant: Resources, resume_step: int | None = None) -> Simulation:
        """See ``tuner.executors.simulated.Simulates``."""
        chance = random.Random(seed)
        floor = sum((float(v) - 0.3) ** 2 for v in params.values() if isinstance(v, int | float))
        gap, pace = chance.random(), self.step_s * (0.5 + chance.random())
        fails_at = chance.randint(1, self.steps + 1) if chance.random() < self.p_raise else 0
        reports = self.steps if not fails_at else fails_at - 1
        outcome: Outcome = Completed({self.metric: floor + gap / max(1, self.steps)})
        if fails_at:
            outcome = Failed(FailureKind.RAISED, "ValueError: a bad day")
        steps = range((resume_step or 0) + 1, reports + 1)
        size = sum(float(v) for v in params.values() if isinstance(v, int | float))
        peak_mib = 100.0 + self.grows_mib * size
        return Simulation(self._curve(steps, floor, gap, pace), 0.0 if self.steps else pace, outcome, peak_mib)

    def _curve(
        self, steps: range, floor: float, gap: float, pace: float
    ) -> Iterator[tuple[float, int, Mapping[str, float]]]:
        return ((pace, step, {self.metric: floor + gap / step}) for step in steps)


class ListLog(StudyLog):
    """A log in a list.

    Args:
        events: What it holds already.
        dies_after: Raise ``Killed`` at the first append that begins with at least this many events in the log; None never.
    """

    class Killed(BaseException):
        """Stands for ``kill -9``: nothing of the driver may see it."""

    def __init__(self, events: Sequence[Event] = (), *, dies_after: int | None = None) -> None:
        self.events = list(events)
        self.entries: dict[tuple[str, int, int], Trial | Attempt] = {}
        self.n_final: dict[int, int] = {}
        self.dies_after = dies_after

    def read(self) -> Sequence[Event]:
        """Every event."""
        return list(self.events)

    def append(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """Add events and entries."""
        if self.dies_after is not None and len(self.events) >= self.dies_after:
            raise ListLog.Killed
        self.events.extend(events)
        for entry in entries:
            if isinstance(entry, Trial):
                self.entries["trial", entry.number, 0] = entry
                if entry.state.finished:
                    self.n_final[entry.number] = self.n_final.get(entry.number, 0) + 1
            else:
                self.entries["attempt", entry.trial, entry.number] = entry

    def received(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Nobody sends anything."""
        return ()

    def renew(self) -> None:
        """Nothing to renew."""

    def set_model(self, path: str) -> None:
        """No model is made."""

    def close(self, state: str, reason: str | None = None) -> None:
        """Nothing to close."""

    @property
    def trials(self) -> list[Trial]:
        """The trials as they stand, by number."""
        return sorted((e for e in self.entries.values() if isinstance(e, Trial)), key=lambda t: t.number)


@dataclass
class Simulated:
    """What a simulated study left behind."""

    log: ListLog
    core: Scheduler
    closed: Close | None
    actions: list[Action] = field(default_factory=list)


def driver_parts(spec: StudySpec) -> tuple[Scheduler, Sampler]:
    """A fresh core and a fresh sampler for a study."""
    pruner: Pruner = plugins.build("pruner", spec.pruner, spec.metric)
    sampler: Sampler = plugins.build("sampler", spec.sampler, Problem.of(spec))
    return Scheduler(spec, pruner), sampler


def simulate(
    spec: StudySpec,
    executor: Executor,
    objective: Objective,
    *,
    log: ListLog | None = None,
    watch: Callable[[Engine], Any] | None = None,
) -> Simulated:
    """Run a study from its beginning to its end in virtual time, recording every action.

    Args:
        spec: The study.
        executor: As a rule ``tuner.executors.simulated.Simulated``.
        objective: One that simulates.
        log: Where to; None for a fresh ``ListLog``.
        watch: Called with the engine before it runs.
    """
    core, sampler = driver_parts(spec)
    first = StudyOpened(executor.now_s(), spec)
    return _drive(_Driver(core, sampler, executor, log or ListLog(), objective), first, watch)


def resume(
    log: ListLog, executor: Executor, objective: Objective, *, watch: Callable[[Engine], Any] | None = None
) -> Simulated:
    """Go on with the study of a log, as a new driver would that knows nothing else. Arguments as for ``simulate``."""
    events = log.read()
    assert isinstance(events[0], StudyOpened)
    core, sampler = driver_parts(events[0].spec)
    replay(core, sampler, events)
    first = StudyResumed(executor.now_s())
    return _drive(_Driver(core, sampler, executor, log, objective), first, watch)


@dataclass
class _Driver:
    core: Scheduler
    sampler: Sampler
    executor: Executor
    log: ListLog
    objective: Objective


def _drive(driver: _Driver, first: Event, watch: Callable[[Engine], Any] | None) -> Simulated:
    core, executor = driver.core, driver.executor
    actions: list[Action] = []
    handle = core.handle

    def recorded(event: Event) -> list[Action]:
        made = handle(event)
        actions.extend(made)
        return made

    core.handle = recorded  # type: ignore[method-assign]
    executor.open(core.spec, driver.objective, Path())
    engine = Engine(core, driver.sampler, executor, driver.log)
    if watch is not None:
        watch(engine)
    try:
        closed = engine.run([first])
    except ListLog.Killed:
        closed = None
    executor.close()
    return Simulated(driver.log, core, closed, actions)
