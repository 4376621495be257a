"""The sweep of ``tuner.run``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tuner.errors import SearchSpaceError, SweepError
from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, ResourceRequest, Retry, StudySpec
from tuner.sweep import build_spec
from tuner.trial import FailureKind

TRAIN = PluginSpec("function", {"function": "work:train"})


def spec(**arguments: Any) -> StudySpec:
    given: dict[str, Any] = {
        "name": "demo",
        "objective": TRAIN,
        "space": {"lr": Float(1e-5, 1e-1, log=True)},
        "metric": "loss",
        "limits": {"trials": 3},
    }
    return build_spec(**{**given, **arguments})


def test_defaults_are_those_of_a_sweep_file() -> None:
    assert spec() == StudySpec(
        name="demo",
        metrics=(Metric("loss", "minimize"),),
        space=SearchSpace({"lr": Float(1e-5, 1e-1, log=True)}),
        objective=TRAIN,
        limits=Limits(trials=3),
    )


def test_none_means_the_default() -> None:
    nothing: dict[str, Any] = dict.fromkeys(["goal", "sampler", "pruner", "resources", "retry", "seed", "stop_grace"])
    assert spec(**nothing) == spec()


@pytest.mark.parametrize(
    "space",
    [
        SearchSpace({"lr": Float(1e-5, 1e-1, log=True)}),
        {"lr": Float(1e-5, 1e-1, log=True)},
        {"lr": {"low": 1e-5, "high": 1e-1, "log": True}},
        {"lr": {"min": np.float64(1e-5), "max": np.float32(0.1).astype(float).round(6), "log": True}},
    ],
)
def test_a_space_may_be_given_in_several_forms(space: Any) -> None:
    assert spec(space=space).space == SearchSpace({"lr": Float(1e-5, 1e-1, log=True)})


def test_short_forms_of_parameters_are_those_of_a_file() -> None:
    space = spec(space={"a": [1, 2], "b": "x", "c": {"low": np.int64(1), "high": 5}}).space
    assert dict(space) == {"a": Categorical([1, 2]), "b": Constant("x"), "c": Int(1, 5)}


def test_a_catalogue_name_is_a_space() -> None:
    assert "learning_rate" in spec(space="xgboost/classifier").space


@pytest.mark.parametrize(
    ("metric", "goal", "expected"),
    [
        ("loss", None, [Metric("loss", "minimize")]),
        ("fitness", "maximize", [Metric("fitness", "maximize")]),
        (Metric("fitness", "maximize", 3.0), None, [Metric("fitness", "maximize", 3.0)]),
        ({"name": "fitness", "goal": "min"}, "maximize", [Metric("fitness", "minimize")]),
        (["accuracy", Metric("cost")], None, [Metric("accuracy", "maximize"), Metric("cost", "minimize")]),
    ],
)
def test_a_metric_may_be_given_in_several_forms(metric: Any, goal: str | None, expected: list[Metric]) -> None:
    assert list(spec(metric=metric, goal=goal).metrics) == expected


@pytest.mark.parametrize(
    "pruner",
    [PluginSpec("asha", {"eta": 4}), {"type": "asha", "eta": 4}, {"type": "asha", "options": {"eta": 4}}],
)
def test_a_plugin_may_be_given_in_several_forms(pruner: Any) -> None:
    assert spec(pruner=pruner).pruner == PluginSpec("asha", {"eta": 4})


def test_limits_resources_and_retry_may_be_values_or_mappings() -> None:
    as_values = spec(
        limits=Limits(trials=3, time_s=60.0, failures_share=0.2),
        resources=ResourceRequest(cpu=2.0, memory_mib=1024.0),
        retry=Retry(1, frozenset({FailureKind.TIMEOUT})),
    )
    as_mappings = spec(
        limits={"trials": 3, "time": "1m", "failures": "20%"},
        resources={"cpu": 2, "memory": "1GiB"},
        retry={"max": 1, "on": ["timeout"]},
    )
    assert as_values == as_mappings
    assert spec(retry=0).retry.max == 0
    assert spec(stop_grace="1m").stop_grace_s == spec(stop_grace=60).stop_grace_s == 60.0


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"space": {}}, "space"),
        ({"space": 3}, "space"),
        ({"space": {"lr": object()}}, "space.lr"),
        ({"space": {"lr": {"low": 3, "high": 1}}}, "space.lr"),
        ({"space": {"a": Constant(1), "b": Float(0, 1, when={"c": 1})}}, "space.b.when.c"),
        ({"space": {3: Float(0, 1)}}, "space"),
        ({"space": "no/such"}, "space"),
        ({"space": "./no-such.yaml"}, "space"),
        ({"metric": "fitness"}, "metric"),
        ({"metric": []}, "metric"),
        ({"metric": 3}, "metric"),
        ({"metric": ["loss", "loss"]}, "metric[1]"),
        ({"metric": "fitness", "goal": "up"}, "goal"),
        ({"sampler": "tpee"}, "sampler"),
        ({"sampler": {"type": "tpe", "n_startup": 3}}, "sampler.n_startup"),
        ({"pruner": {"type": "asha", "eta": 1}}, "pruner.eta"),
        ({"sampler": "grid"}, "parameters.lr"),
        ({"limits": {"trials": 0}}, "limits.trials"),
        ({"limits": Limits(trials=0)}, "limits.trials"),
        ({"limits": Limits(trials=3, failures_share=2.0)}, "limits.failures_share"),
        ({"limits": {"trails": 3}}, "limits"),
        ({"limits": {}}, "limits"),
        ({"resources": ResourceRequest(gpu=1.5)}, "resources.gpu"),
        ({"weight": 0}, "weight"),
        ({"limits": {"trials": 3, "nodes": 0}}, "limits.nodes"),
        ({"resources": ResourceRequest(memory_mib=-1.0)}, "resources.memory"),
        ({"resources": {"memory": 3}}, "resources.memory"),
        ({"retry": Retry(1, frozenset({FailureKind.STOPPED}))}, "retry.on[0]"),
        ({"seed": 2**32}, "seed"),
        ({"seed": "x"}, "seed"),
        ({"name": "a b"}, "name"),
        ({"stop_grace": 0}, "stop_grace"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], path: str) -> None:
    with pytest.raises(SweepError) as caught:
        spec(**arguments)
    assert (caught.value.path or "").startswith(path), str(caught.value)
    assert caught.value.file is None
    assert caught.value.line is None


def test_an_unknown_argument_names_the_closest() -> None:
    with pytest.raises(SweepError, match="unknown key 'sampelr'") as caught:
        spec(sampelr="tpe")
    assert caught.value.hint == "did you mean 'sampler'?"


@pytest.mark.parametrize("name", ["name", "objective", "space", "metric"])
def test_a_missing_argument_is_named(name: str) -> None:
    with pytest.raises(SweepError) as caught:
        spec(**{name: None})
    assert caught.value.path == name


def test_errors_of_spaces_keep_their_class() -> None:
    with pytest.raises(SearchSpaceError):
        spec(space={"lr": {"low": 3, "high": 1}})
