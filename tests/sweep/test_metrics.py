from __future__ import annotations

import pytest

from tuner.sweep._metrics import known_goal


@pytest.mark.parametrize(
    "name",
    [
        "loss",
        "val_loss",
        "test/mse",
        "rmse",
        "log_loss",
        "mean_absolute_error",
        "eval-perplexity",
        "RMSE",
        "valid_error",
    ],
)
def test_losses_are_minimized(name: str) -> None:
    assert known_goal(name) == "minimize"


@pytest.mark.parametrize("name", ["accuracy", "val_acc", "F1", "test/auc", "r2", "neg_log_loss", "bleu", "mean_reward"])
def test_scores_are_maximized(name: str) -> None:
    assert known_goal(name) == "maximize"


@pytest.mark.parametrize(
    "name", ["fitness", "x", "", "score_loss", "negative_score", "val_neg_log_loss", "losslessness", "objective"]
)
def test_other_names_do_not_tell(name: str) -> None:
    assert known_goal(name) is None


def test_every_scorer_of_scikit_learn_is_maximized() -> None:
    from sklearn.metrics import get_scorer_names

    wrong = [name for name in get_scorer_names() if known_goal(name) != "maximize"]
    assert wrong == []
