"""What is tried first, and what is known already: ``try_first``, ``defaults`` and ``prior``."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from tuner.errors import SearchSpaceError
from tuner.samplers._native import SpaceDrawer, active_among, nearest, trial_key
from tuner.space import Constant, SearchSpace
from tuner.study import FirstTrial, PluginSpec, Prior
from tuner.sweep import _fields
from tuner.sweep._node import Node
from tuner.trial import Params, ParamValue

__all__ = ["DEFAULTS_NOTE", "default_trial", "read_prior", "read_try_first"]

EXHAUSTIVE = frozenset({"grid", "brute_force", "pbt_replay"})
"""Samplers that say themselves which trials there are, one by one."""
DEFAULTS_NOTE = "the space's defaults"
_EXAMPLE = "try_first: [{lr: 0.1}, {lr: 0.01, depth: 3}]"
_PRIOR = "prior: NAME, or a list of names and {study: NAME, store: URL}"


def read_try_first(node: Node | None, space: SearchSpace, seed: int = 0) -> tuple[FirstTrial, ...]:
    """The configurations that are tried before the sampler chooses; none when there is no node.

    Args:
        node: A list of mappings, parameter to value; what is left out is drawn.
        space: What they must lie in.
        seed: The study's: the draws that complete them are those of the study.

    Raises:
        SweepError: One is not of the space; names it and the parameter.
    """
    if node is None:
        return ()
    if not isinstance(node.content, list):
        raise node.error(f"must be a list, not {node.kind()}", expected=_EXAMPLE)
    drawer = SpaceDrawer(space)
    found = []
    for number, item in enumerate(node.content):
        params = {name: _value(below) for name, below in item.fields(example=_EXAMPLE).items()}
        try:
            drawer.complete(params, Random(trial_key(seed, number)))
        except SearchSpaceError as error:
            item.locate(error)
            raise
        found.append(FirstTrial(params))
    return tuple(found)


def _value(node: Node) -> ParamValue:
    if isinstance(node.content, dict | list):
        raise node.error(f"must be one value, not {node.kind()}", expected=_EXAMPLE)
    return node.content


def default_trial(
    defaults: Params, space: SearchSpace, sampler: PluginSpec
) -> tuple[FirstTrial | None, tuple[str, ...]]:
    """The defaults of a named space as a first trial, and what had to be changed to fit the sweep's parameters.

    A default out of its parameter's range is moved to the nearest end; one that is no choice any more is drawn.

    Args:
        defaults: What the space's file says; may be empty.
        space: With the sweep's own parameters in place of the file's.
        sampler: No first trial for one that goes through a list of its own; what ``partial_fixed`` fixes is taken from it.

    Returns:
        The trial, None when there is none; and sentences for people.
    """
    if not defaults or sampler.type in EXHAUSTIVE:
        return None, ()
    fixed = sampler.options.get("fixed", {}) if sampler.type == "partial_fixed" else {}
    fixed = fixed if isinstance(fixed, Mapping) else {}
    kept: dict[str, ParamValue] = {}
    notes: list[str] = []
    for name, value in {**defaults, **fixed}.items():
        d = space.get(name)
        if d is None or isinstance(d, Constant):
            continue
        try:
            kept[name] = nearest(d, value)
        except SearchSpaceError:
            notes.append(f"the default of {name!r}, {value!r}, is none of its values here: the first trial draws it")
            continue
        if kept[name] != value:
            notes.append(
                f"the default of {name!r}, {value!r}, is out of range here: the first trial has {kept[name]!r}"
            )
    kept = {name: value for name, value in kept.items() if name in active_among(space, kept)}
    try:
        SpaceDrawer(space).complete(kept, Random(0))
    except SearchSpaceError:
        return None, (*notes, "the space's defaults are not tried first: this sweep does not allow them")
    return FirstTrial(kept, DEFAULTS_NOTE), tuple(notes)


def read_prior(node: Node | None) -> tuple[Prior, ...]:
    """The earlier studies to learn from; none when there is no node.

    Raises:
        SweepError: One has no name, or is there twice.
    """
    if node is None:
        return ()
    found: list[Prior] = []
    for item in node.content if isinstance(node.content, list) else [node]:
        if isinstance(item.content, dict):
            fields = item.fields("study", "store", example=_PRIOR)
            if "study" not in fields:
                raise item.error("study is missing", expected=_PRIOR)
            name = _fields.scalar_text(fields["study"], _PRIOR)
            store = _fields.text(fields["store"], "a store's URL") if "store" in fields else None
            prior = Prior(name, store)
        else:
            prior = Prior(_fields.scalar_text(item, _PRIOR))
        if prior in found:
            raise item.error("is there twice", expected=_PRIOR)
        found.append(prior)
    return tuple(found)
