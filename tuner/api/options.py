"""How a study is run, as against what it is: store, executor, name, signals; and who watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tuner.core.events import Event
from tuner.study import PluginSpec, StudySpec
from tuner.trial import Attempt, Trial

if TYPE_CHECKING:
    from tuner.api.study import Study

__all__ = ["Observer", "RunOptions"]


class Observer(Protocol):
    """Watches a study being run. Called on the engine's thread; every method must return quickly and raise nothing."""

    def phase(self, text: str) -> None:
        """What is being done before and after the trials: ``reading the data``, ``starting Ray``, ..."""

    def opened(self, spec: StudySpec, details: Mapping[str, str]) -> None:
        """The study is about to run. ``details``: ``store``, ``executor``, ``logs`` and, where there is one, ``dashboard``."""

    def update(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """A turn was committed: its events, and the trials and attempts as they stand after them."""

    def closed(self, study: Study) -> None:
        """The study has ended, or was interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run a study.

    Attributes:
        store: The store's URL; None for ``$TUNER_STORE``, else ``sqlite:///.tuner/tuner.db``.
        executor: Where attempts run; None for what the sweep says, else ``ray``.
        address: A running Ray cluster, ``host:port``; None for an embedded one.
        name: The study's name instead of the sweep's.
        if_exists: What to do when the store holds a study of that name: refuse, resume it, or take the first free name of
            ``name-2``, ``name-3``, ...
        limits: Fields of ``tuner.study.Limits`` to set instead of the sweep's or, on resuming, the study's.
        fits_best: Whether the best model is fitted after the last trial.
        handle_signals: Whether Ctrl-C once drains, twice kills, and SIGTERM kills (both resumable); main thread only.
    """

    store: str | None = None
    executor: PluginSpec | None = None
    address: str | None = None
    name: str | None = None
    if_exists: Literal["error", "resume", "new"] = "error"
    limits: Mapping[str, Any] = field(default_factory=dict)
    fits_best: bool = True
    handle_signals: bool = False
