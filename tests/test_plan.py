"""Planning a sweep: what a pilot teaches, what is forecast from it, and how good that was."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tuner.api import _pilot, run_sweep
from tuner.api._courses import Course, Learned, read_courses
from tuner.api._forecast import Ask, Forecast, Range, forecast
from tuner.api._losses import Losses, losses_of
from tuner.api._replayed import Replayed, as_it_went, suggested
from tuner.api.options import RunOptions
from tuner.api.plan import PlanOptions, compare_forecast, plan, sites_of_nodes, sites_of_types
from tuner.api.stores import open_store, store_folder
from tuner.cli._planned import _by, forecast_document, planned
from tuner.core.events import Event, NodeJoined, NodeLost, Started
from tuner.dashboard import text
from tuner.errors import TunerError
from tuner.resources import Node, NodeType, Resources
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, Prices, ResourceRequest, StudySpec
from tuner.sweep import Sweep
from tuner.testing.simulation import ModelObjective
from tuner.trial import Attempt, Completed, Failed, FailureKind

NODE = Resources(2.0, 0.0, 8000.0)
SPEC = StudySpec(
    name="planned",
    metrics=(Metric("loss"),),
    space=SearchSpace({"x": Float(0.0, 1.0)}),
    objective=PluginSpec("model"),
    sampler=PluginSpec("random"),
    limits=Limits(trials=60),
    resources=ResourceRequest(cpu=1.0, memory_mib=0.0),
    seed=3,
)


def course(wall_s: float = 10.0, *, x: float = 0.5, done: bool = True, mib: float = 100.0, busy: float = 1.0) -> Course:
    """Five reports in equal steps; one that was not done stopped after the second."""
    n = 5 if done else 2
    rows = tuple((wall_s / 5, step, {"loss": 1.0 / step + x}) for step in range(1, n + 1))
    return Course({"x": x}, rows, 0.0, Completed({"loss": x + 0.2}) if done else None, 50.0, mib, 1.0, busy)


def learned(*courses: Course) -> Learned:
    return Learned(courses, 0.0)


def expected(spec: StudySpec, what: Learned, sites, n_seeds: int = 3) -> Forecast:
    return forecast(spec, what, sites, Ask(source="pilot", n_seeds=n_seeds))


def spread(n: int = 24, **more) -> list[Course]:
    """Trials whose duration and loss fall with x: from 30 s at 0 to 10 s at 1."""
    return [course(30.0 - 20.0 * k / (n - 1), x=k / (n - 1), **more) for k in range(n)]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/tuner.db"


def ran(url: str, nodes: int, **limits) -> RunOptions:
    where = PluginSpec("simulated", {"nodes": nodes, "cpu": 2.0, "memory_mib": 8000.0})
    return RunOptions(store=url, executor=where, limits=limits)


class TestLearning:
    def test_a_course_is_what_the_reports_and_attempts_say(self, url):
        run_sweep(Sweep(SPEC, ""), ran(url, 1, trials=5), objective=ModelObjective(steps=4))
        store = open_store(url)
        what = read_courses(store, "planned")
        trial = store.trials("planned")[0]
        store.close()
        first = what.courses[0]
        assert first.params == trial.params
        assert [step for _, step, _ in first.reports] == [1, 2, 3, 4]
        assert first.outcome == Completed(trial.values)
        assert first.wall_s == pytest.approx(trial.wall_s)
        assert first.peak_mib == 100.0

    def test_too_few_trials_are_refused(self, url):
        run_sweep(Sweep(SPEC, ""), ran(url, 1, trials=2), objective=ModelObjective())
        store = open_store(url)
        with pytest.raises(TunerError, match="too few to forecast"):
            read_courses(store, "planned")
        store.close()

    def test_a_trial_that_was_stopped_goes_on_as_long_as_complete_ones_did(self):
        cut = course(x=0.1, done=False)
        simulated = Replayed(SPEC, learned(course(), cut)).simulate({"x": 0.1}, 0, Resources())
        assert [step for _, step, _ in simulated.reports] == [1, 2, 3, 4, 5]
        assert simulated.outcome == Completed({"loss": 0.6})

    def test_a_failure_fails_again(self):
        bad = replace(course(x=0.1), outcome=Failed(FailureKind.RAISED, "no"))
        assert Replayed(SPEC, learned(course(), bad)).simulate({"x": 0.1}, 0, Resources()).outcome == bad.outcome

    def test_fewer_cpus_than_were_busy_take_longer(self):
        replayed = Replayed(SPEC, learned(course(busy=4.0)))
        few, many = (
            sum(delay for delay, _, _ in replayed.simulate({"x": 0.5}, 0, Resources(cpu)).reports) for cpu in (1.0, 8.0)
        )
        assert few == pytest.approx(4.0 * many)

    def test_a_trial_goes_on_from_its_checkpoint(self):
        replayed = Replayed(SPEC, replace(learned(course()), checkpoints=True))
        assert [step for _, step, _ in replayed.simulate({"x": 0.5}, 0, Resources(), 3).reports] == [4, 5]

    def test_time_until_the_first_trial_begins_is_learned(self, url):
        where = replace(ran(url, 1, trials=5), executor=PluginSpec("simulated", {"cpu": 2.0, "start_delay_s": 7.0}))
        run_sweep(Sweep(SPEC, ""), where, objective=ModelObjective())
        store = open_store(url)
        assert read_courses(store, "planned").ready_s == pytest.approx(7.0)
        store.close()

    def test_the_boot_of_a_node_that_the_study_waited_for_is_learned(self, url):
        kind = {"name": "a", "resources": {"cpu": 2.0, "memory_mib": 8000.0}, "max_nodes": 1, "boot_s": 70.0}
        where = PluginSpec("simulated", {"node_types": [kind], "start_delay_s": 5.0})
        run = RunOptions(store=url, executor=where, limits={"trials": 5})
        run_sweep(Sweep(SPEC, ""), run, objective=ModelObjective())
        store = open_store(url)
        what = read_courses(store, "planned")
        store.close()
        assert what.boots_s == {"a": pytest.approx(75.0)}
        said = [NodeType("a", NODE, 1, boot_s=10.0), NodeType("b", NODE, 1, boot_s=10.0)]
        told = expected(SPEC, what, sites_of_types(said, 1, [1]), n_seeds=1).assumed["boot"]
        assert told == "75 s for a, 10 s for b, from the request to the first trial (as in pilot: a)"


class TestWhatTrialsWillBe:
    def test_duration_follows_from_parameters_that_no_trial_had(self):
        replayed = Replayed(SPEC, learned(*spread()))
        for x in (0.07, 0.51, 0.93):
            walls = [sum(d for d, _, _ in replayed.simulate({"x": x}, seed, Resources()).reports) for seed in range(40)]
            assert sum(walls) / 40 == pytest.approx(30.0 - 20.0 * x, rel=0.1)

    def test_where_parameters_say_nothing_trials_are_drawn_as_they_were(self):
        walls = [10.0, 40.0, 12.0, 35.0, 11.0, 38.0, 10.0, 41.0, 12.0, 36.0]
        replayed = Replayed(SPEC, learned(*(course(w, x=((7 * k) % 10) / 10 + 0.05) for k, w in enumerate(walls))))
        drawn = [sum(d for d, _, _ in replayed.simulate({"x": s / 200}, s, Resources()).reports) for s in range(200)]
        assert min(drawn) < 15.0
        assert max(drawn) > 30.0

    def test_a_sampler_that_learns_moves_to_where_the_metric_is_better(self):
        what = learned(*spread())  # the loss rises with x
        tpe, blind = (replace(SPEC, sampler=PluginSpec(name)) for name in ("tpe", "random"))
        late = [
            [float(str(params["x"])) for params in suggested(spec, Replayed(spec, what), 1)._params[30:]]
            for spec in (tpe, blind)
        ]
        assert sum(late[0]) / len(late[0]) < 0.3 < 0.4 < sum(late[1]) / len(late[1])

    def test_a_whole_study_is_gone_through_in_its_order(self):
        spec = replace(SPEC, sampler=PluginSpec("tpe"))
        listed = as_it_went(spec, learned(*spread(60)), 0)
        assert listed is not None
        xs = [float(str(suggestion.params["x"])) for suggestion in listed.ask(0, 60)]
        assert sum(xs[:20]) / 20 < 0.25
        assert sum(xs[40:]) / 20 > 0.75
        assert as_it_went(spec, learned(*spread(20)), 0) is None

    def test_a_grid_ends_with_its_space(self):
        spec = replace(SPEC, sampler=PluginSpec("grid", {"points": 7}), limits=Limits())
        listed = suggested(spec, Replayed(spec, learned(*spread())), 0)
        assert len(listed.ask(0, 100)) == 7
        assert not listed.ask(7, 5)


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

    def test_ranges_hold_nine_of_ten(self):
        assert Range.of([float(i) for i in range(100)]) == Range(5.0, 49.5, 94.0)
        assert Range.of([3.0]) == Range(3.0, 3.0, 3.0)


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


class TestSites:
    def test_types_are_planned_in_doubling_sizes_and_together(self):
        kinds = [NodeType("a", NODE, 5), NodeType("b", NODE, 1)]
        names = [site.name for site in sites_of_types(kinds, 6)]
        assert names == ["up to 1 a", "up to 2 a", "up to 4 a", "up to 5 a", "up to 1 b", "all types, up to 6"]

    def test_sizes_end_where_nobody_would_pay(self):
        names = [site.name for site in sites_of_types([NodeType("a", NODE, 2**31 - 1)], 2**31 - 1)]
        assert names == ["up to 1 a", "up to 2 a", "up to 4 a", "up to 8 a", "up to 16 a", "up to 32 a", "up to 64 a"]


class TestPlan:
    def test_a_study_that_was_seen_to_use_no_gpu_asks_for_none(self, url):
        run_sweep(
            Sweep(replace(SPEC, resources=ResourceRequest(cpu=1.0, memory_mib=0.0, gpu=0.0)), ""),
            ran(url, 1, trials=8),
            objective=ModelObjective(),
        )
        kinds = [NodeType("cpu", NODE, 1, min_nodes=1)]
        spec = replace(SPEC, name="next", resources=ResourceRequest(cpu=1.0, memory_mib=0.0))
        made = plan(Sweep(spec, ""), PlanOptions(source="planned", run=ran(url, 1)), sites_of_types(kinds, 1))
        assert made.options[0].trials.mid == 60


class TestAfterwards:
    def test_the_forecast_is_held_against_what_happened(self, url):
        made = plan(
            Sweep(SPEC, ""),
            PlanOptions(pilot=12, run=ran(url, 1)),
            sites_of_nodes([1, 2], NODE),
            None,
            ModelObjective(),
        )
        assert made.source == "planned-pilot"
        study = run_sweep(Sweep(SPEC, ""), ran(url, 2), objective=ModelObjective())
        compared = compare_forecast(study)
        assert compared is not None
        assert compared.site == "2 nodes"
        assert abs(compared.time_error) < 0.25
        assert compared.trials == 60
        told = planned(study)["forecast"]
        assert told.startswith("on 2 nodes: ")
        assert f"took {text.duration(compared.time_s)} ({_by(compared.time_error)})" in told
        assert f"trials/h, were {compared.trials_h:,.0f} ({_by(compared.trials_h_error)})" in told
        assert "cost" not in told
        document = forecast_document(study)
        assert document is not None
        assert document["trials_h"]["actual"] == compared.trials_h

    def test_money_is_compared_where_there_are_prices(self, url):
        spec = replace(SPEC, prices=Prices(cpu_h=3.6))
        sites = sites_of_nodes([1], NODE)
        plan(Sweep(spec, ""), PlanOptions(pilot=12, run=ran(url, 1)), sites, None, ModelObjective())
        study = run_sweep(Sweep(spec, ""), ran(url, 1), objective=ModelObjective())
        compared = compare_forecast(study)
        assert compared is not None
        assert compared.cost_error is not None
        assert f"was {compared.cost:.2g} ({_by(compared.cost_error)})" in planned(study)["forecast"]

    def test_money_of_nodes_that_are_simply_there_follows_from_the_time(self, url):
        sites = sites_of_nodes([1], NODE, price_h=3.6)
        plan(Sweep(SPEC, ""), PlanOptions(pilot=12, run=ran(url, 1)), sites, None, ModelObjective())
        compared = compare_forecast(run_sweep(Sweep(SPEC, ""), ran(url, 1), objective=ModelObjective()))
        assert compared is not None
        assert compared.cost == pytest.approx(compared.time_s * 3.6 / 3600, rel=1e-6)

    def test_it_is_told_when_trials_had_less_of_a_cpu_than_in_the_pilot(self, url):
        plan(Sweep(SPEC, ""), PlanOptions(pilot=12, run=ran(url, 1)), sites_of_nodes([1], NODE), None, ModelObjective())
        study = run_sweep(Sweep(SPEC, ""), ran(url, 1), objective=ModelObjective())
        assert "CPUs of work" not in planned(study)["forecast"]
        path = store_folder(url) / "plans" / "planned.json"
        path.write_text(path.read_text().replace('"busy": 1.0', '"busy": 2.0'))
        assert planned(study)["forecast"].endswith("; a trial had 1 CPUs of work, forecast 2")

    def test_without_a_plan_there_is_nothing_to_compare(self, url):
        study = run_sweep(Sweep(SPEC, ""), ran(url, 2, trials=3), objective=ModelObjective())
        assert compare_forecast(study) is None
        assert planned(study) == {}

    @pytest.mark.parametrize("written", ["", "{", "{}", '{"options": [{}], "notes": []}'])
    def test_a_forecast_that_cannot_be_read_is_none(self, url, written):
        study = run_sweep(Sweep(SPEC, ""), ran(url, 2, trials=3), objective=ModelObjective())
        path = store_folder(url) / "plans" / "planned.json"
        path.parent.mkdir()
        path.write_text(written)
        assert compare_forecast(study) is None

    def test_another_cluster_than_any_that_was_planned_is_not_compared(self, url):
        options = PlanOptions(pilot=5, run=ran(url, 1))
        plan(Sweep(SPEC, ""), options, sites_of_nodes([1], NODE), None, ModelObjective())
        study = run_sweep(Sweep(SPEC, ""), ran(url, 8), objective=ModelObjective())
        assert compare_forecast(study) is None

    def test_a_study_of_another_space_is_refused(self, url):
        run_sweep(Sweep(SPEC, ""), ran(url, 1, trials=5), objective=ModelObjective())
        other = replace(SPEC, name="other", space=SearchSpace({"y": Float(0.0, 1.0)}))
        with pytest.raises(TunerError, match="tunes other parameters than the sweep: x, y"):
            plan(Sweep(other, ""), PlanOptions(source="planned", run=ran(url, 1)), sites_of_nodes([1], NODE))


class TestPilot:
    def test_one_that_is_too_short_is_refused(self):
        with pytest.raises(TunerError, match="a pilot of 2 trials is too short"):
            PlanOptions(pilot=2)

    def test_it_runs_to_the_number_that_was_said_whatever_else_ends_the_sweep(self, url):
        spec = replace(SPEC, metrics=(Metric("loss", target=1e9),), limits=Limits(trials=60, patience=1))
        options = PlanOptions(pilot=9, run=ran(url, 1))
        assert plan(Sweep(spec, ""), options, sites_of_nodes([1], NODE), None, ModelObjective()).n_courses == 9

    def test_short_trials_are_many(self, url):
        options = PlanOptions(run=RunOptions(store=url, executor=PluginSpec("inline")))
        assert plan(Sweep(SPEC, ""), options, sites_of_nodes([1], NODE), None, ModelObjective()).n_courses == 40

    def test_one_that_was_killed_ends_the_plan_and_one_that_was_drained_does_not(self, url, monkeypatch):
        options = PlanOptions(pilot=9, run=ran(url, 1))

        def planned_with(*, finished: bool):
            def pilot(*arguments):
                study = run_sweep(*arguments)
                attempt = replace(study.attempts()[0], finished_at=1.0 if finished else None)
                return SimpleNamespace(name=study.name, state="INTERRUPTED", attempts=lambda: [attempt])

            monkeypatch.setattr(_pilot, "run_sweep", pilot)
            return plan(Sweep(SPEC, ""), options, sites_of_nodes([1], NODE), None, ModelObjective())

        assert planned_with(finished=True).n_courses == 9
        with pytest.raises(KeyboardInterrupt):
            planned_with(finished=False)

    def test_one_that_has_run_long_enough_lets_what_runs_end(self, url, monkeypatch):
        monkeypatch.setattr(_pilot, "GOES_ON_S", 0.0)
        store, sent = open_store(url), []
        monkeypatch.setattr(type(store), "send", lambda self, name, command, arguments: sent.append((name, command)))
        options = PlanOptions(run=RunOptions(store=url, executor=PluginSpec("inline")))
        plan(Sweep(SPEC, ""), options, sites_of_nodes([1], NODE), None, ModelObjective())
        assert sent == [("planned-pilot", "drain")]
        store.close()


@pytest.mark.parametrize(("error", "told"), [(0.08, "8% more"), (-0.5, "50% less"), (0.001, "the same")])
def test_errors_are_told_in_words(error, told):
    assert _by(error) == told
