"""What ``nsga2`` and ``nsga3`` have in common: Optuna's genetic samplers with their operators by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from optuna.samplers import BaseSampler, nsgaii

from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.samplers._options import at_least, made, share
from tuner.samplers._optuna import OptunaAdapter, quiet
from tuner.samplers._storage import Row
from tuner.trial import ParamValue

__all__ = ["Genes", "GeneticSampler", "Operator"]

Operator = str | Mapping[str, Any]
"""A crossover or mutation by name, or ``{type: name, ...its options}``."""

_CROSSOVERS: dict[str, Callable[..., nsgaii.BaseCrossover]] = {
    "uniform": nsgaii.UniformCrossover,
    "blxalpha": nsgaii.BLXAlphaCrossover,
    "sbx": nsgaii.SBXCrossover,
    "spx": nsgaii.SPXCrossover,
    "undx": nsgaii.UNDXCrossover,
    "vsbx": nsgaii.VSBXCrossover,
}
_MUTATIONS: dict[str, Callable[..., nsgaii.BaseMutation]] = {"polynomial": nsgaii.PolynomialMutation}


class Genes(TypedDict):
    """The options that both have."""

    population_size: int
    mutation: Operator | None
    mutation_prob: float | None
    crossover: Operator
    crossover_prob: float
    swapping_prob: float


class GeneticSampler(OptunaAdapter):
    """Breeds generations by an Optuna sampler.

    Children inherit the parameters that are always active; conditional ones are drawn anew for each child. Trials of an
    earlier study are the first generation, or a part of it. Pruned trials are no parents.

    Args:
        problem: The space, the metrics, the constraints and the seed.
        kind: The Optuna class.
        genes: The options of both samplers, by Optuna's names; operators by their names here.
        more: Further options of the class.

    Raises:
        SweepError: An option is wrong.
    """

    def __init__(self, problem: Problem, kind: type[BaseSampler], genes: Genes, **more: Any) -> None:
        at_least("population_size", genes["population_size"], 2)
        for name in ("mutation_prob", "crossover_prob", "swapping_prob"):
            share(name, genes[name])
        row = genes["crossover"]
        if row == "uniform":
            row = {"type": "uniform", "swapping_prob": genes["swapping_prob"]}
        with quiet():
            crossover: nsgaii.BaseCrossover = made("crossover", row, _CROSSOVERS)
            mutation = None if genes["mutation"] is None else made("mutation", genes["mutation"], _MUTATIONS)
        if genes["population_size"] < crossover.n_parents:
            raise SweepError(
                f"each child has {crossover.n_parents} parents",
                path="sampler.population_size",
                got=genes["population_size"],
                expected=f"at least {crossover.n_parents}",
            )
        options = {**genes, **more, "crossover": crossover, "mutation": mutation}
        self._generation = f"{kind.__name__}:generation"
        super().__init__(problem, lambda seed: kind(**options, seed=seed), joint=True)  # type: ignore[call-arg]

    def _try(self, row: Row, sampler: BaseSampler) -> dict[str, ParamValue] | None:
        try:
            return super()._try(row, sampler)
        except (ValueError, OverflowError):  # an operator lost its numbers in a very wide range
            return None

    def _mark(self, row: Row) -> None:
        row.system_attrs = {**row.system_attrs, self._generation: 0}
