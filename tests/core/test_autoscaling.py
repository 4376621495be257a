"""What is asked of the autoscaler: clipped, in time, affordable, and steady."""

from __future__ import annotations

import time
from dataclasses import replace

from tuner.core import events as ev
from tuner.core.actions import Scale
from tuner.core.autoscaling import BOOT_S, HOLD_S, PILOT, SCARCE_AFTER_S, SCARCE_FOR_S, Demand, Scaling
from tuner.core.fleet import Plan
from tuner.core.scheduler import Scheduler
from tuner.pruners.none import NonePruner
from tuner.resources import Node, NodeType, Resources
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, Prices, ResourceRequest, StudySpec

ONE = Resources(1.0, 0.0, 1024.0)
SMALL = NodeType("small", Resources(4.0, 0.0, 8192.0), max_nodes=10, price_h=0.4, boot_s=60.0)
LARGE = NodeType("large", Resources(16.0, 0.0, 65536.0), max_nodes=3, price_h=1.2, boot_s=60.0)
SPOT = replace(SMALL, name="spot", price_h=0.1, spot=True)
GPU = NodeType("gpu", Resources(8.0, 1.0, 32768.0), max_nodes=5)


def scaling(*types: NodeType, prices: Prices | None = None, **limits: float) -> Scaling:
    spec = StudySpec(
        name="s",
        metrics=(Metric("loss"),),
        space=SearchSpace({"x": Float(0.0, 1.0)}),
        objective=PluginSpec("model"),
        limits=Limits(**limits),  # type: ignore[arg-type]
        prices=prices,
    )
    made = Scaling(spec)
    made.types(types)
    return made


def demand(running: int = 0, waiting: int = 0, **more: object) -> Demand:
    """Attempts of one CPU and a GiB; ``nodes`` is a list of types that live."""
    kinds = more.pop("nodes", ())
    nodes = {f"n{i}": Node(f"n{i}", kind.resources, {}, kind.name) for i, kind in enumerate(kinds)}  # type: ignore[arg-type, var-annotated]
    bundle = more.pop("bundle", ONE)
    fields = {"left": None, "wall_s": 100.0, "at_s": 0.0, **more}
    return Demand((bundle,) * running, (bundle,) * waiting, nodes=nodes, **fields)  # type: ignore[arg-type]


def ask(s: Scaling, how: Demand, time_left_s: float | None, cost_left: float | None) -> tuple[Resources, ...] | None:
    """The bundles of the answer; None for the same as before."""
    plan = s.wanted(how, time_left_s, cost_left)
    return None if plan is None else plan.bundles


def asked(s: Scaling) -> Plan:
    assert s.asked is not None
    return s.asked


class TestClipping:
    def test_everything_that_could_start_is_asked_for(self):
        assert ask(scaling(SMALL), demand(waiting=7), None, None) == (ONE,) * 7

    def test_no_more_than_the_types_hold(self):
        wanted = ask(scaling(SMALL), demand(running=4, waiting=200, nodes=[SMALL]), None, None)
        assert wanted is not None
        assert len(wanted) == 40

    def test_no_more_than_parallel(self):
        wanted = ask(scaling(SMALL, parallel=3), demand(running=2, waiting=9), None, None)
        assert wanted == (ONE,) * 3

    def test_no_more_nodes_than_the_limit(self):
        s = scaling(SMALL, LARGE, nodes=2)
        wanted = ask(s, demand(waiting=200), None, None)
        assert asked(s).n_nodes == 2
        assert wanted is not None
        assert len(wanted) == 32  # two large ones: their places are cheaper

    def test_living_nodes_count_against_the_limit_of_nodes(self):
        s = scaling(SMALL, nodes=3)
        ask(s, demand(running=8, waiting=200, nodes=[SMALL, SMALL]), None, None)
        assert asked(s).nodes == {"small": 3}

    def test_a_bundle_that_fits_no_type_is_left_out_and_told(self):
        s = scaling(SMALL)
        giant = Resources(1.0, 0.0, 1e6)
        wanted = ask(s, Demand((), (ONE, giant, ONE), None, 1.0, 0.0, {}), None, None)
        assert wanted == (ONE, ONE)
        assert s.impossible == (giant,)

    def test_a_bundle_that_a_living_node_without_a_type_holds_is_possible(self):
        s = scaling(SMALL)
        big = Resources(1.0, 0.0, 1e5)
        nodes = {"n": Node("n", Resources(8.0, 0.0, 2e5))}
        assert ask(s, Demand((), (big,), None, 1.0, 0.0, nodes), None, None) == (big,)

    def test_without_known_types_living_nodes_tell_what_is_possible(self):
        s = scaling()
        giant = Resources(64.0)
        nodes = {"n": Node("n", Resources(8.0, 0.0, 2e5))}
        assert ask(s, Demand((ONE,), (giant, ONE), None, 1.0, 0.0, nodes), None, None) == (ONE, ONE)
        assert s.impossible == (giant,)

    def test_a_head_without_cpus_is_no_offer(self):
        nodes = {"head": Node("head", Resources(0.0, 0.0, 8192.0))}
        assert ask(scaling(), Demand((), (ONE,), None, 1.0, 0.0, nodes), None, None) == (ONE,)


