"""``docs/pruners.md`` is the reference: every pruner has its section there, every option its row, and examples can be built."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from tuner import plugins
from tuner.study import Metric
from tuner.sweep import parse

TEXT = (Path(__file__).parents[2] / "docs" / "pruners.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]}
EXAMPLES = re.findall(r"^pruner: .*$", TEXT, re.MULTILINE)
REST = "objective: {function: work:train}\nmetric: loss\nlimits: {trials: 1}\nparameters: {x: [1, 2]}\n"


@pytest.mark.parametrize(
    "name", [name for name in plugins.names("pruner") if name not in ("none", "optuna", "pbt", "pbt_replay")]
)
def test_every_option_is_in_the_pruners_section(name):
    for option in list(inspect.signature(plugins.load("pruner", name)).parameters)[1:]:
        assert f"`{option}`" in SECTIONS[name], f"docs/pruners.md does not mention {option} of {name}"


@pytest.mark.parametrize("name", [name for name in plugins.names("pruner") if name != "pbt_replay"])
def test_every_pruner_is_in_the_first_table(name):
    assert re.search(rf"^\| `{name}` \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_pruners(example):
    plugins.build("pruner", parse(REST + example + "\n").spec.pruner, Metric("loss"))


def test_there_are_examples():
    assert len(EXAMPLES) > 8
