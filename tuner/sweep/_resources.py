"""What one attempt asks for: ``auto``, an amount, or a formula over the parameters that is tried out before anything starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Literal

from tuner.errors import closest
from tuner.formula import Formula, FormulaError, same_unit_throughout
from tuner.space import Categorical, Constant, Distribution, SearchSpace
from tuner.study import ResourceRequest
from tuner.sweep import _fields, _units
from tuner.sweep._node import Node
from tuner.trial import Params, ParamValue

__all__ = ["formula_points", "read_resources", "read_weight"]

Kind = Literal["cpu", "memory", "gpu"]
_EXAMPLE = 'resources: {cpu: auto, memory: "200MiB + 3MiB * max_depth", gpu: 0}'
_EXPECTED: Mapping[Kind, str] = {
    "cpu": "auto, a number above 0, or a formula such as threads / 2",
    "memory": "auto, an amount with its unit such as 4GiB, or a formula such as 200MiB + 3MiB * max_depth",
    "gpu": "auto, 0, a fraction below 1 that shares one GPU, a whole number, or a formula such as ceil(width / 512)",
}
_MOST_POINTS = 4096
_MOST_VALUES = 64


def read_resources(node: Node | None, space: SearchSpace) -> ResourceRequest:
    """What one attempt asks for; what is absent is ``auto``.

    Args:
        node: The block; None when there is none.
        space: The parameters that a formula may use.

    Raises:
        SweepError: An amount is negative or has no unit, or a formula cannot be used in every trial of the space.
    """
    if node is None:
        return ResourceRequest()
    fields = node.fields("cpu", "memory", "gpu", example=_EXAMPLE)
    return ResourceRequest(
        cpu=_read("cpu", fields.get("cpu"), space),
        memory_mib=_read("memory", fields.get("memory"), space),
        gpu=_read("gpu", fields.get("gpu"), space),
    )


def read_weight(node: Node | None) -> float:
    """The study's weight on a cluster that it shares."""
    if node is None:
        return 1.0
    return float(
        _fields.number(node, above=0, expected="a number above 0; a study of weight 2 gets twice as much as one of 1")
    )


def _read(kind: Kind, node: Node | None, space: SearchSpace) -> float | Formula | None:
    if node is None or node.content is None or _fields.auto(node):
        return None
    text = node.content
    if not isinstance(text, str) or _number(text) is not None:
        return _amount(kind, node)
    mib = _units.parse_memory_mib(text)
    if mib is not None and kind == "memory":
        return _fields.memory(node, _EXPECTED[kind])
    try:
        formula = Formula(text.strip())
    except FormulaError as error:
        raise node.error(f"is neither an amount nor a formula: {error}", expected=_EXPECTED[kind]) from error
    _check_names(kind, formula, node, space)
    _check_unit(kind, formula, node)
    points = list(formula_points(formula, space))
    values = [_value(kind, formula, node, params) for params in points]
    if kind == "memory" and not all(same_unit_throughout(formula, params) for params in points):
        raise node.error(
            "puts memory and a number without a unit together",
            expected=_EXPECTED[kind],
            hint="give every amount that is added or compared its unit: 200MiB, not 200",
        )
    return formula if formula.names else values[0]


def _amount(kind: Kind, node: Node) -> float:
    expected = _EXPECTED[kind]
    if kind == "memory":
        return _fields.memory(node, expected)
    if kind == "cpu":
        return float(_fields.number(node, above=0, expected=expected))
    return _whole_gpus(float(_fields.number(node, low=0, expected=expected)), node)


def _whole_gpus(gpus: float, node: Node, where: str = "") -> float:
    if gpus > 1 and gpus != int(gpus):
        hint = "round it: ceil(...)" if where else None
        raise node.error(f"several GPUs cannot be shared in part{where}", expected=_EXPECTED["gpu"], hint=hint)
    return gpus


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _check_names(kind: Kind, formula: Formula, node: Node, space: SearchSpace) -> None:
    """Every parameter of the formula must be there in every trial, as a number."""
    for name in sorted(formula.names):
        if name not in space:
            usable = [other for other, distribution in space.items() if _usable(distribution)]
            near = closest(name, usable)
            shown = f"one over {', '.join(usable)}" if usable else "an amount: the space has no parameter for a formula"
            raise node.error(
                f"names {name!r}, which is no parameter",
                expected=f"{_EXPECTED[kind]} ({shown})",
                hint=f"did you mean {near!r}?" if near else None,
            )
        distribution = space[name]
        if distribution.when:
            conditions = ", ".join(f"{parent}: {_condition(asked)}" for parent, asked in distribution.when.items())
            raise node.error(
                f"names {name!r}, which some trials do not have: it stands under `when: {{{conditions}}}`",
                expected="a formula over parameters that every trial has",
                hint=f"use `{kind}: auto`, which learns what trials with and without it need",
            )
        stranger = next((value for value in _values(distribution) or () if not _is_number(value)), None)
        if isinstance(distribution, Categorical | Constant) and stranger is not None:
            raise node.error(
                f"names {name!r}, which can be {stranger!r}, and a formula needs numbers",
                expected="a formula over parameters that are numbers",
                hint=f"use `{kind}: auto`, which learns what each value needs",
            )


