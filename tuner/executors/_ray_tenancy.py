"""The executor's dealings with a cluster that grows and that others use too: node types, the share, what is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuner.cluster.file import ClusterFile, read_cluster_file
from tuner.cluster.steward import Growth, Steward
from tuner.core.events import Event, NodeTypesSeen, ShareChanged
from tuner.resources import Resources
from tuner.study import StudySpec

__all__ = ["Tenancy"]


class Tenancy:
    """What an executor on a running cluster tells it and hears from it.

    Args:
        autoscale: Whether the cluster starts nodes when they are asked for; None for yes where a cluster file is named.
        cluster_file: The file that the cluster was started with; None when it is not known.

    Attributes:
        share: How much of the cluster the study may hold, as last heard.

    Raises:
        SweepError: The cluster file is wrong.
    """

    def __init__(self, autoscale: bool | None = None, cluster_file: str | Path | None = None) -> None:
        self._file: ClusterFile | None = None if cluster_file is None else read_cluster_file(Path(cluster_file))
        self.can_grow = self._file is not None if autoscale is None else autoscale
        self.share = 1.0
        self._steward: Steward | None = None

    def open(self, spec: StudySpec, now_s: float) -> list[Event]:
        """Begin to share the cluster that this process is connected to; clears what a dead driver asked of the autoscaler.

        Returns:
            What the engine must know before the first node joins.
        """
        types = self._file.types if self._file and self.can_grow else ()
        most = self._file.max_nodes if types and self._file else None
        names = self._file.selectors if types and self._file else {}
        self._steward = Steward(spec.name, spec.weight, Growth(self.can_grow, types, most, names))
        return [NodeTypesSeen(now_s, types)] if types else []

    def scale(self, bundles: Sequence[Resources], types: Sequence[str] = ()) -> None:
        """Tell what could be used now. Also where the cluster does not grow: shares go by what is wanted. Never blocks."""
        if self._steward is not None:
            self._steward.want(bundles, types)

    def poll(self, now_s: float) -> list[Event]:
        """Hear of the share; to be called about once a second, from any thread but the engine's."""
        share = self._steward.poll() if self._steward is not None else None
        if share is None:
            return []
        self.share = share
        return [ShareChanged(now_s, share)]

    def close(self) -> None:
        """Stop using the cluster: the request is cleared, the others hear of their larger shares. Idempotent."""
        if self._steward is not None:
            self._steward.close()
            self._steward = None
