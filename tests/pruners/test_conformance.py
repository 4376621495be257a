"""Every pruner in the folder, run through the public suite."""

import pytest

from tuner import plugins
from tuner.study import PluginSpec
from tuner.testing.pruners import PrunerTestCase


class TestEveryPruner(PrunerTestCase):
    @pytest.fixture(params=plugins.names("pruner"), autouse=True)
    def chosen(self, request):
        self.spec = PluginSpec(request.param)
        self.stops = request.param != "none"


class TestPrunersWithOtherOptions(PrunerTestCase):
    @pytest.fixture(
        params=[
            PluginSpec("median", {"n_startup_trials": 1, "n_warmup_steps": 3, "interval_steps": 2, "n_min_trials": 3}),
            PluginSpec("asha", {"min": 2, "max": 9, "eta": 2, "early_stopping_rate": 1}),
            PluginSpec("asha", {"reduction_factor": 2.5}),
        ],
        ids=["median", "asha", "asha 2.5"],
        autouse=True,
    )
    def chosen(self, request):
        self.spec = request.param
