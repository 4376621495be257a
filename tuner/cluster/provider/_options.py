"""What a cluster file may say of a cluster on one machine, below ``provider:``."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tuner.errors import ExecutorError, closest

__all__ = ["MODULE", "OPTIONS", "MachineOptions"]

MODULE = "tuner.cluster.provider.one_machine.OneMachineProvider"
OPTIONS = ("type", "module", "state_dir", "port", "environment", "use_internal_ips")
"""Keys that ``provider:`` may have; Ray itself adds ones that begin with an underscore."""

DEFAULT_PORT = 6379
_SOCKET_LIMIT = 107  # bytes of a path that a UNIX socket can have
_BELOW = len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.99")
_NODES_LIMIT = 250


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """A cluster's options.

    Attributes:
        state_dir: Folder of the cluster's own: its register of nodes, their homes, Ray's files. Private to the user.
        port: Where the head listens, whatever its start command says; the dashboard is at the next one and Ray Client's server
            at the one after. Clusters with different ports do not meet: the nodes' addresses follow from it too.
        environment: Variables for all commands on all nodes.
    """

    state_dir: Path
    port: int
    environment: Mapping[str, str]

    @classmethod
    def of(cls, provider: Mapping[str, Any], cluster: str) -> Self:
        """Read and check the section ``provider:`` of the cluster file of the cluster named ``cluster``.

        Raises:
            ExecutorError: A key or a value is wrong.
        """
        for key in provider:
            if key not in OPTIONS and not key.startswith("_"):
                near = closest(key, OPTIONS)
                raise ExecutorError(
                    f"provider: {key!r} is no option of a cluster on one machine; there are: {', '.join(OPTIONS)}",
                    hint=f"did you mean {near!r}?" if near else None,
                )
        port = provider.get("port", DEFAULT_PORT)
        if not isinstance(port, int) or isinstance(port, bool) or not 1024 <= port <= 65533:
            raise ExecutorError(f"provider: port is {port!r}, which is no whole number from 1024 to 65533")
        environment = provider.get("environment", {})
        if not isinstance(environment, Mapping) or not all(isinstance(value, str) for value in environment.values()):
            raise ExecutorError("provider: environment must map names to text; put numbers in quotes")
        return cls(_state_dir(provider.get("state_dir"), cluster), port, dict(environment))

    @property
    def ray_dir(self) -> Path:
        """Where Ray keeps the files of all nodes: they share one session, as the processes of one machine do."""
        return self.state_dir / "ray"

    def address_of(self, number: int) -> str:
        """The loopback address of the cluster's node ``number`` (the first, 0, is the head).

        Raises:
            ExecutorError: There is no such address on this machine.
        """
        if number >= _NODES_LIMIT:
            raise ExecutorError(
                f"a cluster on one machine can have {_NODES_LIMIT} nodes in its life; `ray down` starts anew"
            )
        address = f"127.{self.port // 256}.{self.port % 256}.{number + 1}"
        try:
            with socket.socket() as probe:
                probe.bind((address, 0))
        except OSError as error:
            raise ExecutorError(
                f"this machine has no loopback address {address}, which node {number} would have: {error}",
                hint=f"on macOS: sudo ifconfig lo0 alias {address}",
            ) from error
        return address


def _state_dir(named: object, cluster: str) -> Path:
    """The folder, absolute; it is not made here."""
    if named is not None and not isinstance(named, str):
        raise ExecutorError(f"provider: state_dir is {named!r}, which is no path")
    folder = (
        Path(named).expanduser().absolute()
        if named
        else Path(tempfile.gettempdir(), f"tuner-nodes-{os.getuid()}", cluster)
    )
    if len(os.fsencode(folder)) + _BELOW > _SOCKET_LIMIT:
        raise ExecutorError(
            f"provider: the path of state_dir is too long for Ray's sockets: {folder}",
            hint=f"at most {_SOCKET_LIMIT - _BELOW} bytes; /tmp/NAME is fine",
        )
    return folder
