"""Asks a cluster's head one question before Ray is let loose on it: Ray retries for 20 s when a token is wrong."""

from __future__ import annotations

from tuner.cluster.address import HostPort
from tuner.errors import ClusterUnreachable

__all__ = ["check_head", "takes_anybody"]


def check_head(address: HostPort, timeout_s: float = 5.0) -> None:
    """Make sure that a Ray head of our version listens there and lets us in.

    Args:
        address: Where something listens.
        timeout_s: How long to wait for the answer, in seconds.

    Raises:
        ClusterUnreachable: It is no Ray head, of another version, or it refuses our token.
    """
    import grpc
    import ray
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    channel = init_grpc_channel(str(address), options=[("grpc.enable_http_proxy", 0)])
    try:
        service = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
        reply = service.CheckAlive(gcs_service_pb2.CheckAliveRequest(), timeout=timeout_s)
    except grpc.RpcError as error:
        raise _refused(address, error.code(), str(error.details())) from error
    finally:
        channel.close()
    if reply.ray_version != ray.__version__:
        raise ClusterUnreachable(
            f"the cluster at {address} runs Ray {reply.ray_version}, and this environment has Ray {ray.__version__}",
            hint=f"install the cluster's version here: pip install 'ray[default]=={reply.ray_version}'",
        )


def takes_anybody(address: HostPort, timeout_s: float = 2.0) -> bool:
    """Whether the head answers without a token.

    A driver that sends a token to such a cluster is let in, but the workers that the cluster starts for it know of no token,
    and die.
    """
    import grpc
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    with grpc.insecure_channel(str(address), options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            service = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
            service.CheckAlive(gcs_service_pb2.CheckAliveRequest(), timeout=timeout_s)
        except grpc.RpcError:
            return False
    return True


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


_HINT = "give the address of the head itself (`ray start --head` prints it; port 6379 unless told otherwise)"
