"""``--set PATH=VALUE``."""

from __future__ import annotations

import pytest
from optuna.pruners import MedianPruner
from optuna.samplers import RandomSampler

from tuner.errors import SweepError
from tuner.space import Categorical, Constant, Float, Int
from tuner.study import Metric, PluginSpec
from tuner.sweep import parse

TEXT = """\
objective: {function: work:train, arguments: {epochs: 3}}
metric: loss
parameters:
  preprocess.scaler: [none, standard]
  lr: {low: 1e-5, high: 1e-1, log: true}
sampler: tpe
run_cap: 10
"""


def test_text_is_typed_by_yaml_and_values_are_taken_as_they_are() -> None:
    assert parse(TEXT, overrides={"limits.trials": "20"}).spec.limits.trials == 20
    assert parse(TEXT, overrides={"limits.trials": 20}).spec.limits.trials == 20
    assert parse(TEXT, overrides={"limits.time": "1h30m"}).spec.limits.time_s == 5400
    assert parse(TEXT, overrides={"objective.arguments.epochs": "5"}).spec.objective.options["arguments"] == {
        "epochs": 5
    }


def test_an_alias_may_be_used_and_means_the_same() -> None:
    assert parse(TEXT, overrides={"run_cap": "20"}).spec.limits.trials == 20
    assert parse(TEXT, overrides={"method": "random"}).spec.sampler == PluginSpec("random")
    assert parse(TEXT, overrides={"goal": "maximize"}).spec.metrics == (Metric("loss", "maximize"),)


def test_short_forms_are_spelled_out() -> None:
    assert parse(TEXT, overrides={"metric.target": "1e-3"}).spec.metrics == (Metric("loss", "minimize", 1e-3),)
    assert parse(TEXT, overrides={"sampler.n_startup_trials": "3"}).spec.sampler == PluginSpec(
        "tpe", {"n_startup_trials": 3}
    )
    assert parse(TEXT, overrides={"sampler": PluginSpec("tpe", {"constant_liar": False})}).spec.sampler.options == {
        "constant_liar": False
    }


def test_parameters_may_have_dots_in_their_names() -> None:
    space = parse(
        TEXT,
        overrides={
            "parameters.lr.low": "1e-4",
            "parameters.preprocess.scaler": "standard",
            "parameters.group.depth.low": "2",
            "parameters.group.depth.high": "8",
            "parameters.kind": "[a, b]",
        },
    ).spec.space
    assert space["lr"] == Float(1e-4, 1e-1, log=True)
    assert space["preprocess.scaler"] == Constant("standard")
    assert space["group.depth"] == Int(2, 8)
    assert space["kind"] == Categorical(["a", "b"])


def test_list_positions_count_from_0() -> None:
    text = TEXT.replace("metric: loss", "metric: [loss, accuracy]")
    assert parse(text, overrides={"metric.1": "f1"}).spec.metrics[1] == Metric("f1", "maximize")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("limits.trials", "0"), ("limits.trails", "3"), ("nonsense", "1"), ("sampler", "tpee"), ("metric.5", "x"),
        ("", "1"), ("limits.", "1"), (".trials", "1"), ("limits..trials", "1"), ("seed.low", "1"),
        ("parameters.lr", "{low: 1}"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_a_sweep_error_that_names_its_path(path: str, value: str) -> None:
    text = TEXT + "seed: 3\n"
    with pytest.raises(SweepError) as caught:
        parse(text, "sweep.yaml", {path: value})
    head = str(caught.value).splitlines()[0]
    assert path.split(".")[0] in head
    assert not path or not head.startswith("sweep.yaml:0")


def test_an_error_in_an_override_names_no_line_of_the_file() -> None:
    with pytest.raises(SweepError) as caught:
        parse(TEXT, "sweep.yaml", {"limits.trials": "0"})
    assert (caught.value.file, caught.value.line, caught.value.path) == (None, None, "limits.trials")


def test_what_no_sweep_can_hold_is_refused() -> None:
    with pytest.raises(SweepError, match="cannot stand in a sweep"):
        parse(TEXT, overrides={"sampler": object()})


class Mine:
    pass


@pytest.mark.parametrize(
    ("path", "value", "hint"),
    [
        ("sampler", RandomSampler(), "{'type': 'optuna', 'class': 'optuna.samplers:RandomSampler'}"),
        ("sampler", RandomSampler, "{'type': 'optuna', 'class': 'optuna.samplers:RandomSampler'}"),
        ("pruner", MedianPruner(), "{'type': 'optuna', 'class': 'optuna.pruners:MedianPruner'}"),
        ("pruner", Mine, f"'{__name__}:Mine'"),
        ("pruner", {"type": "patient", "pruner": Mine()}, f"'{__name__}:Mine'"),
    ],
)
def test_an_object_or_class_in_place_of_its_name_is_told_the_name(path: str, value: object, hint: str) -> None:
    with pytest.raises(SweepError, match="cannot stand in a sweep") as caught:
        parse(TEXT, overrides={path: value})
    assert hint in (caught.value.hint or "")
