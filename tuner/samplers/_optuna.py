"""The one adapter over Optuna's samplers: an Optuna study in the driver's memory, asked and told.

It drives the public methods of ``optuna.samplers.BaseSampler`` in the way in which ``optuna.Trial`` does, with three
differences: the declared space is known from the first trial, conditions included; every trial gets a sampler object of its
own, seeded by the trial's number; what is forbidden, or was tried before in a finite space, is sampled again. All that a
sampler knows therefore lies in the trials (rebuilt from the log by ``replay`` and ``tell``) and in attributes that it wrote
while it suggested (logged beside the suggestion), so that a resumed study goes on exactly. Trials of earlier studies are
trials that finished before trial 0.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from random import Random
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState as OptunaState

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.errors import InvalidTransition, SweepError
from tuner.samplers._distributions import NotANumber, columns_of
from tuner.samplers._native import SpaceDrawer, trial_key
from tuner.samplers._seen import Seen
from tuner.samplers._storage import DriverStorage, Row
from tuner.space import Constant
from tuner.study import Constraint, trial_seed
from tuner.trial import Params, ParamValue, Trial, TrialState

__all__ = ["OptunaAdapter", "quiet"]

TRIES = 8
"""How often a sampler may suggest what cannot be taken for one trial before a uniform draw takes its place."""


class _Study(optuna.Study):
    """A study in which a sampler's wish to stop is heard outside of ``optimize`` too."""

    exhausted = False

    def stop(self) -> None:
        self.exhausted = True


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna warns of experimental features and arguments that its own defaults use: nothing that our user could mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class OptunaAdapter(Sampler):
    """Suggests by an Optuna sampler.

    Args:
        problem: The space, the metrics (one direction each), the constraints and the seed.
        make: Seed -> a new sampler. Called once here, so that wrong options are found before anything runs, and then once
            for every suggestion.
        joint: Whether the parameters that are always active are sampled jointly from the first trial on, and the others one by
            one; if not, the sampler infers from the finished trials what it samples jointly.
        reseeded: Whether every suggestion is made by a new sampler. When False one sampler serves them all: what it keeps
            outside of trials and attributes is then lost on a resume.

    Raises:
        SweepError: Optuna refuses the options.
    """

    def __init__(
        self,
        problem: Problem,
        make: Callable[[int], BaseSampler],
        *,
        joint: bool = False,
        reseeded: bool = True,
    ) -> None:
        self._problem, self._space, self._make, self._reseeded = problem, problem.space, make, reseeded
        self._metrics = [metric.name for metric in problem.metrics]
        self._seen = Seen(problem.space, problem.noisy, problem.seed)
        self._prior = 0  # rows of earlier studies: trial n is row n + prior
        self._columns = columns_of(problem.space)
        self._distributions = {name: column.distribution for name, column in self._columns.items()}
        always = sorted(n for n, d in self._distributions.items() if not d.single() and not problem.space[n].when)
        self._together = {name: self._distributions[name] for name in always} if joint else None
        self._storage = DriverStorage()
        goals = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}
        self._storage.create_new_study([goals[metric.goal] for metric in problem.metrics])
        try:
            with quiet():
                sampler = make(trial_seed(problem.seed, -1))
        except (ValueError, TypeError, ImportError, optuna.exceptions.OptunaError) as error:
            raise SweepError(f"Optuna refuses the sampler's options: {error}", path="sampler") from error
        self._study = _Study(
            self._storage.get_study_name_from_id(0), self._storage, sampler=sampler, pruner=optuna.pruners.NopPruner()
        )

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions for trials ``first`` to ``first + count - 1``, made one after another, each seeing those before it.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        suggestions: list[Suggestion] = []
        with quiet():
            for number in range(first, first + count):
                suggestion = None if self._study.exhausted or self._seen.exhausted else self._suggest(number)
                if suggestion is None:
                    break
                suggestions.append(suggestion)
        return suggestions

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell the sampler of finished trials, each constraint's margin included (above 0 where it is violated).

        Of a pruned one its last step and value are told, if there is one metric only. One whose parameters are invalid counts
        as pruned before its first step, the worst that there is.
        """
        with quiet():
            for trial in trials:
                self._tell(trial.number + self._prior, trial)

    def inform(self, trials: Sequence[Trial]) -> None:
        """Put trials of earlier studies before the first one."""
        with quiet():
            for trial in trials:
                self._storage.create_new_trial(0)
                row = self._storage.rows[self._prior]
                self._fill(row, trial.params)
                self._mark(row)
                self._tell(self._prior, trial)
                self._prior += 1

    def _mark(self, row: Row) -> None:
        """Give a row of an earlier study the attributes that the sampler looks for, if there are any."""

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Put a suggestion from the log into the study, with the attributes that the sampler had written."""
        self._expect(number)
        self._storage.create_new_trial(0)
        row = self._storage.rows[number + self._prior]
        self._fill(row, suggestion.params)
        if suggestion.state is not None:
            state = json.loads(suggestion.state)
            row.system_attrs = state.get("trial", {})
            for key, value in state.get("study", {}).items():
                self._storage.set_study_system_attr(0, key, value)
            self._storage.written.clear()

    def _expect(self, number: int) -> None:
        upcoming = len(self._storage.rows) - self._prior
        if number != upcoming:
            raise InvalidTransition(f"suggested out of order, {upcoming} was next", trial=number)

    def _suggest(self, number: int) -> Suggestion | None:
        """One suggestion; None when there is nothing left to try."""
        self._expect(number)
        seed = trial_seed(self._problem.seed, number)
        if self._reseeded:
            self._study.sampler = self._make(seed)
        self._study.ask()
        row = self._storage.rows[-1]
        params: Params | None = self._try(row, self._study.sampler)
        for attempt in range(1, TRIES):
            if params is not None:
                break
            params = self._try(row, self._make(trial_seed(seed, attempt)) if self._reseeded else self._study.sampler)
        if params is None:
            params = self._seen.draw(self._drawer, Random(trial_key(self._problem.seed, number)))
        if params is None:
            self._storage.rows.pop()
            return None
        self._fill(row, params)
        return Suggestion(params, self._state(row))

    @cached_property
    def _drawer(self) -> SpaceDrawer:
        return SpaceDrawer(self._space)

    def _state(self, row: Row) -> str | None:
        state = {"trial": row.system_attrs, "study": dict(self._storage.written)}
        self._storage.written.clear()
        kept = {key: value for key, value in state.items() if value}
        return json.dumps(kept, separators=(",", ":")) if kept else None

    def _try(self, row: Row, sampler: BaseSampler) -> dict[str, ParamValue] | None:
        """One set of parameters; None when it is forbidden or was tried, or the sampler gave up on a number."""
        try:
            params = self._sample(row, sampler)
        except NotANumber:
            return None
        return None if self._space.is_forbidden(params) or params in self._seen else params

    def _sample(self, row: Row, sampler: BaseSampler) -> dict[str, ParamValue]:
        row.params, row.distributions = {}, {}
        wanted = self._together
        if wanted is None:
            wanted = sampler.infer_relative_search_space(self._study, row)
        relative: Mapping[str, Any] = sampler.sample_relative(self._study, row, dict(wanted))
        chosen: dict[str, ParamValue] = {}
        for name in self._space:
            if self._space.is_active(name, chosen):
                chosen[name] = self._value(name, row, sampler, relative)
        return chosen

    def _value(self, name: str, row: Row, sampler: BaseSampler, relative: Mapping[str, Any]) -> ParamValue:
        distribution = self._space[name]
        if isinstance(distribution, Constant):
            return distribution.value
        column = self._columns[name]
        if column.single is not None:
            value = column.single[0]
            row.params[name] = column.encode(value)
        else:
            if name in relative:
                suggested = relative[name]
            else:
                suggested = sampler.sample_independent(self._study, row, name, column.distribution)
            value = column.decode(suggested)
            row.params[name] = suggested
        row.distributions[name] = column.distribution
        return value

    def _fill(self, row: Row, params: Params) -> None:
        self._seen.add(params)
        encoded = {name: self._columns[name].encode(value) for name, value in params.items() if name in self._columns}
        self._storage.fill(row, encoded, self._distributions)

    def _tell(self, row: int, trial: Trial) -> None:
        if trial.state == TrialState.COMPLETE:
            if self._problem.constraints:
                attributes = self._storage.rows[row].system_attrs
                self._storage.rows[row].system_attrs = attributes | _margins(self._problem.constraints, trial)
            self._study.tell(row, [trial.values[name] for name in self._metrics])
        elif trial.state == TrialState.PRUNED:
            last = trial.values.get(self._metrics[0], math.nan)
            # Optuna has no intermediate values in studies of several metrics: its samplers raise when they meet one.
            if len(self._metrics) == 1 and trial.last_step is not None and math.isfinite(last):
                self._storage.set_trial_intermediate_value(row, trial.last_step, last)
            self._study.tell(row, state=OptunaState.PRUNED)
        else:
            invalid = trial.failure is not None and trial.failure.kind.blames_params
            self._study.tell(row, state=OptunaState.PRUNED if invalid else OptunaState.FAIL)


def _margins(constraints: Sequence[Constraint], trial: Trial) -> dict[str, float]:
    """Each constraint in Optuna's form, at most 0 where it is kept; all in one where a value is not known."""
    if any(constraint.name not in trial.values for constraint in constraints):
        return {"constraints:violation": trial.violation}
    return {f"constraints:{k}": _margin(c, trial.values[c.name]) for k, c in enumerate(constraints)}


def _margin(constraint: Constraint, value: float) -> float:
    """How far beyond its nearest bound the value lies, relative to the bound (to 1 where that is 0); below 0 inside."""
    bounds = ((constraint.high, 1.0), (constraint.low, -1.0))
    return max(sign * (value - bound) / (abs(bound) or 1.0) for bound, sign in bounds if bound is not None)
