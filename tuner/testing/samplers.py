"""The conformance suite of samplers: subclass ``SamplerTestCase``, say what to build, and let pytest collect it.

class TestMySampler(SamplerTestCase):
    spec = PluginSpec("my_package.my_module:MySampler")
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tuner import plugins
from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.samplers._native import SpaceDrawer
from tuner.space import Categorical, Condition, Constant, Distribution, Float, Int, SearchSpace
from tuner.study import Constraint, Metric, PluginSpec, trial_seed
from tuner.trial import Failed, FailureKind, Params, Trial, TrialState

__all__ = [
    "CONDITIONAL",
    "FINITE",
    "LOSS",
    "MIXED",
    "SINGLE",
    "WIDE",
    "Asked",
    "Entry",
    "Said",
    "SamplerTestCase",
    "finished",
    "history",
]

MIXED = SearchSpace(
    {
        "lr": Float(1e-5, 1e-1, log=True),
        "momentum": Float(0.0, 0.99),
        "drop out": Float(0.0, 0.35, step=0.1),
        "layers": Int(1, 8),
        "width": Int(8, 1024, log=True),
        "batch": Int(16, 250, step=16),
        "größe.µ": Categorical(["klein", "groß", "日本"]),
        "flag": Categorical([True, False, None, 1, 0, "1", 0.5]),
        "seed": Constant(7),
    }
)
CONDITIONAL = SearchSpace(
    {
        "model": Categorical(["tree", "linear", "none"]),
        "kind": Constant("x", when={"model": ["tree", "linear"]}),
        "depth": Int(1, 12, when={"model": "tree"}),
        "booster": Categorical(["gbtree", "dart"], when={"model": "tree", "kind": "x"}),
        "rate_drop": Float(0.0, 0.5, when={"booster": "dart", "depth": {"low": 4}}),
        "penalty": Categorical(["l1", "l2", None], when={"model": "linear"}),
        "c": Float(1e-3, 1e3, log=True, when={"model": "linear", "penalty": ["l1", "l2"]}),
        "solver": Categorical(["lbfgs", "saga"], when={"model": "linear"}),
    },
    forbidden=[{"penalty": "l1", "solver": "lbfgs"}, {"depth": {"low": 6, "high": 8}, "booster": "gbtree"}],
)
SINGLE = SearchSpace(
    {
        "a": Float(0.3, 0.3),
        "b": Int(4, 4),
        "c": Categorical(["only"]),
        "d": Float(0.5, 0.6, step=0.25),
        "e": Constant(None),
        "f": Float(0.0, 1.0, when={"c": "only"}),
    }
)
WIDE = SearchSpace(
    {
        "tiny to huge": Float(1e-300, 1e300, log=True),
        "wide": Float(-1e300, 1e300),
        "long": Int(-(10**18), 10**18),
        "long log": Int(1, 10**15, log=True),
        "fine": Float(0.0, 1.0, step=1e-9),
    }
)
FINITE = SearchSpace(
    {
        "a": Int(0, 3),
        "b": Categorical(["x", "y"]),
        "c": Float(0.0, 1.0, step=0.5, when={"b": "y"}),
    },
    forbidden=[{"a": 0, "b": "x"}],
)
N_FINITE = 4 * 3 + 3
LOSS = (Metric("loss"),)
_LATENCY = (Constraint("latency_ms", high=2.0), Constraint("accuracy", low=0.5))


def finished(number: int, params: Params, metrics: Sequence[Metric] = LOSS) -> Trial:
    """Trial ``number`` as it might have ended: three in five COMPLETE, one PRUNED, one FAIL, values by the number."""
    values = {m.name: trial_seed(number, k) / 2**31 for k, m in enumerate(metrics)}
    if number % 5 == 3:
        return Trial(number, TrialState.PRUNED, params, values, attempts=1, steps=4, last_step=number % 7)
    if number % 5 == 4:
        failure = Failed(FailureKind.RAISED, "ValueError: made up")
        return Trial(number, TrialState.FAIL, params, {}, attempts=1, failure=failure)
    return Trial(number, TrialState.COMPLETE, params, values, attempts=1)


def drawn(space: SearchSpace, seed: int) -> Params:
    """Parameters that no sampler has chosen."""
    return SpaceDrawer(space).draw(Random(seed))


def countable(space: SearchSpace) -> SearchSpace:
    """The space with three values in place of every uncountable range."""
    parameters: dict[str, Distribution] = dict(space)
    for name, d in parameters.items():
        if isinstance(d, Float) and d.n_values is None:
            parameters[name] = Categorical([d.low, d.low + (d.high - d.low) / 2.0, d.high], when=d.when)
    return SearchSpace(parameters, space.forbidden)


def earlier(space: SearchSpace, n: int) -> list[Trial]:
    """Trials of an earlier study: COMPLETE and PRUNED ones, with negative numbers."""
    trials = [replace(finished(k, drawn(space, k)), number=-1 - k) for k in range(2 * n)]
    return [replace(t, number=-1 - k) for k, t in enumerate(t for t in trials if t.state is not TrialState.FAIL)][:n]


@dataclass(frozen=True, slots=True)
class Asked:
    """A batch that was asked for, and what came."""

    first: int
    count: int
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A running trial's report."""

    trial: int
    step: int
    value: float


