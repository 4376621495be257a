"""A node that dies under an attempt, in a cluster of several real nodes on this machine."""

from __future__ import annotations

import pytest


@pytest.mark.ray
@pytest.mark.slow
def test_a_node_that_is_killed_costs_the_attempts_that_ran_on_it(play):
    said = play("node_loss.py")
    kind, failure, message = said["lost"]
    assert (kind, failure) == ("Failed", "node_lost")
    assert "node" in message
    assert said["kept"] == "Pruned"
    assert said["after"] == "Completed"
    assert said["different_nodes"]
    assert said["told_lost"]
    assert said["head_offers"] == [0.0, 1.0, 1.0]
    assert said["labels"] == ["0", "1"]
    assert said["finished_once"]
