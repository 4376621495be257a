"""How a function takes the parameters: looked up once, checked before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from tuner.errors import ObjectiveError, closest

__all__ = ["Call", "plan_call"]

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Call:
    """Whether the context is passed: not (None), as the second argument (""), or by keyword (its name)."""

    context: str | None

    def __call__(
        self, function: Callable[..., Any], params: dict[str, Any], context: Any, arguments: Mapping[str, Any]
    ) -> Any:
        """Call ``function`` so."""
        positional, keywords = self.arguments(params, context)
        return function(*positional, **keywords, **arguments)

    def arguments(self, params: Any, context: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments."""
        if self.context is None:
            return (params,), {}
        return ((params, context), {}) if self.context == "" else ((params,), {self.context: context})


def plan_call(function: Any, name: str, arguments: Mapping[str, Any], space: Sequence[str]) -> Call:
    """How to call ``function``, whose second parameter is the context if it is called ``context`` or has no default.

    Args:
        function: What is to be called.
        name: Its name, for messages.
        arguments: Constants that are passed by keyword.
        space: Names of the study's parameters, for hints.

    Raises:
        ObjectiveError: It cannot be called with the parameters, the context and ``arguments``.
    """
    _check_kind(function, name)
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return Call(None)  # built in C without a signature: the parameters are all that it can want
    call = Call(_context_place(signature, arguments))
    try:
        positional, keywords = call.arguments(None, None)
        signature.bind(*positional, **keywords, **arguments)
    except TypeError as error:
        raise _refusal(name, signature, arguments, space, str(error)) from None
    return call


def _check_kind(function: Any, name: str) -> None:
    if not callable(function):
        raise ObjectiveError(f"{name} is no function but {function!r:.80} ({type(function).__name__})")
    if inspect.isclass(function):
        raise ObjectiveError(
            f"{name} is a class, expected a function", hint="name a function, or an estimator under objective.estimator"
        )
    called = function if inspect.isroutine(function) else getattr(function, "func", type(function).__call__)
    for is_kind, kind in (
        (inspect.iscoroutinefunction, "an async function"),
        (inspect.isasyncgenfunction, "an async generator"),
        (inspect.isgeneratorfunction, "a generator"),
    ):
        if is_kind(called):
            raise ObjectiveError(
                f"{name} is {kind}, expected a plain function", hint="report with context.report, return the result"
            )


def _context_place(signature: inspect.Signature, arguments: Mapping[str, Any]) -> str | None:
    parameters = list(signature.parameters.values())
    for index, parameter in enumerate(parameters):
        if parameter.name == "context" and index > 0 and "context" not in arguments:
            if parameter.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
                return "context"
            return ""
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    if len(positional) >= 2:
        second = positional[1]
        return "" if second.default is Parameter.empty and second.name not in arguments else None
    return "" if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters) else None


def _refusal(
    name: str, signature: inspect.Signature, arguments: Mapping[str, Any], space: Sequence[str], why: str
) -> ObjectiveError:
    function = name.rpartition(":")[2]
    hint = None
    taken = [p for p in signature.parameters if p in space]
    if taken:
        hint = (
            f"the parameters come as one mapping: write `def {function}(params, context)` and read params[{taken[0]!r}]"
        )
    for argument in arguments:
        if argument not in signature.parameters:
            near = closest(argument, signature.parameters)
            hint = f"objective.arguments.{argument}: " + (
                f"did you mean {near!r}?" if near else f"{function} has no such parameter"
            )
    return ObjectiveError(
        f"{function}{signature} cannot be called as the objective: {why};"
        f" expected {function}(params, context) or {function}(params), and all of objective.arguments by name",
        hint=hint,
    )
