"""What Ray says of nodes, in our words."""

from __future__ import annotations

import pytest

from tuner.cluster.nodes import _node, is_spot
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
