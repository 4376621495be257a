"""What a forecast rests on, and that it says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plan.courses import NODE, SPEC, course, expected, learned
from tuner.api._forecast import Ask, forecast
from tuner.api._losses import Losses
from tuner.api.plan import sites_of_nodes, sites_of_types
from tuner.resources import NodeType
from tuner.study import Limits


class TestAssumptions:
    def test_workers_that_start_take_time_and_money(self):
        plain, late = (
            expected(SPEC, replace(learned(course()), ready_s=s), sites_of_nodes([2], NODE, price_h=3.6)).options[0]
            for s in (0.0, 100.0)
        )
        assert late.time_s.mid == pytest.approx(plain.time_s.mid + 100.0)
        assert plain.cost
        assert late.cost
        assert late.cost.mid == pytest.approx(plain.cost.mid + 2 * 100.0 * 3.6 / 3600)

    def test_they_are_told(self):
        kinds = [NodeType("a", NODE, 2, min_nodes=1, boot_s=30.0), NodeType("b", NODE, 2, spot=True)]
        what = replace(learned(course()), ready_s=4.2)
        told = expected(SPEC, what, sites_of_types(kinds, 4), n_seeds=1).assumed
        assert told["start"].startswith("4.2 s until the first trial begins")
        assert "30 s for a, 60 s for b" in told["boot"]
        assert told["boot"].endswith("(without label tuner.io/boot-s: b)")
        assert told["spot"] == "taken away a day: 15% of b (default)"
        assert told["failures"] == "no worker or node is lost, as in pilot"

    def test_who_says_how_often_spot_nodes_go_is_told(self):
        kind = NodeType("b", NODE, 2, spot=True, spot_loss_day=0.3)
        for share, words in ((None, "30% of b (its label)"), (0.02, "2% of b (--spot-loss)")):
            ask = Ask(source="p", n_seeds=1, spot_loss_day=share)
            made = forecast(SPEC, learned(course()), sites_of_types([kind], 2, [2]), ask)
            assert made.assumed["spot"] == f"taken away a day: {words}"

    def test_losses_of_the_source_are_told(self):
        lost = Losses(attempts=40, run_s=400.0, workers=2, nodes={"": 1}, node_s={"": 800.0})
        told = expected(SPEC, replace(learned(course()), losses=lost), sites_of_nodes([1], NODE), n_seeds=1).assumed
        assert told["failures"] == "as often as in pilot: 2 of 40 attempts lost their worker, nodes lost: 1"

    def test_few_trials_that_scatter_make_a_wide_range(self):
        walls = [4.0, 40.0, 6.0, 25.0, 9.0, 60.0]
        few = learned(*(course(w, x=((5 * k) % 6) / 6) for k, w in enumerate(walls)))
        many = learned(*(course(w, x=((5 * k) % 6) / 6) for k, w in enumerate(walls * 20)))
        wide, narrow = (expected(SPEC, what, sites_of_nodes([1], NODE), 5).options[0].time_s for what in (few, many))
        assert (wide.high / wide.low) > 1.5 * (narrow.high / narrow.low)

    def test_without_spot_types_nothing_is_said_of_them(self):
        told = expected(SPEC, learned(course()), sites_of_nodes([1], NODE), n_seeds=1).assumed
        assert not told.keys() & {"spot", "boot"}

    @pytest.mark.parametrize(("held", "parallel", "told"), [(8.0, None, True), (14.0, None, False), (8.0, 8, False)])
    def test_trials_that_had_more_room_than_they_will_have_are_told(self, held, parallel, told):
        what, spec = (
            replace(learned(course()), filled=(held, 16.0)),
            SPEC.with_limits(Limits(trials=9, parallel=parallel)),
        )
        assumed = expected(spec, what, sites_of_nodes([1], NODE), n_seeds=1).assumed
        assert assumed.get("at once", "").startswith("trials held 8 of 16 CPUs at most in pilot") is told
