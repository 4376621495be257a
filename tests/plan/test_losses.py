"""Workers and nodes that were lost, and that will be."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.plan.courses import NODE, SPEC, course, expected, learned
from tuner.api._forecast import Ask, forecast
from tuner.api._losses import Losses, losses_of
from tuner.api.plan import sites_of_nodes, sites_of_types
from tuner.core.events import Event, NodeJoined, NodeLost, Started
from tuner.resources import Node, NodeType
from tuner.trial import Attempt, Completed, Failed, FailureKind


class TestLosses:
    def test_workers_and_nodes_that_were_lost_are_counted(self):
        node = Node("n1", NODE, type="spot")
        events: list[Event] = [
            NodeJoined(0.0, node),
            NodeJoined(0.0, Node("n2", NODE)),
            NodeLost(100.0, "n1"),
            Started(200.0, 1, 1),
        ]
        rows = [
            Attempt(0, 1, NODE, "n1", 0.0, 100.0, Failed(FailureKind.NODE_LOST)),
            Attempt(1, 1, NODE, "n2", 0.0, 50.0, Failed(FailureKind.WORKER_LOST)),
            Attempt(2, 1, NODE, "n2", 50.0, 200.0, Completed({"loss": 1.0})),
        ]
        lost = losses_of(rows, events)
        assert (lost.attempts, lost.workers, dict(lost.nodes)) == (3, 1, {"spot": 1})
        assert lost.worker_life_s == 300.0
        assert dict(lost.node_s) == {"spot": 100.0, "": 200.0}

    def test_a_spot_type_that_nobody_knows_loses_15_percent_a_day(self):
        life_s = Losses().node_life_s(NodeType("a", NODE, 1, spot=True), None)
        assert math.exp(-86400.0 / life_s) == pytest.approx(0.85)

    def test_what_the_user_says_goes_before_what_the_type_says(self):
        kind = NodeType("a", NODE, 1, spot=True, spot_loss_day=0.5)
        assert math.exp(-86400.0 / Losses().node_life_s(kind, None)) == pytest.approx(0.5)
        assert math.isinf(Losses().node_life_s(kind, 0.0))

    def test_losses_that_were_seen_count_more_than_what_is_assumed(self):
        lost = Losses(nodes={"a": 9}, node_s={"a": 90_000.0})
        assert lost.node_life_s(NodeType("a", NODE, 1), None) == 10_000.0
        assert lost.node_life_s(NodeType("a", NODE, 1, spot=True), 0.15) < 65_000.0

    def test_spot_nodes_that_go_cost_time(self):
        kind = NodeType("a", NODE, 2, price_h=1.0, boot_s=30.0, spot=True)
        what = learned(course(600.0))
        safe, risky = (
            forecast(
                SPEC, what, sites_of_types([kind], 2, [2]), Ask(source="p", n_seeds=3, spot_loss_day=share)
            ).options[0]
            for share in (0.0, 0.999999)
        )
        assert safe.lost == 0
        assert risky.lost > 1
        assert risky.time_s.mid > safe.time_s.mid + 300.0

    def test_workers_that_die_are_tried_again(self):
        what = replace(learned(course()), losses=Losses(attempts=100, run_s=1000.0, workers=20))
        option = expected(SPEC, what, sites_of_nodes([1], NODE)).options[0]
        assert option.trials.mid >= 59
        assert 5 < option.lost < 40
