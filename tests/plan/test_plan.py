"""Planning a sweep from a pilot or a study, and how good that was afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plan.courses import NODE, SPEC, ran
from tuner.api import run_sweep
from tuner.api.plan import PlanOptions, compare_forecast, plan, sites_of_nodes, sites_of_types
from tuner.api.stores import store_folder
from tuner.cli._planned import _by, forecast_document, planned
from tuner.dashboard import text
from tuner.errors import TunerError
from tuner.resources import NodeType
from tuner.space import Float, SearchSpace
from tuner.study import Prices, ResourceRequest
from tuner.sweep import Sweep
from tuner.testing.simulation import ModelObjective


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


@pytest.mark.parametrize(("error", "told"), [(0.08, "8% more"), (-0.5, "50% less"), (0.001, "the same")])
def test_errors_are_told_in_words(error, told):
    assert _by(error) == told
