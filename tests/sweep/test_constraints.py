"""Constraints, noise, prices, budgets and checkpoints, from a file and from Python."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.space import Float
from tuner.study import CheckpointPolicy, Constraint, Limits, PluginSpec, Prices, StudySpec
from tuner.sweep import build_spec, parse, to_yaml

WHOLE = """
objective: {function: work:train}
metric: {name: loss, goal: minimize}
constraints: [{name: predict_ms, max: 20}, {name: recall, min: 0.8, max: null}]
noisy: true
parameters: {x: {low: 0.0, high: 1.0}}
pruner: {type: asha, min: 1}
limits: {steps: 5000, cost: 12.5, regret: 1e-3, parallel: 8}
prices: {cpu_h: 0.04, gpu_h: 2.5}
checkpoints: {best: 3, size: 2GiB}
"""


def from_python(**arguments: Any) -> StudySpec:
    given: dict[str, Any] = {
        "name": "sweep",
        "objective": PluginSpec("function", {"function": "work:train"}),
        "space": {"x": Float(0.0, 1.0)},
        "metric": "loss",
        "limits": {"trials": 3},
    }
    return build_spec(**{**given, **arguments})


def test_a_file_says_them_all() -> None:
    spec = parse(WHOLE).spec
    assert spec.constraints == (Constraint("predict_ms", None, 20.0), Constraint("recall", 0.8, None))
    assert spec.noisy is True
    assert spec.limits == Limits(steps=5000, cost=12.5, regret=1e-3, parallel=8)
    assert spec.prices == Prices(cpu_h=0.04, gpu_h=2.5, memory_gib_h=0.0)
    assert spec.keep == CheckpointPolicy(3, 2048.0)


def test_a_file_that_says_none_of_them_has_none() -> None:
    spec = parse("objective: {function: work:train}\nmetric: loss\nparameters: {x: [1, 2]}\nlimits: {trials: 1}").spec
    assert (spec.constraints, spec.noisy, spec.prices, spec.keep) == ((), False, None, CheckpointPolicy())


def test_it_reads_back_equal() -> None:
    spec = parse(WHOLE).spec
    assert parse(to_yaml(spec)).spec == spec
    assert StudySpec.from_dict(spec.to_dict()) == spec


def test_python_takes_values_or_mappings() -> None:
    limits = Limits(steps=50, cost=1.0, regret=0.1)
    values = from_python(
        constraints=[Constraint("recall", 0.8)],
        noisy=True,
        limits=limits,
        prices=Prices(1.0),
        checkpoints=CheckpointPolicy(2, 0.1),
    )
    mappings = from_python(
        constraints={"name": "recall", "min": 0.8},
        noisy=True,
        limits={"steps": 50, "cost": 1.0, "regret": 0.1},
        prices={"cpu_h": 1},
        checkpoints={"best": 2, "size": "0.1MiB"},
    )
    assert values == mappings
    assert values.keep == CheckpointPolicy(2, 0.1)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"constraints": [{"name": "recall"}]}, "constraints[0]"),
        ({"constraints": [Constraint("recall", 2.0, 1.0)]}, "constraints[0]"),
        ({"constraints": Constraint("recall")}, "constraints"),
        ({"constraints": [Constraint("loss", 0.1)]}, "constraints[0]"),
        ({"noisy": "yes"}, "noisy"),
        ({"limits": {"cost": 1.0}}, "limits.cost"),
        ({"limits": Limits(cost=1.0), "prices": {"gpu_h": 2.0}}, "limits.cost"),
        ({"limits": Limits(steps=0)}, "limits.steps"),
        ({"limits": {"regret": 0.1}, "metric": ["loss", "error"]}, "limits.regret"),
        ({"prices": {"cpu": 1.0}}, "prices"),
        ({"checkpoints": {"best": 1.5}}, "checkpoints.best"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], path: str) -> None:
    with pytest.raises(SweepError) as caught:
        from_python(**arguments)
    assert caught.value.path == path


@pytest.mark.parametrize(
    "limits", ["{steps: 10}", "{regret: 0.1}", "{cost: 1}\nprices: {memory_gib_h: 1}\nresources: {memory: 1GiB}"]
)
def test_a_budget_or_a_bound_is_limit_enough(limits: str) -> None:
    text = "objective: {function: work:train}\nmetric: loss\nparameters: {x: {low: 0.0, high: 1.0}}\n"
    assert parse(f"{text}limits: {limits}").spec.limits.trials is None


def test_with_several_metrics_a_constraint_may_be_on_one_of_them() -> None:
    spec = from_python(metric=["loss", "error"], constraints={"name": "error", "max": 0.5})
    assert spec.constraints == (Constraint("error", high=0.5),)


def test_the_problem_of_a_study_is_what_its_sampler_gets() -> None:
    problem = Problem.of(parse(WHOLE).spec)
    assert [c.name for c in problem.constraints] == ["predict_ms", "recall"]
    assert (problem.noisy, problem.by_step, problem.parallel, problem.trials) == (True, True, 8, None)
    assert Problem.of(from_python()).by_step is False
