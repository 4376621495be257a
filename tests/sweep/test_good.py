"""Whole sweep files, ours and those of other tools, read as they were meant."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tuner.errors import SweepError
from tuner.space import Categorical, Constant, Float, Int
from tuner.study import Limits, Metric, PluginSpec, ResourceRequest
from tuner.sweep import Sweep, load, parse
from tuner.trial import FailureKind

GOOD = Path(__file__).parent / "good"


@pytest.fixture(scope="module")
def adult() -> Sweep:
    return load(GOOD / "adult.yaml")


def test_a_whole_sweep_is_read(adult: Sweep) -> None:
    spec = adult.spec
    assert (spec.name, spec.seed, spec.stop_grace_s) == ("adult-xgb", 17, 45.0)
    assert spec.metrics == (Metric("roc_auc", "maximize", 0.95),)
    assert spec.sampler == PluginSpec("tpe", {"n_startup_trials": 5})
    assert spec.pruner == PluginSpec("asha", {"min": 10, "max": 500, "eta": 3})
    assert spec.limits == Limits(
        trials=200, time_s=7200.0, trial_time_s=600.0, failures_share=0.2, patience=50, parallel=None, failures=None
    )
    assert spec.resources == ResourceRequest(cpu=None, memory_mib=None, gpu=0.0)
    kinds = {FailureKind.OUT_OF_MEMORY, FailureKind.PREEMPTED, FailureKind.NODE_LOST, FailureKind.WORKER_LOST}
    assert (spec.retry.max, spec.retry.on) == (3, frozenset(kinds))
    assert adult.executor == PluginSpec("inline")
    assert adult.store == "sqlite:///results/tuner.db"
    assert adult.register is None
    assert adult.notes == ()


def test_the_text_is_kept_as_it_was_written(adult: Sweep) -> None:
    assert adult.file == GOOD / "adult.yaml"
    assert adult.text == (GOOD / "adult.yaml").read_text()


def test_the_objective_keeps_its_block_and_learns_the_folder(adult: Sweep) -> None:
    assert adult.spec.objective == PluginSpec(
        "estimator",
        {
            "estimator": "xgboost.XGBClassifier",
            "data": {"path": "adult.csv", "target": "income"},
            "validation": {"kind": "holdout", "size": 0.2},
            "test": {"size": 0.2},
            "fidelity": "boosting_rounds",
            "base": str(GOOD.resolve()),
        },
    )


def test_parameters_override_and_extend_the_named_space_in_place(adult: Sweep) -> None:
    space = adult.spec.space
    assert list(space) == [
        "booster", "max_depth", "subsample", "n_estimators", "learning_rate", "rate_drop", "extra",
    ]  # fmt: skip
    assert space["max_depth"] == Constant(6)
    assert space["learning_rate"] == Float(1e-3, 0.5, log=True)
    assert space["rate_drop"] == Float(0.0, 0.5, when={"booster": "dart"})
    assert space["extra"] == Categorical(["a", "b"])
    assert space["n_estimators"] == Constant(500)
    assert space.is_forbidden({"booster": "dart", "subsample": 0.95})


def test_a_wandb_sweep_is_read() -> None:
    sweep = load(GOOD / "wandb.yaml")
    spec = sweep.spec
    assert spec.objective.options["command"] == ["{python}", "train.py", "--fast"]
    assert spec.metrics == (Metric("val_loss", "minimize"),)
    assert dict(spec.space) == {
        "lr": Float(1e-5, 1e-1, log=True),
        "dropout": Float(0.0, 0.5),
        "layers": Int(1, 4),
        "batch_size": Categorical([16, 32, 64]),
        "optimizer": Constant("adam"),
    }
    assert spec.sampler == PluginSpec("gp")
    assert spec.pruner == PluginSpec("asha", {"min": 3, "eta": 3, "max": 27})
    assert spec.limits == Limits(trials=50)
    assert len(sweep.notes) == 3
    assert "`method: bayes` is read as `sampler: gp`" in sweep.notes
    assert "asha" in sweep.notes[1]
    assert "'project'" in sweep.notes[2]


def test_a_katib_experiment_is_read() -> None:
    spec = load(GOOD / "katib.yaml").spec
    assert spec.name == "katib-demo"
    assert spec.metrics == (Metric("accuracy", "maximize", 0.99),)
    assert dict(spec.space) == {
        "lr": Float(1e-4, 0.1, log=True),
        "layers": Int(2, 10, step=2),
        "width": Categorical([64, 128]),
        "optimizer": Categorical(["sgd", "adam"]),
    }
    assert spec.sampler == PluginSpec("gp")
    assert spec.seed == 10
    assert spec.pruner == PluginSpec("median", {"n_startup_trials": 2, "n_warmup_steps": 5})
    assert spec.limits == Limits(trials=12, parallel=3, failures=3)


def test_an_nni_experiment_is_read() -> None:
    spec = load(GOOD / "nni.yaml").spec
    assert spec.name == "nni-demo"
    assert spec.metrics == (Metric("fitness", "maximize"),)
    assert dict(spec.space) == {
        "lr": Float(1e-4, 0.1, log=True),
        "momentum": Float(0, 1),
        "units": Int(8, 63),
        "batch": Categorical([16, 32]),
        "dropout": Float(0.0, 0.5, step=0.1),
    }
    assert spec.pruner == PluginSpec("median", {"n_warmup_steps": 5})
    assert spec.limits == Limits(trials=30, parallel=2, time_s=86400.0, trial_time_s=600.0)


def test_an_azure_job_is_read() -> None:
    sweep = load(GOOD / "azure.yaml")
    spec = sweep.spec
    assert spec.objective.options["command"] == ["python", "main.py", "--lr", "{lr}", "--depth", "{depth}"]
    assert spec.metrics == (Metric("accuracy", "maximize"),)
    assert dict(spec.space) == {
        "lr": Float(0.01, 1.0),
        "depth": Int(0, 9),
        "batch": Categorical([16, 32]),
        "units": Int(8, 64, step=8),
    }
    assert spec.sampler == PluginSpec("random")
    assert spec.pruner == PluginSpec("median", {"n_warmup_steps": 5, "interval_steps": 2})
    assert spec.limits == Limits(trials=20, parallel=4, time_s=3600.0, trial_time_s=600.0)
    assert len([note for note in sweep.notes if "left out" in note]) == 2


SHORT = """
objective: {function: work:train}
metric: loss
parameters: {x: {low: 0.0, high: 1.0}}
limits: {trials: 3}
"""


def test_a_short_sweep_has_the_documented_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = parse(SHORT)
    spec = sweep.spec
    assert (spec.name, spec.seed, spec.stop_grace_s) == ("sweep", 0, 30.0)
    assert spec.metrics == (Metric("loss", "minimize"),)
    assert (spec.sampler, spec.pruner) == (PluginSpec("auto"), PluginSpec("none"))
    assert spec.retry.max == 3
    assert spec.objective.options["base"] == str(tmp_path)
    assert (sweep.file, sweep.executor, sweep.store) == (None, None, None)


def test_the_file_names_a_sweep_that_does_not() -> None:
    assert parse(SHORT, "some/my first sweep.yaml").spec.name == "my-first-sweep"


def test_keys_with_nothing_after_them_say_nothing() -> None:
    assert parse(SHORT + "name:\nresources:\npruner:\nregister:\nseed:\n").spec == parse(SHORT).spec


def test_several_metrics_are_kept_in_order() -> None:
    text = SHORT.replace("metric: loss", "metric: [accuracy, {name: latency_ms, target: 3}]")
    assert parse(text).spec.metrics == (Metric("accuracy", "maximize"), Metric("latency_ms", "minimize", 3.0))


@pytest.mark.parametrize(
    "end", ["limits: {time: 1h}", "limits: {patience: 5}", "limits: {trials: 1}", "metric: {name: loss, target: 0.1}"]
)
def test_anything_that_ends_it_is_limit_enough(end: str) -> None:
    text = SHORT.replace("limits: {trials: 3}", "")
    if end.startswith("metric"):
        text = text.replace("metric: loss", "")
    assert parse(text + end).spec.name == "sweep"


def test_a_grid_ends_by_itself() -> None:
    text = SHORT.replace("limits: {trials: 3}", "sampler: grid").replace("{low: 0.0, high: 1.0}", "[1, 2, 3]")
    assert parse(text).spec.limits == Limits()


def test_a_fixed_parameter_drops_what_can_no_longer_be_active(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(
        "parameters:\n  booster: [gbtree, dart]\n".replace("[gbtree, dart]", "{values: [gbtree, dart]}")
        + "  rate_drop: {low: 0.0, high: 0.5, when: {booster: dart}}\n"
        "  skip_drop: {low: 0.0, high: 0.5, when: {rate_drop: {low: 0.1}}}\n"
        "  depth: {low: 2, high: 9}\n"
        "forbidden: [{booster: dart, depth: 9}, {depth: 2, rate_drop: {low: 0.4}}, {booster: gbtree, depth: 2}]\n"
    )
    text = SHORT.replace("parameters: {x: {low: 0.0, high: 1.0}}", "space: ./space.yaml\nparameters: {booster: gbtree}")
    sweep = parse(text, tmp_path / "sweep.yaml")
    assert list(sweep.spec.space) == ["booster", "depth"]
    assert sweep.spec.space.forbidden == ({"booster": "gbtree", "depth": 2},)
    assert [note.split()[2] for note in sweep.notes[:2]] == ["'rate_drop'", "'skip_drop'"]
    assert "2 forbidden combinations" in sweep.notes[2]


def test_null_removes_a_parameter_of_the_named_space() -> None:
    text = SHORT.replace("parameters: {x: {low: 0.0, high: 1.0}}", "space: ./space.yaml\nparameters: {subsample: null}")
    assert list(parse(text, GOOD / "x.yaml").spec.space) == ["booster", "max_depth", "n_estimators"]


def test_a_catalogue_name_brings_its_space_and_its_estimator() -> None:
    text = (
        "objective: {estimator: from_space, data: {sklearn: breast_cancer}}\nmetric: roc_auc\n"
        "space: xgboost/classifier\nlimits: {trials: 3}\n"
    )
    spec = parse(text).spec
    assert spec.objective.options["estimator"] == "xgboost.XGBClassifier"
    assert "learning_rate" in spec.space


def test_a_space_that_chooses_its_estimator_is_left_to_do_so() -> None:
    text = (
        "objective: {estimator: from_space, data: {sklearn: breast_cancer}}\nmetric: roc_auc\n"
        "space: models/classifier\nlimits: {trials: 3}\n"
    )
    assert parse(text).spec.objective.options["estimator"] == "from_space"


def test_args_in_the_middle_of_a_command_become_one_argument_each() -> None:
    text = (
        'program: a.py\ncommand: [run, "${program}", "${args_no_hyphens}", --end]\nmetric: loss\nrun_cap: 3\n'
        "parameters: {x: {min: 0, max: 1}, group.y: {values: [1, 2]}}\n"
    )
    command = parse(text).spec.objective.options["command"]
    assert command == ["run", "a.py", "x={x}", "group.y={group.y}", "--end"]


def test_a_program_alone_is_run_by_the_interpreter() -> None:
    text = "program: a.py\nmetric: loss\nrun_cap: 3\nparameters: {x: {min: 0, max: 1}}\n"
    assert parse(text).spec.objective.options["command"] == ["{python}", "a.py"]


def test_errors_found_later_get_their_line(tmp_path: Path) -> None:
    sweep = load(GOOD / "adult.yaml")
    error = SweepError("wrong", path="objective.data.target", got="income")
    sweep.locate(error)
    assert (error.file, error.line, error.path) == (str(GOOD / "adult.yaml"), 4, "objective.data.target")
    absent = SweepError("missing", path="objective.validation.folds")
    sweep.locate(absent)
    assert absent.line == 5
    elsewhere = SweepError("x", path="limits.trials", file="other.yaml", line=3)
    sweep.locate(elsewhere)
    assert (elsewhere.file, elsewhere.line) == ("other.yaml", 3)


def test_a_pruner_of_ones_own_may_lie_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "our_own_rules.py").write_text(
        "from tuner.core.ports import Pruner\n"
        "class Never(Pruner):\n"
        "    def __init__(self, metric, *, patience=1):\n"
        "        if patience < 1:\n"
        "            raise ValueError('patience must be positive')\n"
        "    def judge(self, trial, step, value):\n"
        "        return None\n"
    )
    (tmp_path / "random.py").write_text("raise SystemError('a file beside the sweep must not hide a module')\n")
    before = list(sys.path)
    spec = parse(SHORT + "pruner: {type: 'our_own_rules:Never', patience: 3}\n", tmp_path / "sweep.yaml").spec
    assert spec.pruner == PluginSpec("our_own_rules:Never", {"patience": 3})
    assert sys.path == before
    with pytest.raises(SweepError, match="patience must be positive") as caught:
        parse(SHORT + "pruner: {type: 'our_own_rules:Never', patience: 0}\n", tmp_path / "sweep.yaml")
    assert caught.value.line == 6


def test_an_override_keeps_the_condition_of_what_it_overrides(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(
        "parameters:\n  kind: {values: [a, b]}\n  rate: {low: 0.0, high: 1.0, when: {kind: a}}\n", encoding="utf-8"
    )
    head = "name: s\nobjective: {command: [echo]}\nmetric: {name: m, goal: minimize}\n"
    head += "limits: {trials: 1}\nspace: ./space.yaml\n"
    kept = parse(head + "parameters: {rate: {low: 0.2, high: 0.4}}\n", tmp_path / "sweep.yaml").spec.space["rate"]
    own = parse(head + "parameters: {rate: {low: 0.2, high: 0.4, when: {}}}\n", tmp_path / "sweep.yaml").spec.space[
        "rate"
    ]
    assert dict(kept.when or {}) == {"kind": "a"}
    assert not own.when
