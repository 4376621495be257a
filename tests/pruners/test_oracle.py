"""The same verdicts as Optuna's pruners for the same reports, on random histories."""

from __future__ import annotations

import optuna
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.core.ports import Pruner, Verdict
from tuner.pruners.asha import AshaPruner
from tuner.pruners.median import MedianPruner
from tuner.study import Goal, Metric
from tuner.testing.pruners import run_course
from tuner.trial import Trial, TrialState

STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
    TrialState.FAIL: optuna.trial.TrialState.FAIL,
}


class Oracle(Pruner):
    """An Optuna study that is told what our pruner is told, in the same order."""

    def __init__(self, goal: Goal, pruner: optuna.pruners.BasePruner) -> None:
        self.study = optuna.create_study(direction=goal, pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=1))
        self.trials: dict[int, optuna.Trial] = {}

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        if trial not in self.trials:
            self.trials[trial] = self.study.ask()
        self.trials[trial].report(value, step)
        return Verdict("stop", f"stopped at step {step}") if self.trials[trial].should_prune() else None

    def finish(self, trial: Trial) -> None:
        state = STATES[trial.state]
        values = 0.0 if trial.state == TrialState.COMPLETE else None
        self.study.tell(self.trials[trial.number], values, state=state)


goals = st.sampled_from(["minimize", "maximize"])
seeds = st.integers(0, 10**9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    goal=goals,
    seed=seeds,
    trials=st.integers(1, 30),
    steps=st.integers(1, 10),
    n_startup_trials=st.integers(0, 6),
    n_warmup_steps=st.integers(0, 5),
    interval_steps=st.integers(1, 4),
    n_min_trials=st.integers(1, 4),
)
def test_median_is_optunas(goal, seed, trials, steps, **options):
    ours = run_course(MedianPruner(Metric("loss", goal), **options), trials=trials, steps=steps, seed=seed)
    theirs = run_course(Oracle(goal, optuna.pruners.MedianPruner(**options)), trials=trials, steps=steps, seed=seed)
    assert list(ours.verdicts) == list(theirs.verdicts)
    assert ours.reports == theirs.reports


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    goal=goals,
    seed=seeds,
    trials=st.integers(1, 40),
    steps=st.integers(1, 30),
    low=st.integers(1, 4),
    eta=st.integers(2, 4),
    rate=st.integers(0, 2),
)
def test_asha_is_optunas_successive_halving(goal, seed, trials, steps, low, eta, rate):
    ours = run_course(
        AshaPruner(Metric("loss", goal), min=low, eta=eta, early_stopping_rate=rate),
        trials=trials,
        steps=steps,
        seed=seed,
    )
    halving = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=low, reduction_factor=eta, min_early_stopping_rate=rate, bootstrap_count=0
    )
    theirs = run_course(Oracle(goal, halving), trials=trials, steps=steps, seed=seed)
    assert list(ours.verdicts) == list(theirs.verdicts)
    assert ours.reports == theirs.reports
