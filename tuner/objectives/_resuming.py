"""Checkpoints of models that are trained step by step: saved when an attempt is told to stop, or now and then."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol, runtime_checkable

from tuner.core.ports import Context
from tuner.errors import TrialPruned
from tuner.objectives._measures import Meter
from tuner.study import StudySpec

__all__ = ["Resumable", "Saver", "Saves", "saves_of"]

Saves = Literal["never", "when stopped", "now and then"]
SHARE = 0.1  # of the time that saving may take, where it happens now and then


@runtime_checkable
class Resumable(Protocol):
    """A stepper that can go on from what another one of its kind left."""

    def state(self) -> bytes:
        """What ``restore`` needs."""

    def restore(self, state: bytes, step: int) -> None:
        """Go on from a state that was taken after ``step`` steps, with the parameters of this stepper's own job."""


def saves_of(spec: StudySpec) -> Saves:
    """When attempts of a study save: where trials may be paused, when they are told to; where others go on from them, besides
    now and then."""
    if "pbt" in (spec.sampler.type, spec.pruner.type):
        return "now and then"
    return "when stopped" if _pauses(spec.pruner.options) else "never"


def _pauses(options: Any) -> bool:
    """Whether a pruner with these options, or one that it wraps, promotes."""
    if not isinstance(options, Mapping):
        return False
    return options.get("promote") is True or any(_pauses(value) for value in options.values())


class Saver:
    """Takes one attempt's models up from its checkpoint, and saves them.

    Args:
        steppers: One for each fold. Where one of them cannot go on from a state, nothing is saved.
        meter: What fitting took so far goes along.
        context: The attempt's.
        saves: When to save.
    """

    def __init__(self, steppers: Sequence[Any], meter: Meter, context: Context, saves: Saves) -> None:
        able = all(isinstance(stepper, Resumable) for stepper in steppers)
        self._steppers, self._meter, self._context = steppers, meter, context
        self._saves: Saves = saves if able else "never"
        self._kind = [type(steppers[0]).__name__, len(steppers)]
        self._due_s = 0.0
        self._saved = -1

    def resume(self) -> int:
        """Go on from the attempt's checkpoint; how many steps are done."""
        if self._saves == "never" or self._context.checkpoint is None:
            return 0
        path, step = self._context.checkpoint.path, self._context.checkpoint.step
        notes = json.loads((path / "notes.json").read_text())
        if notes["kind"] != self._kind:
            self._context.log(f"[tuner] the checkpoint is one of {notes['kind']}, so it starts from nothing\n")
            return 0
        for index, stepper in enumerate(self._steppers):
            stepper.restore((path / f"{index}.model").read_bytes(), step)
        self._meter.fit_s = notes["fit_s"]
        self._saved = step
        return step

    @contextmanager
    def reporting(self, step: int) -> Iterator[None]:
        """Reports step ``step`` inside; saves before, if it is time, or when the report ends the attempt."""
        if self._saves == "now and then" and time.monotonic() >= self._due_s:
            began_s = time.monotonic()
            self._save(step)
            self._due_s = time.monotonic() + (time.monotonic() - began_s) / SHARE
        try:
            yield
        except TrialPruned:
            if self._saves != "never":
                self._save(step)
            raise

    def _save(self, step: int) -> None:
        if step <= self._saved:
            return
        with self._context.save_checkpoint(step) as folder:
            for index, stepper in enumerate(self._steppers):
                (folder / f"{index}.model").write_bytes(stepper.state())
            (folder / "notes.json").write_text(json.dumps({"kind": self._kind, "fit_s": self._meter.fit_s}))
        self._saved = step
