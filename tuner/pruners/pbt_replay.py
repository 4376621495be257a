"""The ``pbt_replay`` pruner: each segment of a schedule ends where the next one goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.core.ports import Pruner, Verdict
from tuner.errors import SweepError
from tuner.study import Metric

__all__ = ["PbtReplayPruner"]


class PbtReplayPruner(Pruner):
    """Stops trial ``k`` at the last step of segment ``k``; the last segment goes on to its end.

    Args:
        metric: What is reported; its values do not matter.
        schedule: As for the ``pbt_replay`` sampler, which brings this pruner.

    Raises:
        SweepError: The steps are no whole numbers that rise.
    """

    def __init__(self, metric: Metric, *, schedule: Sequence[Mapping[str, Any]]) -> None:
        self._ends = [row.get("to") if isinstance(row, Mapping) else None for row in schedule]
        before = 0
        for k, end in enumerate(self._ends):
            if not isinstance(end, int) or isinstance(end, bool) or end <= before:
                raise SweepError(
                    "must be a whole number above the one before",
                    path=f"sampler.schedule[{k}].to",
                    got=end,
                    expected=f"a step from {before + 1}",
                )
            before = end

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Stop at the segment's end."""
        if trial >= len(self._ends) - 1:
            return None
        end = self._ends[trial]
        if not isinstance(end, int) or step < end:
            return None
        return Verdict("stop", f"segment {trial + 1} of {len(self._ends)} ends at step {end}", step=step)
