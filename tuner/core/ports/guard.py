"""What samplers' and pruners' guards have in common: they stand before a plug-in that is not tuner's own, and blame it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from tuner.errors import PluginFailed, blamed

__all__ = ["Guard"]

P = TypeVar("P")


class Guard(Generic[P]):
    """Hands everything on to an outsider's plug-in; what its port promises a subclass looks at.

    Args:
        kind: ``sampler`` or ``pruner``.
        name: Its import path.
        inner: The outsider's, new.
    """

    def __init__(self, kind: str, name: str, inner: P) -> None:
        self._kind, self._name, self._inner = kind, name, inner

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # ours: asking the outsider for it would ask for ``_inner`` first, and so for ever
            raise AttributeError(name)
        return getattr(self._inner, name)

    def _blamed(self, when: str = "") -> AbstractContextManager[None]:
        """What it raises meanwhile is said to be its fault; ``when`` is what it was called for."""
        return blamed(self._kind, self._name, type(self._inner), when)

    def _wrong(self, what: str) -> PluginFailed:
        """It did not raise, but did what it must not."""
        return PluginFailed(self._kind, self._name, what)
