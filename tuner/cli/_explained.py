"""A trial's and a study's story in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tuner.core.actions import Stop
from tuner.core.events import Checkpointed, Suggested
from tuner.core.outcomes import FREE
from tuner.core.selection import standing
from tuner.core.story import Began, Ended, Moment, TrialStory
from tuner.core.witness import Judged, Promoted, Rival
from tuner.dashboard import text
from tuner.dashboard.notes import violations
from tuner.dashboard.snapshot import headline
from tuner.resources import Resources
from tuner.study import Metric, StudySpec
from tuner.trial import Completed, Failed, FailureKind, Trial, TrialState

__all__ = ["Words", "how_it_stands"]

_BEST, _NEAR = 3, 2
_SHORT_S = 120.0  # until then times are told to the hundredth
_DECISIONS = {"go": "went on", "stop": "told to stop", "pause": "told to pause"}


class Words:
    """Tells what happened to one trial.

    Args:
        spec: The study's.
        story: The trial's.
        origin_s: When the study began, from which times are counted.
    """

    def __init__(self, spec: StudySpec, story: TrialStory, origin_s: float) -> None:
        self._spec, self._story, self._origin_s = spec, story, origin_s
        self._metric: Metric = spec.metric

    def lines(self) -> list[str]:
        """What happened, a moment after the other; what belongs to a moment is indented below it."""
        moments = list(self._told())
        short = bool(moments) and moments[-1][0] - self._origin_s < _SHORT_S
        lines: list[str] = []
        for at_s, (first, *more) in moments:
            since_s = max(at_s - self._origin_s, 0.0)
            when = f"{since_s:7.2f} s" if short else f"{text.clock(since_s):>9}"
            lines.append(f"{when}  {first}")
            lines += [f"{'':{len(when)}}  {line}" for line in more]
        return lines

    def _told(self) -> Iterator[tuple[float, list[str]]]:
        saved: list[Checkpointed] = []
        for moment in self._story.moments:
            if isinstance(moment, Checkpointed):
                saved.append(moment)
                continue
            ends = isinstance(moment, Ended | Stop) or (isinstance(moment, Judged) and moment.verdict.decision != "go")
            if saved and ends:
                yield saved[-1].at_s, [_saved(saved)]
                saved = []
            yield self._at(moment), _TELL[type(moment)](self, moment)
        if saved:
            yield saved[-1].at_s, [_saved(saved)]

    def _at(self, moment: Moment) -> float:
        """A Stop has no time of its own: it is told when its attempt was."""
        if not isinstance(moment, Stop):
            return moment.at_s
        index = self._story.moments.index(moment)
        later = (m.at_s for m in self._story.moments[index + 1 :] if not isinstance(m, Stop))
        return next(later, self._origin_s)

    def _suggested(self, moment: Suggested) -> list[str]:
        lines = [f"suggested by the sampler {self._spec.sampler.type}"]
        if moment.note:
            lines = [self._note(moment.note)]
        if moment.parent is not None:
            lines.append(f"its training goes on from trial {moment.parent}'s latest checkpoint")
        if self._story.equal_to is not None:
            why = ", which a noisy objective is worth" if self._spec.noisy else ""
            lines.append(f"its parameters are those of trial {self._story.equal_to} again{why}")
        return lines

    def _note(self, note: str) -> str:
        if note not in {first.note for first in self._spec.first}:
            return f"suggested: {note}"
        return "tried first, because try_first names it" if note == "try_first" else f"tried first: {note}"

    def _began(self, moment: Began) -> list[str]:
        where = f" on {moment.node_id[:12]}" if moment.node_id else ""
        lines = [f"attempt {moment.attempt} handed to a worker{where}: {granted(moment.grant)}"]
        lines += self._sized(moment)
        if moment.avoid:
            lines.append(f"kept off {text.pluralize(len(moment.avoid), 'quarantined node')}")
        if moment.checkpoint is not None:
            lines.append(f"it goes on from the checkpoint of step {moment.checkpoint.step}")
        elif moment.attempt > 1:
            lines.append("it starts over: there is no checkpoint")
        return lines

    def _sized(self, moment: Began) -> list[str]:
        """Where its memory comes from."""
        memory_mib, forecast = moment.grant.memory_mib, moment.forecast
        if self._spec.resources.memory_mib is not None or not memory_mib:
            return []
        if forecast is None:
            return [f"{text.memory(memory_mib)} is a fair share of a node: too few attempts were measured to say more"]
        predicted = f"{text.memory(forecast.expected_mib)} was expected from its parameters"
        if memory_mib > forecast.grant_mib * 1.1:
            return [f"{predicted}, but it ran out of memory before"]
        margin = memory_mib / forecast.expected_mib - 1.0
        learned = f"{text.pluralize(forecast.n, 'attempt')}, usual error {forecast.error:.0%}"
        return [f"{predicted}, with a margin of {margin:.0%} (learned from {learned})"]

    def _judged(self, moment: Judged) -> list[str]:
        verdict = moment.verdict
        where = f"at step {moment.step}"
        if moment.late:
            where = f"by its report of step {moment.step}, which had come after it was told to pause"
        lines = [f"{_DECISIONS[verdict.decision]} {where}: {verdict.reason}"]
        if verdict.decision != "go" and verdict.threshold is not None:
            bound = "at most" if self._metric.goal == "minimize" else "at least"
            lines.append(f"it would have needed {bound} {text.number(verdict.threshold)}")
        if moment.rivals:
            lines.append(self._compared(moment))
        return lines

    def _compared(self, moment: Judged) -> str:
        """The best few of those that were there, and those next to the trial itself."""
        place = sum(not self._metric.better(moment.value, rival.value) for rival in moment.rivals)
        row = [_rival(rival) for rival in moment.rivals]
        row.insert(place, f"[trial {moment.trial} {text.number(moment.value)}]")
        chosen = {*range(_BEST), *range(place - _NEAR, place + _NEAR + 1)}
        told: list[str] = []
        for index, rival in enumerate(row):
            if index in chosen:
                told.append(rival)
            elif told[-1] != "...":
                told.append("...")
        return f"there by then: {', '.join(told)}"

    def _promoted(self, moment: Promoted) -> list[str]:
        return [f"promoted, to go on before anything new is tried: {moment.reason}"]

    def _stopped(self, moment: Stop) -> list[str]:
        return [f"told to stop: {moment.reason}"]

    def _ended(self, moment: Ended) -> list[str]:
        attempt = moment.attempt
        began = attempt.started_at
        ran = f" after {text.duration(attempt.finished_at - began)}" if began and attempt.finished_at else ""
        outcome = attempt.outcome
        if isinstance(outcome, Completed):
            how = "completed"
        elif isinstance(outcome, Failed):
            said = headline(outcome.message)
            how = f"failed ({outcome.kind.value})" + (f": {said}" if said else "")
            if outcome.kind in FREE and attempt.node_id and attempt.node_id[:12] not in outcome.message:
                how += f" (on node {attempt.node_id[:12]})"
        else:
            how = "ended where it was told to" if attempt.stop_reason else "ended by its own choice (TrialPruned)"
        return [f"attempt {attempt.number}{ran} {how}", *self._then(moment)]

    def _then(self, moment: Ended) -> list[str]:
        retry = self._spec.retry
        if moment.then == "retried":
            return [f"the trial is tried again: retry {moment.retries} of {retry.max}"]
        if moment.then == "larger":
            return ["the trial is tried again with more memory, which costs no retry"]
        if moment.then == "free":
            return ["the trial is tried again, at no cost: the attempt was lost, which says nothing of the trial"]
        if moment.then == "paused":
            return ["the trial is paused: the pruner may let it go on later"]
        outcome = moment.attempt.outcome
        if moment.then == "given up" and isinstance(outcome, Failed):
            if outcome.kind is FailureKind.STOPPED:
                return ["nothing was wrong with it"]
            if outcome.kind is FailureKind.INVALID_PARAMS:
                return ["it is not tried again: parameters that cannot work never will; the sampler learns from it"]
            if outcome.kind not in retry.on:
                return [f"it is not tried again: `retry` does not name {outcome.kind.value}"]
            if moment.retries >= retry.max:
                return [f"it is not tried again: all {retry.max} retries are used"]
            if outcome.kind is FailureKind.OUT_OF_MEMORY:
                return ["it is not tried again: no node has more memory to give it"]
            if outcome.kind in FREE:
                return ["it is not tried again: it was lost too often"]
            return ["it is not tried again: the sweep was over"]
        return []


_TELL: dict[type, Callable[[Words, Any], list[str]]] = {
    Suggested: Words._suggested,
    Began: Words._began,
    Judged: Words._judged,
    Promoted: Words._promoted,
    Stop: Words._stopped,
    Ended: Words._ended,
}


def _saved(saved: Sequence[Checkpointed]) -> str:
    last = saved[-1].checkpoint
    what = "saved a checkpoint" if len(saved) == 1 else f"saved {len(saved)} checkpoints, the last"
    return f"{what} after step {last.step} ({text.memory(last.size_mib)})"


def _rival(rival: Rival) -> str:
    return f"trial {rival.trial} {text.number(rival.value)}"


def granted(grant: Resources) -> str:
    """``1 CPU, 512 MiB``."""
    parts = [f"{grant.cpu:g} CPU"]
    parts += [f"{grant.gpu:g} GPU"] if grant.gpu else []
    parts += [text.memory(grant.memory_mib)] if grant.memory_mib else []
    return ", ".join(parts)


def how_it_stands(spec: StudySpec, story: TrialStory, trials: Sequence[Trial]) -> str:
    """Where the trial stands now, in one sentence."""
    trial = story.trial
    assert trial is not None
    if trial.state is TrialState.COMPLETE:
        return _complete(spec, trial, trials)
    if trial.state is TrialState.FAIL:
        if trial.failure and trial.failure.kind is FailureKind.STOPPED:
            return f"cut off when the sweep ended: {headline(trial.failure.message)}"
        return f"failed for good: {trial.failure.kind.value if trial.failure else 'unknown'}"
    last = f"its last report: step {trial.last_step}" if trial.last_step is not None else "it has reported nothing"
    if trial.state is TrialState.PRUNED:
        ends = [moment for moment in story.moments if isinstance(moment, Ended)]
        words = [moment.verdict.decision for moment in story.moments if isinstance(moment, Judged)]
        if ends and ends[-1].then == "paused" and "stop" not in words:
            return f"was paused and never promoted before the sweep ended; {last}"
        return f"stopped early for good; {last}"
    if trial.state is TrialState.RUNNING:
        return f"runs; {last}"
    if story.standing is not None:
        rank, of = story.standing
        return f"is paused and ranks {rank} of {of} there now; it goes on if the pruner promotes it"
    return "waits for a worker"


def _complete(spec: StudySpec, trial: Trial, trials: Sequence[Trial]) -> str:
    metric = spec.metric
    complete = [t for t in trials if t.state is TrialState.COMPLETE and metric.name in t.values]
    rank = 1 + sum(standing(other, metric) < standing(trial, metric) for other in complete)
    place = "the best" if rank == 1 else f"number {rank}"
    of = text.pluralize(len(complete), "complete trial")
    told = f"{metric.name} {text.number(trial.values[metric.name])}, {place} of {of}"
    broken = violations(spec, trial)
    return told + (f"; it violates {' and '.join(broken)}, so any trial that keeps to it goes before" if broken else "")
