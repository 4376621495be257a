"""What a worker process tells without being asked, and its last words. A mailbox that answers at once, and no Ray."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from tuner.cluster.courier import Courier, SoFar
from tuner.cluster.wire import News, unpack

KEY = (3, 1)
PATIENCE_S = 10.0


class Mailbox:
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self.came = threading.Condition()
        self.post = self

    def remote(self, message: bytes, keys: Any) -> Any:
        answer: Future[dict[Any, Any]] = Future()
        answer.set_result({})
        with self.came:
            self.news.append(unpack(message))
            self.came.notify_all()

        class Reference:
            def future(self) -> Future[dict[Any, Any]]:
                return answer

        return Reference()

    def wait_for(self, n: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.news) >= n, PATIENCE_S)


class Memory:
    """What the running attempt holds."""

    mib = 100.0

    def __call__(self) -> SoFar:
        mib = self.mib
        return SoFar(mib, mib > 400, lambda: [mib])


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def courier(mailbox, memory) -> Iterator[Courier]:
    courier = Courier(mailbox, "n", None, heartbeat_s=3600.0, usage_so_far=memory)
    courier.begin_task(1, [KEY])
    courier.begin(KEY, True, 0)
    yield courier
    courier.close()


def test_the_announcement_says_what_the_attempt_uses(courier, mailbox):
    mailbox.wait_for(1)
    assert mailbox.news[0].usage == ([100.0], False)


def test_memory_that_has_grown_does_not_wait_for_a_heartbeat(courier, mailbox, memory):
    mailbox.wait_for(1)
    memory.mib = 500.0
    mailbox.wait_for(2)
    assert mailbox.news[1].usage == ([500.0], True)


def test_last_words_are_posted_with_what_was_reported_and_nothing_follows_them(courier, mailbox):
    mailbox.wait_for(1)
    courier.report(1, {"loss": 0.5})
    courier.last_words(KEY, {"failed": "out_of_memory"}, [900.0], b"log")
    words = [result for news in mailbox.news for result in news.results]
    assert [(result.key, result.outcome, result.usage) for result in words] == [
        (KEY, {"failed": "out_of_memory"}, [900.0])
    ]
    told = [report for news in mailbox.news for report in news.reports[1]] + list(words[0].reports[1])
    assert (1, {"loss": 0.5}) in told
    courier.end(KEY, {"completed": {}}, [0.0], b"")  # the attempt's own thread, a moment later
    assert courier.end_task() == []
