"""A problem's space in ConfigSpace's words, for SMAC and DEHB."""

from __future__ import annotations

from typing import Any

import ConfigSpace as Cs
from ConfigSpace.conditions import AndConjunction, EqualsCondition, InCondition

from benchmarks.problems import Problem
from tuner.space import Categorical, Float, Int
from tuner.trial import Params

__all__ = ["configuration_space", "params_of"]


def configuration_space(problem: Problem, seed: int) -> Any:
    """The space with its conditions; choices are named by their index."""
    space = Cs.ConfigurationSpace(seed=seed)
    made: dict[str, Any] = {}
    for name, axis in problem.space.items():
        if isinstance(axis, Categorical):
            made[name] = Cs.CategoricalHyperparameter(name, [str(index) for index in range(len(axis.choices))])
        elif isinstance(axis, Int):
            made[name] = Cs.UniformIntegerHyperparameter(name, axis.low, axis.high, log=axis.log)
        elif isinstance(axis, Float):
            made[name] = Cs.UniformFloatHyperparameter(name, axis.low, axis.high, log=axis.log)
        space.add(made[name])
    for name, axis in problem.space.items():
        conditions = [_condition(problem, made, name, parent, when) for parent, when in (axis.when or {}).items()]
        if conditions:
            space.add(conditions[0] if len(conditions) == 1 else AndConjunction(*conditions))
    return space


def _condition(problem: Problem, made: Any, child: str, parent: str, when: Any) -> Any:
    axis = problem.space[parent]
    assert isinstance(axis, Categorical)
    wanted = list(when) if isinstance(when, list | tuple) else [when]
    values = [str(axis.choices.index(value)) for value in wanted]
    if len(values) == 1:
        return EqualsCondition(made[child], made[parent], values[0])
    return InCondition(made[child], made[parent], values)


def params_of(problem: Problem, configuration: Any) -> Params:
    """A configuration in the problem's words."""
    chosen = dict(configuration)
    params: dict[str, Any] = {}
    for name, axis in problem.space.items():
        if not problem.space.is_active(name, params):
            continue
        if isinstance(axis, Categorical):
            params[name] = axis.choices[int(str(chosen[name]))]
        elif isinstance(axis, Int):
            params[name] = int(chosen[name])
        else:
            params[name] = float(chosen[name])
    return params
