"""Ray's exceptions in our words: the one place where they are translated."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tuner.trial import Failed, FailureKind

__all__ = ["failure_of"]

_TEXT_LIMIT = 4000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

_WORKER = FailureKind.WORKER_LOST
_NODE = FailureKind.NODE_LOST

# By name, so that this page can be read, and tested to be complete, without a Ray of exactly that version.
_MEANING: Mapping[str, tuple[FailureKind, str]] = {
    # the attempt's own process
    "WorkerCrashedError": (
        _WORKER,
        "the worker process died (a crash in native code, os._exit, or a kill from outside)",
    ),
    "TaskCancelledError": (_WORKER, "the task was cancelled from outside of tuner"),
    "RayTaskError": (_WORKER, "the worker could not run the attempt"),
    "UserCodeException": (_WORKER, "the worker could not run the attempt"),
    "UnserializableException": (_WORKER, "the worker's exception cannot be shown here"),
    "AsyncioActorExit": (_WORKER, "the worker process ended itself"),
    "OutOfMemoryError": (
        FailureKind.OUT_OF_MEMORY,
        "Ray's memory monitor killed the worker because the machine ran out of memory; it chooses by age, so another "
        "attempt on the same machine may have been the cause",
    ),
    # its node
    "NodeDiedError": (_NODE, "the node died"),
    "LocalRayletDiedError": (_NODE, "Ray's own process on the node died"),
    "ObjectLostError": (_NODE, "the result was lost with the node that held it"),
    "ObjectFetchTimedOutError": (_NODE, "the result could not be fetched from its node"),
    "ObjectFreedError": (_NODE, "the result was freed before it was fetched"),
    "ObjectReconstructionFailedError": (_NODE, "the result was lost with the node that held it"),
    "OwnerDiedError": (_NODE, "the owner of the result died"),
    "ReferenceCountingAssertionError": (_NODE, "the result was freed before it was fetched"),
    "PlasmaObjectNotAvailable": (_NODE, "the result is not there any more"),
    "RpcError": (_NODE, "the connection to the node broke"),
    # an actor, which attempts are not: should one of ours come here, its process or node is gone
    "RayActorError": (_WORKER, "an actor of tuner's died"),
    "ActorDiedError": (_WORKER, "an actor of tuner's died"),
    "ActorUnavailableError": (_WORKER, "an actor of tuner's cannot be reached"),
    "ActorHandleNotFoundError": (_WORKER, "an actor of tuner's is gone"),
    "ActorAlreadyExistsError": (_WORKER, "an actor of that name exists already"),
    # the cluster's state
    "ObjectStoreFullError": (_WORKER, "Ray's object store is full"),
    "OutOfDiskError": (_WORKER, "the node's disk is full"),
    "RuntimeEnvSetupError": (_WORKER, "the worker's runtime environment could not be set up"),
    "TaskUnschedulableError": (_NODE, "no node can hold what the attempt asks for"),
    "ActorUnschedulableError": (_NODE, "no node can hold what the actor asks for"),
    "TaskPlacementGroupRemoved": (_NODE, "the attempt's placement group was removed"),
    "ActorPlacementGroupRemoved": (_NODE, "the actor's placement group was removed"),
    "PendingCallsLimitExceeded": (_WORKER, "too many calls are waiting"),
    "GetTimeoutError": (_WORKER, "the result did not come in time"),
    "AuthenticationError": (_WORKER, "the cluster refuses our token"),
    # Ray's own troubles
    "RayError": (_WORKER, "Ray failed"),
    "RaySystemError": (_WORKER, "Ray failed"),
    "CrossLanguageError": (_WORKER, "Ray failed"),
    "ObjectRefStreamEndOfStreamError": (_WORKER, "Ray failed"),
    "StreamingGeneratorReplayInconsistentError": (_WORKER, "Ray failed"),
    "OufOfBandObjectRefSerializationException": (_WORKER, "Ray failed"),
    "RayChannelError": (_WORKER, "Ray failed"),
    "RayChannelTimeoutError": (_WORKER, "Ray failed"),
    "RayCgraphCapacityExceeded": (_WORKER, "Ray failed"),
    "RayDirectTransportError": (_WORKER, "Ray failed"),
}


def failure_of(error: BaseException) -> Failed:
    """What an attempt ended as whose task ended with ``error``."""
    for kind in type(error).__mro__:
        if kind.__name__ in _MEANING:
            failure, meaning = _MEANING[kind.__name__]
            break
    else:
        failure, meaning = _WORKER, "the attempt's task failed"
    text = _COLOURS.sub("", str(error)).strip()
    # Ray explains at length, and a traceback ends with what matters.
    detail = text if len(text) <= _TEXT_LIMIT else f"{text[: _TEXT_LIMIT // 4]}\n[...]\n{text[-_TEXT_LIMIT * 3 // 4 :]}"
    return Failed(failure, f"{meaning}\n\n{type(error).__name__}: {detail}" if detail else meaning)
