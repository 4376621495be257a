"""The conformance suite of pruners: subclass ``PrunerTestCase``, say what to build, and let pytest collect it.

class TestMyPruner(PrunerTestCase):
    spec = PluginSpec("my_package.my_module:MyPruner")
"""

from __future__ import annotations

import math
import time
import tracemalloc
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from tuner import plugins
from tuner.core.ports import Promotion, Pruner, Verdict
from tuner.study import Goal, Metric, PluginSpec
from tuner.trial import Trial, TrialState

__all__ = ["Course", "PrunerTestCase", "run_course"]

# What the work of ``_slowness`` takes where limits hold: half of what it took on a machine on which Ray is half as fast.
USUAL_WORK_S = 1.7e-3


@dataclass(slots=True)
class Course:
    """What a pruner was told, and what it said.

    Attributes:
        reports: (trial, step, value) in the order in which they were judged.
        verdicts: (trial, step) -> the verdict, where a trial was stopped or paused.
        goes: (trial, step) -> the verdict, where a reason was given for going on.
        promotions: (how many reports had been judged by then, trial), in order.
        ended: Trial -> how it ended.
    """

    reports: list[tuple[int, int, float]] = field(default_factory=list)
    verdicts: dict[tuple[int, int], Verdict] = field(default_factory=dict)
    goes: dict[tuple[int, int], Verdict] = field(default_factory=dict)
    promotions: list[tuple[int, int]] = field(default_factory=list)
    ended: dict[int, TrialState] = field(default_factory=dict)


def run_course(
    pruner: Pruner, *, trials: int = 60, steps: int = 12, seed: int = 1, value: Callable[[float], float] = lambda x: x
) -> Course:
    """Let ``trials`` random learning curves, up to eight at once, be judged; one in nine fails along the way.

    A free place goes to the trial that the pruner promotes, if any, and else to a new one. A trial that is paused at its last
    report ends all the same, as one does that learns of it too late; those still paused at the end end as PRUNED.

    Args:
        pruner: Who judges.
        trials: How many trials.
        steps: How many steps each has at most; some report every step, some leave steps out.
        seed: Of the curves and of their order.
        value: What becomes of each value.

    Raises:
        AssertionError: The pruner promoted a trial that is not paused, or paused one though it promotes none.
    """
    rng, course = Random(seed), Course()
    running: dict[int, list[tuple[int, float]]] = {}
    paused: dict[int, list[tuple[int, float]]] = {}
    number = 0
    while True:
        while len(running) < 8:
            promotion = pruner.promote()
            if promotion is not None:
                _promote(promotion, course, running, paused)
            elif number < trials:
                pruner.admit(number)
                running[number] = _curve(rng, steps)
                number += 1
            else:
                break
        if not running:  # as the core does: a pruner that had no wish is asked once more before the end
            promotion = pruner.promote()
            if promotion is None:
                break
            _promote(promotion, course, running, paused)
        trial = rng.choice(sorted(running))
        step, raw = running[trial].pop(0)
        decision = _judge(pruner, course, (trial, step, value(raw)))
        if decision == "pause" and running[trial]:
            assert pruner.promotes, "only a pruner that promotes pauses"
            paused[trial] = running.pop(trial)
        elif decision == "stop":
            _end(pruner, course, trial, TrialState.PRUNED, step)
            del running[trial]
        elif not running[trial]:
            _end(pruner, course, trial, TrialState.FAIL if trial % 9 == 4 else TrialState.COMPLETE, step)
            del running[trial]
    for trial in sorted(paused):
        _end(pruner, course, trial, TrialState.PRUNED, paused[trial][0][0] - 1)
    assert pruner.promote() is None, "nothing is paused any more"
    return course


def _promote(
    promotion: Promotion,
    course: Course,
    running: dict[int, list[tuple[int, float]]],
    paused: dict[int, list[tuple[int, float]]],
) -> None:
    trial = promotion.trial
    assert trial in paused, f"trial {trial} is promoted, which is {'running' if trial in running else 'not paused'}"
    _check_text(promotion.reason)
    running[trial] = paused.pop(trial)
    course.promotions.append((len(course.reports), trial))


def _judge(pruner: Pruner, course: Course, report: tuple[int, int, float]) -> str:
    course.reports.append(report)
    trial, step, value = report
    verdict = pruner.judge(trial, step, value)
    if verdict is None:
        return "go"
    (course.goes if verdict.decision == "go" else course.verdicts)[trial, step] = verdict
    return verdict.decision


