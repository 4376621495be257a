"""Names of parameters in a space -> where their values go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuner.errors import InvalidParams
from tuner.trial import Params, ParamValue

__all__ = ["CHOICE", "PREPROCESS", "SplitParams", "plain_name", "split_params"]

CHOICE = "estimator"
PREPROCESS = "preprocess."


@dataclass(frozen=True, slots=True)
class SplitParams:
    """A trial's parameters by destination.

    Attributes:
        estimator: Import path that the ``estimator`` parameter chose; None when there is no such parameter.
        preprocess: Choices of the table's preprocessing.
        keywords: Keyword arguments of the estimator.
        nested: ``step__name`` -> value, set after construction.
    """

    estimator: str | None
    preprocess: Mapping[str, ParamValue]
    keywords: Mapping[str, ParamValue]
    nested: Mapping[str, ParamValue]


def plain_name(name: str) -> str:
    """``C`` of ``svm.C``: the group before the dot only keeps the names of several model families apart."""
    return name.partition(".")[2] or name


def split_params(params: Params) -> SplitParams:
    """Sort a trial's parameters by destination.

    Raises:
        InvalidParams: Two parameters of different groups give the same keyword.
    """
    preprocess: dict[str, ParamValue] = {}
    keywords: dict[str, ParamValue] = {}
    nested: dict[str, ParamValue] = {}
    for name, value in params.items():
        if name == CHOICE:
            continue
        place = preprocess if name.startswith(PREPROCESS) else nested if "__" in plain_name(name) else keywords
        if plain_name(name) in place:
            raise InvalidParams(f"two active parameters give {plain_name(name)!r}; the second is {name!r}")
        place[plain_name(name)] = value
    choice = params.get(CHOICE)
    return SplitParams(None if choice is None else str(choice), preprocess, keywords, nested)