def _condition(asked: object) -> str:
    if isinstance(asked, Mapping):
        return "{" + ", ".join(f"{end}: {bound:g}" for end, bound in asked.items()) + "}"
    return f"[{', '.join(map(str, asked))}]" if isinstance(asked, list | tuple) else str(asked)


def _check_unit(kind: Kind, formula: Formula, node: Node) -> None:
    if kind == "memory" and not formula.has_unit:
        raise node.error(
            "needs a unit",
            expected=_EXPECTED[kind],
            hint="write each amount with its unit: 3MiB * max_depth, not 3 * max_depth",
        )
    if kind != "memory" and formula.has_unit:
        raise node.error(f"speaks of memory, and `{kind}` is a number", expected=_EXPECTED[kind])


def _value(kind: Kind, formula: Formula, node: Node, params: Params) -> float:
    """What the formula comes to for these parameters, which must be something that can be asked for."""
    shown = ", ".join(f"{name} is {value:g}" for name, value in params.items() if isinstance(value, int | float))
    where = f" where {shown}" if shown else ""
    try:
        value = formula.value(params)
    except FormulaError as error:
        raise node.error(f"cannot be asked for{where}: {error}", expected=_EXPECTED[kind]) from error
    if value <= 0 and kind != "gpu":
        unit = " MiB" if kind == "memory" else ""
        raise node.error(f"comes to {value:g}{unit}{where}, and must be above 0", expected=_EXPECTED[kind])
    return _whole_gpus(value, node, f": it comes to {value:g}{where}") if kind == "gpu" else value


def formula_points(formula: Formula, space: SearchSpace) -> Iterator[Params]:
    """Parameters to try a formula with: all corners of the space and, where they are few, what lies between them.

    Of up to 64 values of a parameter all are tried, else the smallest, the largest and the middle one; at most 4096 points,
    so that of a formula over more than 12 parameters not every corner is.
    """
    names = sorted(formula.names)
    chosen = [_ends(space[name]) for name in names]
    for index, name in enumerate(names):
        more = _between(space[name])
        if math.prod(map(len, chosen)) // len(chosen[index]) * len(more) <= _MOST_POINTS:
            chosen[index] = more
    for point in itertools.islice(itertools.product(*chosen), _MOST_POINTS):
        yield dict(zip(names, point, strict=True))


def _usable(distribution: Distribution) -> bool:
    return not distribution.when and all(map(_is_number, _values(distribution) or ()))


def _is_number(value: ParamValue) -> bool:
    return isinstance(value, int | float)


def _values(distribution: Distribution) -> list[ParamValue] | None:
    """All of a parameter's values where they are listed; None for a range."""
    return distribution.values() if isinstance(distribution, Categorical | Constant) else None


def _ends(distribution: Distribution) -> list[ParamValue]:
    values = _values(distribution)
    if values is None:
        assert not isinstance(distribution, Categorical | Constant)
        return list(dict.fromkeys((distribution.low, distribution.high)))
    numbers = [value for value in values if isinstance(value, int | float)]
    return list(dict.fromkeys((min(numbers), max(numbers))))


def _between(distribution: Distribution) -> list[ParamValue]:
    if distribution.n_values is not None and distribution.n_values <= _MOST_VALUES:
        return distribution.values() or []
    assert not isinstance(distribution, Categorical | Constant) or distribution.n_values is not None
    if isinstance(distribution, Categorical | Constant):
        return _ends(distribution)
    low, high = distribution.low, distribution.high
    middle = math.sqrt(low * high) if distribution.log else (low + high) / 2
    return [low, type(low)(middle), high]
