"""Running a study under a display, and what is told when it has ended."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import typer

from tuner.api.stores import store_url
from tuner.api.study import Study
from tuner.cli._failures import ExitCode
from tuner.cli._front import front_document, front_rows
from tuner.cli._options import Output
from tuner.cli._output import pairs, print_json, say, short_path
from tuner.cli._planned import forecast_document, planned
from tuner.cli._progress import display
from tuner.cli._sizes import size_rows, sizes_document
from tuner.cli._standing import standing
from tuner.dashboard import notes, text
from tuner.dashboard._display import Display
from tuner.dashboard.snapshot import Snapshot, headline
from tuner.export import trial_to_dict
from tuner.provenance import masked
from tuner.resources import Resources
from tuner.trial import FailureKind, Trial, TrialState

__all__ = ["Ending", "conduct", "document", "lines"]


@dataclass(frozen=True, slots=True)
class Ending:
    """A study that has ended, as the summary needs it.

    Attributes:
        study: The study.
        elapsed_s: How long it ran.
        cpu_share: Share of the nodes' CPUs that the trials kept busy, 0 to 1; None when it is not known.
        n_cpus: The nodes' CPUs; 0 when not known.
        total: What the nodes have together; None when it is not known.
    """

    study: Study
    elapsed_s: float
    cpu_share: float | None
    n_cpus: float
    total: Resources | None = None


def conduct(
    go: Callable[[Display], Study],
    *,
    output: Output,
    quiet: bool,
    before: Study | None = None,
    told: Callable[[], ExitCode | None] | None = None,
) -> None:
    """Run a study under a display, tell how it ended, and exit with the code that says the same.

    Args:
        go: Runs it, watched by the display.
        output: How the ending is told.
        quiet: Whether to show no progress.
        before: The study as it stood, when it is resumed.
        told: Asked before the ending is told; what it says is told already, with that exit code.
    """
    watched = display(quiet=quiet)
    with watched:
        if before is not None:
            watched.restore(before.spec, before.trials, before.attempts())
        study = go(watched)
    code = told() if told is not None else None
    if code is not None:
        raise typer.Exit(code)
    ending = _ending(study, watched.ended())
    if output is Output.JSON:
        print_json(document(ending))
    else:
        for line in lines(ending):
            say(line)
    code = _code(study)
    if code is not ExitCode.DONE:
        raise typer.Exit(code)


def _ending(study: Study, last: Snapshot) -> Ending:
    share = None
    if last.total.cpu > 0 and last.session_s > 0:
        share = min(last.cpu_s / (last.session_s * last.total.cpu), 1.0)
    return Ending(study, last.elapsed_s, share, last.total.cpu, last.total if last.total.cpu > 0 else None)


def _code(study: Study) -> ExitCode:
    if study.state == "INTERRUPTED":
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if study.state == "COMPLETE" and study.best_trial is not None else ExitCode.FAILED


def document(ending: Ending) -> dict[str, Any]:
    """The ending as plain data."""
    study, best = ending.study, ending.study.best_trial
    return {
        "study": study.name,
        "state": study.state,
        "reason": study.closed_reason,
        "counts": dict(study.info.counts),
        "best": None if best is None else trial_to_dict(best, study.spec.constraints),
        **front_document(study),
        "notes": notes.notes(study.spec, study.trials),
        "model": str(study.model_path) if study.model_path else None,
        "model_error": study.model_error,
        "test": dict(study.model.test) if study.model else {},
        "elapsed_s": round(ending.elapsed_s, 3),
        "forecast": forecast_document(study),
        "resources": sizes_document(study.spec, study.attempts()),
        "quarantined": {n.node.node_id: n.quarantined for n in study.nodes if n.quarantined},
    }


def lines(ending: Ending) -> list[str]:
    """The ending in words."""
    study = ending.study
    reason = f": {study.closed_reason}" if study.closed_reason else ""
    told = [f"{study.name}  {study.state}{reason}", ""]
    attempts = study.attempts()
    rows = {"trials": f"{len(study.trials)}: {standing(study, attempts)}"}
    rows |= _failures(study)
    kept = notes.constraints(study.spec, study.trials)
    rows |= {"constraints": kept} if kept else {}
    best = study.best_trial
    if best is not None:
        rows |= _best(study, best)
    rows |= front_rows(study)
    rows |= planned(study)
    promoted = 0 if study.spec.pruner.type == "none" else notes.promotions(attempts)
    rows |= {"promoted": f"{text.pluralize(promoted, 'paused trial')} went on"} if promoted else {}
    if study.model_path:
        rows["model"] = short_path(study.model_path)
    if study.model_error:
        rows["no model"] = headline(study.model_error)
    busy = (
        f", {text.pluralize(round(ending.n_cpus), 'CPU')} {ending.cpu_share:.0%} busy"
        if ending.cpu_share is not None
        else ""
    )
    rows["time"] = text.duration(ending.elapsed_s) + busy
    rows |= size_rows(study.spec, attempts, ending.total, study.nodes)
    told += pairs(rows)
    told += [f"note: {note}" for note in notes.notes(study.spec, study.trials)]
    if best is not None:
        told += ["", f"parameters of trial {best.number}"]
        told += pairs({name: text.param(value) for name, value in best.params.items()}, indent="  ")
    return [*told, "", "next", *(f"  {command}" for command in _next(study))]


def _best(study: Study, best: Trial) -> dict[str, str]:
    metric = study.spec.metric.name
    others = "".join(f", {name} {text.number(value)}" for name, value in best.values.items() if name != metric)
    rows = {"best": f"{metric} {text.number(best.values[metric])} in validation (trial {best.number}){others}"}
    broken = notes.violations(study.spec, best)
    if broken:
        rows["best"] += f"; it violates {' and '.join(broken)}"
    if study.model and study.model.test:
        on = (
            f"{study.model.n_test_rows} rows never seen in tuning"
            if study.model.n_test_rows
            else "rows never seen in tuning"
        )
        values = ", ".join(f"{name} {text.number(value)}" for name, value in study.model.test.items())
        rows["test"] = f"{values} on {on}"
    return rows


def _failures(study: Study) -> dict[str, str]:
    """Failed trials by kind, each with an example and how to see its log."""
    failed = [trial for trial in study.trials if trial.state is TrialState.FAIL and not _is_cut(trial)]
    kinds = Counter(trial.failure.kind for trial in failed if trial.failure)
    examples = {trial.failure.kind: trial for trial in reversed(failed) if trial.failure}
    rows: dict[str, str] = {}
    for kind, n in kinds.most_common():
        example = examples[kind]
        message = headline(example.failure.message) if example.failure else ""
        said = f", such as {message!r}" if message else ""
        rows[f"failed: {kind.value}"] = f"{n}{said}; see tuner logs {study.name} {example.number}{_store_option(study)}"
    return rows


def _is_cut(trial: Trial) -> bool:
    """Whether it ended without a result only because the sweep did."""
    return trial.failure is not None and trial.failure.kind is FailureKind.STOPPED


def _store_option(study: Study) -> str:
    """What makes a command find the store again; a password in it is left for the user to fill in."""
    return "" if study.store == store_url() else f" --store {shlex.quote(masked(study.store))}"


def _next(study: Study) -> list[str]:
    name, store = study.name, _store_option(study)
    if study.state == "INTERRUPTED" or study.error is not None:
        return [f"tuner resume {name}{store}", f"tuner status {name}{store}"]
    failed = [trial.number for trial in study.trials if trial.state is TrialState.FAIL and not _is_cut(trial)]
    if study.best_trial is None and study.info.counts.get("PRUNED") and not failed:
        return [f"tuner explain {name}{store}", f"tuner resume {name} --trials {2 * len(study.trials)}{store}"]
    if study.best_trial is None:
        return [f"tuner trials {name} --state fail{store}", f"tuner logs {name} {failed[0] if failed else 0}{store}"]
    pareto = " --pareto" if len(study.spec.metrics) > 1 else ""
    commands = [f"tuner best {name}{pareto}{store}", f"tuner trials {name} --sort value{store}"]
    if study.model_path:
        data: Any = study.spec.objective.options.get("data")
        table = data.get("path") if isinstance(data, Mapping) else None
        commands.append(f"tuner predict {short_path(study.model_path)} {table or 'data.csv'}")
    if study.spec.pruner.type != "none":
        commands.append(f"tuner explain {name}{store}")
    return [*commands, f"tuner export {name} --format csv{store}"]
