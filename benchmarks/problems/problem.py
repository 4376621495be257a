"""What every problem is: a space, and for each set of parameters a course in virtual time with normalised regrets."""

from __future__ import annotations

import hashlib
import json
import random
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tuner.core.ports import Context, Objective
from tuner.executors.simulated import Simulation
from tuner.resources import Resources
from tuner.space import SearchSpace
from tuner.trial import Completed, Params

__all__ = ["METRIC", "Course", "Problem", "chance_of"]

METRIC = "regret"
"""The one metric of every problem, to be made small: 0 is the best value known, 1 a bad one (see each problem)."""

KEPT = 4096  # courses remembered: a paused trial goes on, a peer evaluates the same parameters at rising fidelities


@dataclass(frozen=True, slots=True)
class Course:
    """How one set of parameters goes.

    Attributes:
        values: Regret reported at each of the problem's steps; the last one is that of the full fidelity.
        at_s: Seconds from the start to each report, rising.
    """

    values: tuple[float, ...]
    at_s: tuple[float, ...]


class Problem(Objective):
    """A problem for searches: call it for the final regret, ``simulate`` it in ``tuner``, ask its ``course`` in a peer.

    Args:
        name: Unique among all problems.
        group: The family, by which results are told apart.
        space: What may be tried.
        steps: At which steps it reports, rising; the last is the full fidelity. One step: no fidelity.
    """

    def __init__(self, name: str, group: str, space: SearchSpace, steps: tuple[int, ...] = (1,)) -> None:
        self.name, self.group, self.space, self.steps = name, group, space, steps
        self.by_step = len(steps) > 1
        self.checkpoints = False  # whether its attempts save one at every report, so that a paused trial can go on
        self._kept: dict[str, Course] = {}
        self.spent_s = 0.0  # CPU seconds of evaluations, which no driver is charged with

    @abstractmethod
    def _course(self, params: Params) -> Course:
        """The course of complete parameters."""

    def course(self, params: Params) -> Course:
        """The course of a set of parameters: the same for the same parameters, whoever asks and whenever."""
        began_s = time.process_time()
        key = json.dumps(dict(params), sort_keys=True)
        course = self._kept.get(key)
        if course is None:
            course = self._course(params)
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = course
        self.spent_s += time.process_time() - began_s
        return course

    def __call__(self, params: Params) -> float:
        """The regret at full fidelity."""
        return self.course(params).values[-1]

    @property
    def n_trials(self) -> int:
        """The usual budget of full evaluations, ceil(20 + 40 sqrt(d)) (CARP-S)."""
        return int(-(-(20 + 40 * len(self.space.sampled) ** 0.5) // 1))

    def run(self, params: Params, context: Context) -> Mapping[str, float]:
        """For executors that run for real: the same values in no time."""
        course = self.course(params)
        for step, value in zip(self.steps, course.values, strict=True):
            context.report(step, {METRIC: value})
        return {METRIC: course.values[-1]}

    def simulate(self, params: Params, seed: int, grant: Resources, resume_step: int | None = None) -> Simulation:
        """See ``tuner.executors.simulated.Simulates``; the course depends on the parameters alone."""
        course = self.course(params)
        final = Completed({METRIC: course.values[-1]})
        if not self.by_step:
            return Simulation(iter(()), course.at_s[-1], final)
        return Simulation(self._reports(course, resume_step), 0.0, final)

    def _reports(self, course: Course, after: int | None) -> Iterator[tuple[float, int, Mapping[str, float]]]:
        before_s = 0.0
        for step, at_s, value in zip(self.steps, course.at_s, course.values, strict=True):
            if after is None or step > after:
                yield at_s - before_s, step, {METRIC: value}
            before_s = at_s


def chance_of(name: str, params: Params) -> random.Random:
    """Chance that belongs to a set of parameters of a problem: noise and runtimes repeat, whoever draws them."""
    text = json.dumps([name, sorted(params.items())])
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
