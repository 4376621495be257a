"""The pilot of a plan: how long it runs, and how it ends."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.plan.courses import NODE, SPEC, ran
from tuner import engine
from tuner.api import _pilot, load_study, resume_study, run_sweep
from tuner.api.options import RunOptions
from tuner.api.plan import PlanOptions, plan, sites_of_nodes
from tuner.errors import TunerError
from tuner.study import Limits, Metric, PluginSpec
from tuner.sweep import Sweep
from tuner.testing.simulation import ModelObjective
from tuner.trial import Trial, TrialState


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


class TestItsEnd:
    """Of a pilot with a Ctrl-C, or that has run long enough at its eighth trial; commands are listened for at each turn."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        monkeypatch.setattr(_pilot, "GOES_ON_S", 0.0)
        monkeypatch.setattr(engine, "LISTEN_S", 0.0)

    def planned(self, url, source=None, watching=None):
        options = PlanOptions(
            source=source, run=RunOptions(store=url, executor=PluginSpec("inline"), handle_signals=True)
        )
        return plan(Sweep(SPEC, ""), options, sites_of_nodes([1], NODE), watching, ModelObjective())

    def test_one_that_has_run_long_enough_is_complete_and_says_so(self, url):
        assert 8 <= self.planned(url).n_courses < 40
        info = load_study("planned-pilot", url).info
        assert (info.state, info.closed_reason) == ("COMPLETE", _pilot.ENOUGH)

    def test_its_trials_have_all_ended_by_themselves(self, url):
        self.planned(url)
        assert {trial.state for trial in load_study("planned-pilot", url).trials} == {TrialState.COMPLETE}

    def test_the_next_plan_learns_from_it(self, url):
        assert self.planned(url, source=self.planned(url).source).source == "planned-pilot"

    def test_it_is_not_taken_up_again_by_accident(self, url):
        n = self.planned(url).n_courses
        study = resume_study("planned-pilot", RunOptions(store=url, executor=PluginSpec("inline")))
        assert (study.state, len(study.trials)) == ("COMPLETE", n)

    def test_one_that_ctrl_c_ended_is_interrupted_and_serves(self, url):
        class CtrlC:
            def phase(self, text): ...
            def opened(self, spec, details): ...
            def closed(self, study): ...

            def __init__(self):
                self.ended = 0

            def update(self, events, entries):
                self.ended += sum(isinstance(entry, Trial) and entry.state.finished for entry in entries)
                if self.ended == 4:
                    self.ended += 1
                    os.kill(os.getpid(), signal.SIGINT)

        assert 4 <= self.planned(url, watching=CtrlC()).n_courses < 8
        assert load_study("planned-pilot", url).state == "INTERRUPTED"
