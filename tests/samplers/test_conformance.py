"""Every sampler in the folder, run through the public suite."""

from typing import Any

import pytest

from tuner import plugins
from tuner.core.ports import Problem
from tuner.pruners.none import NonePruner
from tuner.samplers._brackets import by_bracket
from tuner.study import Metric, PluginSpec
from tuner.testing.samplers import SamplerTestCase

OPTIONS: dict[str, dict[str, Any]] = {
    "grid": {"points": 3},
    "optuna": {"class": "optuna.samplers:RandomSampler"},
    "nsga2": {"population_size": 5},
    "nsga3": {"population_size": 5},
    "pbt": {"population": 100},  # what comes after the first members is tested beside it
    "partial_fixed": {"fixed": {}},
}


LOSS = (Metric("loss"),)


class TestEverySampler(SamplerTestCase):
    @pytest.fixture(params=[name for name in plugins.names("sampler") if name != "pbt_replay"], autouse=True)
    def chosen(self, request):
        name = request.param
        self.spec = PluginSpec(name, OPTIONS.get(name, {}))
        self.repeats = name not in ("grid", "brute_force")
        self.reals = name != "brute_force"
        self.exhausts = name != "pbt"
        self.metrics = None if name == "cmaes" else type(self).metrics


class TestTpeInItsOtherForms(SamplerTestCase):
    @pytest.fixture(
        params=[
            {"multi_fidelity": True},
            {"constant_liar": False, "n_startup_trials": 0},
        ],
        ids=["multi-fidelity", "no liar, no start"],
        autouse=True,
    )
    def chosen(self, request):
        self.spec = PluginSpec("tpe", request.param)


class TestPartialFixedOverASamplerThatLearns(SamplerTestCase):
    spec = PluginSpec("partial_fixed", {"fixed": {}, "base": {"type": "nsga2", "population_size": 4}})


class TestCmaEsInItsOtherForms(SamplerTestCase):
    metrics = None

    @pytest.fixture(
        params=[
            {"popsize": 4, "n_startup_trials": 0, "consider_pruned_trials": True},
            {"popsize": 4, "with_margin": True},
            {"popsize": 4, "use_separable_cma": True},
            {"popsize": 4, "lr_adapt": True},
        ],
        ids=["pruned", "margin", "separable", "rate"],
        autouse=True,
    )
    def chosen(self, request):
        self.spec = PluginSpec("cmaes", request.param)


class TestQmcInItsOtherForms(SamplerTestCase):
    @pytest.fixture(params=[{"qmc_type": "halton"}], ids=["halton"], autouse=True)
    def chosen(self, request):
        self.spec = PluginSpec("qmc", request.param)


class TestGeneticOperators(SamplerTestCase):
    @pytest.fixture(
        params=[
            {"crossover": "undx", "mutation": "polynomial", "mutation_prob": 0.5},
            {"crossover": {"type": "sbx", "eta": 3.0}, "mutation": {"type": "polynomial", "eta": 5.0}},
        ],
        ids=["undx", "sbx"],
        autouse=True,
    )
    def chosen(self, request):
        self.spec = PluginSpec("nsga2", {"population_size": 4, **request.param})


class TestOneForEachBracket(SamplerTestCase):
    """Three samplers behind one, as a pruner with three brackets has it."""

    exhausts = False

    def make(self, space, seed=17, metrics=LOSS, **problem):
        given = Problem(space, metrics, seed, trials=100, **(problem | {"noisy": True}))
        spec = PluginSpec("nsga2", {"population_size": 4})
        return by_bracket(lambda part: plugins.build("sampler", spec, part), given, ThreeBrackets(metrics[0]))


class ThreeBrackets(NonePruner):
    """Deals trials out in turn."""

    brackets = 3

    def bracket(self, trial):
        return trial % 3
