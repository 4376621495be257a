"""The space itself: parameters in order, with conditions, constants and forbidden combinations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from tuner.errors import SearchSpaceError, closest
from tuner.space.conditions import Condition, Frozen, freeze_conditions, matches
from tuner.space.distributions import Categorical, Constant, Distribution, Float, Int
from tuner.space.document import condition_to_plain, distribution_from_dict, distribution_to_dict
from tuner.space.reach import always_holds, can_hold, widened
from tuner.trial import Params, ParamValue

__all__ = ["SearchSpace"]


class SearchSpace(Mapping[str, Distribution]):
    """Parameters in the order of declaration, with conditions, constants and forbidden combinations.

    Args:
        parameters: Name -> distribution. A parameter's ``when`` may name only parameters declared before it, so the
            order of declaration is an order in which values can be chosen.
        forbidden: Each a mapping name -> condition; a set of parameters that meets all conditions of one of them is never
            tried.

    Raises:
        SearchSpaceError: The space is empty, a condition names an unknown or later parameter or can never hold, or
            a clause forbids everything.
    """

    def __init__(
        self, parameters: Mapping[str, Distribution], forbidden: Sequence[Mapping[str, Condition]] = ()
    ) -> None:
        self._parameters = dict(parameters)
        self.forbidden: tuple[Mapping[str, Condition], ...] = _frozen_clauses(forbidden)
        if not self._parameters:
            raise SearchSpaceError("the search space is empty", expected="at least one parameter")
        for name, distribution in self._parameters.items():
            _check_parameter(name, distribution)
        self._when = {name: self._asked(distribution.when) for name, distribution in self._parameters.items()}
        self._clauses = tuple(self._asked(clause) for clause in self.forbidden)
        self._reach: dict[str, dict[str, list[Condition]]] = {}
        for name in self._parameters:
            self._reach[name] = self._conditions_to_reach(name)
        for index, clause in enumerate(self.forbidden):
            self._check_clause(clause, f"forbidden[{index}]")
        self._unconditional = not self.forbidden and not any(d.when for d in self._parameters.values())

    def _asked(self, conditions: Mapping[str, Condition] | None) -> tuple[tuple[str, Condition], ...]:
        """Conditions as they are asked of values; unknown parameters are found out later, with their place."""
        known = self._parameters
        return tuple((name, widened(known[name], c) if name in known else c) for name, c in (conditions or {}).items())

    def _conditions_to_reach(self, name: str) -> dict[str, list[Condition]]:
        """Every condition, its parents' included, that must hold for ``name`` to be active, by parameter."""
        needed: dict[str, list[Condition]] = {}
        for parent, condition in (self._parameters[name].when or {}).items():
            path = f"{name}.when.{parent}"
            if parent == name or (parent in self._parameters and parent not in self._reach):
                raise SearchSpaceError(
                    f"names {parent!r}, which is declared {'here' if parent == name else 'later'}",
                    path=path,
                    hint="a parameter cannot depend on itself" if parent == name else f"declare {parent!r} first",
                )
            self._add_condition(needed, parent, condition, path)
        return needed

    def _add_condition(self, needed: dict[str, list[Condition]], parent: str, condition: Condition, path: str) -> None:
        """Add ``condition`` on ``parent``, and what ``parent`` itself needs, to ``needed``; refuse what cannot hold."""
        if parent not in self._parameters:
            near = closest(parent, self._parameters)
            raise SearchSpaceError(
                f"unknown parameter {parent!r}",
                path=path,
                expected=f"one of {', '.join(self._parameters)}",
                hint=f"did you mean {near!r}?" if near else None,
            )
        distribution = self._parameters[parent]
        if not can_hold(distribution, [condition]):
            raise SearchSpaceError(
                f"can never hold: no value of {parent!r} meets it",
                path=path,
                got=condition_to_plain(condition),
                expected=str(distribution),
            )
        for name, conditions in [(parent, [condition]), *self._reach[parent].items()]:
            merged = needed.setdefault(name, [])
            merged += [c for c in conditions if c not in merged]
            if not can_hold(self._parameters[name], merged):
                raise SearchSpaceError(
                    f"can never hold: it asks for values of {name!r} that exclude each other",
                    path=path,
                    got=[condition_to_plain(c) for c in merged],
                    expected=f"conditions that one value of {name!r} ({self._parameters[name]}) can meet",
                )

    def _check_clause(self, clause: Mapping[str, Condition], path: str) -> None:
        if not clause:
            raise SearchSpaceError("an empty clause forbids everything", path=path)
        needed: dict[str, list[Condition]] = {}
        for parent, condition in clause.items():
            self._add_condition(needed, parent, condition, path)
        if all(always_holds(self._parameters[name], c) for name, conditions in needed.items() for c in conditions):
            raise SearchSpaceError(
                "forbids everything: each of its conditions always holds",
                path=path,
                got={name: condition_to_plain(c) for name, c in clause.items()},
            )

    def __getitem__(self, name: str) -> Distribution:
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SearchSpace):
            return NotImplemented
        return list(self) == list(other) and _typed(self.to_dict()) == _typed(other.to_dict())

    def __hash__(self) -> int:
        return hash(tuple(self._parameters))

    def __repr__(self) -> str:
        return f"SearchSpace({self._parameters!r}, forbidden={list(self.forbidden)!r})"

    @property
    def sampled(self) -> dict[str, Float | Int | Categorical]:
        """The parameters that a sampler chooses: all but the constants."""
        return {name: d for name, d in self._parameters.items() if not isinstance(d, Constant)}

    @property
    def conditional(self) -> bool:
        """Whether any parameter depends on another or any combination is forbidden."""
        return not self._unconditional

    def is_active(self, name: str, params: Params) -> bool:
        """Whether ``name`` is active, given the values of the parameters declared before it.

        A parameter whose parent is inactive (absent from ``params``) is inactive.
        """
        return all(parent in params and matches(params[parent], c) for parent, c in self._when[name])

    def is_forbidden(self, params: Params) -> bool:
        """Whether ``params`` meet all conditions of some forbidden clause."""
        return self._forbidding(params) is not None

    def _forbidding(self, params: Params) -> int | None:
        for index, clause in enumerate(self._clauses):
            if all(name in params and matches(params[name], condition) for name, condition in clause):
                return index
        return None

    def active(self, params: Params) -> dict[str, ParamValue]:
        """The active part of ``params`` in order of declaration, constants filled in, the rest dropped.

        Raises:
            SearchSpaceError: An active parameter has no value.
        """
        chosen: dict[str, ParamValue] = {}
        for name, distribution in self._parameters.items():
            # The most common case, no condition at all, is asked first: samplers call this for every suggestion.
            if self._when[name] and not self.is_active(name, chosen):
                continue
            if type(distribution) is Constant:
                chosen[name] = distribution.value
            elif name in params:
                chosen[name] = params[name]
            else:
                raise SearchSpaceError("no value for an active parameter", path=name, expected=str(distribution))
        return chosen

    def check(self, params: Params) -> None:
        """Raise unless ``params`` are exactly the active parameters with values in range, not forbidden.

        Constants may be left out.

        Raises:
            SearchSpaceError: Says which parameter is wrong and what it may be.
        """
        if not params.keys() <= self._parameters.keys():
            raise self._unknown(next(name for name in params if name not in self._parameters))
        chosen = self.active(params)
        for name, value in chosen.items():
            distribution = self._parameters[name]
            given = params.get(name, value)
            if not distribution.contains(given):
                raise SearchSpaceError("value out of range", path=name, got=given, expected=str(distribution))
        if not params.keys() <= chosen.keys():
            raise self._inactive(next(name for name in params if name not in chosen), params)
        index = self._forbidding(chosen) if self.forbidden else None
        if index is not None:
            clause = {name: condition_to_plain(c) for name, c in self.forbidden[index].items()}
            raise SearchSpaceError(
                "a forbidden combination",
                path=f"forbidden[{index}]",
                got={name: chosen[name] for name in clause},
                expected=f"anything but {clause}",
            )

    def _unknown(self, name: str) -> SearchSpaceError:
        near = closest(str(name), self._parameters)
        return SearchSpaceError(
            "unknown parameter",
            path=str(name),
            expected=f"one of {', '.join(self._parameters)}",
            hint=f"did you mean {near!r}?" if near else None,
        )

    def _inactive(self, name: str, params: Params) -> SearchSpaceError:
        when = {parent: condition_to_plain(c) for parent, c in (self._parameters[name].when or {}).items()}
        return SearchSpaceError(
            "a value for an inactive parameter",
            path=name,
            got=params[name],
            expected=f"no value, unless {when}",
            hint="leave it out",
        )

    def to_dict(self) -> dict[str, Any]:
        """The space as plain data that JSON and YAML can hold; ``from_dict`` reads it back, equal."""
        document: dict[str, Any] = {"parameters": {n: distribution_to_dict(d) for n, d in self._parameters.items()}}
        if self.forbidden:
            document["forbidden"] = [
                {name: condition_to_plain(condition) for name, condition in clause.items()} for clause in self.forbidden
            ]
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """A space from ``{"parameters": {...}, "forbidden": [...]}`` in the shape of a sweep file.

        Raises:
            SearchSpaceError: Anything in it is wrong; ``path`` says where.
        """
        rows = _rows(document)
        parameters: dict[str, Distribution] = {}
        for name, row in rows.items():
            try:
                parameters[str(name)] = distribution_from_dict(row)
            except SearchSpaceError as error:
                error.path = f"parameters.{name}" + (f".{error.path}" if error.path else "")
                raise
        try:
            return cls(parameters, document.get("forbidden") or ())
        except SearchSpaceError as error:
            if error.path and not error.path.startswith("forbidden"):
                error.path = f"parameters.{error.path}"
            raise


