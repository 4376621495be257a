"""Trials that were run, as courses that others may take: what a forecast is drawn from."""

from __future__ import annotations

import bisect
import json
import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tuner.core.ports import Context, Objective, Sampler, Store, Suggestion
from tuner.errors import TunerError
from tuner.executors.simulated import Simulation
from tuner.resources import Resources
from tuner.study import trial_seed
from tuner.trial import Attempt, Completed, Failed, FailureKind, Outcome, Params, Report, Trial, TrialState

__all__ = ["Course", "Drawn", "Learned", "Replayed", "read_courses"]

SCATTER_S = 0.1  # of times, relative: the same trial again never takes just as long
SCATTER_MIB = 0.03  # of memory
START_S = 0.05  # from a free place to the beginning of the attempt there, where that was not seen
FEWEST = 3  # trials to forecast from


@dataclass(frozen=True, slots=True)
class Course:
    """How one trial went.

    Attributes:
        params: Its parameters.
        reports: (seconds since the report before, or since its attempt began; step; values).
        tail_s: Seconds from the last report to the end.
        outcome: How it ended; None for one that was ended before it was done, by the pruner or with the study.
        base_mib: Memory of the worker's process.
        peak_mib: Its peak above that.
        cpu: CPUs that it had.
        busy: CPUs that it kept busy, on average.
    """

    params: Params
    reports: tuple[tuple[float, int, Mapping[str, float]], ...]
    tail_s: float
    outcome: Outcome | None
    base_mib: float
    peak_mib: float
    cpu: float
    busy: float

    @property
    def wall_s(self) -> float:
        """Seconds from begin to end, without what came between attempts."""
        return sum(delay_s for delay_s, _, _ in self.reports) + self.tail_s


@dataclass(frozen=True, slots=True)
class Learned:
    """What a study that ran tells.

    Attributes:
        courses: Of its trials that ended.
        start_s: From an attempt's end to the beginning of the next one, usually.
    """

    courses: tuple[Course, ...]
    start_s: float


def read_courses(store: Store, study: str) -> Learned:
    """The courses of a study's trials that ended, as its attempts and reports tell them.

    Raises:
        TunerError: Too few trials have run to forecast anything.
    """
    attempts: dict[int, list[Attempt]] = {}
    for attempt in store.attempts(study):
        if attempt.started_at is not None:
            attempts.setdefault(attempt.trial, []).append(attempt)
    reports: dict[int, list[Report]] = {}
    for report in store.reports(study):
        reports.setdefault(report.trial, []).append(report)
    courses = [
        _course(trial, attempts[trial.number], reports.get(trial.number, []))
        for trial in store.trials(study)
        if trial.state.finished and trial.number in attempts and not _says_nothing(trial)
    ]
    if len(courses) < FEWEST or not any(isinstance(course.outcome, Completed) for course in courses):
        raise TunerError(
            f"study {study!r} has {len(courses)} trials that ended, too few to forecast from (at least {FEWEST}, one complete)",
            hint="let a longer pilot run: --pilot N --pilot-time TIME",
        )
    return Learned(tuple(courses), _start_s([attempt for rows in attempts.values() for attempt in rows]))


def _start_s(attempts: Sequence[Attempt]) -> float:
    """The median time from an end to the next beginning, wherever; ends after the last beginning do not count."""
    begins = sorted(attempt.started_at for attempt in attempts if attempt.started_at is not None)
    gaps = []
    for attempt in attempts:
        if attempt.finished_at is not None:
            following = bisect.bisect_left(begins, attempt.finished_at)
            if following < len(begins):
                gaps.append(begins[following] - attempt.finished_at)
    return statistics.median(gaps) if gaps else START_S


def _says_nothing(trial: Trial) -> bool:
    """Whether it failed for a reason that has nothing to do with its work, so that it would have gone on."""
    lost = (FailureKind.NODE_LOST, FailureKind.WORKER_LOST, FailureKind.PREEMPTED, FailureKind.STOPPED)
    return trial.failure is not None and trial.failure.kind in lost


