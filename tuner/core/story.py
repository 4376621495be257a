"""What happened to a trial and why, told from the log: a fold of it through a new core whose pruner gives reasons.

The core is deterministic, so it decides again what it decided then; a witness beside the pruner writes down what was said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from tuner.core import events as ev
from tuner.core.actions import Close, Record, Start, Stop
from tuner.core.limits import Progress
from tuner.core.memory import MemoryForecast
from tuner.core.outcomes import FREE
from tuner.core.ports import Pruner
from tuner.core.scheduler import Scheduler
from tuner.core.witness import Judged, Promoted, Witness
from tuner.resources import Resources
from tuner.study import Limits, StudySpec
from tuner.trial import Attempt, Checkpoint, Failed, FailureKind, Pruned, Trial, TrialState

__all__ = ["Began", "Ended", "Moment", "StudyStory", "TrialStory", "tell_study", "tell_trial"]


Then = Literal["done", "retried", "larger", "free", "paused", "given up"]


@dataclass(frozen=True, slots=True)
class Began:
    """An attempt was handed to a worker.

    Attributes:
        checkpoint: What it goes on from; None for nothing.
        node_id: Where it runs; None until that is known.
        forecast: The prediction that its memory comes from; None when there was none.
        avoid: Nodes that were quarantined then.
    """

    at_s: float
    attempt: int
    grant: Resources
    checkpoint: Checkpoint | None
    node_id: str | None = None
    forecast: MemoryForecast | None = None
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt ended.

    Attributes:
        attempt: How it stands at its end.
        then: What became of the trial: ``done``, ``retried`` at the cost of a retry, retried ``free`` of it, retried with a
            ``larger`` grant, ``paused``, or ``given up``.
        retries: How many of its retries the trial has used by now.
    """

    at_s: float
    attempt: Attempt
    then: Then
    retries: int


Moment = ev.Suggested | Began | ev.Checkpointed | Judged | Stop | Promoted | Ended


@dataclass(slots=True)
class TrialStory:
    """One trial.

    Attributes:
        number: Which.
        moments: What happened to it, in order.
        trial: How it stands; None when it was never suggested.
        equal_to: An earlier trial with the same parameters; None for none.
        standing: (rank, of) at the rung where it is paused now; None when it is not paused.
    """

    number: int
    moments: list[Moment] = field(default_factory=list)
    trial: Trial | None = None
    equal_to: int | None = None
    standing: tuple[int, int] | None = None


@dataclass(slots=True)
class StudyStory:
    """The whole study.

    Attributes:
        progress: Counts and budgets as the limits see them.
        limits: Those that hold now.
        elapsed_s: How long its drivers have run, as far as the log says.
        closed: How it closed last; None while it runs or when it broke off.
        waiting_for: What it waits for; None when it does not, or attempts are in flight.
        stopped: Trials that the pruner stopped, by rung (None without rungs).
        paused: How often it paused one.
        promoted: How often it let one go on.
        judged: How many reports the pruner looked at.
        started_over: How many attempts after a trial's first began from nothing.
        resumed: How often another driver took the study up.
        informed: (earlier study, how many of its trials) that the sampler was told of.
        bests: Every trial that was the best when it finished, with its value.
    """

    progress: Progress
    limits: Limits
    elapsed_s: float = 0.0
    closed: Close | None = None
    waiting_for: str | None = None
    stopped: Counter[int | None] = field(default_factory=Counter)
    paused: int = 0
    promoted: int = 0
    judged: int = 0
    started_over: int = 0
    resumed: int = 0
    informed: list[tuple[str, int]] = field(default_factory=list)
    bests: list[Trial] = field(default_factory=list)


def tell_trial(spec: StudySpec, pruner: Pruner, events: Sequence[ev.Event], number: int) -> TrialStory:
    """Everything that happened to one trial.

    Args:
        spec: The study's.
        pruner: New, of the study's kind.
        events: The log, from its beginning to any point.
        number: The trial's.
    """
    witness = Witness(pruner, spec.metric.goal == "maximize", number)
    # Where there are no rungs, trials are compared by step: the values of others are kept for the steps that matter.
    witness.at_step = {e.step: {} for e in events if type(e) is ev.Reported and e.trial == number}
    core, teller = Scheduler(spec, witness), _Teller(number, witness)
    for event in events:
        witness.at_s = event.at_s
        teller.event(event)
        actions = core.handle(event)
        teller.pruner(event)
        for action in actions:
            teller.action(action, event)
    return teller.told()


