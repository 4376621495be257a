"""Planning a sweep: what a pilot teaches, what is forecast from it, and how good that was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tuner.api import run_sweep
from tuner.api._courses import Course, Drawn, Learned, Replayed, read_courses
from tuner.api._forecast import Forecast, Range, forecast
from tuner.api.options import RunOptions
from tuner.api.plan import PlanOptions, compare_forecast, plan, sites_of_nodes, sites_of_types
from tuner.api.stores import open_store
from tuner.cli._planned import _by, planned
from tuner.errors import TunerError
from tuner.resources import NodeType, Resources
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, ResourceRequest, StudySpec
from tuner.sweep import Sweep
from tuner.testing.simulation import ModelObjective
from tuner.trial import Completed, Failed, FailureKind

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
    return forecast(spec, what, sites, source="pilot", n_seeds=n_seeds)


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
        simulated = Replayed([course(), cut]).simulate({"x": 0.1}, 0, Resources())
        assert [step for _, step, _ in simulated.reports] == [1, 2, 3, 4, 5]
        assert simulated.outcome == Completed({"loss": 0.6})

    def test_a_failure_fails_again(self):
        bad = replace(course(x=0.1), outcome=Failed(FailureKind.RAISED, "no"))
        assert Replayed([course(), bad]).simulate({"x": 0.1}, 0, Resources()).outcome == bad.outcome

    def test_fewer_cpus_than_were_busy_take_longer(self):
        replayed = Replayed([course(busy=4.0)])
        few, many = (
            sum(delay for delay, _, _ in replayed.simulate({"x": 0.5}, 0, Resources(cpu)).reports) for cpu in (1.0, 8.0)
        )
        assert few == pytest.approx(4.0 * many)

    def test_draws_are_of_the_courses_and_repeat(self):
        courses = [course(x=x / 10) for x in range(10)]
        once, again = (Drawn(courses, 5).ask(0, 50) for _ in range(2))
        assert once == again
        assert {one.params["x"] for one in once} <= {c.params["x"] for c in courses}
        assert len({one.params["x"] for one in once}) > 5


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


class TestSites:
    def test_types_are_planned_in_doubling_sizes_and_together(self):
        kinds = [NodeType("a", NODE, 5), NodeType("b", NODE, 1)]
        names = [site.name for site in sites_of_types(kinds, 6)]
        assert names == ["up to 1 a", "up to 2 a", "up to 4 a", "up to 5 a", "up to 1 b", "all types, up to 6"]


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
        assert " on 2 nodes, and it took " in told
        assert told.split(", and it took ")[1].split(" time")[0] == _by(compared.time_error)

    def test_without_a_plan_there_is_nothing_to_compare(self, url):
        study = run_sweep(Sweep(SPEC, ""), ran(url, 2, trials=3), objective=ModelObjective())
        assert compare_forecast(study) is None
        assert planned(study) == {}

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


@pytest.mark.parametrize(("error", "told"), [(0.08, "8% more"), (-0.5, "50% less"), (0.001, "the same")])
def test_errors_are_told_in_words(error, told):
    assert _by(error) == told
