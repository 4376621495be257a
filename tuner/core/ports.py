"""The borders of the engine: what each room must do, and what it may rely on.

Every implementation is one file in the folder of its kind, named as sweep files name it, holding one public class that
``tuner.plugins`` finds. Its constructor takes the port's own arguments first and its options as keyword arguments with
defaults; ``plugins`` checks the names of options against the signature. The suites in ``tuner.testing`` run over them all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

from tuner.core.actions import Start, Stop
from tuner.core.events import Event
from tuner.resources import Resources
from tuner.space import SearchSpace
from tuner.study import Constraint, Metric, StudySpec
from tuner.trial import Attempt, Checkpoint, Params, Report, Trial

__all__ = [
    "Context",
    "Executor",
    "FinalModel",
    "Objective",
    "Problem",
    "Promotion",
    "Pruner",
    "Sampler",
    "SavedCheckpoint",
    "Store",
    "StudyInfo",
    "StudyLog",
    "Suggestion",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """What a sampler must know.

    Attributes:
        space: What may be tried.
        metrics: At least one; pruners judge the first.
        seed: The study's.
        trials: Its budget; None for no limit.
        constraints: What trials must keep to.
        noisy: Whether the same parameters give different values; if not, a finite space's combinations are tried once each.
        by_step: Whether trials may be stopped or paused early, so that partial results are all that is known of many.
        parallel: How many attempts may run at once; None for what the cluster holds.
    """

    space: SearchSpace
    metrics: tuple[Metric, ...]
    seed: int
    trials: int | None = None
    constraints: tuple[Constraint, ...] = ()
    noisy: bool = False
    by_step: bool = False
    parallel: int | None = None

    @classmethod
    def of(cls, spec: StudySpec) -> Self:
        """The problem that a study poses."""
        return cls(
            space=spec.space,
            metrics=spec.metrics,
            seed=spec.seed,
            trials=spec.limits.trials,
            constraints=spec.constraints,
            noisy=spec.noisy,
            by_step=spec.pruner.type != "none",
            parallel=spec.limits.parallel,
        )


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to try.

    Attributes:
        params: The active parameters, constants included.
        state: What the sampler must have back to go on exactly; None for nothing.
        parent: The trial from whose latest checkpoint this one starts; None to start from nothing.
        note: Why these, in one sentence for people; None when there is nothing to say.
    """

    params: Params
    state: str | None = None
    parent: int | None = None
    note: str | None = None


class Sampler(ABC):
    """Chooses what to try next. ``__init__(self, problem: Problem, **options)``.

    The engine calls from one thread, tells every trial exactly once when it is finished, in the order of the log, and calls
    ``replay`` instead of ``ask`` for trials that are in the log already, in between the same ``tell`` calls.

    The sampler's suggestions depend on nothing but the problem, its options and the calls it got: after a replay it goes on
    exactly as if it had never been interrupted (draws are seeded per trial number, see ``tuner.study.trial_seed``).
    Suggestions are inside the space, complete, and never forbidden. Where the space has finitely many combinations none is
    suggested twice, unless the problem is noisy.

    A trial that the sampler did not choose, because a person wished it or another sampler chose it, is handed to ``replay``
    with a suggestion without state, at any number, also the first.

    Attributes:
        wants_reports: Whether ``report`` is to be called.
        order_free: Whether what is suggested for a trial depends on nothing but which trials are finished, which are running
            and what they reported, however asks and tells came in between. The engine may then ask ahead of need.
        across_brackets: Whether one sampler serves all brackets of a pruner, because it learns nothing from results or minds
            itself how far trials came; if not, there is one for each bracket, which is told that bracket's trials only.
    """

    wants_reports: ClassVar[bool] = False
    order_free: ClassVar[bool] = False
    across_brackets: ClassVar[bool] = False

    @property
    def waits(self) -> bool:
        """Whether an ``ask`` that gave fewer than asked for may give more after the next result; never so with none running."""
        return False

    @abstractmethod
    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions for trials ``first`` to ``first + count - 1``; fewer when the space is exhausted or the sampler waits."""

    def tell(self, trials: Sequence[Trial]) -> None:  # noqa: B027 -- samplers that do not learn need not override it
        """Learn of finished trials: COMPLETE with values, PRUNED with the last reported values and ``last_step``, FAIL.

        Of those that failed, ``INVALID_PARAMS`` says something about the parameters; the others do not.
        """

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:  # noqa: B027 -- few need it
        """Learn what a running trial reported. Only with ``wants_reports``, in the order of the log, replays included."""

    def inform(self, trials: Sequence[Trial]) -> None:  # noqa: B027 -- samplers that do not learn need not override it
        """Learn of finished trials of earlier studies, whose numbers are negative; once at most, before everything else."""

    def replay(self, number: int, suggestion: Suggestion) -> None:  # noqa: B027 -- as above
        """Take back a suggestion from the log as if ``ask`` had just made it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pruner says of a report.

    Attributes:
        decision: ``go`` on, ``stop`` for good, or ``pause`` until the pruner promotes the trial.
        reason: Why, in one sentence for a person.
        rung: Position of the rung at which the trial was compared, from 0; None without rungs.
        step: The step at which it was compared.
        rank: Its place there, from 1 for the best; None when it was not ranked.
        of: Among how many, itself included.
        threshold: Value from which on trials go on, in the metric's own sense; None when there is none.
    """

    decision: Literal["go", "stop", "pause"]
    reason: str
    rung: int | None = None
    step: float | None = None
    rank: int | None = None
    of: int | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A paused trial that is to go on, and why."""

    trial: int
    reason: str


