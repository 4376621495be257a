"""The ``none`` pruner: every trial runs to its end."""

from __future__ import annotations

from tuner.core.ports import Pruner, Verdict
from tuner.study import Metric

__all__ = ["NonePruner"]


class NonePruner(Pruner):
    """Stops nothing.

    Args:
        metric: What the study is judged by; not looked at.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """None: go on."""
        return None
