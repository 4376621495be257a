"""A study as its owner sees it: its trials, its best, its model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.api.stores import find_study, open_store, store_folder, store_url
from tuner.core import selection
from tuner.core.events import Checkpointed
from tuner.core.lineage import Segment, schedule
from tuner.core.nodes import NodeStanding
from tuner.core.ports import FinalModel, StudyInfo
from tuner.errors import TunerError
from tuner.study import StudySpec
from tuner.trial import Attempt, Checkpoint, Params, Report, Trial

if TYPE_CHECKING:
    import pandas

__all__ = ["Study", "load_study"]


class Study:
    """One study, read from its store when asked.

    Attributes:
        name: Unique in its store.
        spec: What was asked for.
        model: The saved model of the run that made this object; None when it made none (see ``model_path``).
        model_error: Why no model could be made although one should have been; None when all is well.
        nodes: How the nodes did for the run that made this object; empty when none did.
        error: What of the caller's broke off the run that made this object, as a sampler class; None when nothing did.
    """

    def __init__(
        self,
        name: str,
        store: str,
        *,
        model: FinalModel | None = None,
        model_error: str | None = None,
        error: TunerError | None = None,
    ) -> None:
        self.name, self.store, self.model, self.model_error, self.error = name, store, model, model_error, error
        self.nodes: Sequence[NodeStanding] = ()
        self._info: StudyInfo | None = None
        self._trials: list[Trial] | None = None

    def refresh(self) -> Study:
        """Forget what was read, so that it is read again."""
        self._info = self._trials = None
        return self

    @property
    def info(self) -> StudyInfo:
        """The study's row in the store."""
        if self._info is None:
            store = open_store(self.store)
            try:
                self._info = store.study(self.name)
            finally:
                store.close()
        return self._info

    @property
    def spec(self) -> StudySpec:
        """What was asked for."""
        return self.info.spec

    @property
    def state(self) -> str:
        """``RUNNING``, ``INTERRUPTED``, ``COMPLETE`` or ``FAILED``."""
        return self.info.state

    @property
    def closed_reason(self) -> str | None:
        """Why it ended, a sentence; None before."""
        return self.info.closed_reason

    @property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        if self._trials is None:
            store = open_store(self.store)
            try:
                self._trials = list(store.trials(self.name))
            finally:
                store.close()
        return self._trials

    @property
    def best_trial(self) -> Trial | None:
        """The COMPLETE trial with the best first metric, of those that keep to the constraints (ties: cheaper, then earlier).

        While none keeps to them, the one that violates them least (``violation`` above 0). None when none completed.
        """
        return selection.best(self.trials, self.spec.metric)

    @property
    def pareto(self) -> list[Trial]:
        """The trials that no other one beats in every metric, best first metric first; feasible ones while there are any.

        With one metric those with the best value. Empty when none completed.
        """
        return selection.pareto(self.trials, self.spec.metrics)

    @property
    def best_trials(self) -> list[Trial]:
        """Optuna's name for ``pareto``."""
        return self.pareto

    def hypervolume(self, reference: Sequence[float] | None = None) -> list[tuple[Trial, float]]:
        """How much of the space of metrics was covered, over time: (trial, hypervolume once it had finished), rising.

        Exact, so its cost is exponential in the number of metrics: seconds for 10,000 trials of three, or 500 of five.

        Args:
            reference: From which values of the metrics it is measured, in the order of the study's metrics. None for the worst
                of each that a feasible trial reached, and a tenth of its range beyond; the same for all points of the list,
                but it moves when a later trial is worse, so give one to compare studies.

        Raises:
            TunerError: The reference has not as many values as there are metrics.
        """
        if reference is not None and len(reference) != len(self.spec.metrics):
            names = ", ".join(metric.name for metric in self.spec.metrics)
            raise TunerError(f"the reference needs a value for each of {names}", hint=f"got {len(reference)}")
        return selection.hypervolumes(self.trials, self.spec.metrics, reference)

    @property
    def best_value(self) -> float | None:
        """The best trial's value of the study's first metric; None when there is none."""
        best = self.best_trial
        return None if best is None else best.values[self.spec.metric.name]

    @property
    def best_params(self) -> Params | None:
        """The best trial's parameters; None when there is none."""
        best = self.best_trial
        return None if best is None else best.params

    @property
    def model_path(self) -> Path | None:
        """Folder of the saved model; None when there is none."""
        if self.model is not None:
            return self.model.path
        return Path(self.info.model) if self.info.model else None

    def attempts(self, trial: int | None = None) -> Sequence[Attempt]:
        """Every attempt, or those of one trial."""
        store = open_store(self.store)
        try:
            return store.attempts(self.name, trial)
        finally:
            store.close()

    def reports(self, trial: int | None = None) -> Sequence[Report]:
        """Every report, or those of one trial, in the order in which they came."""
        store = open_store(self.store)
        try:
            return store.reports(self.name, trial)
        finally:
            store.close()

    def schedule(self, trial: int | None = None) -> tuple[Segment, ...]:
        """What a trial's training went through, from the first checkpoint on: stretches of steps with their parameters.

        More than one with population based training, whose copies go on from others' checkpoints.

        Args:
            trial: Trial number; None for the best one.

        Raises:
            TunerError: There is no such trial.
        """
        number = trial
        if number is None:
            number = -1 if self.best_trial is None else self.best_trial.number
        store = open_store(self.store)
        try:
            segments = schedule((event for _, event in store.events(self.name)), number)
        finally:
            store.close()
        if not segments:
            said = "has no complete trial" if trial is None else f"has no trial {trial}"
            raise TunerError(f"study {self.name!r} {said}", hint=f"`tuner trials {self.name}`")
        return segments

    def checkpoint(self, trial: int) -> Checkpoint | None:
        """The latest checkpoint of a trial that is still kept (``StudySpec.keep``); None when there is none.

        ``place`` is a folder of the store's machine, or the URL that the executor was told.
        """
        store = open_store(self.store)
        try:
            saved = [
                e.checkpoint for _, e in store.events(self.name) if isinstance(e, Checkpointed) and e.trial == trial
            ]
        finally:
            store.close()
        kept = [one for one in saved if "://" in one.place or Path(one.place).exists()]
        return kept[-1] if kept else None

    @property
    def logs(self) -> Path:
        """Folder of the attempts' logs."""
        return store_folder(self.store) / "logs" / self.name

    def log_path(self, trial: int, attempt: int | None = None) -> Path:
        """Where the log of an attempt lies (there is no file when it printed nothing).

        Args:
            trial: Trial number.
            attempt: Attempt number; None for the last one.

        Raises:
            TunerError: There is no such trial or attempt.
        """
        attempts = self.attempts(trial)
        numbers = [row.number for row in attempts]
        if not numbers:
            raise TunerError(
                f"study {self.name!r} has no attempt of a trial {trial}", hint=f"`tuner trials {self.name}`"
            )
        if attempt is not None and attempt not in numbers:
            raise TunerError(f"trial {trial} has no attempt {attempt}", hint=f"it has {numbers}")
        return self.logs / f"{trial}.{attempt if attempt is not None else numbers[-1]}.log"

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for every trial: number, state, ``params_*``, ``values_*``, times and attempts."""
        from tuner.export import trials_frame  # loads pandas

        return trials_frame(self.trials, self.spec.constraints)

    def _repr_html_(self) -> str:
        rows: list[tuple[str, Any]] = [("study", self.name), ("state", self.state), ("trials", len(self.trials))]
        rows += [("best " + self.spec.metric.name, self.best_value), ("best parameters", dict(self.best_params or {}))]
        return "<table>" + "".join(f"<tr><th>{k}</th><td>{v}</td></tr>" for k, v in rows) + "</table>"

    def __repr__(self) -> str:
        return f"<Study {self.name!r} {self.state}: {len(self.trials)} trials, best {self.best_value}>"


def load_study(name: str = "@latest", store: str | None = None) -> Study:
    """A study to read from.

    Args:
        name: Its name, an unambiguous beginning of it, or ``@latest``.
        store: As for ``open_store``.

    Raises:
        StudyNotFound: There is none.
        StoreError: The store cannot be read.
    """
    url = store_url(store)
    opened = open_store(url)
    try:
        return Study(find_study(opened, name).name, url)
    finally:
        opened.close()
