"""The same verdicts as Optuna's pruners for the same reports, on random histories."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pruners.oracle import Oracle
from tuner.core.ports import Pruner
from tuner.pruners.asha import AshaPruner
from tuner.pruners.hyperband import HyperbandPruner
from tuner.pruners.median import MedianPruner
from tuner.pruners.patient import PatientPruner
from tuner.pruners.percentile import PercentilePruner
from tuner.pruners.threshold import ThresholdPruner
from tuner.pruners.wilcoxon import WilcoxonPruner
from tuner.study import Metric
from tuner.testing.pruners import run_course

goals = st.sampled_from(["minimize", "maximize"])
seeds = st.integers(0, 10**9)


def same(ours: Pruner, theirs: Oracle, **course: Any) -> None:
    one, other = run_course(ours, **course), run_course(theirs, **course)
    assert list(one.verdicts) == list(other.verdicts)
    assert one.reports == other.reports


histories = settings(max_examples=60, deadline=None, derandomize=True)


@histories
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
    ours = MedianPruner(Metric("loss", goal), **options)
    theirs = Oracle(goal, optuna.pruners.MedianPruner(**options))
    same(ours, theirs, trials=trials, steps=steps, seed=seed)


@histories
@given(
    goal=goals,
    seed=seeds,
    trials=st.integers(1, 40),
    steps=st.integers(1, 10),
    percentile=st.one_of(st.integers(0, 100), st.floats(0, 100)),
    n_startup_trials=st.integers(0, 6),
    n_warmup_steps=st.integers(0, 5),
    interval_steps=st.integers(1, 4),
    n_min_trials=st.integers(1, 4),
)
def test_percentile_is_optunas(goal, seed, trials, steps, percentile, **options):
    ours = PercentilePruner(Metric("loss", goal), percentile=percentile, **options)
    theirs = Oracle(goal, optuna.pruners.PercentilePruner(percentile, **options))
    same(ours, theirs, trials=trials, steps=steps, seed=seed)


@histories
@given(
    goal=goals,
    seed=seeds,
    lower=st.one_of(st.none(), st.floats(0.0, 0.6)),
    upper=st.floats(0.7, 1.8),
    n_warmup_steps=st.integers(0, 5),
    interval_steps=st.integers(1, 4),
)
def test_threshold_is_optunas(goal, seed, **options):
    ours, theirs = ThresholdPruner(Metric("loss", goal), **options), optuna.pruners.ThresholdPruner(**options)
    same(ours, Oracle(goal, theirs), trials=30, seed=seed)


@histories
@given(
    goal=goals,
    seed=seeds,
    patience=st.integers(0, 4),
    min_delta=st.sampled_from([0.0, 0.01, 0.1]),
    wrapped=st.sampled_from(["none", "median", "threshold"]),
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_patient_is_optunas(goal, seed, patience, min_delta, wrapped):
    metric = Metric("loss", goal)
    pairs: dict[str, tuple[Pruner | None, optuna.pruners.BasePruner | None]] = {
        "none": (None, None),
        "median": (MedianPruner(metric, interval_steps=2), optuna.pruners.MedianPruner(interval_steps=2)),
        "threshold": (ThresholdPruner(metric, upper=0.9), optuna.pruners.ThresholdPruner(upper=0.9)),
    }
    inner, their_inner = pairs[wrapped]
    ours = PatientPruner(metric, pruner=inner, patience=patience, min_delta=min_delta)
    theirs = optuna.pruners.PatientPruner(their_inner, patience, min_delta)
    same(ours, Oracle(goal, theirs), trials=40, seed=seed)


@settings(max_examples=12, deadline=None, derandomize=True)  # SciPy counts out all signs where there are ties: slow
@given(goal=goals, seed=seeds, p_threshold=st.sampled_from([0.02, 0.1, 0.3]), n_startup_steps=st.integers(0, 5))
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.filterwarnings("ignore:WilcoxonPruner finds steps existing:UserWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_wilcoxon_is_optunas(goal, seed, **options):
    ours, theirs = WilcoxonPruner(Metric("loss", goal), **options), optuna.pruners.WilcoxonPruner(**options)
    same(ours, Oracle(goal, theirs), trials=9, steps=8, seed=seed)


@histories
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
    ours = AshaPruner(Metric("loss", goal), min=low, eta=eta, early_stopping_rate=rate)
    theirs = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=low, reduction_factor=eta, min_early_stopping_rate=rate, bootstrap_count=0
    )
    same(ours, Oracle(goal, theirs), trials=trials, steps=steps, seed=seed)


class DealtOut(optuna.pruners.HyperbandPruner):
    """Optuna's Hyperband, but for its lottery: trials are in the brackets that ours puts them in."""

    ours: HyperbandPruner

    def _get_bracket_id(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> int:
        return self.ours.bracket(trial.number)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(goal=goals, seed=seeds, low=st.integers(1, 3), high=st.integers(4, 40), eta=st.integers(2, 4))
def test_hyperband_is_optunas_but_for_the_lottery(goal, seed, low, high, eta):
    theirs = DealtOut(min_resource=low, max_resource=high, reduction_factor=eta)
    theirs.ours = HyperbandPruner(Metric("loss", goal), min=low, max=high, eta=eta)
    same(theirs.ours, Oracle(goal, theirs), trials=40, steps=high - 1, seed=seed)
    assert theirs.ours.brackets == theirs._n_brackets
