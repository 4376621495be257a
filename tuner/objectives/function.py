"""A Python function as the objective: ``train(params, context)`` or ``train(params)``."""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuner.core.ports import Context, Objective
from tuner.errors import ObjectiveError
from tuner.objectives._function_call import Call, plan_call
from tuner.objectives._function_import import import_function, put_on_path
from tuner.study import StudySpec
from tuner.trial import Params

__all__ = ["Function"]

_SOURCE_LIMIT = 200_000


class Function(Objective):
    """Calls a function with the parameters.

    The function returns its final metrics: a number (the study's first metric), a mapping of metric names to numbers, or
    None when it has reported them. It may be a closure or come from a notebook.

    On its way to the workers the function is pickled by value when its module is not installed there, that is when the
    module lies under ``base``: all modules loaded from there travel with it, as they were when the sweep began. Modules that
    it imports only when it runs must be installed on the workers or lie in ``base`` there too.

    Args:
        function: ``pkg.mod:train``, or the callable itself.
        arguments: Constants, passed by keyword besides the parameters.
        base: Folder in which modules may lie beside those that are installed: that of the sweep file. None for the working
            directory when the function is named, and for the folder of its file when it is given.

    Raises:
        ObjectiveError: ``function`` is neither.
    """

    def __init__(
        self,
        function: str | Callable[..., Any],
        arguments: Mapping[str, Any] | None = None,
        base: str | Path | None = None,
    ) -> None:
        if not isinstance(function, str) and not callable(function):
            raise ObjectiveError(
                f"objective.function is {function!r:.80}, expected pkg.mod:function or a callable",
                hint="write it as work:train for the function train in work.py",
            )
        self.name = function if isinstance(function, str) else _name_of(function)
        self.arguments = dict(arguments or {})
        self.base = str(_base_of(function, base))
        self._function: Callable[..., Any] | None = None if isinstance(function, str) else function
        self._call: Call | None = None

    def prepare(self, spec: StudySpec) -> None:
        """Import the function and check that it can be called as it will be.

        Raises:
            ObjectiveError: It cannot be imported, is no function, or takes other arguments.
        """
        self._call = plan_call(self._loaded(), self.name, self.arguments, tuple(spec.space))

    def run(self, params: Params, context: Context) -> Mapping[str, float] | float | None:
        """Call the function once; it gets a dict of its own."""
        function = self._loaded()
        if self._call is None:
            self._call = plan_call(function, self.name, self.arguments, tuple(params))
        return self._call(function, dict(params), context, self.arguments)  # type: ignore[no-any-return]

    def describe(self) -> Mapping[str, Any]:
        """The function's name, file, source text and its SHA-256, as far as they can be found."""
        document: dict[str, Any] = {"kind": "function", "function": self.name}
        if self.arguments:
            document["arguments"] = {name: _plain(value) for name, value in self.arguments.items()}
        function = inspect.unwrap(self._loaded())
        try:
            source = inspect.getsource(function)
            file = inspect.getsourcefile(function)
        except (OSError, TypeError):
            return document  # built in C, or typed at a prompt
        document |= {"source": source[:_SOURCE_LIMIT], "sha256": hashlib.sha256(source.encode()).hexdigest()}
        if file and os.path.isfile(file):
            document |= {"file": file, "file_sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest()}
        return document

    def _loaded(self) -> Callable[..., Any]:
        if self._function is None:
            self._function = import_function(self.name, Path(self.base))
        return self._function

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Everything with the function pickled in itself, so that every pickler carries notebook functions.

        Buffers (arrays in a closure or in ``arguments``) stay out of band for picklers that take them so (protocol 5).

        Raises:
            ObjectiveError: The function holds something that cannot travel.
        """
        from tuner.objectives._pickle import dump

        payload = (self._loaded(), self.arguments)
        return _restored, (self.name, self.base, *dump(payload, self.name, Path(self.base), out_of_band=protocol >= 5))


def _restored(name: str, base: str, payload: bytes, buffers: list[Any]) -> Function:
    """What ``Function.__reduce_ex__`` took apart."""
    put_on_path(Path(base))
    function, arguments = pickle.loads(payload, buffers=buffers)
    restored = Function(function, arguments, base)
    restored.name = name
    return restored


def _name_of(function: Callable[..., Any]) -> str:
    inner = inspect.unwrap(function)
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return f"{getattr(inner, '__module__', None) or '?'}:{name}"


def _base_of(function: str | Callable[..., Any], base: str | Path | None) -> Path:
    if base is not None:
        return Path(base).resolve()
    if isinstance(function, str):
        return Path.cwd()
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    file = getattr(module, "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else f"{value!r:.200}"