Entry = Asked | Said | Trial


def history(sampler: Sampler, trials: int, metrics: Sequence[Metric] = LOSS) -> Iterator[Entry]:
    """Ask and tell ``trials`` trials as an engine with up to six at once would: batches, reports, and ends out of order.

    It ends early when the space is exhausted. The samplers that wish so hear three reports of every trial.
    """
    running: dict[int, Params] = {}
    number = 0
    exhausted = False
    while not exhausted and number < trials:
        count = min(1 + trial_seed(1, number) % 3, trials - number)
        asked = Asked(number, count, tuple(sampler.ask(number, count)))
        yield asked
        running |= {number + k: suggestion.params for k, suggestion in enumerate(asked.suggestions)}
        number += len(asked.suggestions)
        short = len(asked.suggestions) < count
        exhausted = short and not sampler.waits
        assert running or not sampler.waits, "nothing runs, so there is no result to wait for"
        yield from _reports(sampler, asked, metrics)
        while len(running) > (trial_seed(2, number) % 6 if not short else max(0, len(running) - 1)):
            chosen = sorted(running)[trial_seed(3, number + len(running)) % len(running)]
            trial = finished(chosen, running.pop(chosen), metrics)
            sampler.tell([trial])
            yield trial
            if short:
                break


def _reports(sampler: Sampler, asked: Asked, metrics: Sequence[Metric]) -> Iterator[Said]:
    if not sampler.wants_reports:
        return
    for step in (1, 2, 3):
        for number in range(asked.first, asked.first + len(asked.suggestions)):
            said = Said(number, step, trial_seed(number, step) / 2**31)
            sampler.report(said.trial, said.step, {metrics[0].name: said.value})
            yield said


