"""Amounts that depend on a trial's parameters: ``200MiB + 3MiB * max_depth``."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Formula", "FormulaError", "same_unit_throughout"]

_MIB = {
    "k": 1e3 / 2**20, "m": 1e6 / 2**20, "g": 1e9 / 2**20, "t": 1e12 / 2**20,
    "ki": 2.0**-10, "mi": 1.0, "gi": 2.0**10, "ti": 2.0**20,
}  # fmt: skip
_WITH_UNIT = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)\s*([kKmMgGtT]i?)[bB]?(?!\w)")
_OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "log2": math.log2,
    "sqrt": math.sqrt,
}
_LONGEST = 500


class FormulaError(ValueError):
    """The text is no formula, or it has no value for these parameters; says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Formula:
    """Arithmetic over parameters: numbers, names, ``+ - * / **``, brackets, and ``min max ceil log2 sqrt``.

    A number with a unit of memory (``3MiB``, ``0.5GB``) counts in MiB. Two with the same text are equal.

    Attributes:
        text: As it was written.

    Raises:
        FormulaError: It is none.
    """

    text: str
    _tree: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.text) > _LONGEST:
            raise FormulaError(f"it is longer than {_LONGEST} characters")
        tree = _parsed(self.text)
        object.__setattr__(self, "_tree", tree)

    @property
    def names(self) -> frozenset[str]:
        """The parameters that it needs."""
        calls = {id(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        return frozenset(n.id for n in ast.walk(self._tree) if isinstance(n, ast.Name) and id(n) not in calls)

    @property
    def has_unit(self) -> bool:
        """Whether it speaks of memory: at least one number has a unit."""
        return _WITH_UNIT.search(self.text) is not None

    def value(self, params: Mapping[str, Any]) -> float:
        """What it comes to, finite and at least 0; in MiB where it speaks of memory.

        Raises:
            FormulaError: A parameter is not there or not a number, or the result is negative, infinite or not a number.
        """
        try:
            found = float(_value(self._tree, params))
        except FormulaError:
            raise
        except (ArithmeticError, ValueError, TypeError) as error:
            raise FormulaError(f"{self.text!r} has no value: {error}") from error
        if not math.isfinite(found) or found < 0:
            raise FormulaError(f"{self.text!r} comes to {found:g}, which is no amount")
        return found


def same_unit_throughout(formula: Formula, params: Mapping[str, Any]) -> bool:
    """Whether a formula that speaks of memory is memory in all its terms: with every amount doubled it comes to twice as much.

    So ``200MiB + 3MiB * x`` is and ``200 + 3MiB * x`` is not. 4 MiB are forgiven, for ``ceil``.

    Raises:
        FormulaError: It has no value for these parameters.
    """
    once = formula.value(params)
    try:
        twice = float(_value(_parsed(formula.text, 2.0), params))
    except (ArithmeticError, ValueError, TypeError):  # FormulaError is a ValueError
        return False
    return abs(twice - 2 * once) <= 4.0 + 1e-9 * abs(twice)


def _parsed(text: str, unit: float = 1.0) -> ast.expr:
    """The formula as a tree, in which amounts with a unit are numbers of ``1 / unit`` MiB."""
    plain = _WITH_UNIT.sub(lambda found: repr(float(found[1]) * _MIB[found[2].lower()] * unit), text)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError("it is no arithmetic that can be read") from error
    _check(tree)
    return tree


def _check(node: ast.expr) -> None:
    """Whether there is nothing in it but what the docstring lists."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise FormulaError(f"{node.value!r} is not a number")
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        _check(node.left)
        _check(node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        _check(node.operand)
    elif isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords or not node.args:
            raise FormulaError(f"only {', '.join(_FUNCTIONS)} can be called")
        for argument in node.args:
            _check(argument)
    elif not isinstance(node, ast.Name):
        raise FormulaError("it has more than numbers, parameters, + - * / ** and brackets")


def _value(node: ast.expr, params: Mapping[str, Any]) -> float:
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int | float)
        return float(node.value)
    if isinstance(node, ast.Name):
        return _parameter(node.id, params)
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, params)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        return float(_OPERATORS[type(node.op)](_value(node.left, params), _value(node.right, params)))
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return float(_FUNCTIONS[node.func.id](*(_value(argument, params) for argument in node.args)))


def _parameter(name: str, params: Mapping[str, Any]) -> float:
    if name not in params:
        raise FormulaError(f"it needs the parameter {name}, which this trial does not have")
    value = params[name]
    if not isinstance(value, bool | int | float):
        raise FormulaError(f"it needs a number for {name}, not {value!r}")
    return float(value)