def _check_text(text: str) -> None:
    assert text == text.strip()
    assert any(character.isdigit() for character in text), "says by which numbers"


def _curve(rng: Random, steps: int) -> list[tuple[int, float]]:
    floor, gap, stride = rng.random(), rng.random(), rng.choice([1, 1, 1, 2, 3])
    reached = range(stride, max(stride, rng.choice([steps, steps, steps // 2])) + 1, stride)
    return [(step, round(floor + gap / step + 0.05 * rng.random(), 2)) for step in reached]


def _end(pruner: Pruner, course: Course, trial: int, state: TrialState, step: int) -> None:
    assert trial not in course.ended
    course.ended[trial] = state
    last = next(value for number, _, value in reversed(course.reports) if number == trial)
    values: Mapping[str, float] = {} if state == TrialState.FAIL else {"loss": last}
    pruner.finish(Trial(trial, state, {}, values, attempts=1, last_step=step))


class PrunerTestCase:
    """What every pruner must do. Each ``test_`` method stands alone.

    Attributes:
        spec: The pruner and its options.
        stops: Whether it is expected to stop or pause anything at all.
        explains: Whether it gives reasons for going on when it is asked to.
        spares_the_best: Whether it never stops a trial whose report is better than all others so far.
        forgets: Whether it keeps nothing of trials that failed but a few bytes.
        limit_s: Seconds that one report may take with 10,000 trials known, on a usual machine.
    """

    spec: PluginSpec
    stops: bool = True
    explains: bool = True
    spares_the_best: bool = True
    forgets: bool = True
    limit_s: float = 5e-6

    def make(self, goal: Goal = "minimize") -> Pruner:
        """A new pruner."""
        pruner: Pruner = plugins.build("pruner", self.spec, Metric("loss", goal))
        return pruner

    def test_same_calls_same_verdicts(self) -> None:
        """No clock and no chance."""
        assert run_course(self.make()) == run_course(self.make())

    def test_stops_something_or_nothing(self) -> None:
        """Reasons are sentences for a person, and what a verdict tells besides fits together."""
        course = run_course(self.make())
        assert bool(course.verdicts) == self.stops
        for (_, step), verdict in course.verdicts.items():
            _check_text(verdict.reason)
            assert verdict.decision in ("stop", "pause")
            assert verdict.step is None or verdict.step <= step
            assert (verdict.rank is None) == (verdict.of is None)
            assert verdict.rank is None or verdict.of is None or 1 <= verdict.rank <= verdict.of
            assert verdict.threshold is None or math.isfinite(verdict.threshold)

    def test_pauses_and_promotes_or_neither(self) -> None:
        """Only paused trials are promoted (``run_course`` sees to it), none twice from a rung, and rungs rise."""
        pruner = self.make()
        course = run_course(pruner, trials=200)
        pauses = [key for key, verdict in course.verdicts.items() if verdict.decision == "pause"]
        assert bool(pauses) == bool(course.promotions) == pruner.promotes
        rungs: dict[int, int] = {}
        for trial, step in pauses:
            rung = course.verdicts[trial, step].rung
            assert rung is not None, "says where it is paused"
            assert rung > rungs.get(trial, -1), "a trial is judged again at a later rung only"
            rungs[trial] = rung

    def test_explaining_changes_no_decision(self) -> None:
        """With ``explains`` there are reasons for going on too, and nothing else is different."""
        quiet, talking = self.make(), self.make()
        talking.explains = True
        one, other = run_course(quiet), run_course(talking)
        assert not one.goes
        assert bool(other.goes) == (self.explains and self.stops)
        for verdict in other.goes.values():
            _check_text(verdict.reason)
        other.goes.clear()
        assert one == other

    def test_brackets_depend_on_the_number_alone(self) -> None:
        """Whatever was asked or judged before."""
        fresh, used = self.make(), self.make()
        run_course(used)
        rising = [fresh.bracket(trial) for trial in range(200)]
        assert rising == list(reversed([used.bracket(trial) for trial in reversed(range(200))]))
        assert set(rising) == set(range(fresh.brackets)), "each of them is used"

    def test_maximizing_mirrors_minimizing(self) -> None:
        """Minimizing x stops what maximizing -x stops."""
        one = run_course(self.make("minimize"))
        other = run_course(self.make("maximize"), value=lambda x: -x)
        assert list(one.verdicts) == list(other.verdicts)
        assert one.ended == other.ended

    def test_the_best_so_far_is_never_stopped(self) -> None:
        """A report that no other trial's report has ever beaten or equalled is let pass or paused, at every step."""
        for seed in range(5 if self.spares_the_best else 0):
            course, best = run_course(self.make(), seed=seed), math.inf
            for trial, step, value in course.reports:
                if value < best:
                    verdict = course.verdicts.get((trial, step))
                    assert verdict is None or verdict.decision == "pause"
                best = min(best, value)

    def test_what_is_no_number_is_not_judged(self) -> None:
        """NaN and infinities neither stop a trial nor leave a trace."""
        plain = self.make()
        for nothing in (math.nan, math.inf, -math.inf):
            assert plain.judge(0, 1, nothing) is None
        assert run_course(plain) == run_course(self.make())

    def test_trials_that_never_reported_may_end(self) -> None:
        """In every state, known or unknown."""
        pruner = self.make()
        for number, state in enumerate((TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)):
            pruner.finish(Trial(number, state, {}, {"loss": 1.0} if state == TrialState.COMPLETE else {}))
        verdict = pruner.judge(7, 1, 0.5)
        assert verdict is None or verdict.decision == "pause"

    def test_trials_that_end_are_forgotten(self) -> None:
        """1,000 failed trials with 20 reports each, many of them paused, leave under 64 bytes a trial."""
        if not self.forgets:
            return
        pruner = self.make()
        self._failures(pruner, 0, 50)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            self._failures(pruner, 50, 1050)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert grown < 64 * 1000

    @staticmethod
    def _failures(pruner: Pruner, first: int, last: int) -> None:
        for number in range(first, last):
            pruner.admit(number)
            for step in range(1, 21):
                if pruner.judge(number, step, 1.0 / step + number % 7) is not None:
                    break
            pruner.finish(Trial(number, TrialState.FAIL, {}, {}))

    def test_a_report_costs_microseconds_at_ten_thousand_trials(self) -> None:
        """The bar is ``limit_s``, for a report and for the question whom to promote; three times as much is let pass.

        A machine that is slower, or busy, may take longer by as much as it takes longer for work of that kind.
        """
        pruner, rng = self.make(), Random(1)
        for number in range(10_000):
            self._cost(pruner, number, rng.random(), (1, 3, 9))
        costs = [[self._cost(pruner, 10_000 + 100 * k + n, n / 100, (1,)) for n in range(100)] for k in range(20)]
        assert min(map(sum, costs)) / 100 < 3 * self.limit_s * _slowness()

    @staticmethod
    def _cost(pruner: Pruner, number: int, level: float, steps: Sequence[int]) -> float:
        """Seconds that the last report of a trial and the promotion after it took; whoever is not paused then completes."""
        verdict: Verdict | None = None
        pruner.admit(number)
        for step in steps:
            started = time.perf_counter()
            verdict = pruner.judge(number, step, level + (number % 7 + 1) / 10 / step)
            promotion = pruner.promote()
            cost = time.perf_counter() - started
            if promotion is not None and promotion.trial != number:
                pruner.finish(Trial(promotion.trial, TrialState.COMPLETE, {}, {"loss": level}, last_step=9))
            if verdict is not None and (promotion is None or promotion.trial != number):
                break
        if verdict is None or verdict.decision == "stop" or (promotion is not None and promotion.trial == number):
            pruner.finish(Trial(number, TrialState.COMPLETE, {}, {"loss": level}, last_step=9))
        return cost


def _slowness() -> float:
    """How many times longer this machine takes now than the one that ``limit_s`` is meant for; at least 1.

    By work like a pruner's: numbers kept in order, noted by trial, and put into words.
    """

    def work_s() -> float:
        began = time.perf_counter()
        values, notes = array("d"), {}
        for number in range(2000):
            value = (number * 7919 % 2000) / 2000
            insort(values, value)
            notes[number] = f"rank {bisect_left(values, value)} of {len(values)}: {value:.6g}"
        return time.perf_counter() - began

    return max(1.0, min(work_s() for _ in range(5)) / USUAL_WORK_S)