class Pruner(ABC):
    """Judges reports. ``__init__(self, metric: Metric, **options)``.

    Called inside the pure core: no clock, no chance, no I/O, no library; the same calls give the same verdicts. Work and
    memory per report do not grow with the number of trials faster than its logarithm. (``optuna``, which hands reports to a
    pruner of Optuna's, keeps to the first sentence only as far as that does, and not to the second.)

    Attributes:
        promotes: Whether it pauses trials and has some of them go on later.
        brackets: Among how many brackets it deals trials out; 1 for none.
        explains: Whether ``judge`` shall give reasons also where a trial goes on. Off but for ``tuner explain``.
    """

    promotes: bool = False
    brackets: int = 1
    explains: bool = False

    def admit(self, trial: int) -> None:  # noqa: B027 -- most pruners learn of a trial by its first report
        """A trial was suggested. Called in the order of numbers, before its first report."""

    def bracket(self, trial: int) -> int:
        """In which of its ``brackets`` trial ``trial`` is; depends on nothing but the number."""
        return 0

    @abstractmethod
    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """What is to become of the trial after this report; None to go on.

        Steps of one trial rise from call to call; values are finite. A trial that was told to stop is not judged again, one
        that was told to pause not before it is promoted; a report that comes late from a paused attempt is not judged.
        """

    def promote(self) -> Promotion | None:
        """The paused trial that should go on first, now that a worker is free; None for none.

        The core asks before it asks the sampler for a new trial. What is returned is no longer paused.
        """
        return None

    def rescue(self) -> Promotion | None:
        """The paused trial that runs to its end, judged no more, as nothing else is left to run and none is COMPLETE."""
        return None

    def finish(self, trial: Trial) -> None:  # noqa: B027 -- most pruners do not care how a trial ended
        """The trial ended: forget it, or learn from it."""


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
    """

    checkpoints: bool | None = None

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


class Executor(ABC):
    """Runs attempts and owns time. ``__init__(self, **options)``.

    Duties: it reports ``NodeJoined`` before the first attempt can run; it sends exactly one ``Finished`` for every ``Start``
    (late ones, and those for attempts that it has declared dead, may come besides: the core drops them by attempt number);
    reports of one attempt keep their order; attempts of one lane do not overlap. A crashed worker, a lost node, Ray's OOM
    kill, ``sys.exit`` and a hung objective become outcomes, never exceptions. All methods are called from one thread.

    Attributes:
        can_grow: Whether nodes may come that are not there yet, so that a grant which fits none is worth waiting with.
    """

    can_grow: bool = False

    def warm_up(self) -> None:  # noqa: B027 -- most executors are ready at once
        """Begin to get ready in the background and return at once; ``open`` waits for it and raises what went wrong."""

    @abstractmethod
    def open(
        self, spec: StudySpec, objective: Objective, directory: Path, checkpoints: str | Path | None = None
    ) -> None:
        """Get ready to run attempts of ``objective``.

        Args:
            spec: The study.
            objective: Prepared.
            directory: For logs (``<trial>.<attempt>.log``).
            checkpoints: The study's folder for checkpoints, a path or an fsspec URL; None for one in ``directory``.

        Raises:
            ExecutorError: Attempts cannot be run there.
        """

    @abstractmethod
    def now_s(self) -> float:
        """The time now, as events carry it. Never falls."""

    @abstractmethod
    def start(self, starts: Sequence[Start]) -> None:
        """Take attempts on, and return at once (``inline`` may run one here)."""

    @abstractmethod
    def stop(self, stops: Sequence[Stop]) -> None:
        """Ask attempts to stop: cooperatively first, by force after ``stop_grace_s``. Unknown ones are ignored."""

    @abstractmethod
    def poll(self, until_s: float | None) -> Sequence[Event]:
        """Wait for events until ``until_s`` and return all there are; empty when the time came first or on ``wake``.

        None waits until something happens. Never waits while events are at hand.
        """

    def discard(self, checkpoints: Sequence[Checkpoint]) -> None:  # noqa: B027 -- the simulated one keeps none
        """Remove checkpoints that are not needed any more. One that is gone already is no error."""

    def tidy(self, needed: Collection[str]) -> None:  # noqa: B027 -- as above
        """The study has ended: remove every checkpoint that does not lie at one of these places, half-written ones too."""

    def scale(self, bundles: Sequence[Resources]) -> None:  # noqa: B027 -- only clusters can grow
        """Tell an autoscaler what could be used now."""

    def wake(self) -> None:  # noqa: B027 -- an executor that never blocks long needs none
        """Make a ``poll`` in progress return soon. Callable from signal handlers and other threads."""

    @abstractmethod
    def close(self) -> None:
        """End what still runs, by force, and release everything that ``open`` took. Idempotent."""


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """One row of ``tuner ls``.

    Attributes:
        name: Unique in the store.
        state: ``RUNNING``, ``INTERRUPTED``, ``COMPLETE`` or ``FAILED`` (``RUNNING`` without a living lease is a dead driver).
        created_at: Seconds since the epoch.
        closed_reason: The last ``Close``'s message; None before.
        owner: Who holds the lease, ``host:pid``; None when nobody does.
        counts: Trials by state.
        best_value: Best value of the first metric over COMPLETE trials; None when there is none.
        spec: What was asked for.
        provenance: Code, packages, data, platform: plain JSON data.
        model: Folder of the saved model; None when there is none.
    """

    name: str
    state: str
    created_at: float
    closed_reason: str | None
    owner: str | None
    counts: Mapping[str, int]
    best_value: float | None
    spec: StudySpec
    provenance: Mapping[str, Any]
    model: str | None = None


class StudyLog(ABC):
    """The writing end of one study, held under a lease by one driver.

    The log is append-only; an ``append`` that returned has been made durable as a whole (against ``kill -9``), one that
    raised has left nothing. Should the lease have been taken over, every writing method raises ``StoreFenced``.
    """

    @abstractmethod
    def read(self) -> Sequence[Event]:
        """Every event of the log, in order."""

    @abstractmethod
    def append(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """Add events, and the trials and attempts as they stand after them, in one transaction; renews the lease."""

    @abstractmethod
    def renew(self) -> None:
        """Renew the lease when a third of its time is over; called at least every few seconds."""

    @abstractmethod
    def set_model(self, path: str) -> None:
        """Note where the study's model was saved."""

    @abstractmethod
    def close(self, state: str, reason: str | None = None) -> None:
        """Set the study's state and give the lease back. Idempotent; does nothing once fenced."""


