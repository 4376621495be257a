"""Ends a sweep whose best value can hardly be improved any more (``limits.regret``).

The bound is computed here, outside of the core, which knows no linear algebra; that it was reached goes into the log as a
command, so a replay ends at the same place without computing anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tuner.core.events import Event
from tuner.core.scheduler import Scheduler
from tuner.study import StudySpec
from tuner.trial import Attempt, Trial, TrialState

__all__ = ["RegretWatch"]

_EVERY, _SHARE = 5, 0.1

Request = Callable[[str, Mapping[str, Any]], None]


class RegretWatch:
    """Looks at the bound after every few complete trials: five, or a tenth of those there were at the last look.

    So it costs tens of milliseconds a look, and the looks at a study grow with the logarithm of its trials only.

    Args:
        spec: The study's.
        core: Its limits are asked, because they may change when a study is resumed.
        request: Sends a command, as ``Engine.request`` does.
    """

    def __init__(self, spec: StudySpec, core: Scheduler, request: Request) -> None:
        self._spec, self._core, self._request = spec, core, request
        self._complete: list[Trial] = []
        self._looked_at = 0
        self._ended = False
        self._bound: Callable[[Sequence[Trial]], float | None] | None = None
        if core.limits.regret is not None:
            self._prepare()

    def know(self, trials: Sequence[Trial]) -> None:
        """Trials of earlier drivers."""
        self._complete += [trial for trial in trials if trial.state is TrialState.COMPLETE]

    def update(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """After each commit."""
        limit = self._core.limits.regret
        if limit is None or self._ended:
            return
        self._complete += [e for e in entries if isinstance(e, Trial) and e.state is TrialState.COMPLETE]
        n = len(self._complete)
        if n < self._looked_at + max(_EVERY, int(_SHARE * self._looked_at)):
            return
        self._looked_at = n
        bound = self._measure()
        if bound is not None and bound < limit:
            self._ended = True
            name = self._spec.metric.name
            message = f"{name} can hardly be improved by more than {bound:.3g} (limits.regret: {limit:g})"
            self._request("end", {"reason": "regret", "message": message})

    def _prepare(self) -> Callable[[Sequence[Trial]], float | None]:
        if self._bound is None:
            from tuner.samplers._regret import RegretBound  # SciPy, which a study without the limit need not load

            self._bound = RegretBound(self._spec.space, self._spec.metric, self._spec.seed)
        return self._bound

    def _measure(self) -> float | None:
        return self._prepare()(self._complete)
