"""The ``pbt_replay`` sampler: the schedule that population based training found, once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.errors import SearchSpaceError, SweepError
from tuner.samplers._native import typed
from tuner.trial import ParamValue, Trial, TrialState

__all__ = ["PBTReplaySampler"]


class PBTReplaySampler(Sampler):
    """Trains the segments of a schedule one after another, each from the checkpoint of the one before.

    A segment is a trial; the ``pbt_replay`` pruner stops it at its last step. When the last one has completed, or one has
    failed, nothing is left.

    Args:
        problem: The space, in which all parameters must lie.
        schedule: What ``tuner export STUDY --schedule FILE`` wrote: a list of ``{to: step, params: {...}}``; in a sweep file
            the file's path.

    Raises:
        SweepError: It is no schedule, or its parameters are not those of the space.
    """

    across_brackets = True

    def __init__(self, problem: Problem, *, schedule: Sequence[Mapping[str, Any]]) -> None:
        self._segments = [_params(problem, k, row) for k, row in enumerate(_rows(schedule))]
        self._ends = [row["to"] for row in schedule]
        self._trials: list[int] = []  # one for each segment that has begun
        self._training = self._broken = False

    @property
    def waits(self) -> bool:
        """Whether a segment is being trained that has a successor."""
        return self._training

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """The next segment, if the one before has ended."""
        k = len(self._trials)
        if count < 1 or self._training or self._broken or k == len(self._segments):
            return []
        parent = self._trials[-1] if self._trials else None
        note = f"segment {k + 1} of {len(self._segments)} of the schedule, up to step {self._ends[k]}"
        self._begin(first)
        return [Suggestion(self._segments[k], str(k), parent, note)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """A segment has ended: at its last step (PRUNED), or the chain with it."""
        for trial in trials:
            if self._trials and trial.number == self._trials[-1]:
                self._training = False
                self._broken = trial.state is not TrialState.PRUNED

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Take a segment back; what others chose is none."""
        if suggestion.state is not None:
            self._begin(number)

    def _begin(self, number: int) -> None:
        self._trials.append(number)
        self._training = True


def _rows(schedule: object) -> Sequence[Mapping[str, Any]]:
    rows = schedule if isinstance(schedule, Sequence) and not isinstance(schedule, str) else ()
    if not rows or not all(isinstance(row, Mapping) and {"to", "params"} <= row.keys() for row in rows):
        raise SweepError(
            "is no schedule",
            path="sampler.schedule",
            got=schedule,
            expected="the file that `tuner export STUDY --schedule FILE` writes",
        )
    return rows


def _params(problem: Problem, k: int, row: Mapping[str, Any]) -> dict[str, ParamValue]:
    space = problem.space
    try:
        space.check(row["params"])
        return {name: typed(space[name], value) for name, value in space.active(row["params"]).items()}
    except SearchSpaceError as error:
        error.path = f"sampler.schedule[{k}].params" + (f".{error.path}" if error.path else "")
        raise
