"""What somebody should know of a study beyond its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.dashboard import notes
from tuner.resources import Resources
from tuner.study import Constraint, PluginSpec
from tuner.trial import Attempt, Completed, Failed, FailureKind, Pruned, Trial, TrialState

ONE = Resources(1.0)


def trial(number, state=TrialState.COMPLETE, kind=None, x=None, **more):
    failure = None if kind is None else Failed(kind)
    return Trial(number, state, {"x": number if x is None else x}, {}, 1, failure=failure, **more)


def test_most_studies_need_no_note(spec):
    assert notes.notes(spec(), [trial(0), trial(1, TrialState.FAIL, FailureKind.RAISED)]) == []


def test_a_pruner_that_never_saw_a_report(spec):
    pruned = replace(spec(), pruner=PluginSpec("asha"))
    said = ["the pruner asha never saw a report: the objective reported no steps"]
    assert notes.notes(pruned, [trial(0)]) == said
    assert notes.notes(pruned, [trial(0, steps=1), trial(1)]) == []
    assert notes.notes(pruned, [trial(0, TrialState.RUNNING)]) == []


def test_invalid_parameters(spec):
    found = [trial(0, TrialState.FAIL, FailureKind.INVALID_PARAMS), trial(1)]
    assert notes.notes(spec(), found) == ["1 trial had parameters that cannot work; the sampler keeps away from such"]


def test_repeated_parameters_are_told_unless_the_objective_is_noisy(spec):
    found = [trial(0, x=1), trial(1, x=True), trial(2, x=1)]
    assert notes.notes(spec(), found) == ["1 trial had the same parameters as an earlier one"]
    assert notes.notes(replace(spec(), noisy=True), found) == []


def test_an_attempt_after_a_pause_is_a_promotion_and_one_after_a_failure_a_retry():
    attempts = [
        Attempt(0, 1, ONE, outcome=Pruned(1)),
        Attempt(0, 2, ONE, outcome=Pruned(3)),
        Attempt(0, 3, ONE, outcome=Completed({})),
        Attempt(1, 1, ONE, outcome=Failed(FailureKind.NODE_LOST)),
        Attempt(1, 2, ONE, outcome=Failed(FailureKind.RAISED)),
        Attempt(2, 1, ONE, outcome=Pruned(1)),
    ]
    assert notes.promotions(attempts) == 2
    assert notes.retried(attempts) == {"node_lost": 1}
    waiting = [trial(2, TrialState.WAITING), trial(3, TrialState.WAITING), trial(0)]
    assert notes.paused(waiting, attempts) == {2}


def test_constraints_are_told_with_their_bounds(spec):
    bounds = (Constraint("ms", high=20.0), Constraint("recall", low=0.8), Constraint("gap", 0.1, 0.2))
    study = replace(spec(), constraints=bounds)
    found = [trial(0, violation=0.5), trial(1), trial(2, TrialState.PRUNED)]
    kept = "1 of 2 complete trials keeps to ms <= 20, recall >= 0.8, 0.1 <= gap <= 0.2"
    assert notes.constraints(study, found) == kept
    assert (notes.constraints(study, []) or "").startswith("no trial completed yet")
    assert notes.constraints(spec(), found) is None
    broken = Trial(0, TrialState.COMPLETE, {}, {"ms": 25.0, "recall": 0.9, "gap": 0.05}, violation=0.75)
    assert notes.violations(study, broken) == ["ms 25 (ms <= 20)", "gap 0.05 (0.1 <= gap <= 0.2)"]


def test_a_pruner_that_let_nothing_run_to_its_end(spec):
    pruned = replace(spec(), pruner=PluginSpec("asha"))
    stopped = [trial(n, TrialState.PRUNED, steps=3) for n in range(3)]
    (said,) = notes.notes(pruned, stopped)
    assert said.startswith("the pruner asha let no trial run to its end, so there is no best one")
    cut = trial(3, TrialState.FAIL, FailureKind.STOPPED, steps=1)
    assert notes.notes(pruned, [*stopped, cut]) == [said]
    assert notes.notes(pruned, [*stopped, trial(3, steps=9)]) == []
    assert notes.notes(pruned, [*stopped, trial(3, TrialState.RUNNING)]) == []


def test_trials_that_failed_are_not_held_against_the_pruner(spec):
    pruned = replace(spec(), pruner=PluginSpec("asha"))
    found = [trial(n, TrialState.PRUNED, steps=3) for n in range(3)]
    found += [trial(n, TrialState.FAIL, FailureKind.RAISED, steps=9) for n in (3, 4)]
    (said,) = notes.notes(pruned, found)
    assert said.startswith(
        "no trial ran to its end, so there is no best one: 3 stopped early, and 2 failed; see first why"
    )


@pytest.mark.parametrize(
    ("pruner", "begins"),
    [
        (PluginSpec("asha", {"min": 20}), 20),
        (PluginSpec("asha", {"min": 2, "eta": 4, "early_stopping_rate": 2}), 32),
        (PluginSpec("median", {"n_warmup_steps": 10}), 10),
        (PluginSpec("pbt", {"population": 4, "interval": 10}), 10),
        (PluginSpec("patient", {"patience": 2, "pruner": {"type": "median", "n_warmup_steps": 10}}), 10),
    ],
)
def test_a_pruner_that_begins_behind_the_last_step(spec, pruner, begins):
    found = [trial(0, steps=9, last_step=9), trial(1, TrialState.FAIL, FailureKind.RAISED, steps=3, last_step=3)]
    said = f"the pruner {pruner.type} looked at no trial: it begins at step {begins}, and the last step was 9"
    study = replace(spec(), pruner=pruner)
    assert notes.notes(study, found) == [said]
    assert notes.notes(study, [*found, trial(2, steps=begins, last_step=begins)]) == []
    assert notes.notes(study, found[1:]) == []


@pytest.mark.parametrize(("end", "told"), [(4, True), (5, False), (20, False), (21, True)])
def test_a_pruner_that_was_told_of_another_last_step(spec, end, told):
    study = replace(spec(), pruner=PluginSpec("hyperband", {"max": 10}))
    said = f"the pruner hyperband was told that trials end at step 10 (max), and they end at step {end}"
    assert notes.notes(study, [trial(0, steps=end, last_step=end)]) == ([said] if told else [])
