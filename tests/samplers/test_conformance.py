"""Every sampler in the folder, run through the public suite."""

from typing import Any

import pytest

from tuner import plugins
from tuner.study import PluginSpec
from tuner.testing.samplers import SamplerTestCase

OPTIONS: dict[str, dict[str, Any]] = {
    "grid": {"points": 3},
    "optuna": {"class": "optuna.samplers:RandomSampler"},
}


class TestEverySampler(SamplerTestCase):
    @pytest.fixture(params=plugins.names("sampler"), autouse=True)
    def chosen(self, request):
        name = request.param
        self.spec = PluginSpec(name, OPTIONS.get(name, {}))
        self.repeats = name not in ("grid", "brute_force")
        self.reals = name != "brute_force"


class TestTpeInItsOtherForms(SamplerTestCase):
    @pytest.fixture(
        params=[
            {"group": True},
            {"multivariate": False},
            {"constant_liar": False, "n_startup_trials": 0},
        ],
        ids=["group", "independent", "no liar, no start"],
        autouse=True,
    )
    def chosen(self, request):
        self.spec = PluginSpec("tpe", request.param)
