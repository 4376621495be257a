"""``tuner explain``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from tuner.api.sampling import build_pruner
from tuner.api.stores import open_store
from tuner.api.study import Study, load_study
from tuner.cli._explained import Words, how_it_stands
from tuner.cli._explained_study import facts, told
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import pairs, print_json, say
from tuner.cli._standing import trial_of
from tuner.core.actions import Stop
from tuner.core.codec import encode
from tuner.core.events import Event
from tuner.core.story import Ended, Moment, tell_study, tell_trial
from tuner.dashboard import text
from tuner.export import attempt_to_dict, trial_to_dict
from tuner.trial import FailureKind

__all__ = ["command"]


def command(
    name: StudyArgument = "@latest",
    trial: Annotated[int | None, typer.Argument(metavar="TRIAL", help="A trial's number, from 0.", min=0)] = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say in plain words why a trial, or the whole study, went as it did.

    Of a trial: where its parameters came from, each attempt and what ended it, and each time the pruner compared it with
    others: the rung, its rank, what it would have needed, and who else was there. Of a study: why it ended or what it waits
    for, and what happened on the way. Told from the log; works while the study runs.
    """
    study = load_study(name, store)
    events = _log(study)
    if trial is None:
        _explain_study(study, events, output)
    else:
        trial_of(study.trials, trial, study.name)
        _explain_trial(study, events, trial, output)


def _log(study: Study) -> list[Event]:
    opened = open_store(study.store)
    try:
        return [event for _, event in opened.events(study.name)]
    finally:
        opened.close()


def _explain_trial(study: Study, events: Sequence[Event], number: int, output: Output) -> None:
    spec = study.spec
    story = tell_trial(spec, build_pruner(study.info), events, number)
    trial = story.trial or trial_of(study.trials, number, study.name)
    story.trial = trial
    words = Words(spec, story, events[0].at_s if events else 0.0).lines()
    stands = how_it_stands(spec, story, study.trials)
    if output is Output.JSON:
        document = {"study": study.name, "trial": trial_to_dict(trial, spec.constraints)}
        print_json(document | {"stands": stands, "story": words, "moments": [_moment(m) for m in story.moments]})
        return
    say(f"{study.name}  trial {number}  {trial.state.value}: {stands}")
    say("parameters")
    for line in pairs({key: text.param(value) for key, value in trial.params.items()}, indent="  "):
        say(line)
    say("what happened")
    for line in words:
        say(f"  {line}")
    if trial.failure is not None and trial.failure.kind is not FailureKind.STOPPED:
        say(f"its log: tuner logs {study.name} {number}")


def _moment(moment: Moment) -> dict[str, Any]:
    """A moment as plain data; what the log holds as the log has it."""
    kind = type(moment).__name__.lower()
    if isinstance(moment, Ended):
        attempt = attempt_to_dict(moment.attempt)
        return {"kind": kind, "at_s": moment.at_s, "attempt": attempt, "then": moment.then, "retries": moment.retries}
    if isinstance(moment, Event):
        return {"kind": kind, "at_s": moment.at_s, **encode(moment)[1]}
    return {"kind": "stop" if isinstance(moment, Stop) else kind, **asdict(moment)}


def _explain_study(study: Study, events: Sequence[Event], output: Output) -> None:
    story = tell_study(study.spec, build_pruner(study.info), events)
    if output is Output.JSON:
        print_json(facts(study, story))
        return
    for line in told(study, story):
        say(line)
