"""One value of a sweep with the place where it stands: every reader of fields works on nodes.

Nodes come from a sweep file (``_yaml``), from ``--set`` on the command line and from Python values; only the first kind has
lines. The tree is edited in place while foreign keys are renamed, and read once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Self

from tuner import plugins
from tuner.errors import SweepError, closest
from tuner.trial import ParamValue

__all__ = ["Node"]


@dataclass(slots=True)
class Node:
    """A value in a sweep.

    Attributes:
        content: A scalar, or the nodes below by key or by position.
        path: Where it stands, as ``limits.trials``, in the words of whoever wrote it; empty for the whole sweep.
        line: Line in the file, from 1; None when it does not come from a file.
        file: The file's path; None as above.
    """

    content: dict[str, Node] | list[Node] | ParamValue
    path: str = ""
    line: int | None = None
    file: str | None = None

    @classmethod
    def of(cls, value: object, path: str = "", file: str | None = None) -> Self:
        """A node from a Python value.

        Raises:
            SweepError: The value, or one inside it, is nothing that a sweep can hold.
        """
        node = cls(None, path, None, file)
        if isinstance(value, Mapping):
            node.content = {str(key): cls.of(below, node.below(str(key)), file) for key, below in value.items()}
        elif isinstance(value, list | tuple | set | frozenset):
            node.content = [cls.of(below, f"{path}[{index}]", file) for index, below in enumerate(value)]
        elif value is None or isinstance(value, bool):
            node.content = value
        elif isinstance(value, str):
            node.content = str.__str__(value)  # an enum's member is its text
        elif isinstance(value, Integral):
            node.content = int(value)
        elif isinstance(value, Real):
            node.content = float(value)
        else:
            what = f"the class {value.__qualname__}" if isinstance(value, type) else f"a {type(value).__name__}"
            raise SweepError(
                f"{what} cannot stand in a sweep",
                path=path or None,
                got=value,
                expected="a string, a number, a boolean, None, or a list or mapping of these",
                hint=_by_name(value) if path.partition(".")[0] in ("sampler", "pruner") else None,
            )
        return node

    def below(self, key: str) -> str:
        """The path of what stands under ``key``."""
        return f"{self.path}.{key}" if self.path else key

    def plain(self) -> Any:
        """The value as plain Python data, without places."""
        if isinstance(self.content, dict):
            return {key: node.plain() for key, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        return self.content

    def error(
        self, message: str, *, got: object = None, expected: str | None = None, hint: str | None = None
    ) -> SweepError:
        """An error about this value, to be raised by the caller. ``got`` is this value's plain data when not given."""
        shown = got if got is not None or self.content is None or not self.path else _short(self.plain())
        return SweepError(
            message, file=self.file, line=self.line, path=self.path or None, got=shown, expected=expected, hint=hint
        )

    def unknown(self, message: str, name: str, known: Iterable[str]) -> SweepError:
        """An error about a name that is none of ``known``, with the closest one."""
        names = sorted(known)
        near = closest(name, names)
        hint = f"did you mean {near!r}?" if near else None
        return self.error(message, got=name, expected=f"one of {', '.join(names)}", hint=hint)

    def fields(self, *known: str, example: str) -> dict[str, Node]:
        """The nodes below by key.

        Args:
            known: The keys that may stand here; none given means that any may.
            example: What a mapping looks like here, for the message.

        Raises:
            SweepError: It is no mapping, or a key is unknown.
        """
        if not isinstance(self.content, dict):
            raise self.error(f"must be a mapping, not {self.kind()}", expected=example)
        if known:
            for key, node in self.content.items():
                if key not in known:
                    raise self.stray(key, node, known)
        return self.content

    def stray(self, key: str, node: Node, known: Iterable[str]) -> SweepError:
        """An error about a key that does not belong here."""
        names = list(known)
        near = closest(key, names)
        return SweepError(
            f"unknown key {key!r}",
            file=node.file,
            line=node.line,
            path=self.path or None,
            expected=f"one of {', '.join(names)}",
            hint=f"did you mean {near!r}?" if near else None,
        )

    def find(self, path: str) -> Node:
        """The node at ``path``, or the nearest one above it that there is. Keys may hold dots themselves."""
        node, rest = self, path
        while rest:
            step = _step(node, rest)
            if step is None:
                break
            node, rest = step
        return node

    def locate(self, error: SweepError) -> None:
        """Give ``error`` the place of the node that its path names, read from here on, unless it has one already."""
        if error.file is not None:
            return
        inner = error.path or ""
        if self.path and (inner == self.path or inner.startswith((f"{self.path}.", f"{self.path}["))):
            inner = inner[len(self.path) :].removeprefix(".")
        found = self.find(inner)
        error.file = found.file
        error.line = None if found is self and not self.path else found.line
        joint = "" if not self.path or not inner or inner.startswith("[") else "."
        error.path = f"{self.path}{joint}{inner}" or None

    def kind(self) -> str:
        """The value's kind in words."""
        if self.content is None:
            return "nothing"
        for types, word in ((dict, "a mapping"), (list, "a list"), (bool, "true or false"), (str, "text")):
            if isinstance(self.content, types):
                return word
        return "a number"


def _step(node: Node, path: str) -> tuple[Node, str] | None:
    """One step down from ``node`` along ``path``: the node there and what is left of the path."""
    if isinstance(node.content, dict):
        keys = [key for key in node.content if path == key or path.startswith((f"{key}.", f"{key}["))]
        if keys:
            key = max(keys, key=len)
            return node.content[key], path[len(key) :].removeprefix(".")
    if isinstance(node.content, list):
        found = re.match(r"\[(\d+)\]\.?", path)
        if found and int(found[1]) < len(node.content):
            return node.content[int(found[1])], path[found.end() :]
    return None


def _short(value: Any) -> Any:
    """A value as errors show it: whole when it is small, else cut."""
    text = repr(value)
    return value if len(text) <= 120 else f"{text[:117]}..."


def _by_name(value: object) -> str:
    """How a sampler's or pruner's class, or an object of it, is written by name."""
    kind = value if isinstance(value, type) else type(value)
    parts = kind.__module__.split(".")
    public = next((n for n, part in enumerate(parts) if part.startswith("_") and n), len(parts))
    path = f"{'.'.join(parts[:public])}:{kind.__qualname__}"
    if plugins.is_optunas(kind):
        return f"name it, so that the study can be resumed: {{'type': 'optuna', 'class': {path!r}}}, with its options beside"
    return f"name it, so that the study can be resumed: {path!r}, or {{'type': {path!r}}} with its options beside"
