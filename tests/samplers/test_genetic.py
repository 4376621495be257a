"""What ``nsga2`` and ``nsga3`` add to the suite: generations, constraints, operators by name."""

from typing import Any

import pytest

from tuner import plugins
from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.space import Float, Int, SearchSpace
from tuner.study import Constraint, Metric, PluginSpec
from tuner.trial import Params, Trial, TrialState

TWO = (Metric("f"), Metric("g", "maximize"))
PLANE = SearchSpace({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0), "n": Int(0, 100)})


def build(name: str = "nsga2", constraints: tuple[Constraint, ...] = (), **options: Any) -> Any:
    return plugins.build("sampler", PluginSpec(name, options), Problem(PLANE, TWO, 1, constraints=constraints))


def run(sampler: Any, trials: int, constraint: Constraint | None = None) -> list[Params]:
    found = []
    for number in range(trials):
        (suggestion,) = sampler.ask(number, 1)
        found.append(suggestion.params)
        x, y = float(suggestion.params["x"] or 0), float(suggestion.params["y"] or 0)
        values = {"f": x + (1 - y), "g": 1 - x - (1 - y), "size": x}
        violation = constraint.violation(x) if constraint else 0.0
        sampler.tell([Trial(number, TrialState.COMPLETE, suggestion.params, values, violation=violation)])
    return found


def mean(rows: list[Params], name: str) -> float:
    return sum(float(row[name] or 0) for row in rows) / len(rows)


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
@pytest.mark.parametrize(
    "crossover", ["uniform", "blxalpha", "sbx", "spx", "undx", "vsbx", {"type": "blxalpha", "alpha": 0.3}], ids=str
)
def test_later_generations_are_better(name, crossover):
    found = run(build(name, population_size=10, crossover=crossover), 80)
    assert mean(found[-20:], "x") < mean(found[:10], "x") - 0.1
    assert mean(found[-20:], "y") > mean(found[:10], "y") + 0.1


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_feasible_trials_are_bred_from(name):
    constraint = Constraint("size", low=0.7)
    with_it = run(build(name, (constraint,), population_size=10), 100, constraint)
    without = run(build(name, population_size=10), 100)
    shares = [sum(float(row["x"] or 0) >= 0.7 for row in found[-30:]) / 30 for found in (with_it, without)]
    assert shares[0] > 0.5 > 0.4 > shares[1], shares


def test_an_earlier_study_is_the_first_generation():
    prior = [
        Trial(-1 - k, TrialState.COMPLETE, {"x": 0.9 + k / 1000, "y": 0.1, "n": k}, {"f": 1.0 + k, "g": 1.0})
        for k in range(8)
    ]
    sampler = build(population_size=8, mutation_prob=0.0)
    sampler.inform(prior)
    for suggestion in sampler.ask(0, 10):
        assert 0.9 <= float(suggestion.params["x"]) <= 0.91


@pytest.mark.parametrize(
    ("name", "options", "path"),
    [
        ("nsga2", {"population_size": 1}, "sampler.population_size"),
        ("nsga2", {"population_size": 2, "crossover": "undx"}, "sampler.population_size"),
        ("nsga2", {"crossover": "sbxx"}, "sampler.crossover"),
        ("nsga2", {"crossover": {"type": "sbx", "etaa": 1}}, "sampler.crossover"),
        ("nsga2", {"mutation": "gauss"}, "sampler.mutation"),
        ("nsga2", {"crossover_prob": 1.5}, "sampler.crossover_prob"),
        ("nsga2", {"mutation_prob": -0.1}, "sampler.mutation_prob"),
        ("nsga2", {"swapping_prob": 2}, "sampler.swapping_prob"),
        ("nsga2", {"reference_points": [[0.5, 0.5]]}, "sampler.reference_points"),
        ("nsga3", {"reference_points": [[0.5]]}, "sampler.reference_points"),
        ("nsga3", {"reference_points": "ab"}, "sampler.reference_points"),
        ("nsga3", {"dividing_parameter": 0}, "sampler.dividing_parameter"),
    ],
    ids=str,
)
def test_wrong_options_name_themselves(name, options, path):
    with pytest.raises(SweepError) as caught:
        build(name, **options)
    assert caught.value.path == path


def test_reference_points_are_taken():
    run(build("nsga3", population_size=6, reference_points=[[0.0, 1.0], [1.0, 0.0]]), 20)
