"""What a summary says of resources."""

from __future__ import annotations

from dataclasses import replace

from tests.cli.conftest import SPEC
from tuner.cli._sizes import asked_for, size_rows, sizes_document
from tuner.core.nodes import NodeStanding
from tuner.formula import Formula
from tuner.resources import Node, Resources, Usage
from tuner.study import ResourceRequest
from tuner.trial import Attempt, Completed, Failed, FailureKind

USAGE = Usage(peak_memory_mib=400.0, cpu_s=9.0, wall_s=10.0, base_memory_mib=100.0)


def attempts(n: int, memory_mib: float = 4096.0, first: int = 0) -> list[Attempt]:
    return [
        Attempt(k, 1, Resources(1.0, 0.0, memory_mib), "n", float(k), k + 10.0, Completed({}), USAGE)
        for k in range(first, first + n)
    ]


def test_slack_is_told_for_what_came_after_learning_with_what_came_before():
    told = size_rows(SPEC, [*attempts(20, 1000.0), *attempts(5, 625.0, first=20)])
    assert told == {
        "slack": "CPU 10%, memory 20% of what was granted lay unused (first 20 attempts: CPU 10%, memory 50%)"
    }


def test_attempts_too_short_to_measure_are_passed_over():
    short = [replace(a, usage=replace(USAGE, wall_s=0.01)) for a in attempts(5)]
    assert size_rows(SPEC, short) == {}


def test_what_a_fixed_request_wasted_is_told_with_what_auto_would_have_brought():
    fixed = replace(SPEC, resources=ResourceRequest(memory_mib=4096.0))
    told = size_rows(fixed, attempts(5), Resources(64.0, 0.0, 16384.0))
    assert (
        told["memory asked for"]
        == "asked for 4.0 GiB, used at most 500 MiB: `memory: auto` would have run 6 times as many at once"
    )
    (saving,) = sizes_document(fixed, attempts(5))["savings"]
    assert saving == {"resource": "memory", "asked": 4096.0, "used": 500.0, "times": 6.55}


def test_lost_attempts_are_told_by_what_took_them():
    kinds = [FailureKind.OUT_OF_MEMORY, FailureKind.OUT_OF_MEMORY, FailureKind.PREEMPTED, FailureKind.NODE_LOST]
    lost = [Attempt(1, k, Resources(), "n", 0.0, 1.0, Failed(kind)) for k, kind in enumerate(kinds, 1)]
    told = size_rows(SPEC, lost)
    assert told["out of memory"] == "2 attempts of 4, of 1 trial"
    assert told["lost attempts"] == "1 preempted, 1 node lost"
    assert sizes_document(SPEC, lost)["lost"] == {"out_of_memory": 2, "preempted": 1, "node_lost": 1}


def test_quarantined_nodes_are_named_with_the_reason():
    bad = NodeStanding(
        Node("node-with-a-long-id", Resources()), True, 0, 9, {}, None, "8 of its latest 9 attempts failed"
    )
    good = replace(bad, node=Node("good", Resources()), quarantined=None)
    assert size_rows(SPEC, [], None, [good, bad]) == {
        "node node-with-a-": "quarantined: 8 of its latest 9 attempts failed"
    }


def test_a_request_is_written_as_it_was_asked():
    assert asked_for(ResourceRequest()) == "cpu auto, memory auto, gpu auto"
    request = ResourceRequest(cpu=0.5, memory_mib=Formula("3MiB * x"), gpu=2.0)
    assert asked_for(request) == "cpu 0.5, memory 3MiB * x, gpu 2"
