"""What Ray says of nodes, in our words."""

from __future__ import annotations

import pytest

from tuner.cluster.nodes import _node, _why_dead, is_spot
from tuner.resources import Resources


def row(labels):
    return {"NodeID": "n", "Resources": {"CPU": 4.0, "memory": 2.0**30, "node:10.0.0.1": 1.0}, "Labels": labels}


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ({"ray.io/node-group": "cpu_spot", "pool": "cpu"}, "cpu_spot"),
        ({"tuner.io/node-type": "server"}, "server"),
        ({"ray.io/node-group": "", "tuner.io/node-type": "server"}, "server"),
        ({"pool": "cpu"}, None),
        (None, None),
    ],
)
def test_a_nodes_type_is_its_label(labels, kind):
    node = _node(row(labels))
    assert node.type == kind
    assert node.resources == Resources(4.0, 0.0, 1024.0)


@pytest.mark.parametrize(
    ("labels", "spot"),
    [
        ({"ray.io/market-type": "spot"}, True),
        ({"market-type": "spot"}, True),
        ({"market-type": "on-demand"}, False),
        ({}, False),
    ],
)
def test_a_spot_node_is_known_by_its_label(labels, spot):
    assert is_spot(labels) is spot


@pytest.mark.parametrize(
    ("reason", "said", "why"),
    [
        (2, "health check failed\nmore", "died: health check failed"),
        (0, "", "died"),
        (None, None, "died"),
        (3, "spot", "preempted: spot"),
        (4, "idle for 9 s", "removed"),
        (1, "received SIGTERM", "removed"),
    ],
)
def test_a_nodes_death_has_a_reason(reason, said, why):
    assert _why_dead({"DeathReason": reason, "DeathReasonMessage": said}) == why
