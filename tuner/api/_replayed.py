"""Trials of a study that is planned: which parameters they have, and how they go, from the courses of those that ran."""

from __future__ import annotations

import copy
import itertools
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from tuner import plugins
from tuner.api._courses import Course, Learned
from tuner.api._likeness import Like, Likeness, Measured
from tuner.api.sampling import build_sampler
from tuner.core.ports import Context, Objective, Pruner, Sampler, Suggestion
from tuner.errors import ExecutorError
from tuner.executors.simulated import Simulation
from tuner.resources import Resources
from tuner.study import PluginSpec, StudySpec, trial_seed
from tuner.trial import Completed, Outcome, Params, Trial, TrialState

__all__ = ["Listed", "Replayed", "as_it_went", "suggested"]

SCATTER_S = 0.1  # of times, relative: the same trial again never takes just as long
SCATTER_MIB = 0.03  # of memory
AGAIN = 0.05  # by which all times together differ when the same study is run again, relative
WHOLE = 20  # courses that may stand for a whole study, when they are half as many as it has trials
BLIND = frozenset(
    {"random", "qmc", "grid", "brute_force"}
)  # samplers that learn nothing, so that they are taken themselves
LEARNT = 300  # suggestions that a learning sampler is asked for; later trials are like the last of them
LATE = 100

Rows = tuple[tuple[float, int, Mapping[str, float]], ...]


class Listed(Sampler):
    """Suggestions that were made beforehand, in their order.

    Args:
        params: What they suggest.
        ends: Whether the space is exhausted after them; otherwise the latest are drawn from.
        seed: Of these draws.
    """

    order_free = True
    across_brackets = True

    def __init__(self, params: Sequence[Params], *, ends: bool, seed: int) -> None:
        self._params, self._ends, self._seed = params, ends, seed

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """The next ones."""
        last = min(first + count, len(self._params)) if self._ends else first + count
        return [Suggestion(self._of(number)) for number in range(first, last)]

    def _of(self, number: int) -> Params:
        if number < len(self._params):
            return self._params[number]
        return random.Random(trial_seed(self._seed, number)).choice(self._params[-LATE:])


@dataclass(frozen=True, slots=True)
class _Whole:
    """A course to its end: as it was, or as it might have gone on."""

    rows: Rows
    tail_s: float
    outcome: Outcome

    @property
    def wall_s(self) -> float:
        return sum(delay_s for delay_s, _, _ in self.rows) + self.tail_s