class SamplerTestCase:
    """What every sampler must do. Each ``test_`` method stands alone.

    Attributes:
        spec: The sampler and its options.
        reals: Whether it takes parameters with uncountably many values; if not, three of them stand for a range.
        exhausts: Whether it tries every combination of a finite space once, and ends then.
        repeats: Whether it goes on there when the objective is noisy.
        batches_equal_singles: Whether one ``ask`` for five is the same as five for one.
        metrics: Metrics of a study with several; None when the sampler handles only one.
    """

    spec: PluginSpec
    reals: bool = True
    exhausts: bool = True
    repeats: bool = True
    batches_equal_singles: bool = True
    metrics: tuple[Metric, ...] | None = (Metric("loss"), Metric("accuracy", "maximize"))

    def make(self, space: SearchSpace, seed: int = 17, metrics: tuple[Metric, ...] = LOSS, **problem: Any) -> Sampler:
        """A new sampler; ``problem`` are further fields of ``Problem``."""
        given = Problem(space if self.reals else countable(space), metrics, seed, trials=100, **problem)
        sampler: Sampler = plugins.build("sampler", self.spec, given)
        return sampler

    def _suggested(
        self, space: SearchSpace, n: int, seed: int = 17, metrics: tuple[Metric, ...] = LOSS
    ) -> list[Params]:
        entries = list(history(self.make(space, seed, metrics), n, metrics))
        return [s.params for entry in entries if isinstance(entry, Asked) for s in entry.suggestions]

    def test_suggestions_lie_in_the_space(self) -> None:
        """Active parameters only, in range, in the declared order."""
        for space in (MIXED, CONDITIONAL, SINGLE, FINITE):
            suggested = self._suggested(space, 40)
            assert suggested
            for params in suggested:
                space.check(params)
                assert list(params) == [name for name in space if name in params], "declared order"

    def test_suggestions_lie_in_very_wide_ranges(self) -> None:
        """Hundreds of orders of magnitude and whole numbers beyond 2**53."""
        for params in self._suggested(WIDE, 25):
            WIDE.check(params)

    def test_values_have_the_declared_types(self) -> None:
        """Floats are floats, ints are ints, and True is not taken for 1."""
        for params in self._suggested(MIXED, 30):
            assert type(params["lr"]) is type(params["drop out"]) is float
            assert type(params["layers"]) is type(params["width"]) is type(params["batch"]) is int
            flags = MIXED["flag"].values() or []
            assert any(
                params["flag"] is flag or (params["flag"] == flag and type(params["flag"]) is type(flag))
                for flag in flags
            )

    def test_conditions_are_met_both_ways(self) -> None:
        """A parameter is there when its condition holds, and only then."""
        seen = set()
        for params in self._suggested(CONDITIONAL, 60):
            assert ("depth" in params) == (params["model"] == "tree")
            assert ("kind" in params) == (params["model"] != "none")
            seen.add(params["model"])
        assert seen == {"tree", "linear", "none"}

    def test_forbidden_combinations_are_never_suggested(self) -> None:
        """Even where 31 of 36 combinations are forbidden."""
        clauses: list[dict[str, Condition]] = [{"a": k, "b": {"low": 1, "high": 5}} for k in range(1, 6)]
        tight = SearchSpace(
            {"a": Int(1, 6), "b": Int(1, 6), "c": Float(0.0, 1.0)},
            forbidden=[*clauses, {"a": 6}],
        )
        suggested = self._suggested(tight, 15)
        assert suggested
        for params in suggested:
            assert not tight.is_forbidden(params)
            assert params["b"] == 6

    def test_same_seed_same_suggestions(self) -> None:
        """Chance comes from the problem's seed alone."""
        for space in (MIXED, CONDITIONAL):
            assert list(history(self.make(space), 30)) == list(history(self.make(space), 30))

    def test_different_seeds_differ(self) -> None:
        """And the seed does matter."""
        assert self._suggested(MIXED, 10, seed=1) != self._suggested(MIXED, 10, seed=2)

    def test_one_batch_equals_single_asks(self) -> None:
        """How many are asked for at once changes nothing."""
        if not self.batches_equal_singles:
            return
        one, other = self.make(MIXED), self.make(MIXED)
        for sampler in (one, other):
            for number in range(15):
                (suggestion,) = sampler.ask(number, 1)
                sampler.tell([finished(number, suggestion.params)])
        assert list(one.ask(15, 5)) == [other.ask(number, 1)[0] for number in range(15, 20)]

    def test_goes_on_exactly_after_a_replay(self) -> None:
        """Rebuilt from the log at several points, with trials still running, it suggests the same."""
        for space in (MIXED, CONDITIONAL):
            entries = list(history(self.make(space), 60))
            for cut in (1, 5, len(entries) // 3, len(entries) // 2, len(entries) - 12):
                self._continues(self.make(space), entries, cut)

    def test_goes_on_exactly_when_killed_between_two_suggestions(self) -> None:
        """The same when only a part of a batch came into the log."""
        if not self.batches_equal_singles:
            return
        entries = list(history(self.make(MIXED), 45))
        cut, batch = max((k, e) for k, e in enumerate(entries) if isinstance(e, Asked) and e.count > 1 and k < 60)
        sampler = self.make(MIXED)
        self._continues(sampler, entries[:cut], cut)
        sampler.replay(batch.first, batch.suggestions[0])
        assert tuple(sampler.ask(batch.first + 1, batch.count - 1)) == batch.suggestions[1:]

    @staticmethod
    def _continues(sampler: Sampler, entries: Sequence[Entry], cut: int) -> None:
        for position, entry in enumerate(entries):
            if isinstance(entry, Trial):
                sampler.tell([entry])
            elif isinstance(entry, Said):
                sampler.report(entry.trial, entry.step, {"loss": entry.value})
            elif position < cut:
                for k, suggestion in enumerate(entry.suggestions):
                    sampler.replay(entry.first + k, suggestion)
            else:
                assert tuple(sampler.ask(entry.first, entry.count)) == entry.suggestions, (cut, position)

    def test_trials_may_be_told_together(self) -> None:
        """A batch of results in one call."""
        sampler = self.make(MIXED)
        asked = sampler.ask(0, 20)
        sampler.tell([finished(number, s.params) for number, s in enumerate(asked)])
        for suggestion in sampler.ask(20, 3):
            MIXED.check(suggestion.params)

    def test_a_study_of_failures_goes_on(self) -> None:
        """Nothing but failed trials."""
        sampler = self.make(MIXED)
        for number in range(20):
            (suggestion,) = sampler.ask(number, 1)
            sampler.tell([Trial(number, TrialState.FAIL, suggestion.params, {})])
        MIXED.check(sampler.ask(20, 1)[0].params)

    def test_trials_pruned_without_a_report_are_borne(self) -> None:
        """Pruned trials of which no value is known."""
        sampler = self.make(MIXED)
        for number in range(20):
            (suggestion,) = sampler.ask(number, 1)
            sampler.tell([Trial(number, TrialState.PRUNED, suggestion.params, {})])
        MIXED.check(sampler.ask(20, 1)[0].params)

    def test_several_metrics(self) -> None:
        """A study with several metrics, in different directions."""
        if self.metrics is None:
            return
        for params in self._suggested(MIXED, 30, metrics=self.metrics):
            MIXED.check(params)

    def test_a_space_of_constants(self) -> None:
        """Nothing to choose is no error."""
        suggested = self._suggested(SearchSpace({"a": Constant(1), "b": Constant("x")}), 3)
        assert suggested
        assert all(params == {"a": 1, "b": "x"} for params in suggested)

    def _all_of(self, sampler: Sampler, most: int) -> list[Params]:
        """What it suggests, told one by one, until it ends or ``most`` are there."""
        found: list[Params] = []
        while len(found) < most and (asked := sampler.ask(len(found), 1)):
            number = len(found)
            found.append(asked[0].params)
            sampler.tell([finished(number, asked[0].params)])
        assert not sampler.waits, "nothing runs"
        return found

    def test_a_finite_space_is_exhausted(self) -> None:
        """Every combination once, and then nothing more."""
        if self.exhausts:
            found = self._all_of(self.make(FINITE), 2 * N_FINITE)
            assert len({tuple(params.items()) for params in found}) == len(found) == N_FINITE

    def test_a_finite_space_is_exhausted_by_batches(self) -> None:
        """Trials that run are tried already."""
        if self.exhausts:
            sampler = self.make(FINITE)
            first = sampler.ask(0, 10)
            assert len(first) == 10
            found = [s.params for s in [*first, *sampler.ask(10, 30)]]
            assert len({tuple(params.items()) for params in found}) == len(found) == N_FINITE
            assert not sampler.waits
            assert not sampler.ask(N_FINITE, 5)

    def test_a_finite_space_is_not_exhausted_by_a_noisy_objective(self) -> None:
        """The same again is worth something then."""
        found = self._all_of(self.make(FINITE, noisy=True), 2 * N_FINITE)
        assert len(found) == (2 * N_FINITE if self.repeats else N_FINITE)

    def test_what_others_chose_is_not_repeated(self) -> None:
        """A combination tried by wish, one of an earlier study."""
        if self.exhausts:
            sampler = self.make(FINITE)
            known: Params = {"a": 3, "b": "y", "c": 1.0}
            wished: Params = {"a": 1, "b": "y", "c": 0.5}
            sampler.inform([Trial(-1, TrialState.COMPLETE, known, {"loss": 0.5})])
            sampler.replay(0, Suggestion(wished))
            sampler.tell([Trial(0, TrialState.COMPLETE, wished, {"loss": 0.5})])
            found: list[Params] = []
            while asked := sampler.ask(1 + len(found), 1):
                found.append(asked[0].params)
                sampler.tell([finished(len(found), asked[0].params)])
            assert len(found) == N_FINITE - 2
            assert known not in found
            assert wished not in found

    def test_trials_that_others_chose_are_borne_at_any_number(self) -> None:
        """The first included; and a replay of the whole goes on exactly."""
        for space in (MIXED, CONDITIONAL):
            one, other = self.make(space), self.make(space)
            for number in range(24):
                if number % 6 in (0, 1, 4):
                    suggestion = Suggestion(drawn(space, number))
                    one.replay(number, suggestion)
                else:
                    (suggestion,) = one.ask(number, 1)
                    space.check(suggestion.params)
                other.replay(number, suggestion)
                for sampler in (one, other):
                    sampler.tell([finished(number, suggestion.params)])
            assert list(one.ask(24, 1)) == list(other.ask(24, 1))

    def test_learns_of_earlier_studies(self) -> None:
        """Their trials have negative numbers, and come back from the log before everything else."""
        for space in (MIXED, CONDITIONAL):
            informed = self.make(space)
            informed.inform(earlier(space, 20))
            entries = list(history(informed, 30))
            for entry in entries:
                if isinstance(entry, Asked):
                    for suggestion in entry.suggestions:
                        space.check(suggestion.params)
            again = self.make(space)
            again.inform(earlier(space, 20))
            self._continues(again, entries, len(entries) // 2)

    def test_constraints_are_borne(self) -> None:
        """Told as values and as their violation; of usage too, which may be missing."""
        sampler = self.make(MIXED, constraints=_LATENCY)
        for number in range(20):
            (suggestion,) = sampler.ask(number, 1)
            MIXED.check(suggestion.params)
            values = {"loss": trial_seed(number, 0) / 2**31, "latency_ms": number / 5.0, "accuracy": number / 20.0}
            if number == 7:
                del values["latency_ms"]
            violation = sum(c.violation(values[c.name]) for c in _LATENCY if c.name in values)
            state = TrialState.PRUNED if number == 3 else TrialState.COMPLETE
            sampler.tell([Trial(number, state, suggestion.params, values, last_step=4, violation=violation)])
        MIXED.check(sampler.ask(20, 1)[0].params)

    def test_invalid_parameters_are_borne(self) -> None:
        """Nothing but trials whose parameters are bad themselves, then some that are not."""
        sampler = self.make(CONDITIONAL)
        for number in range(24):
            (suggestion,) = sampler.ask(number, 1)
            CONDITIONAL.check(suggestion.params)
            trial = finished(number, suggestion.params)
            if number < 16 or number % 2:
                failure = Failed(FailureKind.INVALID_PARAMS, "no such kernel")
                trial = Trial(number, TrialState.FAIL, suggestion.params, {}, failure=failure)
            sampler.tell([trial])

    def test_waits_only_while_something_runs(self) -> None:
        """A new sampler, and one whose trials have all ended, has nothing to wait for."""
        assert not self.make(MIXED).waits
        sampler = self.make(MIXED)
        running: dict[int, Params] = {}
        for entry in history(sampler, 30):  # which asserts it at every step
            if isinstance(entry, Asked):
                running |= {entry.first + k: suggestion.params for k, suggestion in enumerate(entry.suggestions)}
            elif isinstance(entry, Trial):
                del running[entry.number]
        sampler.tell([finished(number, params) for number, params in running.items()])
        assert not sampler.waits

    def test_reports_are_borne(self) -> None:
        """Reports of running trials, steps rising, some of them late."""
        sampler = self.make(MIXED)
        asked = sampler.ask(0, 4)
        if sampler.wants_reports:
            for step in range(1, 5):
                for number in range(len(asked)):
                    sampler.report(number, step * 2, {"loss": trial_seed(number, step) / 2**31})
        sampler.tell([finished(number, s.params) for number, s in enumerate(asked)])
        if sampler.wants_reports:
            sampler.report(1, 99, {"loss": 0.5})
            sampler.report(2, 100, {"something else": 0.5})
        MIXED.check(sampler.ask(len(asked), 1)[0].params)
