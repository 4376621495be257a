"""The ``partial_fixed`` sampler: some parameters keep a value, another sampler chooses the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.errors import PluginNotFound, SearchSpaceError, SweepError, closest
from tuner.samplers._native import typed
from tuner.samplers._renumbered import Renumbered
from tuner.space import Constant, Distribution, SearchSpace
from tuner.study import PluginSpec
from tuner.trial import ParamValue, Trial

__all__ = ["PartialFixedSampler"]

_MOVING = ("pbt", "pbt_replay")


class PartialFixedSampler(Sampler):
    """Chooses by ``base`` in the space in which the fixed parameters are constants.

    So conditions on fixed parameters hold or do not, and what can no longer be active is not sampled. Deviation from Optuna's
    sampler of this name: the base knows that they are fixed, and models the rest only. Trials whose fixed parameters have
    other values (first trials that say so) are kept from it; trials of an earlier study likewise.

    Args:
        problem: The space, the metrics and the seed.
        fixed: Parameter -> its value. Where a conditional one is not active, it has none.
        base: The sampler of the others: a name, or ``{type: name, ...its options}``.

    Raises:
        SweepError: A parameter or a value is not of the space, nothing is allowed with them, or the base refuses its options.
    """

    def __init__(
        self, problem: Problem, *, fixed: Mapping[str, ParamValue], base: str | Mapping[str, Any] = "tpe"
    ) -> None:
        self._space = _narrowed(problem.space, fixed)
        self._fixed = {name: d for name, d in self._space.items() if name in fixed}
        sampler = _built(base, replace(problem, space=self._space))
        # What it promises is the base's to say.
        self.wants_reports = sampler.wants_reports
        self.order_free = sampler.order_free
        self.across_brackets = sampler.across_brackets
        self._base = Renumbered(sampler)

    @property
    def waits(self) -> bool:
        """Whether the base does."""
        return self._base.sampler.waits

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """The base's suggestions."""
        return self._base.ask(range(first, first + count))

    def tell(self, trials: Sequence[Trial]) -> None:
        """The base of the trials that keep to the fixed values."""
        self._base.tell(trials)

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:
        """Likewise."""
        self._base.report(trial, step, values)

    def inform(self, trials: Sequence[Trial]) -> None:
        """Likewise."""
        self._base.sampler.inform([trial for trial in trials if self._keeps(trial.params)])

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Take a suggestion back, unless it has other values than the fixed ones."""
        if self._keeps(suggestion.params):
            self._base.replay(number, suggestion)

    def _keeps(self, params: Mapping[str, ParamValue]) -> bool:
        return all(name not in params or d.contains(params[name]) for name, d in self._fixed.items())


def _narrowed(space: SearchSpace, fixed: Mapping[str, ParamValue]) -> SearchSpace:
    """The space with constants in place of the fixed parameters, without what these have put out of reach."""
    for name, value in fixed.items():
        if name not in space:
            near = closest(str(name), space)
            raise SweepError(
                "unknown parameter",
                path=f"sampler.fixed.{name}",
                expected=f"some of {', '.join(space)}",
                hint=f"did you mean {near!r}?" if near else None,
            )
        if not space[name].contains(value):
            raise SweepError("value out of range", path=f"sampler.fixed.{name}", got=value, expected=str(space[name]))
    kept: dict[str, Distribution] = {}
    for name, d in space.items():
        narrowed = Constant(typed(d, fixed[name]), when=d.when) if name in fixed else d
        if not d.when or _valid({**kept, name: narrowed}, []):
            kept[name] = narrowed
    clauses = [clause for clause in space.forbidden if _possible(kept, clause)]
    try:
        return SearchSpace(kept, clauses)
    except SearchSpaceError as error:
        raise SweepError(
            f"nothing is allowed with these values: {error.message}", path="sampler.fixed", got=dict(fixed)
        ) from error


def _possible(kept: Mapping[str, Distribution], clause: Mapping[str, Any]) -> bool:
    """Whether the clause can still be met; one that always is stays, for the space to refuse it."""
    if not set(clause) <= set(kept):
        return False
    try:
        SearchSpace(kept, [clause])
    except SearchSpaceError as error:
        return "forbids everything" in error.message
    return True


def _valid(parameters: Mapping[str, Distribution], clauses: Sequence[Mapping[str, Any]]) -> bool:
    try:
        SearchSpace(parameters, clauses)
    except SearchSpaceError:
        return False
    return True


def _built(base: str | Mapping[str, Any], problem: Problem) -> Sampler:
    from tuner import plugins  # a floor above: samplers are built by name there, and this one holds another

    row = dict(base) if isinstance(base, Mapping) else {"type": base}
    if not isinstance(row.get("type"), str):
        raise SweepError("names no sampler", path="sampler.base", got=base, expected="a name, or {type: name, ...}")
    spec = PluginSpec(row.pop("type"), row)
    try:
        sampler: Sampler = plugins.build("sampler", spec, problem)
    except PluginNotFound as error:
        raise SweepError(error.message, path="sampler.base", got=base, hint=error.hint) from error
    except SweepError as error:
        if error.path is not None and (error.path + ".").startswith("sampler."):
            error.path = f"sampler.base{error.path.removeprefix('sampler')}"
        raise
    if spec.type in _MOVING:
        raise SweepError(
            f"{spec.type!r} cannot be the base: it changes parameters while trials run",
            path="sampler.base",
            hint="give the parameters constant values in the space",
        )
    return sampler