class TestWhichTypes:
    def test_places_are_taken_where_they_cost_least(self):
        s = scaling(SMALL, LARGE)
        ask(s, demand(waiting=16), None, None)
        assert asked(s).nodes == {"large": 1}  # 0.075 a place for 0.1

    def test_places_that_nobody_needs_do_not_make_a_node_cheap(self):
        s = scaling(SMALL, LARGE)
        ask(s, demand(waiting=3), None, None)
        assert asked(s).nodes == {"small": 1}

    def test_where_a_price_is_missing_gpus_are_not_started_for_cpus(self):
        s = scaling(SMALL, GPU)
        ask(s, demand(waiting=8), None, None)
        assert asked(s).nodes == {"small": 2}

    def test_large_attempts_get_nodes_that_hold_them(self):
        s = scaling(SMALL, LARGE)
        ask(s, demand(waiting=2, bundle=Resources(1.0, 0.0, 30000.0)), None, None)
        assert asked(s).nodes == {"large": 1}

    def test_a_spot_type_that_keeps_vanishing_is_left_until_that_is_forgotten(self):
        s = scaling(SMALL, SPOT)
        ask(s, demand(waiting=4), None, None)
        assert asked(s).nodes == {"spot": 1}
        gone = Node("n", SPOT.resources, {}, "spot")
        for at_s in range(0, 3000, 30):
            ask(s, demand(waiting=4, at_s=float(at_s), nodes=[SPOT]), None, None)
            s.lost(gone, at_s)
        s.reset()
        ask(s, demand(waiting=4, at_s=3000.0), None, None)
        assert asked(s).nodes == {"small": 1}
        s.reset()
        ask(s, demand(waiting=4, at_s=30000.0), None, None)
        assert asked(s).nodes == {"spot": 1}

    def test_a_spot_node_that_went_because_nobody_needed_it_is_no_loss(self):
        s = scaling(SMALL, SPOT)
        ask(s, demand(waiting=12), None, None)
        ask(s, demand(running=1, left=1, at_s=10.0, nodes=[SPOT] * 3), None, None)
        for at_s in (70.0, 71.0):
            s.lost(Node("n", SPOT.resources, {}, "spot"), at_s)
        s.reset()
        ask(s, demand(waiting=4, at_s=80.0), None, None)
        assert asked(s).nodes == {"spot": 1}
        assert s._lives["spot"].waste(BOOT_S) == 0.0


class TestSteadiness:
    def test_the_same_demand_is_told_once(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=8), None, None)
        assert ask(s, demand(running=8, at_s=60.0, nodes=[SMALL] * 2), None, None) is None

    def test_growth_is_told_at_once(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=8), None, None)
        wanted = ask(s, demand(running=8, waiting=4, at_s=1.0, nodes=[SMALL] * 2), None, None)
        assert wanted == (ONE,) * 12

    def test_what_needs_no_other_nodes_is_not_told(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=5), None, None)
        assert ask(s, demand(waiting=8, at_s=60.0), None, None) is None

    def test_a_short_dip_is_not_told(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=8), None, None)
        for at_s, n in ((10.0, 2), (40.0, 8), (50.0, 2), (100.0, 8)):
            assert ask(s, demand(running=n, at_s=at_s, nodes=[SMALL] * 2), None, None) is None

    def test_a_dip_that_lasts_is_told_at_its_highest(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=16), None, None)
        told = [ask(s, demand(running=n, at_s=at_s), None, None) for at_s, n in ((10.0, 2), (40.0, 8), (69.0, 2))]
        assert told == [None] * 3
        assert s.look_at_s == 10.0 + HOLD_S
        assert ask(s, demand(running=2, at_s=71.0), None, None) == (ONE,) * 8

    def test_in_the_tail_less_is_told_at_once(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=16, left=16), None, None)
        assert ask(s, demand(running=8, left=8, at_s=10.0, nodes=[SMALL] * 4), None, None) == (ONE,) * 8

    def test_in_the_tail_no_more_trials_are_waited_for_than_are_left(self):
        assert ask(scaling(SMALL), demand(running=2, waiting=30, left=5), None, None) == (ONE,) * 5

    def test_after_a_reset_the_same_is_told_again(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=8), None, None)
        s.reset()
        assert ask(s, demand(waiting=8, at_s=1.0), None, None) == (ONE,) * 8


