"""``try_first``, ``defaults`` and ``prior``: what is tried before the sampler chooses."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.samplers._first import first_params
from tuner.space import Float, Int
from tuner.study import FirstTrial, PluginSpec, Prior
from tuner.sweep import Sweep, build_spec, parse, to_yaml

HEAD = """objective: {function: work:train}
metric: loss
limits: {trials: 10}
"""
INLINE = (
    HEAD
    + """parameters:
  lr: {low: 1e-4, high: 1.0, log: true}
  booster: [gbtree, dart]
  rate_drop: {low: 0.0, high: 0.5, when: {booster: dart}}
  depth: {low: 1, high: 8}
forbidden: [{booster: dart, depth: 8}]
"""
)
NAMED = """objective: {estimator: from_space, data: {sklearn: breast_cancer}}
metric: roc_auc
limits: {trials: 10}
space: xgboost/classifier
"""


def defaults(sweep: Sweep) -> dict[str, Any]:
    return dict(next(first.params for first in sweep.spec.first if first.note == "the space's defaults"))


def test_wishes_are_read_in_order_and_may_be_partial():
    spec = parse(INLINE + "try_first: [{lr: 0.1}, {rate_drop: 0.25, depth: 3}]\n").spec
    assert spec.first == (FirstTrial({"lr": 0.1}), FirstTrial({"rate_drop": 0.25, "depth": 3}))
    completed = first_params(Problem.of(spec), spec.first)
    assert completed[1][0]["booster"] == "dart"


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("try_first: {lr: 0.1}", "try_first", "must be a list"),
        ("try_first: [0.1]", "try_first[0]", "must be a mapping"),
        ("try_first: [{lr: 0.1}, {Lr: 0.1}]", "try_first[1]", "unknown"),
        ("try_first: [{lr: 2.0}]", "try_first[0].lr", "out of range"),
        ("try_first: [{lr: [0.1]}]", "try_first[0].lr", "one value"),
        ("try_first: [{booster: gbtree, rate_drop: 0.1}]", "try_first[0].rate_drop", "not active"),
        ("try_first: [{booster: dart, depth: 8}]", "try_first[0]", "forbidden"),
        ("defaults: maybe", "defaults", "true or false"),
        ("prior: [a, a]", "prior[1]", "twice"),
        ("prior: [{store: memory://}]", "prior[0]", "study is missing"),
        ("prior: [{study: a, stor: b}]", "prior[0]", "unknown key"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, path, says):
    with pytest.raises(SweepError, match=says) as caught:
        parse(INLINE + text + "\n", "sweep.yaml")
    error = caught.value
    assert (error.path or "").startswith(path)
    assert error.line == INLINE.count("\n") + 1


def test_the_catalogues_defaults_come_after_wishes():
    spec = parse(NAMED + "try_first: [{max_depth: 3}]\n").spec
    assert [first.note for first in spec.first] == ["try_first", "the space's defaults"]


def test_defaults_can_be_declined():
    assert parse(NAMED + "defaults: false\n").spec.first == ()


@pytest.mark.parametrize("sampler", [{"type": "grid", "points": 3}, "random"], ids=["grid", "random"])
def test_a_sampler_with_a_list_of_its_own_has_no_default_trial(sampler):
    spec = build_spec(
        name="x",
        objective=PluginSpec("function"),
        space="knn/classifier",
        metric="accuracy",
        sampler=sampler,
        limits={"trials": 3},
    )
    assert bool(spec.first) == (sampler == "random")


def test_an_override_that_excludes_a_default_moves_it_and_says_so():
    before = defaults(parse(NAMED))
    sweep = parse(NAMED + "parameters: {max_depth: {low: 8, high: 12}, learning_rate: {value: 0.5}}\n")
    after = defaults(sweep)
    assert before["max_depth"] < 8 == after["max_depth"]
    assert "learning_rate" not in after
    assert any("'max_depth'" in note for note in sweep.notes)


def test_a_default_that_is_no_choice_any_more_is_drawn_and_said():
    sweep = parse(
        """objective: {estimator: from_space, data: {sklearn: breast_cancer}}
metric: accuracy
limits: {trials: 10}
space: knn/classifier
parameters: {weights: [distance]}
"""
    )
    assert "weights" not in defaults(sweep)
    assert any("'weights'" in note and "none of its values" in note for note in sweep.notes)


def test_fixed_parameters_keep_their_value_in_the_default_trial():
    sweep = parse(NAMED + "sampler: {type: partial_fixed, fixed: {max_depth: 9}, base: random}\n")
    assert defaults(sweep)["max_depth"] == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prior: a", [Prior("a")]),
        ("prior: [a, {study: b, store: memory://x}]", [Prior("a"), Prior("b", "memory://x")]),
        ("prior: {study: b}", [Prior("b")]),
    ],
)
def test_priors_are_names_with_or_without_a_store(text, expected):
    assert list(parse(INLINE + text + "\n").spec.prior) == expected


def test_python_says_the_same():
    spec = build_spec(
        name="x",
        objective=PluginSpec("function"),
        space={"lr": Float(1e-4, 1.0, log=True), "depth": Int(1, 8)},
        metric="loss",
        limits={"trials": 3},
        try_first=[{"lr": 0.1}, FirstTrial({"depth": 2}, "from the paper")],
        prior=["a", Prior("b"), {"study": "c", "store": "memory://"}],
    )
    assert [(dict(f.params), f.note) for f in spec.first] == [
        ({"lr": 0.1}, "try_first"),
        ({"depth": 2}, "from the paper"),
    ]
    assert spec.prior == (Prior("a"), Prior("b"), Prior("c", "memory://"))
    with pytest.raises(SweepError, match="out of range"):
        build_spec(
            name="x",
            objective=PluginSpec("function"),
            space={"depth": Int(1, 8)},
            metric="loss",
            limits={"trials": 3},
            try_first=[{"depth": 20}],
        )


def test_what_was_read_is_written_and_reads_back_equal():
    spec = parse(INLINE + "try_first: [{lr: 0.1}]\nprior: [a, {study: b, store: memory://x}]\nname: x\n").spec
    assert parse(to_yaml(spec)).spec == spec