def _rows(document: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise SearchSpaceError("not a search space", got=document, expected="{parameters: {name: {low, high}, ...}}")
    known = ("parameters", "forbidden")
    for key in document:
        if key not in known:
            near = closest(str(key), known)
            raise SearchSpaceError(
                f"unknown key {key!r}",
                expected="parameters, and perhaps forbidden",
                hint=f"did you mean {near!r}?" if near else None,
            )
    rows = document.get("parameters") or {}
    if not isinstance(rows, Mapping):
        raise SearchSpaceError("must map names to parameters", path="parameters", got=rows)
    return rows


def _frozen_clauses(forbidden: object) -> tuple[Frozen[Condition], ...]:
    if isinstance(forbidden, str | Mapping) or not isinstance(forbidden, Sequence):
        raise SearchSpaceError(
            "must be a list of clauses", path="forbidden", got=forbidden, expected="[{parameter: condition, ...}, ...]"
        )
    clauses = []
    for index, clause in enumerate(forbidden):
        try:
            clauses.append(freeze_conditions(clause, ""))
        except SearchSpaceError as error:
            # A clause is one line of a sweep file: its index says where, the message names the parameter.
            error.message = f"{error.path}: {error.message}" if error.path else error.message
            error.path = f"forbidden[{index}]"
            raise
    return tuple(clauses)


def _check_parameter(name: object, distribution: object) -> None:
    if not isinstance(name, str) or not name:
        raise SearchSpaceError("a parameter's name must be a string that is not empty", got=name)
    if not isinstance(distribution, Float | Int | Categorical | Constant):
        raise SearchSpaceError(
            "not a distribution", path=name, got=distribution, expected="Float, Int, Categorical or Constant"
        )


def _typed(document: Any) -> Any:
    """Plain data in which True, 1 and 1.0 differ."""
    if isinstance(document, Mapping):
        return {name: _typed(value) for name, value in document.items()}
    if isinstance(document, list):
        return [_typed(value) for value in document]
    return type(document).__name__, document
