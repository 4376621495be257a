"""The study's mailbox: a small actor without a CPU, on the driver's machine, through which attempts and driver talk.

Workers post and never wait; what they get back are the stops that concern them. The driver asks with patience and gets all
there is. When the driver does not fetch, posts are answered late, and since a worker has at most one unanswered post, it
keeps its reports until then: nothing grows without bound anywhere.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

from tuner.cluster.wire import Key, Setup
from tuner.core.actions import Stop

__all__ = ["Mailbox", "find_mailbox", "open_mailbox"]

NAMESPACE = "tuner"
_LIMIT_BYTES = 64 << 20
_POST_WAIT_S = 10.0


class Mailbox:
    """The actor's body; every method is a coroutine on one thread.

    Args:
        setup: For worker processes that are new to the study.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._stops: dict[Key, Stop] = {}
        self._changed = asyncio.Condition()

    async def setup(self) -> Setup:
        """What a worker process needs."""
        return self._setup

    async def post(self, message: bytes, keys: Sequence[Key]) -> dict[Key, Stop]:
        """Take a message for the driver and tell which of the attempts ``keys`` were asked to stop."""
        if self._size > _LIMIT_BYTES:
            await self._wait(lambda: self._size <= _LIMIT_BYTES, _POST_WAIT_S)
        self._messages.append(message)
        self._size += len(message)
        async with self._changed:
            self._changed.notify_all()
        return {key: self._stops[key] for key in keys if key in self._stops} if self._stops else {}

    async def drain(self, wait_s: float) -> list[bytes]:
        """Every message there is, oldest first; waits for the first one up to ``wait_s`` seconds."""
        if not self._messages:
            await self._wait(lambda: bool(self._messages), wait_s)
        messages = list(self._messages)
        self._messages.clear()
        self._size = 0
        async with self._changed:
            self._changed.notify_all()
        return messages

    async def keep(self, name: str, data: bytes) -> tuple[str, float]:
        """Keep a checkpoint of a machine that does not have the study's file system; as the keeper's ``write``."""
        return cast("tuple[str, float]", await asyncio.to_thread(self._setup.keeper.write, data, name))

    async def bring(self, place: str) -> bytes:
        """The checkpoint at ``place``, for such a machine; as the keeper's ``read``."""
        return cast(bytes, await asyncio.to_thread(self._setup.keeper.read, place))

    async def stop(self, stops: Sequence[Stop]) -> None:
        """Remember to tell these attempts to stop."""
        for stop in stops:
            self._stops[stop.trial, stop.attempt] = stop

    async def forget(self, keys: Sequence[Key]) -> None:
        """These attempts have ended."""
        for key in keys:
            self._stops.pop(key, None)

    async def _wait(self, ready: Any, wait_s: float) -> None:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(ready), wait_s)
            except TimeoutError:
                return


def open_mailbox(name: str, setup: Setup) -> Any:
    """Start a mailbox on this machine and return its handle; it ends with the driver."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(num_cpus=0, max_concurrency=10_000, max_restarts=0)(Mailbox)
    return actor.options(name=name, namespace=NAMESPACE, scheduling_strategy=here).remote(setup)


def find_mailbox(name: str) -> Any:
    """The handle of the mailbox of that name; waits until it has been started."""
    import ray

    return ray.get_actor(name, namespace=NAMESPACE)
