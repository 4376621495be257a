"""The pilot of a plan: how long it runs, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.plan.courses import NODE, SPEC, ran
from tuner.api import _pilot, run_sweep
from tuner.api.options import RunOptions
from tuner.api.plan import PlanOptions, plan, sites_of_nodes
from tuner.api.stores import open_store
from tuner.errors import TunerError
from tuner.study import Limits, Metric, PluginSpec
from tuner.sweep import Sweep
from tuner.testing.simulation import ModelObjective


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
