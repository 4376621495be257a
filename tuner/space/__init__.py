"""Search spaces: which parameters there are, over which ranges, under which conditions.

A space is a value: it samples nothing (samplers do) and reads no file (``tuner.catalog`` and ``tuner.sweep`` do).

    space = SearchSpace({
        "booster": Categorical(["gbtree", "dart"]),
        "learning_rate": Float(1e-3, 0.5, log=True),
        "rate_drop": Float(0.0, 0.5, when={"booster": "dart"}),
        "n_estimators": Constant(500),
    })
"""

from __future__ import annotations

from tuner.space.conditions import Condition, matches
from tuner.space.distributions import Categorical, Constant, Distribution, Float, Int
from tuner.space.document import distribution_from_dict, distribution_to_dict
from tuner.space.searchspace import SearchSpace

__all__ = [
    "Categorical",
    "Condition",
    "Constant",
    "Distribution",
    "Float",
    "Int",
    "SearchSpace",
    "distribution_from_dict",
    "distribution_to_dict",
    "matches",
]
