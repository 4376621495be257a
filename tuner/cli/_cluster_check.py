"""Whether a cluster takes our sweeps."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.cli._checks import Finding
from tuner.cluster.jobs import find_dashboard
from tuner.cluster.rest import Dashboard, Head
from tuner.dashboard import text
from tuner.errors import TunerError

__all__ = ["cluster"]


def cluster(address: str) -> Iterator[Finding]:
    """Whether the cluster answers, lets us in, and has nodes and versions that fit."""
    try:
        head = find_dashboard(address)
        dashboard = Dashboard(head.url)
        jobs, status = dashboard.get("/api/jobs/"), dashboard.get("/api/cluster_status")
    except TunerError as error:
        yield Finding("fail", "cluster", error.message, error.hint or "check the address")
        return
    yield Finding("ok", "cluster", f"{head.url} lets us in, and knows {text.pluralize(len(jobs), 'job')}")
    yield _versions(head)
    if head.wants_token:
        yield Finding("ok", "cluster's token", "it is asked for, and ours is right")
    else:
        mend = "start it with RAY_AUTH_MODE=token, unless everybody who reaches it may run programs on it"
        yield Finding("warn", "cluster's token", "it asks for none", mend)
    yield _room(status)


def _versions(head: Head) -> Finding:
    theirs = f"Ray {head.ray_version}" + (f", Python {head.python_version}" if head.python_version else "")
    ours = f"Ray {importlib.metadata.version('ray')}, Python {platform.python_version()}"
    if theirs == ours:
        return Finding("ok", "cluster's versions", theirs)
    mend = "`tuner submit` does not mind; `tuner run --address HEAD:6379` needs the same ones here"
    return Finding("warn", "cluster's versions", f"{theirs}; here are {ours}", mend)


def _room(status: Mapping[str, Any]) -> Finding:
    """The cluster's resources, as its autoscaler reports them."""
    load = ((status.get("data") or {}).get("clusterStatus") or {}).get("loadMetricsReport") or {}
    usage = load.get("usage") or {}
    offered = [f"{usage[name][1]:g} {name}" for name in ("CPU", "GPU") if usage.get(name)]
    if offered:
        return Finding("ok", "cluster's room", ", ".join(offered))
    return Finding("ok", "cluster's room", "it does not say; nodes may come when trials wait")
