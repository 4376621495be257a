"""A cluster's address: is it written as one, and does anything answer there."""

from __future__ import annotations

import socket
from typing import NamedTuple

from tuner.errors import ClusterUnreachable

__all__ = ["HostPort", "check_port", "parse_address"]

_HINT = "give the address that `ray start --head` printed, as 10.0.0.5:6379"


class HostPort(NamedTuple):
    """Where a cluster's head listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> HostPort:
    """Split ``host:port``.

    Args:
        text: As ``ray start --head`` prints it; an IPv6 host in brackets.

    Raises:
        ClusterUnreachable: It is no such address; the message says what it is instead.
    """
    address = text.strip()
    if "://" in address:
        raise ClusterUnreachable(f"{text!r} is no address of a Ray cluster: {_other_scheme(address)}", hint=_HINT)
    if address in ("", "auto", "local"):
        raise ClusterUnreachable(
            f"{text!r} is no address of a Ray cluster", hint=f"{_HINT}; leave it out to start a Ray of tuner's own"
        )
    host, separator, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host:
        raise ClusterUnreachable(f"the cluster address {text!r} has no port", hint=_HINT)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ClusterUnreachable(f"the cluster address {text!r} has no port between 1 and 65535", hint=_HINT)
    return HostPort(host, int(port))


def _other_scheme(address: str) -> str:
    scheme = address.partition("://")[0]
    if scheme == "ray":
        return "ray:// is Ray Client, which tuner does not use (its driver must run on a node of the cluster)"
    if scheme in ("http", "https"):
        return (
            "this is a dashboard, for `tuner submit`; a driver here talks to the cluster's head itself (port 6379 unless told"
            " otherwise)"
        )
    return f"it needs no {scheme}://"


def check_port(address: HostPort, timeout_s: float = 2.0) -> None:
    """Make sure that something listens, because Ray itself may try a dead address for a quarter of an hour.

    Args:
        address: Where.
        timeout_s: How long to wait for it, in seconds.

    Raises:
        ClusterUnreachable: Nothing answers.
    """
    try:
        socket.create_connection(address, timeout=timeout_s).close()
    except TimeoutError as error:
        raise ClusterUnreachable(
            f"no Ray cluster answers at {address}: no reply within {timeout_s:g} s",
            hint="check the address, that the head is running, and that no firewall is in between",
        ) from error
    except socket.gaierror as error:
        raise ClusterUnreachable(f"the host of the cluster address {address} is unknown: {error.strerror}") from error
    except OSError as error:
        raise ClusterUnreachable(
            f"no Ray cluster answers at {address}: {error.strerror or error}",
            hint="is the head running there? `ray start --head` prints its address",
        ) from error
