"""Where a study ran before, and what to say on a machine from which that is not reached."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tuner.cluster.address import check_port, parse_address
from tuner.core.ports import StudyInfo
from tuner.errors import ClusterUnreachable
from tuner.study import PluginSpec

__all__ = ["executor_before", "reaching"]


def executor_before(facts: Mapping[str, Any]) -> PluginSpec:
    """Where a study ran, by its provenance."""
    before = facts.get("executor")
    return PluginSpec(before["type"], before["options"]) if before else PluginSpec("ray")


@contextmanager
def reaching(info: StudyInfo, where: PluginSpec, *, chosen: bool) -> Iterator[None]:
    """While entered, the study's cluster is joined; why it cannot be, where its driver was inside of it, is told.

    Args:
        info: The study.
        where: The executor that it is taken up with.
        chosen: Whether the caller said at which address.

    Raises:
        ClusterUnreachable: The address is that of the study's first driver, and leads nowhere from this machine. It is asked on
            entering, before the data are looked for: they lie where the cluster is.
    """
    address = where.options.get("address")
    if chosen or where != executor_before(info.provenance) or not isinstance(address, str) or not _is_elsewhere(info):
        yield
        return
    try:
        check_port(parse_address(address))
        yield
    except ClusterUnreachable as error:
        raise _told(info, error) from error


def _is_elsewhere(info: StudyInfo) -> bool:
    return bool(info.provenance.get("job")) or info.provenance.get("host") not in (None, socket.gethostname())


def _told(info: StudyInfo, error: ClusterUnreachable) -> ClusterUnreachable:
    job, host = info.provenance.get("job"), info.provenance.get("host")
    ran = f"inside its cluster as job {job}, on {host}" if job else f"on {host}, a machine of its cluster"
    on = [
        f"go on here: `tuner resume {info.name} --executor ray` (`tuner run SWEEP.yaml --resume --executor ray` where its "
        "files lie elsewhere now), or with `--address HOST:PORT` on a cluster that this machine is in"
    ]
    if job:
        on.insert(
            0, "let the cluster go on with it: `tuner submit SWEEP.yaml --address URL` again, with its dashboard's URL"
        )
    return ClusterUnreachable(
        f"study {info.name!r} ran {ran}, and its head is not reached from this machine: {error.message}",
        hint="; or ".join(on),
    )