class _Teller:
    """Picks what concerns one trial."""

    def __init__(self, number: int, witness: Witness) -> None:
        self._witness = witness
        self._story = TrialStory(number)
        self._seen: dict[tuple[tuple[str, object], ...], int] = {}
        self._n_said = self._retries = 0
        self._last: Judged | None = None

    def event(self, event: ev.Event) -> None:
        story = self._story
        if isinstance(event, ev.Suggested):
            if event.trial == story.number and not story.moments:
                story.moments.append(event)
                story.equal_to = self._seen.get(_key(event))
            elif event.trial < story.number:
                self._seen.setdefault(_key(event), event.trial)
        elif isinstance(event, ev.Checkpointed) and event.trial == story.number:
            story.moments.append(event)

    def pruner(self, event: ev.Event) -> None:
        """What the pruner said on this event."""
        witness = self._witness
        for said in witness.said[self._n_said :]:
            if isinstance(said, Promoted):
                self._story.moments.append(said)
                continue
            late = not (isinstance(event, ev.Reported) and (event.trial, event.step) == (said.trial, said.step))
            self._last = replace(said, rivals=witness.rivals(said), late=late)
            self._story.moments.append(self._last)
        self._n_said = len(witness.said)

    def action(self, action: object, event: ev.Event) -> None:
        story = self._story
        if isinstance(action, Start) and action.trial == story.number:
            began = Began(
                event.at_s, action.attempt, action.grant, action.checkpoint, None, action.forecast, action.avoid
            )
            story.moments.append(began)
        elif isinstance(action, Stop) and action.trial == story.number and not action.prune:
            story.moments.append(action)
        elif isinstance(action, Record):
            entry = action.entry
            if isinstance(entry, Attempt) and entry.trial == story.number:
                self._attempt(entry, event.at_s)
            elif isinstance(entry, Trial) and entry.number == story.number:
                story.trial = entry
                self._settle(entry, event)

    def _attempt(self, attempt: Attempt, at_s: float) -> None:
        moments = self._story.moments
        for index in range(len(moments) - 1, -1, -1):
            began = moments[index]
            if isinstance(began, Began):
                if began.attempt == attempt.number and began.node_id is None:
                    moments[index] = replace(began, node_id=attempt.node_id)
                break
        if attempt.outcome is not None:
            moments.append(Ended(at_s, attempt, "done", self._retries))

    def _settle(self, trial: Trial, event: ev.Event) -> None:
        """What became of the trial after the attempt that has just ended."""
        moments = self._story.moments
        last = moments[-1] if moments else None
        if not isinstance(last, Ended) or last.then != "done":
            return
        outcome = last.attempt.outcome
        then: Then = "done"
        if trial.state is TrialState.WAITING:
            if isinstance(outcome, Pruned):
                then = "paused"
            elif isinstance(outcome, Failed):
                free = outcome.kind in FREE or isinstance(event, ev.StudyResumed)
                larger = not free and outcome.kind is FailureKind.OUT_OF_MEMORY
                then = "free" if free else "larger" if larger else "retried"
                self._retries += then == "retried"
        elif trial.state is TrialState.FAIL and isinstance(outcome, Failed):
            then = "given up"
        moments[-1] = replace(last, then=then, retries=self._retries)

    def told(self) -> TrialStory:
        """The story as far as the log goes."""
        story = self._story
        last = next((moment for moment in reversed(story.moments) if isinstance(moment, Began | Ended)), None)
        waits = story.trial is not None and story.trial.state is TrialState.WAITING
        paused = waits and isinstance(last, Ended) and last.then == "paused"
        if paused and self._last is not None and self._last.verdict.decision == "pause":
            story.standing = self._witness.rank(self._last)
        return story


def _key(event: ev.Suggested) -> tuple[tuple[str, object], ...]:
    """The parameters, so that equal ones are equal and True is not 1."""
    return tuple((name, (type(value).__name__, value)) for name, value in sorted(event.params.items()))


def tell_study(spec: StudySpec, pruner: Pruner, events: Iterable[ev.Event]) -> StudyStory:
    """What happened to the study as a whole. Arguments as for ``tell_trial``."""
    witness = Witness(pruner, spec.metric.goal == "maximize")
    core = Scheduler(spec, witness)
    story = StudyStory(core.progress, core.limits)
    began_s = last_s = None
    for event in events:
        witness.at_s = event.at_s
        before = core.progress.best
        if isinstance(event, ev.StudyResumed):
            story.resumed += 1
            story.elapsed_s += (last_s or 0.0) - (began_s or 0.0)
            began_s = None
        began_s, last_s = event.at_s if began_s is None else began_s, event.at_s
        if isinstance(event, ev.Informed):
            story.informed.append((event.study, len(event.trials)))
        for action in core.handle(event):
            if isinstance(action, Start):
                story.started_over += action.attempt > 1 and action.checkpoint is None
            elif (
                isinstance(action, Record)
                and isinstance(action.entry, Trial)
                and action.entry.state is TrialState.COMPLETE
                and core.progress.best != before
            ):
                story.bests.append(action.entry)
    story.elapsed_s += (last_s or 0.0) - (began_s or 0.0)
    story.limits = core.limits
    story.closed, story.waiting_for = core.closed, core.waiting_for
    story.stopped, story.paused, story.promoted = witness.stopped, witness.n_paused, witness.n_promoted
    story.judged = witness.n_judged
    return story
