"""The metrics of a sweep, and which way is better when nothing says so."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tuner.errors import closest
from tuner.study import Goal, Metric
from tuner.sweep._fields import number, text
from tuner.sweep._node import Node

__all__ = ["known_goal", "read_metrics"]

_EXAMPLE = "a name such as roc_auc, {name: loss, goal: minimize, target: 0.1}, or a list of these"
_GOALS: dict[str, Goal] = {
    "minimize": "minimize", "maximize": "maximize", "minimise": "minimize", "maximise": "maximize",
    "min": "minimize", "max": "maximize",
}  # fmt: skip
_LOSSES = frozenset(
    {
        "loss", "losses", "error", "err", "rmse", "mse", "mae", "mape", "smape", "rmsle", "logloss", "nll",
        "perplexity", "ppl", "wer", "cer", "deviance", "brier", "latency", "regret", "bpb",
    }
)  # fmt: skip
_SCORES = frozenset(
    {
        "accuracy", "acc", "auc", "auroc", "auprc", "f1", "precision", "recall", "r2", "score", "jaccard", "iou", "map",
        "ndcg", "mrr", "bleu", "rouge", "reward", "specificity", "sensitivity", "throughput", "corrcoef", "mcc", "kappa",
    }
)  # fmt: skip
_MEASURES = ("predict_ms", "fit_s", "model_mib")  # of the estimator objective
_SCORERS = ("neg_", "d2_", "explained_variance", "positive_likelihood_ratio")


def known_goal(name: str) -> Goal | None:
    """Which way is better for a metric of this name; None when the name does not tell.

    scikit-learn's scorers are all greater-is-better (its losses are called ``neg_...``), so they maximise.
    """
    if name.lower().startswith(_SCORERS):
        return "maximize"
    if name in _MEASURES:
        return "minimize"
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    loss, score = bool(words & _LOSSES), bool(words & _SCORES)
    if loss == score or words & {"neg", "negative"}:
        return None
    return "minimize" if loss else "maximize"


def read_metrics(node: Node, goal: Node | None = None) -> tuple[Metric, ...]:
    """The metrics that ``metric`` names.

    Args:
        node: A name, a mapping or a list of these.
        goal: ``minimize`` or ``maximize`` for metrics that say nothing themselves; None to go by the name.

    Raises:
        SweepError: A name is missing or twice there, or nothing says which way is better.
    """
    items = node.content if isinstance(node.content, list) else [node]
    if not items:
        raise node.error("is an empty list", expected=_EXAMPLE)
    metrics: list[Metric] = []
    for item in items:
        metric = _metric(item, goal)
        if metric.name in _names(metrics):
            raise item.error(f"the metric {metric.name!r} is in the list twice", hint="keep one of them")
        metrics.append(metric)
    return tuple(metrics)


def _names(metrics: Iterable[Metric]) -> set[str]:
    return {metric.name for metric in metrics}


def _metric(node: Node, goal: Node | None) -> Metric:
    if not isinstance(node.content, dict):
        return _of(node, text(node, _EXAMPLE).strip(), goal, None)
    fields = node.fields("name", "goal", "target", example=_EXAMPLE)
    if "name" not in fields:
        raise node.error("name is missing", expected=_EXAMPLE)
    target = fields.get("target")
    if target is not None and target.content is None:
        target = None
    value = None if target is None else float(number(target, expected="a number at which the sweep may end"))
    return _of(node, text(fields["name"], "the metric's name").strip(), fields.get("goal", goal), value)


def _of(node: Node, name: str, goal: Node | None, target: float | None) -> Metric:
    if goal is None or goal.content is None:
        found = known_goal(name)
        if found is None:
            raise node.error(
                f"which way is better for {name!r}?",
                expected="goal: minimize or goal: maximize",
                hint=f"write metric: {{name: {name}, goal: minimize}}, or maximize",
            )
        return Metric(name, found, target)
    return Metric(name, _goal(goal), target)


def _goal(node: Node) -> Goal:
    word = _GOALS.get(node.content.strip().lower()) if isinstance(node.content, str) else None
    if word is None:
        near = closest(str(node.content), _GOALS)
        hint = f"did you mean {_GOALS[near]!r}?" if near else None
        raise node.error("is no goal", expected="minimize or maximize", hint=hint)
    return word