class TestDeadline:
    def test_as_few_nodes_as_finish_in_time(self):
        s = scaling(SMALL)
        # 400 trials of 100 s in 2 h: 40,000 place seconds over 0.85 * 7200 - 100 s less the boot: 7 places, 2 nodes
        ask(s, demand(waiting=400, left=400), 7200.0, None)
        assert asked(s).nodes == {"small": 2}

    def test_all_there_is_when_time_is_short(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=400, left=400), 400.0, None)
        assert asked(s).nodes == {"small": 10}

    def test_all_there_is_when_no_time_is_left_to_plan_with(self):
        s = scaling(SMALL)
        ask(s, demand(running=1, waiting=40, left=1, nodes=[SMALL]), 90.0, None)
        assert asked(s).nodes == {"small": 1}

    def test_what_runs_in_time_already_needs_no_more(self):
        s = scaling(SMALL)
        ask(s, demand(running=8, waiting=100, left=400, nodes=[SMALL] * 2), 7200.0, None)
        assert asked(s).new == {}

    def test_before_anything_is_known_a_pilot_runs(self):
        assert ask(scaling(SMALL), demand(waiting=400, left=400, wall_s=None), 7200.0, None) == (ONE,) * PILOT

    def test_a_pilot_that_does_not_end_tells_that_attempts_are_long(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=400, left=40, wall_s=None), 7200.0, None)
        for at_s in (BOOT_S, 700.0, 1400.0):
            ask(
                s,
                demand(running=8, waiting=40, left=40, wall_s=None, at_s=at_s, nodes=[SMALL] * 2),
                7200.0 - at_s,
                None,
            )
        assert asked(s).n_nodes > 2

    def test_with_time_alone_everything_is_used(self):
        wanted = ask(scaling(SMALL), demand(waiting=400, wall_s=None), 7200.0, None)
        assert wanted is not None
        assert len(wanted) == 40


class TestMoney:
    def test_no_node_that_the_budget_does_not_pay(self):
        s = scaling(SMALL)
        # one node: 0.4 / h for 60 s + 4 * 100 s + 120 s is 0.0644
        ask(s, demand(waiting=400), None, 0.2)
        assert asked(s).nodes == {"small": 3}

    def test_nodes_that_live_are_paid_for_as_well(self):
        s = scaling(SMALL)
        ask(s, demand(running=8, waiting=100, nodes=[SMALL] * 2), None, 0.2)
        assert asked(s).nodes == {"small": 3}

    def test_a_budget_for_one_attempt_gets_one_node(self):
        s = scaling(SMALL)
        assert ask(s, demand(waiting=3), None, 0.04) == (ONE,) * 3
        assert not s.broke

    def test_a_budget_for_nothing_is_told(self):
        s = scaling(SMALL)
        assert ask(s, demand(waiting=3), None, 0.01) == ()
        assert s.broke

    def test_without_prices_of_nodes_those_of_the_study_count(self):
        kind = replace(SMALL, price_h=None)
        s = scaling(kind, prices=Prices(cpu_h=0.1))
        ask(s, demand(waiting=400), None, 0.2)
        assert asked(s).nodes == {"small": 3}

    def test_without_any_price_money_is_no_limit(self):
        s = scaling(replace(SMALL, price_h=None))
        ask(s, demand(waiting=400), None, 0.2)
        assert asked(s).nodes == {"small": 10}

    def test_without_a_limit_of_trials_money_is_spread_over_the_time(self):
        s = scaling(SMALL)
        ask(s, demand(waiting=400), 3600.0 * 10, 8.0)
        assert asked(s).nodes == {"small": 2}  # 0.8 an hour

    def test_a_pilot_comes_first(self):
        assert ask(scaling(SMALL), demand(waiting=400, wall_s=None), None, 100.0) == (ONE,) * PILOT


