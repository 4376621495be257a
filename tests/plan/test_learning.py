"""What a study that ran teaches, and what trials will be like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plan.courses import NODE, SPEC, course, expected, learned, ran, spread
from tuner.api import run_sweep
from tuner.api._courses import _without_stumps, read_courses
from tuner.api._likeness import _Function
from tuner.api._replayed import Replayed, as_it_went, suggested
from tuner.api.options import RunOptions
from tuner.api.plan import sites_of_types
from tuner.api.stores import open_store
from tuner.errors import TunerError
from tuner.resources import NodeType, Resources
from tuner.study import Limits, PluginSpec
from tuner.sweep import Sweep
from tuner.testing.simulation import ModelObjective
from tuner.trial import Completed, Failed, FailureKind


def cut_off(wall_s: float):
    return replace(course(), reports=(), tail_s=wall_s, outcome=None)


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

    def test_of_trials_that_a_limit_of_time_cut_off_those_that_were_longer_than_usual_count(self, url):
        spec = SPEC.with_limits(Limits(time_s=850.0))  # two run then: one for 215 s when it is killed, one for 142 s
        run_sweep(Sweep(spec, ""), ran(url, 1), objective=ModelObjective(steps=1, step_s=200.0))
        store = open_store(url)
        courses = read_courses(store, "planned").courses
        killed = [trial for trial in store.trials("planned") if trial.failure is not None]
        store.close()
        assert len(killed) == 2
        assert [course.params for course in courses if course.outcome is None] == [killed[0].params]

    def test_a_trial_that_was_cut_off_before_it_told_anything_is_left_out_unless_it_was_long(self):
        usual, stump, long = course(10.0), cut_off(1.0), cut_off(50.0)
        assert _without_stumps([usual, stump, long]) == [usual, long]

    def test_how_many_cpus_were_in_use_at_once_is_learned(self, url):
        run_sweep(Sweep(SPEC, ""), ran(url, 3, trials=5, parallel=2), objective=ModelObjective())
        store = open_store(url)
        assert read_courses(store, "planned").filled == (2.0, 6.0)
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

    def test_how_far_all_may_be_off_is_more_where_the_sampler_moves_on(self):
        likeness = Replayed(SPEC, learned(*spread()))._likeness
        assert likeness.uncertainty(learns=True) > likeness.uncertainty(learns=False) > 0.0

    def test_what_few_trials_tell_of_many_parameters_makes_little_more_certain(self):
        known = [(k / 7, 3.0 * k / 7) for k in range(8)]
        narrow, wide = (
            _Function([[x] + [0.5] * more for x, _ in known], range(8), [y for _, y in known]) for more in (0, 15)
        )
        assert wide.error > 1.5 * narrow.error

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
