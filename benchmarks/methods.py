"""Every method of the search benchmarks by name, and how to run one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.engine_race import engine_race
from benchmarks.problems import Problem
from benchmarks.race import Race, Run, race

__all__ = ["EARLY", "FULL", "Contestant", "missing", "run"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A method.

    Attributes:
        title: How tables name it.
        module: Of ``benchmarks.peers``; None for tuner itself.
        options: Of the peer's class, or ``sampler`` and ``pruner`` of tuner.
        most: Most workers at which it is run: beyond, one run costs more than the benchmark.
        dear: Whether one run costs CPU minutes, so that it gets fewer problems and seeds.
    """

    title: str
    module: str | None
    options: Mapping[str, Any] = field(default_factory=dict)
    most: int = 1000
    dear: bool = False


def _ours(sampler: str, pruner: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    return {"sampler": {"type": sampler}, "pruner": pruner}


FIRST, LAST = "first step", "last step"  # stand for the problem's own, filled in by ``run``
RUNGS = {"min": FIRST, "max": LAST}
PROMOTING = {"type": "asha", "promote": True, **RUNGS}
OPTUNA, SYNE = "optuna_peer.OptunaMethod", "syne_peer.SyneMethod"

FULL: dict[str, Contestant] = {
    "random": Contestant("random", None, _ours("random")),
    "tuner-tpe": Contestant("tuner tpe", None, _ours("tpe")),
    "tuner-gp": Contestant("tuner gp", None, _ours("gp")),
    "tuner-cmaes": Contestant("tuner cmaes", None, _ours("cmaes")),
    "tuner-auto": Contestant("tuner auto", None, _ours("auto")),
    "optuna-tpe": Contestant("Optuna TPE", OPTUNA, {"sampler": "tpe"}),
    "optuna-gp": Contestant("Optuna GP", OPTUNA, {"sampler": "gp"}, 64, True),
    "optuna-cmaes": Contestant("Optuna CMA-ES", OPTUNA, {"sampler": "cmaes"}),
    "smac-bb": Contestant("SMAC3 black box", "smac_peer.SmacMethod", {"facade": "bb"}, 8, True),
    "smac-hpo": Contestant("SMAC3 HPO", "smac_peer.SmacMethod", {"facade": "hpo"}, 64, True),
    "hebo": Contestant("HEBO", "hebo_peer.HeboMethod", {}, 8, True),
    "syne-kde": Contestant("Syne Tune KDE", SYNE, {"name": "kde"}, 64, True),
    "syne-bore": Contestant("Syne Tune BORE", SYNE, {"name": "bore"}, 8, True),
    "syne-cqr": Contestant("Syne Tune CQR", SYNE, {"name": "cqr"}, 8, True),
    "syne-botorch": Contestant("Syne Tune BoTorch", SYNE, {"name": "botorch"}, 8, True),
}
"""Searches over full evaluations."""

EARLY: dict[str, Contestant] = {
    "random-full": Contestant("random, none stopped", None, _ours("random")),
    "tuner-tpe-full": Contestant("tuner tpe, none stopped", None, _ours("tpe")),
    "tuner-auto-full": Contestant("tuner auto, none stopped", None, _ours("auto")),
    "tuner-random-asha": Contestant("tuner random + asha", None, _ours("random", {"type": "asha", **RUNGS})),
    "tuner-tpe-asha": Contestant("tuner tpe + asha", None, _ours("tpe", {"type": "asha", **RUNGS})),
    "tuner-tpe-promote": Contestant("tuner tpe + asha, promoting", None, _ours("tpe", PROMOTING)),
    "tuner-tpe-hyperband": Contestant("tuner tpe + hyperband", None, _ours("tpe", {"type": "hyperband", **RUNGS})),
    "tuner-tpe-median": Contestant("tuner tpe + median", None, _ours("tpe", {"type": "median"})),
    "tuner-gp-asha": Contestant("tuner gp + asha", None, _ours("gp", {"type": "asha", **RUNGS})),
    "tuner-auto-asha": Contestant("tuner auto + asha", None, _ours("auto", {"type": "asha", **RUNGS})),
    "tuner-auto-hyperband": Contestant("tuner auto + hyperband", None, _ours("auto", {"type": "hyperband", **RUNGS})),
    "optuna-tpe-hyperband": Contestant("Optuna TPE + Hyperband", OPTUNA, {"sampler": "tpe", "pruner": "hyperband"}),
    "optuna-tpe-halving": Contestant("Optuna TPE + SuccessiveHalving", OPTUNA, {"sampler": "tpe", "pruner": "halving"}),
    "optuna-tpe-median": Contestant("Optuna TPE + Median", OPTUNA, {"sampler": "tpe", "pruner": "median"}),
    "ray-asha-optuna": Contestant("Ray Tune ASHA + OptunaSearch", "ray_peer.RayMethod"),
    "syne-asha": Contestant("Syne Tune ASHA", SYNE, {"name": "asha"}),
    "syne-bohb": Contestant("Syne Tune BOHB", SYNE, {"name": "bohb"}, 64, True),
    "syne-asha-bore": Contestant("Syne Tune ASHA-BORE", SYNE, {"name": "asha-bore"}, 8, True),
    "syne-asha-cqr": Contestant("Syne Tune ASHA-CQR", SYNE, {"name": "asha-cqr"}, 8, True),
    "smac-mf": Contestant("SMAC3 multi-fidelity", "smac_peer.SmacMethod", {"facade": "mf"}, 64, True),
    "dehb": Contestant("DEHB", "dehb_peer.DehbMethod"),
}
"""Searches that stop early or evaluate at lower fidelities."""


def missing(name: str) -> str | None:
    """Why a method cannot be run here; None when it can."""
    contestant = {**FULL, **EARLY}[name]
    try:
        if contestant.module is not None:
            importlib.import_module(f"benchmarks.peers.{contestant.module.split('.')[0]}")
        else:
            importlib.import_module(f"tuner.samplers.{contestant.options['sampler']['type']}")
            pruner = contestant.options["pruner"]
            if pruner is not None:
                importlib.import_module(f"tuner.pruners.{pruner['type']}")
    except (ImportError, AttributeError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def run(name: str, problem: Problem, how: Race) -> Run:
    """One run of a method."""
    contestant = {**FULL, **EARLY}[name]
    options = dict(contestant.options)
    if contestant.module is None:
        if options["pruner"] is not None:
            own = {FIRST: problem.steps[0], LAST: problem.steps[-1]}
            options["pruner"] = {key: own.get(value, value) for key, value in options["pruner"].items()}
        return engine_race(problem, how, **options)
    module, kind = contestant.module.split(".")
    method = getattr(importlib.import_module(f"benchmarks.peers.{module}"), kind)
    return race(lambda problem, how: method(problem, how, **options), problem, how)