def _course(trial: Trial, attempts: Sequence[Attempt], reports: Sequence[Report]) -> Course:
    """Of a trial with several attempts: their reports one after another, the rest of the last one."""
    begins = {attempt.number: attempt.started_at or 0.0 for attempt in attempts}
    rows: list[tuple[float, int, Mapping[str, float]]] = []
    before: dict[int, float] = dict(begins)
    for report in reports:
        if report.attempt in before and (not rows or report.step > rows[-1][1]):
            rows.append((max(0.0, report.at_s - before[report.attempt]), report.step, report.values))
            before[report.attempt] = report.at_s
    last = attempts[-1]
    ends = last.finished_at if last.finished_at is not None else before[last.number]
    measured = [attempt.usage for attempt in attempts if attempt.usage is not None]
    usage = measured[-1] if measured else None
    busy = usage.cpu_s / usage.wall_s if usage is not None and usage.wall_s > 0 else last.grant.cpu
    return Course(
        params=trial.params,
        reports=tuple(rows),
        tail_s=max(0.0, ends - before[last.number]),
        outcome=_outcome(trial),
        base_mib=max((one.base_memory_mib for one in measured), default=0.0),
        peak_mib=max((one.peak_memory_mib for one in measured), default=0.0),
        cpu=max(1.0, last.grant.cpu),
        busy=max(0.05, busy),
    )


def _outcome(trial: Trial) -> Outcome | None:
    if trial.state is TrialState.COMPLETE:
        return Completed(trial.values)
    if trial.state is TrialState.FAIL and trial.failure is not None:
        # Running out of memory is for the simulated nodes to decide.
        return (
            None if trial.failure.kind is FailureKind.OUT_OF_MEMORY else Failed(trial.failure.kind, "as it went before")
        )
    return None


class Drawn(Sampler):
    """Parameters of trials that were run, drawn with replacement (bootstrap: Efron 1979).

    Args:
        courses: Of these.
        seed: Of the draws.
    """

    order_free = True
    across_brackets = True

    def __init__(self, courses: Sequence[Course], seed: int) -> None:
        self._courses, self._seed = courses, seed

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """One of the courses' parameters each."""
        return [Suggestion(self._draw(number).params) for number in range(first, first + count)]

    def _draw(self, number: int) -> Course:
        return random.Random(trial_seed(self._seed, number)).choice(self._courses)


class Replayed(Objective):
    """Attempts that take the courses of trials that were run, for the simulated cluster.

    A trial with the parameters of one that was run goes as that one did, but for some scatter. Where that one was ended before
    it was done and the new one is not, it goes on as long as the complete ones did, its value staying where it was. With
    fewer CPUs than the old one kept busy it takes longer in that ratio; with more it is not believed to be faster.

    Args:
        courses: To be taken.
    """

    def __init__(self, courses: Sequence[Course]) -> None:
        self.checkpoints = False
        self._by_params: dict[str, list[Course]] = {}
        for course in courses:
            self._by_params.setdefault(_key(course.params), []).append(course)
        complete = [course for course in courses if isinstance(course.outcome, Completed)]
        self._usual = complete[len(complete) // 2].outcome
        self._steps = max((tuple(step for _, step, _ in c.reports) for c in complete), key=len, default=())

    def run(self, params: Params, context: Context) -> float:
        """There is nothing to run."""
        raise NotImplementedError("simulated only")

    def simulate(self, params: Params, seed: int, grant: Resources) -> Simulation:
        """See ``tuner.executors.simulated.Simulates``."""
        chance = random.Random(seed)
        course = chance.choice(self._by_params[_key(params)])
        slower = max(1.0, course.busy / max(grant.cpu, 0.1)) * math.exp(chance.gauss(0.0, SCATTER_S))
        peak_mib = course.peak_mib * math.exp(chance.gauss(0.0, SCATTER_MIB))
        reports, outcome = self._whole(course)
        timed = ((delay_s * slower, step, values) for delay_s, step, values in reports)
        return Simulation(timed, course.tail_s * slower, outcome, peak_mib, cpus=min(course.busy, max(grant.cpu, 0.1)))

    def _whole(self, course: Course) -> tuple[Iterator[tuple[float, int, Mapping[str, float]]], Outcome]:
        """The course to its end, as it might have gone on."""
        if course.outcome is not None:
            return iter(course.reports), course.outcome
        if not course.reports:
            assert self._usual is not None
            return iter(()), self._usual
        last = course.reports[-1]
        pace_s = sum(delay_s for delay_s, _, _ in course.reports) / max(1, len(course.reports))
        more = [(pace_s, step, last[2]) for step in self._steps if step > last[1]]
        return iter((*course.reports, *more)), Completed(last[2])


def _key(params: Params) -> str:
    return json.dumps(dict(params), sort_keys=True, default=str)
