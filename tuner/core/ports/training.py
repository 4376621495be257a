"""What is trained, and what it sees of its attempt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tuner.resources import Resources
from tuner.study import StudySpec
from tuner.trial import Params, Trial

__all__ = [
    "Context",
    "FinalModel",
    "Objective",
    "SavedCheckpoint",
]


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """What an attempt goes on from: the files as ``save_checkpoint`` left them, to be read, and the step of that time."""

    path: Path
    step: int


class Context(Protocol):
    """What an objective sees of its attempt. Handed to ``Objective.run``; used from the thread that runs it."""

    trial: int
    attempt: int
    seed: int
    grant: Resources

    @property
    def directory(self) -> Path:
        """A folder of the attempt's own, made when it is first asked for, removed when the attempt has ended."""

    @property
    def stop_requested(self) -> str | None:
        """Why the engine has asked this attempt to stop; None while it has not."""

    @property
    def checkpoint(self) -> SavedCheckpoint | None:
        """What to go on from: of an earlier attempt of this trial, or of the trial that it descends from; None for nothing."""

    def save_checkpoint(self, step: int) -> AbstractContextManager[Path]:
        """An empty folder to write into; what lies there when the ``with`` block ends is durable. Before that step's report."""

    def report(self, step: int, values: Mapping[str, float] | None = None, /, **metrics: float) -> None:
        """Send intermediate values and return at once. Steps must rise.

        Raises:
            TrialPruned: The engine has asked the attempt to stop; let it pass.
        """

    def log(self, text: str) -> None:
        """Add to the attempt's log what was not printed by this process."""


@dataclass(frozen=True, slots=True)
class FinalModel:
    """The best trial's model, fitted on all tuning data and saved.

    Attributes:
        path: Folder that holds the model and ``model.json``.
        test: Metric name -> value on the rows set aside; empty when none were.
        n_tuning_rows: Rows it was fitted on.
        n_test_rows: Rows it was tested on.
    """

    path: Path
    test: Mapping[str, float] = field(default_factory=dict)
    n_tuning_rows: int = 0
    n_test_rows: int = 0


class Objective(ABC):
    """What is trained. ``__init__(self, **options)``: the part of the sweep file below ``objective``.

    It is built and prepared on the driver, sent to every worker process once (pickled by cloudpickle with out-of-band
    buffers, so large NumPy arrays are shared and read-only there), and run there many times, one call at a time per process.

    Attributes:
        checkpoints: Whether its attempts save checkpoints and go on from them; None when that is the user's code's to say.
            Known once it is prepared.
        last_step: The last step that an attempt can report; None when nobody knows before it trains. Known once it is prepared.
        uses_gpu: Whether its attempts have any use for a GPU; None when that is the user's code's to say. Known once it is
            prepared.
    """

    checkpoints: bool | None = None
    last_step: int | None = None
    uses_gpu: bool | None = None

    def prepare(self, spec: StudySpec) -> None:  # noqa: B027 -- a plain function has nothing to prepare
        """Load data and check everything that can be checked before anything is written or started.

        Raises:
            TunerError: What the caller must mend (data, estimator path, metric name, parameter names).
        """

    @abstractmethod
    def run(self, params: Params, context: Context) -> Mapping[str, float] | float | None:
        """Train once and return the final metrics (a bare number stands for the study's first metric).

        May raise anything: the attempt then fails with it. ``InvalidParams`` is never retried. ``TrialPruned`` ends it early.
        """

    def finalize(self, trial: Trial, spec: StudySpec, directory: Path, lineage: Mapping[str, Any]) -> FinalModel | None:
        """Fit the best trial's parameters on all tuning data, test, save into ``directory``; None when it makes no model."""
        return None

    def describe(self) -> Mapping[str, Any]:
        """Lineage as plain JSON data: the data's SHA-256, shape and path, the code's text or version."""
        return {}
