"""What is forecast from what was learned."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.plan.courses import NODE, SPEC, course, expected, learned
from tuner.api._forecast import Forecast, Range
from tuner.api._simulating import _quantiles
from tuner.api.plan import sites_of_nodes, sites_of_types
from tuner.resources import NodeType
from tuner.study import Limits, PluginSpec, ResourceRequest


class TestForecast:
    def test_twice_the_nodes_take_half_the_time(self):
        made = expected(SPEC, learned(course(), course(x=0.1)), sites_of_nodes([1, 2], NODE))
        one, two = made.options
        assert one.time_s.mid == pytest.approx(60 * 10.0 / 2, rel=0.1)
        assert two.time_s.mid == pytest.approx(60 * 10.0 / 4, rel=0.1)

    def test_money_is_that_of_the_nodes(self):
        made = expected(SPEC, learned(course()), sites_of_nodes([2], NODE, price_h=3.6))
        cost, time_s = made.options[0].cost, made.options[0].time_s
        assert cost is not None
        assert cost.mid == pytest.approx(time_s.mid * 2 * 3.6 / 3600)

    def test_the_cheapest_that_meets_the_deadline_is_named(self):
        spec = SPEC.with_limits(Limits(trials=60, time_s=200.0))
        made = expected(spec, learned(course()), sites_of_nodes([1, 2, 4, 8], NODE, price_h=1.0))
        assert made.best == "2 nodes"

    def test_what_a_limit_of_time_cuts_is_told(self):
        spec = SPEC.with_limits(Limits(trials=60, time_s=100.0))
        option = expected(spec, learned(course()), sites_of_nodes([1], NODE)).options[0]
        assert option.cut == "time"
        assert option.trials.mid < 60
        assert option.needs_s is not None
        assert option.needs_s.mid == pytest.approx(300.0, rel=0.1)

    def test_what_a_limit_of_money_cuts_is_told(self):
        spec = SPEC.with_limits(Limits(trials=60, cost=0.1))
        option = expected(spec, learned(course()), sites_of_nodes([1], NODE, price_h=3.6)).options[0]
        assert option.cut == "cost"
        assert option.cost is not None
        assert option.cost.high <= 0.1 + 1e-9

    def test_nothing_is_best_where_nothing_finishes(self):
        spec = SPEC.with_limits(Limits(trials=60, time_s=20.0))
        assert expected(spec, learned(course()), sites_of_nodes([1], NODE)).best is None

    def test_the_studys_pruner_judges(self):
        courses = [course(x=x / 10) for x in range(10)]
        pruned = replace(SPEC, pruner=PluginSpec("asha", {"min": 1, "max": 5, "eta": 2}))
        plain, asha = (expected(s, learned(*courses), sites_of_nodes([2], NODE)).options[0] for s in (SPEC, pruned))
        assert asha.time_s.mid < 0.7 * plain.time_s.mid

    def test_slack_and_utilisation_are_told(self):
        spec = replace(SPEC, resources=ResourceRequest(cpu=1.0, memory_mib=600.0))
        option = expected(spec, learned(course(busy=0.5)), sites_of_nodes([2], NODE)).options[0]
        assert option.memory_slack == pytest.approx(1.0 - 150.0 / 600.0, abs=0.02)
        assert option.cpu_slack == pytest.approx(0.5, abs=0.02)
        assert option.utilisation > 0.9

    def test_memory_that_no_node_has_fails_trials_and_ends(self):
        spec = replace(SPEC, resources=ResourceRequest(cpu=1.0, memory_mib=100.0))
        option = expected(spec, learned(course(mib=90000.0)), sites_of_nodes([1], NODE), n_seeds=1).options[0]
        assert option.trials.mid == 0
        assert option.lost > 0

    @pytest.mark.parametrize("sites", [sites_of_nodes([1], NODE), sites_of_types([NodeType("a", NODE, 2)], 2, [2])])
    def test_a_request_that_no_node_can_hold_ends_the_simulation(self, sites):
        spec = replace(SPEC, resources=ResourceRequest(cpu=16.0, memory_mib=0.0))
        made = expected(spec, learned(course()), sites, n_seeds=1)
        assert made.options[0].is_stuck
        assert made.best is None

    def test_a_node_that_boots_for_an_hour_is_waited_for(self):
        kind = NodeType("a", NODE, 1, boot_s=3600.0)
        assert expected(SPEC, learned(course()), sites_of_types([kind], 1, [1]), n_seeds=1).options[0].trials.mid == 60

    def test_a_cluster_that_grows_is_forecast_with_its_boots(self):
        kind = NodeType("a", NODE, 4, price_h=1.0, boot_s=100.0)
        made = expected(SPEC, learned(course()), sites_of_types([kind], 4, [4]))
        assert made.options[0].time_s.mid > 100.0 + 60 * 10.0 / 8

    def test_it_is_the_same_again_and_survives_json(self):
        sites = sites_of_nodes([1, 2], NODE, price_h=1.0)
        spec = SPEC.with_limits(Limits(trials=60, time_s=100.0))
        once, again = (expected(spec, learned(course()), sites) for _ in range(2))
        assert once == again
        assert Forecast.from_dict(json.loads(json.dumps(once.to_dict()))) == once

    @pytest.mark.parametrize("n", [2, 5, 19])
    def test_few_simulations_reach_from_one_end_of_nine_tenths_to_the_other(self, n):
        places = _quantiles(n)
        assert [places[0], sum(places) / n, places[-1]] == pytest.approx([0.05, 0.5, 0.95])

    @pytest.mark.parametrize("n", [1, 20])
    def test_the_only_simulation_and_many_are_placed_evenly(self, n):
        assert _quantiles(n)[0] == pytest.approx(0.5 / n)

    def test_ranges_hold_nine_of_ten(self):
        assert Range.of([float(i) for i in range(100)]) == Range(5.0, 49.5, 94.0)
        assert Range.of([3.0]) == Range(3.0, 3.0, 3.0)


class TestSites:
    def test_types_are_planned_in_doubling_sizes_and_together(self):
        kinds = [NodeType("a", NODE, 5), NodeType("b", NODE, 1)]
        names = [site.name for site in sites_of_types(kinds, 6)]
        assert names == ["up to 1 a", "up to 2 a", "up to 4 a", "up to 5 a", "up to 1 b", "all types, up to 6"]

    def test_sizes_end_where_nobody_would_pay(self):
        names = [site.name for site in sites_of_types([NodeType("a", NODE, 2**31 - 1)], 2**31 - 1)]
        assert names == ["up to 1 a", "up to 2 a", "up to 4 a", "up to 8 a", "up to 16 a", "up to 32 a", "up to 64 a"]
