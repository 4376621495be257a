"""Optuna's own pruners as ours, for tests that compare the two."""

from __future__ import annotations

import optuna

from tuner.core.ports import Pruner, Verdict
from tuner.study import Goal
from tuner.trial import Trial, TrialState

STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
    TrialState.FAIL: optuna.trial.TrialState.FAIL,
}


class Oracle(Pruner):
    """An Optuna study that is told what our pruner is told, in the same order."""

    def __init__(self, goal: Goal, pruner: optuna.pruners.BasePruner) -> None:
        self.study = optuna.create_study(
            study_name="tuner", direction=goal, pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=1)
        )
        self.trials: dict[int, optuna.Trial] = {}

    def admit(self, trial: int) -> None:
        self.trials[trial] = self.study.ask()

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        self.trials[trial].report(value, step)
        return Verdict("stop", f"stopped at step {step}") if self.trials[trial].should_prune() else None

    def finish(self, trial: Trial) -> None:
        state = STATES[trial.state]
        values = trial.values["loss"] if trial.state == TrialState.COMPLETE else None
        self.study.tell(self.trials[trial.number], values, state=state)
