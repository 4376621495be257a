"""What a process holds, keeps and gives back; what its node has left."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tuner.worker import memory as memory_module
from tuner.worker.memory import OwnMemory, give_back, process_base, take_base
from tuner.worker.neighbours import IDLE, Neighbours
from tuner.worker.node_memory import NodeMemory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of memory")
MIB = 1 << 20


def scattered(mib: int) -> list[bytes]:
    """Pieces too small for the allocator to take pages of their own for each."""
    return [os.urandom(50_000) for _ in range(mib * 20)]


def test_what_was_freed_goes_back_to_the_system():
    take_base()
    memory = OwnMemory()
    pieces = scattered(200)
    pin = os.urandom(50_000)  # above them on the heap, so that it does not shrink by itself
    del pieces
    assert give_back(memory.read().now + 64 * MIB)
    assert memory.read().now - process_base() < 40 * MIB
    del pin


def test_little_is_not_given_back():
    take_base()
    assert not give_back(OwnMemory().read().now)


def test_what_stays_after_giving_back_is_not_tried_again(monkeypatch):
    take_base()
    cached = scattered(80)
    memory = OwnMemory()
    assert give_back(memory.read().now)
    monkeypatch.setattr(memory_module, "_malloc_trim", None)
    assert not give_back(memory.read().now)
    del cached


def test_a_cycle_of_garbage_is_collected_where_it_holds_much():
    take_base()

    class Node:
        pass

    node = Node()
    node.me, node.block = node, bytearray(128 * MIB)  # type: ignore[attr-defined]
    del node
    memory = OwnMemory()
    give_back(memory.read().now)
    assert memory.read().now - process_base() < 40 * MIB


def machine(folder: Path, available_mib: int, group: str) -> Path:
    proc = folder / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(
        f"MemTotal:       {8000 * 1024} kB\nMemFree:  1 kB\nMemAvailable: {available_mib * 1024} kB\n"
    )
    (proc / "self" / "cgroup").write_text(group)
    return proc


def test_a_container_of_version_2_has_what_its_group_has_left(tmp_path):
    proc = machine(tmp_path, 5000, "0::/pod/box\n")
    pod = tmp_path / "cgroup" / "pod"
    (pod / "box").mkdir(parents=True)
    (pod / "box" / "memory.max").write_text("max\n")
    (pod / "memory.max").write_text(str(1000 * MIB))
    (pod / "memory.current").write_text(str(900 * MIB))
    (pod / "memory.stat").write_text(f"anon 1\ninactive_file {300 * MIB}\n")
    node = NodeMemory(proc, tmp_path / "cgroup")
    assert (node.total_mib, node.free_mib()) == (1000, 400)


def test_a_container_of_version_1_that_sees_its_group_as_the_root_has_what_that_has_left(tmp_path):
    proc = machine(tmp_path, 5000, "4:memory:/docker/abc\n1:cpu:/\n")
    group = tmp_path / "cgroup" / "memory"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text(str(2000 * MIB))
    (group / "memory.usage_in_bytes").write_text(str(500 * MIB))
    (group / "memory.stat").write_text(f"inactive_file 1\ntotal_inactive_file {100 * MIB}\n")
    node = NodeMemory(proc, tmp_path / "cgroup")
    assert (node.total_mib, node.free_mib()) == (2000, 1600)


def test_the_machine_counts_where_it_has_less_than_the_group_allows(tmp_path):
    proc = machine(tmp_path, 100, "0::/\n")
    group = tmp_path / "cgroup"
    group.mkdir()
    (group / "memory.max").write_text(str(4000 * MIB))
    (group / "memory.current").write_text("0")
    (group / "memory.stat").write_text("inactive_file 0\n")
    assert NodeMemory(proc, group).free_mib() == 100


def test_without_a_limit_it_is_the_machines(tmp_path):
    node = NodeMemory(machine(tmp_path, 5000, "0::/\n"), tmp_path / "cgroup")
    assert (node.total_mib, node.free_mib()) == (8000, 5000)


def test_neighbours_add_up_and_dead_ones_are_forgotten(tmp_path):
    me = Neighbours(tmp_path, budget_mib=1000)
    me.tell(100, 200)
    parent = Neighbours(tmp_path, budget_mib=1000)
    parent._file = os.open(tmp_path / str(os.getppid()), os.O_RDWR | os.O_CREAT)
    parent.tell(300, 500)
    (tmp_path / "4194999").write_bytes((tmp_path / str(os.getppid())).read_bytes())  # above the highest process number
    assert me.others() == (300, 200)
    parent.tell(300, IDLE)  # it runs nothing any more
    assert me.others() == (0, 0)
    assert not (tmp_path / "4194999").exists()
