"""``docs/samplers.md`` is the reference: every sampler and every option stands in it, and its examples can be built."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from tuner import plugins
from tuner.sweep import parse

TEXT = (Path(__file__).parents[2] / "docs" / "samplers.md").read_text(encoding="utf-8")
REST = """objective: {function: work:train}
metric: {name: loss, goal: minimize}
limits: {trials: 50}
parameters:
  learning_rate: {low: 0.001, high: 1.0, log: true}
  subsample: {low: 0.1, high: 1.0}
  momentum: {low: 0.0, high: 0.9, step: 0.1}
  booster: [gbtree, dart]
  max_depth: {low: 1, high: 8}
"""


@pytest.mark.parametrize("name", plugins.names("sampler"))
def test_every_sampler_and_its_options_are_in_the_reference(name):
    assert re.search(rf"^\| .*`{name}`.*\|", TEXT, re.MULTILINE), "has a row in the first table"
    options = [p for p in inspect.signature(plugins.load("sampler", name)).parameters.values() if p.name != "problem"]
    for option in options:
        if option.kind is not option.VAR_KEYWORD:
            assert f"`{option.name}`" in TEXT or f"{option.name}:" in TEXT, option.name


@pytest.mark.parametrize("line", re.findall(r"^sampler: .*$", TEXT, re.MULTILINE))
def test_every_example_can_be_built(line):
    if "schedule.yaml" not in line and "GPSampler" not in line:
        parse(REST + line + "\n")
