"""Asks a cluster's head a few questions before Ray is let loose on it: Ray retries for 20 s when a token is wrong."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tuner.cluster.address import HostPort, check_port
from tuner.errors import ClusterUnreachable

__all__ = ["ask_dashboard", "check_head", "takes_anybody"]

_OPTIONS = [("grpc.enable_http_proxy", 0)]


def check_head(address: HostPort, timeout_s: float = 5.0) -> None:
    """Make sure that a Ray head of our version and our Python's listens there, lets us in, and that Ray will find it there.

    Args:
        address: Where something listens.
        timeout_s: How long to wait for each answer, in seconds.

    Raises:
        ClusterUnreachable: It is no Ray head, of another version, it refuses our token, or Ray would look elsewhere.
    """
    import ray
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    with _asking(address) as channel:
        service = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
        reply = service.CheckAlive(gcs_service_pb2.CheckAliveRequest(), timeout=timeout_s)
        if reply.ray_version != ray.__version__:
            raise ClusterUnreachable(
                f"the cluster at {address} runs Ray {reply.ray_version}, and this environment has Ray {ray.__version__}",
                hint=f"install the cluster's version here: pip install 'ray[default]=={reply.ray_version}';"
                " or let the cluster run the sweep: tuner submit",
            )
        told = _kept(channel, b"cluster", b"CLUSTER_METADATA", timeout_s)
    _check_python(address, json.loads(told).get("python_version") if told else None)
    _check_loopback(address)


def ask_dashboard(address: HostPort, timeout_s: float = 5.0) -> str | None:
    """``http://host:port`` of the dashboard of the cluster whose head listens there; None when it has none.

    Raises:
        ClusterUnreachable: It is no Ray head, or it refuses our token.
    """
    with _asking(address) as channel:
        told = _kept(channel, b"dashboard", b"dashboard", timeout_s)
    return f"http://{told.decode()}" if told else None


def takes_anybody(address: HostPort, timeout_s: float = 2.0) -> bool:
    """Whether the head answers without a token.

    A driver that sends a token to such a cluster is let in, but the workers that the cluster starts for it know of no token,
    and die.
    """
    import grpc
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    with grpc.insecure_channel(str(address), options=_OPTIONS) as channel:
        try:
            service = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
            service.CheckAlive(gcs_service_pb2.CheckAliveRequest(), timeout=timeout_s)
        except grpc.RpcError:
            return False
    return True


@contextmanager
def _asking(address: HostPort) -> Iterator[Any]:
    import grpc
    from ray._private.grpc_utils import init_grpc_channel

    channel = init_grpc_channel(str(address), options=_OPTIONS)
    try:
        yield channel
    except grpc.RpcError as error:
        raise _refused(address, error.code(), str(error.details())) from error
    finally:
        channel.close()


def _kept(channel: Any, namespace: bytes, key: bytes, timeout_s: float) -> bytes:
    """What the head keeps under a key; empty when nothing."""
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    request = gcs_service_pb2.InternalKVGetRequest(namespace=namespace, key=key)
    return bytes(gcs_service_pb2_grpc.InternalKVGcsServiceStub(channel).InternalKVGet(request, timeout=timeout_s).value)


def _check_python(address: HostPort, theirs: str | None) -> None:
    """Ray refuses another Python down to the last digit, because what is pickled by one may not be readable by another."""
    ours = platform.python_version()
    if theirs is not None and theirs != ours:
        raise ClusterUnreachable(
            f"the cluster at {address} runs Python {theirs}, and this is Python {ours}",
            hint=f"use Python {theirs} here, or let the cluster run the sweep with its own: tuner submit",
        )


def _check_loopback(address: HostPort) -> None:
    """Ray takes 127.0.0.1 for this machine's address in the network, and tries for minutes when nothing listens there."""
    import ray

    meant = HostPort(ray._private.services.resolve_ip_for_localhost(address.host), address.port)
    if meant == address:
        return
    try:
        check_port(meant)
    except ClusterUnreachable as error:
        raise ClusterUnreachable(
            f"the cluster at {address} listens on this machine's loopback only, and Ray would look for it at {meant}",
            hint="start the head with --node-ip-address=127.0.0.2 (or the machine's own address), and give that",
        ) from error


def _refused(address: HostPort, code: object, details: str) -> ClusterUnreachable:
    import grpc

    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return ClusterUnreachable(
            f"the cluster at {address} refuses our token, or wants one and we have none",
            hint="set RAY_AUTH_MODE=token and put the cluster's token into RAY_AUTH_TOKEN or ~/.ray/auth_token",
        )
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return ClusterUnreachable(f"what listens at {address} accepted us and then did not answer", hint=_HINT)
    return ClusterUnreachable(f"what listens at {address} is no Ray head: {details}", hint=_HINT)


_HINT = (
    "give the address of the head itself (`ray start --head` prints it; port 6379 unless told otherwise);"
    " its dashboard (port 8265) is what `tuner submit` wants"
)