class TestTypes:
    def test_of_types_that_could_both_hold_a_bundle_the_cheaper_one_is_named(self):
        s = scaling(SMALL, SPOT)
        ask(s, demand(waiting=3), None, None)
        assert asked(s).types == ("spot",) * 3

    def test_nothing_is_named_where_there_is_no_choice(self):
        s = scaling(SMALL, GPU)
        ask(s, demand(waiting=2, bundle=Resources(1.0, 1.0, 1024.0)), None, None)
        assert asked(s).types == ()

    def test_what_the_cheaper_type_cannot_hold_goes_to_the_other(self):
        s = scaling(SMALL, replace(SPOT, max_nodes=1))
        ask(s, demand(waiting=6), None, None)
        assert sorted(asked(s).types) == ["small"] * 2 + ["spot"] * 4

    def test_a_type_that_does_not_come_is_replaced_by_another_and_tried_again_later(self):
        s = scaling(SMALL, SPOT)
        ask(s, demand(waiting=4), None, None)
        assert s.look_at_s == SCARCE_AFTER_S
        ask(s, demand(waiting=4, at_s=SCARCE_AFTER_S), None, None)
        assert list(asked(s).types) == ["small"] * 4
        ask(s, demand(running=4, nodes=[SMALL], at_s=SCARCE_AFTER_S + 60.0), None, None)
        over_s = s.look_at_s
        assert over_s == SCARCE_AFTER_S + SCARCE_FOR_S
        ask(s, demand(waiting=8, at_s=over_s), None, None)
        assert list(asked(s).types) == ["spot"] * 8

    def test_a_type_that_does_not_come_is_asked_for_on_where_no_other_could_do_its_work(self):
        s = scaling(GPU, SMALL)
        for at_s in (0.0, SCARCE_AFTER_S):
            ask(s, demand(waiting=2, bundle=Resources(1.0, 0.5, 1024.0), at_s=at_s), None, None)
        assert asked(s).nodes == {"gpu": 1}

    def test_nodes_that_vanish_and_come_again_are_not_scarce(self):
        s = scaling(SMALL, SPOT)
        at_s = 0.0
        while at_s < 2 * SCARCE_AFTER_S:
            for living in (1, 2):
                ask(s, demand(running=4 * living, waiting=12, nodes=[SPOT] * living, at_s=at_s), None, None)
                at_s += SCARCE_AFTER_S / 10
        assert set(asked(s).types) == {"spot"}


def test_a_thousand_bundles_of_different_sizes_are_placed_in_a_moment():
    s = scaling(replace(SMALL, max_nodes=500))
    bundles = tuple(Resources(1.0, 0.0, 500.0 + 7.0 * (i * 37 % 1000)) for i in range(1000))
    began = time.process_time()
    ask(s, Demand((), bundles, None, 1.0, 0.0, {}), None, None)
    assert time.process_time() - began < 0.5
    memory = sum(b.memory_mib for b in bundles) / 8192.0
    assert asked(s).n_nodes < 1.15 * max(memory, 250)


def test_a_study_that_goes_on_lets_its_cluster_grow_to_its_new_limits():
    limits = Limits(trials=100, nodes=1)
    spec = replace(
        StudySpec("s", (Metric("loss"),), SearchSpace({"x": Float(0.0, 1.0)}), PluginSpec("m"), limits=limits),
        resources=ResourceRequest(cpu=1.0, memory_mib=100.0, gpu=0.0),
    )
    core = Scheduler(spec, NonePruner(spec.metric))
    events: list[ev.Event] = [
        ev.StudyOpened(0.0, spec),
        ev.NodeTypesSeen(1.0, (SMALL,)),
        ev.StudyResumed(100.0, replace(limits, nodes=2)),
        ev.NodeTypesSeen(100.0, (SMALL,)),
    ]
    made = [action for event in events for action in core.handle(event)]
    assert [len(action.bundles) for action in made if isinstance(action, Scale)] == [4, 8]