class Replayed(Objective):
    """Attempts that take the courses of trials that were run, for the simulated cluster.

    A trial with the parameters of one that was run goes as that one did; another one like one of those that are nearest, with
    the difference in duration, memory and value that ``Likeness`` says; both with some scatter. Where that one was ended before
    it was done and the new one is not, it goes on as long as the complete ones did, its value staying where it was. With
    fewer CPUs than the old one kept busy it takes longer in that ratio; with more it is not believed to be faster.

    Args:
        spec: The study that is planned.
        learned: To be taken.
    """

    def __init__(self, spec: StudySpec, learned: Learned) -> None:
        self.checkpoints = learned.checkpoints
        self._metric = spec.metric.name
        self._learns = spec.sampler.type not in BLIND
        self._courses = learned.courses
        complete = [course for course in learned.courses if isinstance(course.outcome, Completed)]
        usual = complete[len(complete) // 2].outcome
        assert usual is not None
        steps = max((tuple(step for _, step, _ in course.reports) for course in complete), key=len)
        self._wholes = [_whole(course, steps, usual) for course in learned.courses]
        self._same: dict[str, list[int]] = {}
        for index, course in enumerate(learned.courses):
            self._same.setdefault(_key(course.params), []).append(index)
        self._likeness = Likeness(spec.space, [self._measured(index) for index in range(len(learned.courses))])
        self._found: dict[tuple[str, int], Like] = {}
        self._pace = 1.0

    def paced(self, deviation: float) -> Self:
        """The same with all times longer or shorter, as it may be that those which ran were not the usual ones.

        Args:
            deviation: By how many standard errors of what they take on average.
        """
        other = copy.copy(self)
        other._pace = math.exp(deviation * math.hypot(self._likeness.uncertainty(learns=self._learns), AGAIN))
        return other

    def run(self, params: Params, context: Context) -> float:
        """There is nothing to run."""
        raise ExecutorError("this objective can only be simulated", hint="take `executor: simulated`")

    def simulate(self, params: Params, seed: int, grant: Resources, resume_step: int | None = None) -> Simulation:
        """See ``tuner.executors.simulated.Simulates``."""
        like, chance = self._like(params, seed), random.Random(seed)
        course, whole = self._courses[like.index], self._wholes[like.index]
        slower = max(1.0, course.busy / max(grant.cpu, 0.1)) * math.exp(chance.gauss(0.0, SCATTER_S))
        slower *= like.slower * self._pace
        peak_mib = course.peak_mib * math.exp(chance.gauss(0.0, SCATTER_MIB)) * like.larger
        rows = (
            (delay_s * slower, step, self._moved(values, like))
            for delay_s, step, values in itertools.dropwhile(lambda row: row[1] <= (resume_step or -1), whole.rows)
        )
        outcome, cpus = self._ended(whole.outcome, like), min(course.busy, max(grant.cpu, 0.1))
        return Simulation(rows, whole.tail_s * slower, outcome, peak_mib, cpus=cpus)

    def result(self, params: Params, seed: int) -> Outcome:
        """How a trial would end, if it were let."""
        like = self._like(params, seed)
        return self._ended(self._wholes[like.index].outcome, like)

    def _like(self, params: Params, seed: int) -> Like:
        key = _key(params)
        found = self._found.get((key, seed))
        if found is None:
            draw, same = random.Random(trial_seed(seed, 0)).random(), self._same.get(key)
            found = Like(same[int(draw * len(same))]) if same else self._likeness.like(params, draw)
            self._found[key, seed] = found
        return found

    def _ended(self, outcome: Outcome, like: Like) -> Outcome:
        return Completed(self._moved(outcome.values, like)) if isinstance(outcome, Completed) else outcome

    def _moved(self, values: Mapping[str, float], like: Like) -> Mapping[str, float]:
        if not like.offset or self._metric not in values:
            return values
        return {**values, self._metric: values[self._metric] + like.offset}

    def _measured(self, index: int) -> Measured:
        whole, course = self._wholes[index], self._courses[index]
        value = whole.outcome.values.get(self._metric) if isinstance(whole.outcome, Completed) else None
        return Measured(course.params, whole.wall_s, course.peak_mib, value)


def _whole(course: Course, steps: Sequence[int], usual: Outcome) -> _Whole:
    """The course to its end, as it might have gone on."""
    if course.outcome is not None:
        return _Whole(course.reports, course.tail_s, course.outcome)
    if not course.reports:
        return _Whole((), course.tail_s, usual)
    last = course.reports[-1]
    pace_s = sum(delay_s for delay_s, _, _ in course.reports) / len(course.reports)
    more = tuple((pace_s, step, last[2]) for step in steps if step > last[1])
    return _Whole((*course.reports, *more), course.tail_s, Completed(last[2]))


def _key(params: Params) -> str:
    return json.dumps(dict(params), sort_keys=True, default=str)


# -- which parameters -----------------------------------------------------------------------------------------------------


def as_it_went(spec: StudySpec, learned: Learned, seed: int) -> Listed | None:
    """Trials in the order in which they were suggested, where enough ran to stand for a whole study; None where not.

    What the sampler found as it went on is in this order. Of several near a place one is drawn, with replacement (bootstrap:
    Efron 1979).
    """
    courses, n = learned.courses, spec.limits.trials or 0
    if len(courses) < max(WHOLE, n / 2) or spec.sampler.type in BLIND:
        return None
    chance, span = random.Random(trial_seed(seed, -1)), len(courses) // 10
    places = (k * len(courses) // n + chance.randint(-span, span) for k in range(n))
    return Listed([courses[min(max(p, 0), len(courses) - 1)].params for p in places], ends=False, seed=seed)


def suggested(spec: StudySpec, objective: Replayed, seed: int) -> Listed:
    """What a sampler suggests that sees the results which ``objective`` foretells, one trial after another.

    A sampler that learns nothing is taken itself; for all others stands ``tpe``: it is fast, and looks where they would look,
    though not in their order.
    """
    blind = spec.sampler.type in BLIND
    plain = replace(spec, seed=seed, prior=(), sampler=spec.sampler if blind else PluginSpec("tpe"))
    none: Pruner = plugins.build("pruner", PluginSpec("none"), spec.metric)
    sampler, found = build_sampler(plain, none), list[Params]()
    most = spec.limits.trials if spec.limits.trials is not None else LEARNT
    while len(found) < min(most, LEARNT):
        asked = sampler.ask(len(found), 1)
        if not asked:
            return Listed(found, ends=True, seed=seed)
        params = asked[0].params
        outcome = objective.result(params, trial_seed(seed, len(found)))
        if not blind:
            done = isinstance(outcome, Completed)
            state = TrialState.COMPLETE if done else TrialState.FAIL
            values = outcome.values if isinstance(outcome, Completed) else {}
            sampler.tell([Trial(len(found), state, params, values, attempts=1)])
        found.append(params)
    return Listed(found, ends=False, seed=seed)
