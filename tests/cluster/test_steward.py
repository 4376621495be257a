"""The steward on a real Ray: several studies share it, it is lost and comes back, and it ends with the last of them."""

from __future__ import annotations

import asyncio
import threading

import pytest
import ray

from tuner.cluster import steward
from tuner.cluster.autoscaling import Bundle
from tuner.resources import Resources


@pytest.mark.ray
def test_studies_share_a_cluster_through_a_steward_that_may_be_lost_and_ends_with_them(play):
    said = play("steward.py")
    assert said["cleared"] == 0, "what was asked before is cleared at the start"
    assert said["first"] == pytest.approx({"a": 0.75, "b": 0.25})
    assert said["wanting_s"] < 0.2, "telling what is wanted blocks nobody"


class Remote:
    """A method of an actor that hands back what it is given to return."""

    def __init__(self, answer: object = None) -> None:
        self.answer = answer
        self.calls: list[tuple[object, ...]] = []

    def remote(self, *arguments: object) -> object:
        self.calls.append(arguments)
        return self.answer


class Handle:
    """A steward that is there, as its handle."""

    def __init__(self) -> None:
        self.join, self.poll, self.leave = Remote(), Remote("answer"), Remote()


def test_telling_what_is_wanted_does_not_wait_for_a_steward_that_is_looked_for(monkeypatch):
    """Ray may take a minute to find it while the head does not answer; the engine tells what it wants on its own thread."""
    handles, looked_for, found = iter([Handle(), Handle()]), threading.Event(), threading.Event()

    def find_or_start() -> Handle:
        handle = next(handles)
        if looked_for.is_set():
            assert found.wait(30.0)
        looked_for.set()
        return handle

    monkeypatch.setattr(steward, "_find_or_start", find_or_start)
    monkeypatch.setattr(ray, "wait", lambda references, timeout: (references, []))
    monkeypatch.setattr(ray, "get", lambda reference, timeout: None)  # it does not know us any more
    mine = steward.Steward("s", 1.0, steward.Growth(False))
    mine.poll()
    polling = threading.Thread(target=mine.poll)
    polling.start()
    wanting = threading.Thread(target=mine.want, args=([Resources()],))
    wanting.start()
    wanting.join(5.0)
    in_time = not wanting.is_alive()
    found.set()
    polling.join(5.0)
    wanting.join(5.0)
    assert in_time


def test_a_steward_does_not_end_before_the_autoscaler_has_heard_that_nothing_is_wanted(monkeypatch):
    """The head may not answer just when the last study leaves; a request that stands would keep nodes for ever."""
    answers, asked = iter([True, False, False, True]), []

    def request(bundles, selectors):
        asked.append((len(bundles), next(answers)))
        return asked[-1][1]

    async def life() -> None:
        ended = asyncio.Event()
        monkeypatch.setattr(steward, "_end_self", ended.set)
        monkeypatch.setattr(steward, "_TICK_S", 0.001)
        actor = steward._Actor()
        await actor.join("token", steward.Member("s", 1.0, steward.Growth(True), (Bundle(),), number=1))
        await actor.leave("token")
        await asyncio.wait_for(ended.wait(), 30.0)

    monkeypatch.setattr(steward, "living_nodes", list)
    monkeypatch.setattr(steward, "request_bundles", request)
    asyncio.run(life())
    assert asked == [(1, True), (0, False), (0, False), (0, True)]
