"""``tuner show``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from tuner.api.study import Study, load_study
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import flat, pairs, print_json, say, show_table
from tuner.cli._sizes import asked_for, size_rows, sizes_document
from tuner.cli._spaces import parameter_rows
from tuner.cli._standing import trial_of
from tuner.dashboard import text
from tuner.dashboard.notes import bounds
from tuner.dashboard.snapshot import headline
from tuner.export import attempt_to_dict, report_to_dict, trial_to_dict
from tuner.study import StudySpec
from tuner.trial import Attempt, Completed, Failed, Outcome, Report, Trial

__all__ = ["command"]

_REPORT_ROWS = 12


def command(
    name: StudyArgument = "@latest",
    trial: Annotated[int | None, typer.Argument(metavar="TRIAL", help="A trial's number, from 0.", min=0)] = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show everything about a study, or about one trial of it.

    Of a study: what was asked for, and the code, data and packages that it was run with. Of a trial: its parameters, its
    attempts with what each was granted and used, and its reports.
    """
    study = load_study(name, store)
    if trial is None:
        _show_study(study, output)
    else:
        _show_trial(study, trial_of(study.trials, trial, study.name), output)


def _show_study(study: Study, output: Output) -> None:
    info = study.info
    if output is Output.JSON:
        document: dict[str, Any] = {
            "study": info.name,
            "state": info.state,
            "reason": info.closed_reason,
            "model": info.model,
        }
        document |= {"resources": sizes_document(info.spec, study.attempts())}
        print_json(document | {"spec": info.spec.to_dict(), "provenance": dict(info.provenance)})
        return
    say(f"{info.name}  {info.state}" + (f": {info.closed_reason}" if info.closed_reason else ""))
    for line in pairs(_asked(info.spec) | size_rows(info.spec, study.attempts()), indent="  "):
        say(line)
    say("parameters")
    show_table(
        ("  parameter", "kind", "range", "when"), [(f"  {row[0]}", *row[1:]) for row in parameter_rows(info.spec.space)]
    )
    say("provenance")
    for line in pairs(flat(info.provenance), indent="  "):
        say(line)


def _asked(spec: StudySpec) -> dict[str, str]:
    metrics = ", ".join(
        f"{m.goal} {m.name}" + (f" to {text.number(m.target)}" if m.target is not None else "") for m in spec.metrics
    )
    limits = {name: getattr(spec.limits, name) for name in spec.limits.__dataclass_fields__}
    rows = {
        "objective": f"{spec.objective.type} {spec.objective.options.get(spec.objective.type, '')}".strip(),
        "metric": metrics,
        "sampler": _plugin(spec.sampler.type, spec.sampler.options),
        "pruner": _plugin(spec.pruner.type, spec.pruner.options),
        "limits": ", ".join(f"{key} {value:g}" for key, value in limits.items() if value is not None) or "none",
        "seed": str(spec.seed),
    }
    if spec.constraints:
        rows["constraints"] = ", ".join(map(bounds, spec.constraints))
    if spec.noisy:
        rows["noisy"] = "yes: the same parameters give different values"
    if spec.prices is not None:
        rows["prices"] = ", ".join(f"{key} {value:g}" for key, value in asdict(spec.prices).items() if value)
    rows["resources"] = asked_for(spec.resources)
    if spec.weight != 1.0:
        rows["weight"] = f"{spec.weight:g}"
    return rows


def _plugin(kind: str, options: Mapping[str, Any]) -> str:
    return f"{kind} ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else kind


def _show_trial(study: Study, trial: Trial, output: Output) -> None:
    attempts, reports = study.attempts(trial.number), study.reports(trial.number)
    if output is Output.JSON:
        print_json(
            {
                "study": study.name,
                "trial": trial_to_dict(trial),
                "attempts": [attempt_to_dict(attempt) for attempt in attempts],
                "reports": [report_to_dict(report) for report in reports],
            }
        )
        return
    say(f"{study.name}  trial {trial.number}  {trial.state.value}")
    for title, rows in (
        ("values", {name: text.number(value) for name, value in trial.values.items()}),
        ("parameters", {name: text.param(value) for name, value in trial.params.items()}),
    ):
        if rows:
            say(title)
            for line in pairs(rows, indent="  "):
                say(line)
    if attempts:
        say("attempts")
        show_table(
            ("  no.", "started", "time", "granted", "used", "node", "outcome"),
            [_attempt_row(attempt) for attempt in attempts],
            right=("time",),
        )
    _show_reports(reports)
    if trial.failure is not None and trial.failure.message:
        say("failure")
        for line in trial.failure.message.rstrip().splitlines():
            say(f"  {line}")
        say(f"its log: tuner logs {study.name} {trial.number}")


def _attempt_row(attempt: Attempt) -> tuple[str, ...]:
    began, ended, usage = attempt.started_at, attempt.finished_at, attempt.usage
    granted = f"{attempt.grant.cpu:g} CPU" + (f", {attempt.grant.gpu:g} GPU" if attempt.grant.gpu else "")
    if attempt.grant.memory_mib:
        granted += f", {text.memory(attempt.grant.memory_mib)}"
    return (
        f"  {attempt.number}",
        datetime.fromtimestamp(began).strftime("%Y-%m-%d %H:%M:%S") if began is not None else "-",
        text.duration(ended - began) if began is not None and ended is not None else "-",
        granted,
        "-" if usage is None else f"{usage.cpu_s:.1f} CPU s, {text.memory(usage.whole_memory_mib)}",
        (attempt.node_id or "-")[:12],
        _outcome(attempt.outcome, attempt.stop_reason),
    )


def _outcome(outcome: Outcome | None, stop_reason: str | None) -> str:
    why = f": {stop_reason}" if stop_reason else ""
    if outcome is None:
        return f"running{why}"
    if isinstance(outcome, Failed):
        return f"{outcome.kind.value}: {headline(outcome.message)}" if outcome.message else outcome.kind.value
    return "completed" if isinstance(outcome, Completed) else f"stopped early{why}"


def _show_reports(reports: Sequence[Report]) -> None:
    if not reports:
        return
    say(f"reports  {len(reports)}")
    for name in dict.fromkeys(name for report in reports for name in report.values):
        series = [report.values[name] for report in reports if name in report.values]
        points = tuple(series[(i + 1) * len(series) // min(len(series), 60) - 1] for i in range(min(len(series), 60)))
        say(f"  {name}  {text.number(series[0])} to {text.number(series[-1])}  {text.sparkline(points)}")
    shown = list(reports) if len(reports) <= _REPORT_ROWS else [*reports[:3], *reports[-(_REPORT_ROWS - 3) :]]
    names = list(dict.fromkeys(name for report in shown for name in report.values))
    rows = [(f"  {r.attempt}", str(r.step), *(text.number(r.values.get(name)) for name in names)) for r in shown]
    if len(shown) < len(reports):
        rows.insert(3, ("  ...", *[""] * (len(names) + 1)))
    show_table(("  try", "step", *names), rows, right=("step", *names))