class Store(ABC):
    """Keeps studies. ``__init__(self, url: str)``. Reading needs no lease and may be done by other processes meanwhile.

    All reading methods raise ``StudyNotFound`` for an unknown name.
    """

    @abstractmethod
    def create(self, spec: StudySpec, provenance: Mapping[str, Any]) -> StudyLog:
        """A new study with an empty log, leased to this process.

        Raises:
            StudyExists: There is one of that name.
        """

    @abstractmethod
    def acquire(self, name: str) -> StudyLog:
        """The log of a study that is there, leased to this process; a dead driver's lease is taken over.

        Raises:
            StoreLocked: A living driver holds it; says who, where and until when.
        """

    @abstractmethod
    def studies(self) -> Sequence[StudyInfo]:
        """Every study, newest first."""

    @abstractmethod
    def study(self, name: str) -> StudyInfo:
        """One study."""

    @abstractmethod
    def trials(self, name: str) -> Sequence[Trial]:
        """Its trials by number."""

    @abstractmethod
    def attempts(self, name: str, trial: int | None = None) -> Sequence[Attempt]:
        """Its attempts by trial and number; of one trial only when that is given."""

    @abstractmethod
    def reports(self, name: str, trial: int | None = None) -> Sequence[Report]:
        """Its reports in the order of the log; of one trial only when that is given."""

    @abstractmethod
    def events(self, name: str, after: int = 0) -> Sequence[tuple[int, Event]]:
        """(position, event) of its log, positions rising from 1, those above ``after``."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a study that no living driver holds, with everything that belongs to it."""

    @abstractmethod
    def close(self) -> None:
        """Close connections. Idempotent."""
