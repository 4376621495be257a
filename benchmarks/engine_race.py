"""A run of ``tuner`` itself: the real engine, core, samplers and pruners, on the simulated executor; its work takes time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.problems import METRIC, Problem
from benchmarks.race import Race, Run, utilisation
from tuner import plugins
from tuner.core.actions import Start, Stop
from tuner.core.events import Event, Finished, Started, StudyOpened, Suggested
from tuner.core.ports import Problem as Searched
from tuner.core.scheduler import Scheduler
from tuner.engine import Engine
from tuner.executors.simulated import Simulated
from tuner.samplers._brackets import by_bracket
from tuner.study import Limits, Metric, PluginSpec, ResourceRequest, StudySpec
from tuner.testing.simulation import ListLog
from tuner.trial import Completed

__all__ = ["engine_race"]


class Charged(Simulated):
    """The simulated cluster, in which the driver's work takes its time: see ``benchmarks.race``.

    Workers go on at their own pace while the driver is busy; it learns of what they did when it polls.
    """

    def __init__(self, workers: int, problem: Problem) -> None:
        super().__init__(nodes=1, cpu=float(workers), memory_mib=1e9)
        self._problem = problem
        self._base_s, self._anchor_s = 0.0, self._cpu_s()
        self.driver_s = 0.0

    def now_s(self) -> float:
        return self._base_s + self._cpu_s() - self._anchor_s

    def start(self, starts: Sequence[Start]) -> None:
        self._enter()
        super().start(starts)
        self._anchor_s = self._cpu_s()

    def stop(self, stops: Sequence[Stop]) -> None:
        self._enter()
        super().stop(stops)
        self._anchor_s = self._cpu_s()

    def poll(self, until_s: float | None) -> Sequence[Event]:
        self._enter()
        while not self._outbox:
            due_s = self._agenda.due_s
            if due_s is None or (until_s is not None and due_s > until_s):
                if until_s is not None:
                    self._base_s = max(self._base_s, until_s)
                break
            self._base_s = max(self._base_s, due_s)
            self._advance()
        events, self._outbox = self._outbox, []
        self._agenda.now_s, self._anchor_s = self._base_s, self._cpu_s()
        return events

    def _cpu_s(self) -> float:
        return time.process_time() - self._problem.spent_s

    def _enter(self) -> None:
        """Stop the driver's clock, and let the workers come to where it stands."""
        now_s = self.now_s()
        self.driver_s += now_s - self._base_s
        self._base_s = now_s
        self._advance()
        self._agenda.now_s = self._base_s

    def _advance(self) -> None:
        while (due_s := self._agenda.due_s) is not None and due_s <= self._base_s:
            self._agenda.step()


def engine_race(
    problem: Problem, race: Race, sampler: Mapping[str, Any], pruner: Mapping[str, Any] | None = None
) -> Run:
    """Run a study to the end of a race.

    Args:
        problem: What is searched.
        race: How.
        sampler: ``type`` and options.
        pruner: ``type`` and options; None for none.
    """
    spec = _spec(problem, race, sampler, pruner)
    executor, log = Charged(race.workers, problem), _Capped()
    chosen = plugins.build("pruner", spec.pruner, spec.metric)
    problem.checkpoints = chosen.promotes
    executor.open(spec, problem, Path())
    searched = Searched(
        spec.space, spec.metrics, spec.seed, race.trials, by_step=pruner is not None, parallel=race.workers
    )
    asked = by_bracket(lambda part: plugins.build("sampler", spec.sampler, part), searched, chosen)
    engine = Engine(Scheduler(spec, chosen), asked, executor, log)
    log.watch(engine, executor, race)
    engine.run([StudyOpened(executor.now_s(), spec)])
    run = _told(log.events, race, executor.now_s())
    run.driver_s, run.cut = executor.driver_s, log.cut
    executor.close()
    return run


class _Capped(ListLog):
    """A log in memory that ends the run when the driver has spent too much, or the race is over."""

    cut = False

    def watch(self, engine: Engine, executor: Charged, race: Race) -> None:
        self._engine, self._executor, self._race = engine, executor, race

    def append(self, events: Sequence[Event], entries: Sequence[Any]) -> None:
        self.events.extend(events)
        self.cut = self._executor.driver_s > self._race.cap_s
        if self.cut or (self._race.time_s is not None and self._executor.now_s() > self._race.time_s):
            self._engine.request("kill")


def _spec(problem: Problem, race: Race, sampler: Mapping[str, Any], pruner: Mapping[str, Any] | None) -> StudySpec:
    return StudySpec(
        name=f"{problem.name}-{race.seed}",
        metrics=(Metric(METRIC, "minimize"),),
        space=problem.space,
        objective=PluginSpec("model"),
        sampler=_plugin(sampler),
        pruner=_plugin(pruner or {"type": "none"}),
        limits=Limits(trials=race.trials, parallel=race.workers, time_s=race.time_s),
        resources=ResourceRequest(cpu=1.0, memory_mib=1.0),
        seed=race.seed,
        stop_grace_s=1e9,  # a stop is heeded at the next report, however long that takes
    )


def _plugin(options: Mapping[str, Any]) -> PluginSpec:
    return PluginSpec(options["type"], {name: value for name, value in options.items() if name != "type"})


def _told(events: Sequence[Event], race: Race, end_s: float) -> Run:
    """The run that a log tells of."""
    run = Run(end_s=end_s)
    params: dict[int, Any] = {}
    began: dict[tuple[int, int], float] = {}
    stretches: list[tuple[float, float]] = []
    for event in events:
        if isinstance(event, Suggested):
            params[event.trial] = event.params
        elif isinstance(event, Started):
            began[event.trial, event.attempt] = event.at_s
        elif isinstance(event, Finished) and (event.trial, event.attempt) in began:
            stretches.append((began.pop((event.trial, event.attempt)), event.at_s))
            if isinstance(event.outcome, Completed) and (race.time_s is None or event.at_s <= race.time_s):
                run.completed(event.at_s, event.outcome.values[METRIC], params[event.trial])
    run.n_trials = len(params)
    last_s = max([begin for begin, _ in stretches] + list(began.values()), default=0.0)
    stretches += [(begin, end_s) for begin in began.values()]
    run.utilisation = utilisation(stretches, race.workers, min(end_s, race.time_s or last_s))
    return run
