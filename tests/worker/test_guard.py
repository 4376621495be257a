"""Who endangers a node's memory ends, cleanly if it can, and nobody else does."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time

import pytest

from tuner.resources import Resources
from tuner.trial import Completed, Failed, FailureKind
from tuner.worker import guard as guard_module
from tuner.worker.guard import LITTLE_WAIT_S, Danger, NodeView, danger_of
from tuner.worker.memory import process_base, take_base
from tuner.worker.neighbours import Others

MIB = 1 << 20


@pytest.mark.parametrize(
    ("whole", "growth", "node", "ends"),
    [
        (990, 500, NodeView(10, 500), False),  # within its grant, however short the node is
        (1100, 0, NodeView(5000, 500), False),  # a prediction that was a little wrong
        (4000, 0, NodeView(5000, 500), False),  # far above, but there is room and nobody waits for it
        (4000, 0, NodeView(5000, 500, 3000, promised_mib=2000), False),
        (4000, 0, NodeView(5000, 500, 1500, promised_mib=2000), True),  # it eats what others were promised
        (1500, 0, NodeView(5000, 500, 1500, promised_mib=2000), False),  # not far enough above for that
        (1300, 0, NodeView(499, 500), True),
        (1300, 0, NodeView(800, 500), False),
        (1300, 400, NodeView(800, 500), True),  # short by the time we look again
        (1300, 0, NodeView(9000, 500, unclaimed_mib=-1), True),  # all workers hold more than the node offers
        (9000, 0, NodeView(None, 500), False),  # nothing is known of the node
    ],
)
def test_what_endangers_a_node(whole, growth, node, ends):
    assert (danger_of(whole, 1000, growth, node) is not None) == ends


def test_one_that_is_a_little_above_may_wait_until_there_is_no_time_left():
    little, far = danger_of(1200, 1000, 0, NodeView(450, 500)), danger_of(1300, 1000, 0, NodeView(450, 500))
    late = danger_of(1200, 1000, 0, NodeView(200, 500))
    assert [danger is not None and danger.may_wait for danger in (little, far, late)] == [True, False, False]


class FakeNode:
    """A node as short or as roomy as a test wants it."""

    def __init__(self, view: NodeView) -> None:
        self.now = view
        self.told: list[tuple[float, float]] = []

    def view(self, whole_mib: float) -> NodeView:
        return self.now

    def tell(self, held_mib: float, grant_mib: float) -> None:
        self.told.append((held_mib, grant_mib))


SHORT = NodeView(300, 500)
ROOMY = NodeView(9000, 500)


@pytest.fixture
def node(monkeypatch):
    fake = FakeNode(SHORT)
    monkeypatch.setattr(guard_module, "_node", [fake])
    take_base()
    return fake


def granted(above_base_mib: float) -> Resources:
    return Resources(1, 0, process_base() / MIB + above_base_mib)


def grow(mib: int, then_s: float = 20.0):
    """Take so much, and go on in Python for a while."""
    block = bytearray(mib * MIB)
    ends_s = time.monotonic() + then_s
    while time.monotonic() < ends_s:
        time.sleep(0.01)
    return float(len(block) > 0)


def test_an_attempt_above_its_grant_ends_on_a_short_node_with_its_usage(bench, node):
    result = bench.run(lambda params, context: grow(200), grant=granted(50))
    assert isinstance(result.outcome, Failed)
    assert result.outcome.kind is FailureKind.OUT_OF_MEMORY
    assert "its node was short of memory (300 MiB left, 500 MiB are kept free)" in result.outcome.message
    assert 195 <= result.usage.peak_memory_mib <= 230
    assert result.usage.wall_s < 5


def test_it_lives_where_there_is_room(bench, node):
    node.now = ROOMY
    result = bench.run(lambda params, context: grow(200, 0.3), grant=granted(50))
    assert result.outcome == Completed({"loss": 1.0})
    assert result.usage.whole_memory_mib > granted(50).memory_mib


def test_within_its_grant_it_lives_on_a_short_node(bench, node):
    result = bench.run(lambda params, context: grow(100, 0.3), grant=granted(200))
    assert result.outcome == Completed({"loss": 1.0})


def test_without_a_grant_of_memory_nothing_is_ended(bench, node):
    assert bench.run(lambda params, context: grow(200, 0.3)).outcome == Completed({"loss": 1.0})


def test_a_little_too_much_is_ended_only_when_nobody_else_makes_room(bench, node):
    grant = granted(400)
    began_s = time.monotonic()
    result = bench.run(lambda params, context: grow(430), grant=grant)
    assert isinstance(result.outcome, Failed)
    assert time.monotonic() - began_s >= LITTLE_WAIT_S


def test_an_objective_that_gives_the_memory_up_goes_on(bench, node):
    def frugal(params, context):
        try:
            return grow(200)
        except MemoryError:
            return grow(1, 0.3)

    assert bench.run(frugal, grant=granted(50)).outcome == Completed({"loss": 1.0})


def test_processes_of_the_attempt_are_killed_with_it(bench, node):
    children = []

    def parent(params, context):
        code = "block = bytearray(200 << 20); print(flush=True); input()"
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        children.append(child)
        return child.wait(timeout=20)

    ended = threading.Event()
    result = bench.run(parent, grant=granted(50), end_process=lambda outcome, usage: ended.set())
    assert isinstance(result.outcome, Failed)
    assert result.outcome.kind is FailureKind.OUT_OF_MEMORY
    assert children[0].wait(timeout=10) == -9
    assert result.usage.whole_memory_mib > granted(50).memory_mib


def test_native_code_that_does_not_end_has_its_process_ended_when_the_usage_is_known(bench, node, monkeypatch):
    monkeypatch.setattr(guard_module, "PATIENCE_S", 0.2)
    told = []
    reads, writes = os.pipe()

    def native(params, context):
        blocks: list[bytearray] = []
        threading.Timer(0.1, lambda: blocks.append(bytearray(200 * MIB))).start()
        late = threading.Timer(20.0, lambda: os.write(writes, b"late"))
        late.daemon = True
        late.start()
        ctypes.CDLL(None).read(
            reads, ctypes.create_string_buffer(8), 8
        )  # lets go of the interpreter, and hears nothing
        return 1.0

    def end(outcome, usage):
        told.append((outcome, usage))
        os.write(writes, b"now")  # in a worker the process would be gone now

    bench.run(native, grant=granted(50), end_process=end)
    outcome, usage = told[0]
    assert outcome.kind is FailureKind.OUT_OF_MEMORY
    assert "it did not end when it was told to" in outcome.message
    assert usage.peak_memory_mib >= 195


def test_in_the_users_own_process_nothing_is_ended_by_force(bench, node, monkeypatch):
    monkeypatch.setattr(guard_module, "PATIENCE_S", 0.1)

    def native(params, context):
        block = bytearray(200 * MIB)
        ctypes.CDLL(None).usleep(400_000)
        return float(len(block))

    result = bench.run(native, grant=granted(50), end_process=None)
    assert isinstance(result.outcome, Failed)  # the error waited for the next Python instruction
    assert result.outcome.kind is FailureKind.OUT_OF_MEMORY


def test_an_end_of_its_own_is_not_overtaken_by_the_guard(bench, node):
    guard = guard_module.Guard(1.0, bench.link)
    guard.disarm()
    guard.look(1000.0, lambda: None, lambda: None)  # type: ignore[arg-type, return-value]
    assert guard.condemned is None


def test_neighbours_count_against_what_the_node_offers(monkeypatch):
    class Fake:
        budget_mib = 1000.0

        def others(self) -> Others:
            return Others(700.0, 50.0)

    node = guard_module._Node()
    node.neighbours = Fake()  # type: ignore[assignment]
    monkeypatch.setattr(node.memory, "free_mib", lambda: 50_000.0)
    view = node.view(400.0)
    assert (view.unclaimed_mib, view.promised_mib) == (-100.0, 50.0)
    danger = danger_of(400.0, 300.0, 0.0, view)
    assert danger == Danger(
        "it held 400 MiB and was granted 300 MiB, and all attempts together held what their node offers and 100 MiB more"
    )
