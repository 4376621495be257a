"""Which node has room."""

from __future__ import annotations

import random

import pytest

from tuner.core.packing import Packing, slots
from tuner.resources import Node, Resources


def packed(*nodes: tuple[str, float, float, float]) -> Packing:
    packing = Packing(Resources(1.0, 0.0, 0.0))
    for name, cpu, gpu, memory in nodes:
        packing.join(Node(name, Resources(cpu, gpu, memory)))
    return packing


def test_an_attempt_goes_where_the_fewest_cpus_are_left_that_suffice():
    packing = packed(("large", 8, 0, 8000), ("small", 2, 0, 2000))
    assert packing.find(Resources(1.0, 0.0, 500.0)) == "small"
    assert packing.find(Resources(4.0, 0.0, 500.0)) == "large"


def test_one_without_a_gpu_leaves_gpu_nodes_alone_while_it_can():
    packing = packed(("gpu", 1, 1, 8000), ("cpu", 8, 0, 8000))
    assert packing.find(Resources(1.0)) == "cpu"
    assert packing.find(Resources(1.0, 1.0)) == "gpu"
    packing.take("cpu", Resources(8.0))
    assert packing.find(Resources(1.0)) == "gpu"


def test_memory_binds_where_cpus_do_not():
    packing = packed(("n", 8, 0, 1000))
    packing.take("n", Resources(1.0, 0.0, 700.0))
    assert packing.find(Resources(1.0, 0.0, 400.0)) is None
    assert packing.find(Resources(1.0, 0.0, 300.0)) == "n"


def test_an_overdrawn_node_takes_nothing_until_it_is_not():
    packing = packed(("n", 2, 0, 1000))
    packing.take("n", Resources(2.0))
    packing.take("n", Resources(1.0))
    packing.give("n", Resources(1.0))
    assert packing.find(Resources(1.0)) is None
    packing.give("n", Resources(2.0))
    assert packing.find(Resources(2.0)) == "n"


def test_a_share_holds_back_the_rest_but_never_the_only_attempt():
    packing = packed(("a", 4, 0, 4000), ("b", 4, 0, 4000))
    packing.share = 0.5
    assert packing.n_open == 4
    packing.take("a", Resources(4.0))
    assert packing.find(Resources(1.0)) is None
    packing.give("a", Resources(4.0))
    packing.share = 0.01
    assert packing.n_open == 1
    assert packing.find(Resources(4.0)) is not None


def test_a_closed_node_is_passed_over_and_keeps_its_books():
    packing = packed(("n", 2, 0, 1000))
    packing.take("n", Resources(1.0))
    packing.close("n", "bad")
    assert packing.find(Resources(1.0)) is None
    packing.give("n", Resources(1.0))
    packing.open("n")
    assert packing.find(Resources(2.0)) == "n"


def test_nothing_asked_for_takes_the_place_of_a_cpu():
    assert slots(Resources(3.0, 0.0, 100.0), Resources(0.0, 0.0, 0.0)) == 3


@pytest.mark.parametrize("seed", range(20))
def test_the_books_are_those_of_a_plain_sum(seed):
    chance = random.Random(seed)
    packing = packed(*((f"n{i}", chance.randint(1, 8), chance.randint(0, 2), 1000.0) for i in range(6)))
    held: list[tuple[str, Resources]] = []
    for _ in range(300):
        grant = Resources(chance.choice([0.5, 1, 2]), chance.choice([0, 0, 0.5, 1]), chance.choice([0, 100, 333]))
        if held and chance.random() < 0.45:
            packing.give(*held.pop(chance.randrange(len(held))))
        else:
            found = packing.find(grant)
            if found is not None:
                packing.take(found, grant)
                held.append((found, grant))
        if chance.random() < 0.05:
            packing.expect(Resources(chance.choice([1, 2]), 0, chance.choice([0, 200])))
        for name, node in packing.nodes.items():
            used = [g for n, g in held if n == name]
            assert sum(g.cpu for g in used) <= node.resources.cpu + 1e-6
            assert sum(g.memory_mib for g in used) <= node.resources.memory_mib + 1e-6
        assert packing.held.cpu == pytest.approx(sum(g.cpu for _, g in held))
        assert packing.free_cpu == pytest.approx(packing.total.cpu - packing.held.cpu)
        left = [
            Resources(
                node.resources.cpu - sum(g.cpu for n, g in held if n == name),
                node.resources.gpu - sum(g.gpu for n, g in held if n == name),
                node.resources.memory_mib - sum(g.memory_mib for n, g in held if n == name),
            )
            for name, node in packing.nodes.items()
        ]
        assert packing.n_free == sum(slots(free, packing._typical) for free in left)
