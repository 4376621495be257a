"""Every pruner in the folder, run through the public suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tuner import plugins
from tuner.core.ports import Pruner
from tuner.study import Goal, Metric, PluginSpec
from tuner.testing.pruners import PrunerTestCase

NEEDED: Mapping[str, Mapping[str, Any]] = {
    "hyperband": {"max": 27},
    "optuna": {"class": "optuna.pruners:ThresholdPruner", "upper": 1.3},
    "patient": {"patience": 1, "pruner": "median"},
    "pbt_replay": {"schedule": [{"to": 3}, {"to": 6}, {"to": 9}]},
    "threshold": {"upper": 1.3},
}
"""Options without which a pruner is not built."""


class TestEveryPruner(PrunerTestCase):
    @pytest.fixture(params=plugins.names("pruner"), autouse=True)
    def chosen(self, request):
        self.spec = PluginSpec(request.param, NEEDED.get(request.param, {}))
        self.stops = request.param != "none"
        self.spares_the_best = request.param not in ("threshold", "optuna", "pbt_replay")
        self.explains = request.param != "pbt_replay"  # it compares nothing
        if request.param == "optuna":  # its study keeps every report of every trial
            self.forgets, self.limit_s = False, 1e-3
        if request.param == "pbt":  # it goes through its population, which never ends and is never copied here
            self.limit_s = 1e-2

    def make(self, goal: Goal = "minimize") -> Pruner:
        if "upper" in self.spec.options and goal == "maximize":  # absolute bounds: the mirror image is another option
            options = {**self.spec.options, "upper": None, "lower": -1.3}
            pruner: Pruner = plugins.build("pruner", PluginSpec(self.spec.type, options), Metric("loss", goal))
            return pruner
        return super().make(goal)


OTHERS = {
    "median": PluginSpec(
        "median", {"n_startup_trials": 1, "n_warmup_steps": 3, "interval_steps": 2, "n_min_trials": 3}
    ),
    "percentile": PluginSpec("percentile", {"percentile": 60, "n_startup_trials": 0}),
    "asha": PluginSpec("asha", {"min": 2, "max": 9, "eta": 2, "early_stopping_rate": 1}),
    "asha 2.5": PluginSpec("asha", {"reduction_factor": 2.5}),
    "asha promotes": PluginSpec("asha", {"promote": True}),
    "asha promotes up to 9": PluginSpec("asha", {"promote": True, "max": 9, "eta": 2}),
    "curve up to 12": PluginSpec("curve", {"max": 12, "top": 1, "n_startup_trials": 0, "p_threshold": 0.2}),
    "patient asha": PluginSpec("patient", {"patience": 0, "min_delta": 0.01, "pruner": {"type": "asha", "eta": 2}}),
    "patient alone": PluginSpec("patient", {"patience": 2}),
    "wilcoxon of means": PluginSpec("wilcoxon", {"values": "mean", "p_threshold": 0.4}),
    "hyperband promotes": PluginSpec("hyperband", {"promote": True, "max": 12, "eta": 2}),
}


class TestPrunersWithOtherOptions(PrunerTestCase):
    @pytest.fixture(params=list(OTHERS.values()), ids=list(OTHERS), autouse=True)
    def chosen(self, request):
        self.spec = request.param
