"""``docs/sweep.md`` is the reference: every key stands in it, and its examples are sweeps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tuner import plugins
from tuner.sweep import parse
from tuner.sweep._aliases import ALIASES
from tuner.sweep._build import KEYS, LATER
from tuner.sweep._limits import LIMITS
from tuner.sweep._signature import signature

PAGE = Path(__file__).parents[2] / "docs" / "sweep.md"
TEXT = PAGE.read_text(encoding="utf-8")
NESTED = ["estimator", "function", "command", "type", "low", "high", "log", "step", "values", "value", "when"]
NESTED += [
    "name",
    "goal",
    "target",
    "cpu",
    "memory",
    "gpu",
    "max",
    "on",
    "best",
    "size",
    "min",
    "cpu_h",
    "gpu_h",
    "memory_gib_h",
    "predict_ms",
    "fit_s",
    "model_mib",
    "data",
    "validation",
    "test",
    "fidelity",
]


@pytest.mark.parametrize("key", [*KEYS, *LATER, *ALIASES, *LIMITS, *NESTED])
def test_every_key_is_in_the_reference(key: str) -> None:
    assert re.search(rf"`([a-z]+\.)?{re.escape(key)}`", TEXT), f"docs/sweep.md does not mention `{key}`"


def test_every_key_at_the_top_has_a_row_and_its_section() -> None:
    sections = {
        re.sub(r"[^a-z_ ]", "", line[3:].lower()).replace(" ", "-") for line in TEXT.splitlines() if line[:3] == "## "
    }
    for key in KEYS:
        row = re.search(rf"^\| \[`{key}`\]\(#(\S+)\) \|", TEXT, re.MULTILINE)
        assert row, key
        assert row[1] in sections


@pytest.mark.parametrize("kind", ["estimator", "function", "command"])
def test_every_option_of_an_objective_is_in_the_reference(kind: str) -> None:
    for option in signature("objective", kind).without("base").names:
        assert f"`{option}`" in TEXT, f"docs/sweep.md does not mention `{option}` of {kind}"


def test_the_first_example_is_a_sweep() -> None:
    example = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0]
    assert parse(example).spec.name == "adult-xgb"


def test_the_constraints_shown_are_constraints() -> None:
    example = next(e for e in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if e.startswith("constraints:"))
    rest = "objective: {function: work:train}\nmetric: loss\nlimits: {trials: 1}\nparameters: {x: [1, 2]}\n"
    assert [c.name for c in parse(rest + example).spec.constraints] == ["predict_ms", "recall"]


def test_the_parameters_shown_are_a_space() -> None:
    example = next(e for e in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if e.startswith("parameters:"))
    rest = "objective: {function: work:train}\nmetric: loss\nlimits: {trials: 1}\n"
    assert len(parse(rest + example).spec.space) == 8


@pytest.mark.parametrize("kind", ["sampler", "pruner", "executor"])
def test_the_plugins_named_are_there(kind: str) -> None:
    line = re.search(rf"`{kind}`: (`[^.(]*)", TEXT.replace("\n", " "))
    assert line
    assert set(re.findall(r"`([a-z]+)`", line[1])) <= set(plugins.names(kind))
