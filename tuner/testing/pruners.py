"""The conformance suite of pruners: subclass ``PrunerTestCase``, say what to build, and let pytest collect it.

class TestMyPruner(PrunerTestCase):
    spec = PluginSpec("my_package.my_module:MyPruner")
"""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from tuner import plugins
from tuner.core.ports import Pruner
from tuner.study import Goal, Metric, PluginSpec
from tuner.trial import Trial, TrialState

__all__ = ["Course", "PrunerTestCase", "run_course"]


@dataclass(slots=True)
class Course:
    """What a pruner was told, and what it said.

    Attributes:
        reports: (trial, step, value) in the order in which they were judged.
        verdicts: (trial, step) -> what was said, where anything was.
        ended: Trial -> how it ended.
    """

    reports: list[tuple[int, int, float]] = field(default_factory=list)
    verdicts: dict[tuple[int, int], str] = field(default_factory=dict)
    ended: dict[int, TrialState] = field(default_factory=dict)


def run_course(
    pruner: Pruner, *, trials: int = 60, steps: int = 12, seed: int = 1, value: Callable[[float], float] = lambda x: x
) -> Course:
    """Let ``trials`` random learning curves, up to eight at once, be judged; one in nine fails along the way.

    Args:
        pruner: Who judges.
        trials: How many trials.
        steps: How many steps each has at most; some report every step, some leave steps out.
        seed: Of the curves and of their order.
        value: What becomes of each value.
    """
    rng, course = Random(seed), Course()
    running: dict[int, list[tuple[int, float]]] = {}
    number = 0
    while running or number < trials:
        while len(running) < 8 and number < trials:
            running[number] = _curve(rng, steps)
            number += 1
        trial = rng.choice(sorted(running))
        step, raw = running[trial].pop(0)
        course.reports.append((trial, step, value(raw)))
        verdict = pruner.judge(trial, step, value(raw))
        if verdict is not None:
            course.verdicts[trial, step] = verdict.reason
            _end(pruner, course, trial, TrialState.PRUNED, step)
        elif not running[trial]:
            _end(pruner, course, trial, TrialState.FAIL if trial % 9 == 4 else TrialState.COMPLETE, step)
        if trial in course.ended:
            del running[trial]
    return course


def _curve(rng: Random, steps: int) -> list[tuple[int, float]]:
    floor, gap, stride = rng.random(), rng.random(), rng.choice([1, 1, 1, 2, 3])
    reached = range(stride, max(stride, rng.choice([steps, steps, steps // 2])) + 1, stride)
    return [(step, round(floor + gap / step + 0.05 * rng.random(), 2)) for step in reached]


def _end(pruner: Pruner, course: Course, trial: int, state: TrialState, step: int) -> None:
    course.ended[trial] = state
    values: Mapping[str, float] = {} if state == TrialState.FAIL else {"loss": course.reports[-1][2]}
    pruner.finish(Trial(trial, state, {}, values, attempts=1, last_step=step))


class PrunerTestCase:
    """What every pruner must do. Each ``test_`` method stands alone.

    Attributes:
        spec: The pruner and its options.
        stops: Whether it is expected to stop anything at all.
        limit_s: Seconds that one report may take with 10,000 trials known, on a quiet machine.
    """

    spec: PluginSpec
    stops: bool = True
    limit_s: float = 5e-6

    def make(self, goal: Goal = "minimize") -> Pruner:
        """A new pruner."""
        pruner: Pruner = plugins.build("pruner", self.spec, Metric("loss", goal))
        return pruner

    def test_same_calls_same_verdicts(self) -> None:
        """No clock and no chance."""
        assert run_course(self.make()) == run_course(self.make())

    def test_stops_something_or_nothing(self) -> None:
        """Verdicts are sentences for a person."""
        verdicts = run_course(self.make()).verdicts
        assert bool(verdicts) == self.stops
        for text in verdicts.values():
            assert text == text.strip()
            assert any(character.isdigit() for character in text), "says by which numbers"

    def test_maximizing_mirrors_minimizing(self) -> None:
        """Minimizing x stops what maximizing -x stops."""
        one = run_course(self.make("minimize"))
        other = run_course(self.make("maximize"), value=lambda x: -x)
        assert list(one.verdicts) == list(other.verdicts)
        assert one.ended == other.ended

    def test_the_best_so_far_is_never_stopped(self) -> None:
        """A report that no other trial's report has ever beaten or equalled is let pass, at every step."""
        for seed in range(5):
            course, best = run_course(self.make(), seed=seed), math.inf
            for trial, step, value in course.reports:
                if value < best:
                    assert (trial, step) not in course.verdicts
                best = min(best, value)

    def test_what_is_no_number_is_not_judged(self) -> None:
        """NaN and infinities neither stop a trial nor leave a trace."""
        course, plain = Course(), self.make()
        for nothing in (math.nan, math.inf, -math.inf):
            assert plain.judge(0, 1, nothing) is None
        course = run_course(plain)
        assert course == run_course(self.make())

    def test_trials_that_never_reported_may_end(self) -> None:
        """In every state, known or unknown."""
        pruner = self.make()
        for number, state in enumerate((TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)):
            pruner.finish(Trial(number, state, {}, {"loss": 1.0} if state == TrialState.COMPLETE else {}))
        assert pruner.judge(7, 1, 0.5) is None

    def test_trials_that_end_are_forgotten(self) -> None:
        """5,000 failed trials with 20 reports each leave under 64 bytes a trial."""
        pruner = self.make()
        self._failures(pruner, 0, 50)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            self._failures(pruner, 50, 5050)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert grown < 64 * 5000

    @staticmethod
    def _failures(pruner: Pruner, first: int, last: int) -> None:
        for number in range(first, last):
            for step in range(1, 21):
                if pruner.judge(number, step, 1.0 / step + number % 7) is not None:
                    break
            pruner.finish(Trial(number, TrialState.FAIL, {}, {}))

    def test_a_report_costs_microseconds_at_ten_thousand_trials(self) -> None:
        """The bar is ``limit_s``; three times as much is let pass, for busy machines."""
        pruner, rng = self.make(), Random(1)
        for number in range(10_000):
            level = rng.random()
            for step in (1, 3, 9):
                if pruner.judge(number, step, level + rng.random() / step) is not None:
                    break
            pruner.finish(Trial(number, TrialState.COMPLETE, {}, {"loss": level}))
        fastest = math.inf
        for batch in range(20):
            started = time.perf_counter()
            for number in range(10_000 + 100 * batch, 10_100 + 100 * batch):
                pruner.judge(number, 1, number % 97 / 97)
            fastest = min(fastest, (time.perf_counter() - started) / 100)
        assert fastest < 3 * self.limit_s
