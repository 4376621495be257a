"""Who chooses the parameters of a study: its sampler, with everything around it that the specification asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from tuner import plugins
from tuner.core.events import Checkpointed, Event, Suggested
from tuner.core.ports import Objective, Problem, Pruner, Sampler, StudyInfo
from tuner.errors import SweepError
from tuner.samplers._brackets import by_bracket
from tuner.samplers._first import First, first_params
from tuner.study import FirstTrial, StudySpec
from tuner.sweep import DEFAULTS_NOTE
from tuner.trial import Trial

__all__ = [
    "CONTINUING",
    "build_pruner",
    "build_sampler",
    "check_training",
    "folder_of",
    "training_notes",
    "with_first",
    "without_checkpoints",
]

CONTINUING = ("pbt", "pbt_replay")
"""Samplers whose trials go on from others' checkpoints."""


def build_sampler(spec: StudySpec, pruner: Pruner) -> Sampler:
    """The study's sampler: one for each bracket of the pruner where it needs that, behind the first trials, if any.

    Raises:
        TunerError: It refuses its options, the space, or a first trial.
    """

    def build(problem: Problem) -> Sampler:
        return cast(Sampler, plugins.build("sampler", spec.sampler, problem))

    problem = Problem.of(spec)
    sampler = by_bracket(build, problem, pruner)
    return First(sampler, problem, spec.first) if spec.first else sampler


def folder_of(info: StudyInfo) -> Path | None:
    """Where a study's sweep file lay, or its objective, so that classes beside it are found again; None when nobody knows."""
    sweep = info.provenance.get("sweep")
    file = sweep.get("file") if isinstance(sweep, Mapping) else None
    base = info.spec.objective.options.get("base")
    return Path(file).parent if file else Path(base) if isinstance(base, str) else None


def build_pruner(info: StudyInfo) -> Pruner:
    """A new pruner of a study's kind.

    Raises:
        TunerError: It is a class of the user's that cannot be found any more.
    """
    with plugins.beside(folder_of(info)):
        return cast(Pruner, plugins.build("pruner", info.spec.pruner, info.spec.metric))


def check_training(spec: StudySpec, objective: Objective) -> None:
    """Refuse what could only begin from nothing again and again: population based training without checkpoints.

    Raises:
        SweepError: The objective is known to save none.
    """
    if spec.sampler.type in CONTINUING and objective.checkpoints is False:
        raise SweepError(
            f"the sampler {spec.sampler.type!r} continues trials from checkpoints, and this objective saves none",
            path="sampler",
            got=spec.sampler.type,
            expected="an objective that calls context.save_checkpoint, or one with a fidelity that can be continued",
            hint="use another sampler, such as tpe with the pruner asha",
        )


def training_notes(spec: StudySpec, pruner: Pruner, objective: Objective) -> list[str]:
    """What a person should know before it starts, though it is no mistake: promotion costs more than it seems without
    checkpoints, and a pruner that was told of another last step than there is has too many rungs, or too few.
    """
    notes = []
    if pruner.promotes and objective.checkpoints is False and spec.sampler.type not in CONTINUING:
        notes.append(
            f"the pruner {spec.pruner.type} lets paused trials go on, but this objective saves no checkpoints: each is trained "
            "anew from its beginning; with promote: false trials are stopped for good instead"
        )
    told, last = spec.pruner.options.get("max"), objective.last_step
    if isinstance(told, int) and last is not None and not told / 2 <= last <= 2 * told:
        notes.append(
            f"the pruner {spec.pruner.type} is told that trials end at step {told} (max), but the last step is {last}"
        )
    return notes


def without_checkpoints(spec: StudySpec, promotions: tuple[int, int], events: Iterable[Event]) -> str:
    """What a person must know at the end of a study whose trials should have gone on from checkpoints; empty for nothing.

    Args:
        spec: The study's.
        promotions: Of the core.
        events: The log; read only for population based training.
    """
    if spec.sampler.type in CONTINUING:
        copied = saved = False
        for event in events:
            copied = copied or (isinstance(event, Suggested) and event.parent is not None)
            saved = saved or isinstance(event, Checkpointed)
        if saved or not (copied or promotions[0]):
            return ""
        return "; no trial saved a checkpoint, so that copies and paused trials began anew (context.save_checkpoint)"
    promoted, anew = promotions
    if not anew:
        return ""
    how = " (context.save_checkpoint)" if spec.objective.type == "function" else ""
    which = "each of the" if anew == promoted else f"{anew} of the"
    return f"; {which} {promoted} promotions began anew, as there was no checkpoint{how}"


def with_first(spec: StudySpec, first: Sequence[FirstTrial], known: Sequence[Trial]) -> StudySpec:
    """The study with more first trials after its own; without the space's defaults where their values are known already."""
    before = list(spec.first)
    if known and not spec.noisy:
        completed = [params for params, _ in first_params(Problem.of(replace(spec, noisy=True)), before)]
        seen = [dict(trial.params) for trial in known]
        before = [
            wish
            for wish, params in zip(before, completed, strict=True)
            if wish.note != DEFAULTS_NOTE or dict(params) not in seen
        ]
    return replace(spec, first=(*before, *first))
