"""Estimators that save and go on: as if they had never been interrupted, or as near to it as their library lets them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.core.ports import SavedCheckpoint
from tuner.errors import TrialPruned
from tuner.objectives._resuming import saves_of
from tuner.study import PluginSpec

PROMOTES = PluginSpec("asha", {"promote": True})
XGBOOST = {"estimator": "xgboost.XGBClassifier", "params": {"n_estimators": 12, "max_depth": 3, "random_state": 0}}
LIGHTGBM = {
    "estimator": "lightgbm.LGBMClassifier",
    "params": {"n_estimators": 12, "num_leaves": 7, "random_state": 0, "verbosity": -1},
}
MLP = {
    "estimator": "sklearn.neural_network.MLPClassifier",
    "params": {"max_iter": 12, "hidden_layer_sizes": 8, "random_state": 0, "early_stopping": False},
}
SGD = {
    "estimator": "sklearn.linear_model.SGDClassifier",
    "params": {"max_iter": 12, "loss": "log_loss", "random_state": 0},
}


@pytest.fixture
def saving(recorder, tmp_path):
    """A context that keeps checkpoints in a folder, and may go on from one."""

    class Saving(recorder):  # type: ignore[misc, valid-type]
        def __init__(self, checkpoint: SavedCheckpoint | None = None, **more: Any) -> None:
            super().__init__(**more)
            self.checkpoint = checkpoint
            self.saved: dict[int, Path] = {}
            self.notes: list[str] = []

        @contextmanager
        def save_checkpoint(self, step: int):
            folder = tmp_path / f"{len(list(tmp_path.iterdir()))}-{step}"
            folder.mkdir()
            yield folder
            self.saved[step] = folder

        def log(self, text: str) -> None:
            self.notes.append(text)

    return Saving


def study(bench, kind, pruner=PROMOTES, validation=None, **params):
    options = {"estimator": kind["estimator"], "data": {"sklearn": "breast_cancer"}}
    if validation:
        options["validation"] = validation
    return bench(
        kind["params"] | params, metric="log_loss", goal="minimize", spec={"pruner": pruner}, **options
    ).prepare()


def interrupted(one, saving, at=5):
    first = saving(raise_at=(at, TrialPruned("paused")))
    with pytest.raises(TrialPruned):
        one.objective.run(one.params, first)
    [(step, folder)] = first.saved.items()
    assert step == at
    return first, SavedCheckpoint(folder, step)


@pytest.mark.parametrize("kind", [XGBOOST, LIGHTGBM, MLP, SGD], ids=["xgboost", "lightgbm", "mlp", "sgd"])
@pytest.mark.parametrize("validation", [None, {"kind": "cv", "folds": 3}], ids=["holdout", "cv"])
def test_a_paused_trial_goes_on_as_if_it_had_not_been(bench, saving, kind, validation):
    one = study(bench, kind, validation=validation)
    whole = saving()
    values = one.objective.run(one.params, whole)
    first, checkpoint = interrupted(one, saving)
    second = saving(checkpoint)
    again = one.objective.run(one.params, second)
    assert first.steps + second.steps == whole.steps
    curve = [row["log_loss"] for row in first.values + second.values]
    assert np.allclose(curve, [row["log_loss"] for row in whole.values], rtol=1e-5)
    assert again["log_loss"] == pytest.approx(values["log_loss"], rel=1e-5)


@pytest.mark.parametrize("kind", [XGBOOST, LIGHTGBM], ids=["xgboost", "lightgbm"])
def test_random_draws_do_not_repeat_after_a_pause(bench, saving, kind):
    more = {"subsample": 0.5} | ({"subsample_freq": 1} if kind is LIGHTGBM else {})
    one = study(bench, kind, **more)
    _, checkpoint = interrupted(one, saving)
    once, twice = saving(checkpoint), saving(checkpoint)
    assert one.objective.run(one.params, once) == one.objective.run(one.params, twice)
    assert once.values[-1]["log_loss"] < 0.5


@pytest.mark.parametrize("kind", [XGBOOST, LIGHTGBM, MLP, SGD], ids=["xgboost", "lightgbm", "mlp", "sgd"])
def test_a_child_goes_on_with_parameters_of_its_own(bench, saving, kind):
    name = {"xgboost": "learning_rate", "lightgbm": "learning_rate", "sklearn": "alpha"}[
        kind["estimator"].split(".")[0]
    ]
    name = "learning_rate_init" if kind is MLP else name
    one = study(bench, kind)
    _, checkpoint = interrupted(one, saving)
    other = study(bench, kind, **{name: 0.05})
    child, same = saving(checkpoint), saving(checkpoint)
    other.objective.run(other.params, child)
    one.objective.run(one.params, same)
    assert child.steps[0] == 6
    assert child.values[-1] != same.values[-1]


def test_what_fitting_took_before_the_pause_counts(bench, saving):
    one = study(bench, XGBOOST)
    first, checkpoint = interrupted(one, saving)
    import json

    assert json.loads((checkpoint.path / "notes.json").read_text())["fit_s"] > 0.0
    assert first.saved


def test_a_checkpoint_of_another_kind_is_noted_and_passed_over(bench, saving):
    _, checkpoint = interrupted(study(bench, XGBOOST), saving)
    other = study(bench, SGD)
    context = saving(checkpoint)
    other.objective.run(other.params, context)
    assert context.steps[0] == 1
    assert "starts from nothing" in context.notes[0]


def test_nothing_is_saved_where_no_trial_is_ever_paused(bench, saving):
    one = study(bench, XGBOOST, pruner=PluginSpec("asha"))
    context = saving(raise_at=(5, TrialPruned("stopped")))
    with pytest.raises(TrialPruned):
        one.objective.run(one.params, context)
    assert context.saved == {}


def test_under_pbt_models_are_saved_before_they_are_reported(bench, saving):
    one = study(bench, XGBOOST, pruner=PluginSpec("pbt"))
    context = saving()
    one.objective.run(one.params, context)
    assert min(context.saved) == 1


@pytest.mark.parametrize(
    ("pruner", "saves"),
    [
        (PluginSpec("none"), "never"),
        (PluginSpec("asha", {"promote": False}), "never"),
        (PROMOTES, "when stopped"),
        (PluginSpec("patient", {"pruner": {"type": "hyperband", "promote": True}}), "when stopped"),
        (PluginSpec("pbt"), "now and then"),
    ],
)
def test_when_to_save_follows_from_the_pruner(bench, pruner, saves):
    assert saves_of(bench(spec={"pruner": pruner}, estimator="x", data={"sklearn": "iris"}).spec) == saves


@pytest.mark.parametrize(("kind", "saves"), [(XGBOOST, None), ("sklearn.linear_model.LogisticRegression", False)])
def test_an_estimator_that_trains_in_one_piece_says_that_it_saves_nothing(bench, kind, saves):
    path = kind["estimator"] if isinstance(kind, dict) else kind
    one = bench({}, estimator=path, data={"sklearn": "breast_cancer"}, metric="log_loss", goal="minimize").prepare()
    assert one.objective.checkpoints is saves
