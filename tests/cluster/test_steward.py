"""The steward on a real Ray: several studies share it, it is lost and comes back, and it ends with the last of them."""

from __future__ import annotations

import pytest


@pytest.mark.ray
def test_studies_share_a_cluster_through_a_steward_that_may_be_lost_and_ends_with_them(play):
    said = play("steward.py")
    assert said["cleared"] == 0, "what was asked before is cleared at the start"
    assert said["first"] == pytest.approx({"a": 0.75, "b": 0.25})
    assert said["wanting_s"] < 0.2, "telling what is wanted blocks nobody"
