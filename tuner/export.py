"""A study for others: CSV, Parquet, JSON, and an Optuna journal that ``optuna-dashboard`` opens.

pandas, pyarrow and Optuna are loaded when they are needed: this module also holds the one JSON form of a trial, which the
command line uses at every call.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from tuner.core.codec import encode_outcome
from tuner.core.ports import Store, StudyInfo
from tuner.core.slack import Slack, slack
from tuner.errors import TunerError, closest
from tuner.space import Categorical, Constant, Distribution, Int
from tuner.study import Constraint, Metric
from tuner.trial import Attempt, ParamValue, Report, Trial, TrialState

if TYPE_CHECKING:
    import pandas as pd
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

__all__ = [
    "FORMATS",
    "Format",
    "attempt_to_dict",
    "export",
    "iso_time",
    "report_to_dict",
    "slack_to_dict",
    "trial_to_dict",
    "trials_frame",
]

Format = Literal["csv", "parquet", "json", "optuna"]
_MAX_REPORTS = 250_000  # some 100 MB
FORMATS: tuple[Format, ...] = ("csv", "parquet", "json", "optuna")


def export(store: Store, name: str, path: Path, format: Format) -> Path:
    """Write a study to a file, which appears whole or not at all and replaces one that is there.

    Args:
        store: Where the study is.
        name: The study.
        path: The file; folders that are missing are made.
        format: ``csv`` and ``parquet`` hold a row a trial; ``json`` the study with its trials, attempts and reports;
            ``optuna`` is a journal file of Optuna, as ``optuna.storages.journal.JournalFileBackend`` and
            ``optuna-dashboard`` read it.

    Returns:
        ``path``.

    Raises:
        StudyNotFound: The store holds no study of that name.
        TunerError: The format is unknown, or the file cannot be written.
    """
    writers: dict[str, Callable[[Store, StudyInfo, IO[bytes]], None]] = {
        "csv": _write_csv,
        "parquet": _write_parquet,
        "json": _write_json,
        "optuna": _write_optuna,
    }
    if format not in writers:
        near = closest(str(format), writers)
        raise TunerError(
            f"cannot export to {format!r}; formats are {', '.join(writers)}",
            hint=f"did you mean {near!r}?" if near else None,
        )
    info = store.study(name)
    with _replacing(path) as file:
        writers[format](store, info, file)
    return path


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file beside ``path`` that takes its place once it is written and on disk."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(None, "is a folder")
        handle, temporary_name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(temporary_name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes files that only their owner reads
        temporary.replace(path)
    except OSError as error:
        raise TunerError(f"cannot write {path}: {error.strerror or error}", hint="choose another path") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def trial_to_dict(trial: Trial, constraints: Sequence[Constraint] = ()) -> dict[str, Any]:
    """A trial as plain JSON data, in the one form that all commands print.

    With constraints it has two fields more, ``violation`` and ``feasible``, which are null until the trial is complete. Times
    are ISO 8601 in UTC, or null; ``failure`` is ``{"kind", "message"}``, or null.
    """
    failure = trial.failure
    complete = trial.state is TrialState.COMPLETE
    standing = {
        "violation": trial.violation if complete and math.isfinite(trial.violation) else None,
        "feasible": trial.violation == 0.0 if complete else None,
    }
    return {
        "number": trial.number,
        "state": trial.state.value,
        "params": dict(trial.params),
        "values": dict(trial.values),
        "attempts": trial.attempts,
        "steps": trial.steps,
        "started_at": iso_time(trial.started_at),
        "finished_at": iso_time(trial.finished_at),
        "wall_s": trial.wall_s,
        "failure": None if failure is None else {"kind": failure.kind.value, "message": failure.message},
        **(standing if constraints else {}),
    }


def _time(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, tz=UTC)


def iso_time(at_s: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond; None for None."""
    return None if at_s is None else _time(at_s).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def trials_frame(trials: Sequence[Trial], constraints: Sequence[Constraint] = ()) -> pd.DataFrame:
    """A row a trial; columns ``values_<metric>`` and ``params_<name>`` for every metric and parameter that any trial has.

    With constraints there is a column ``violation``, NaN for trials that are not complete. Columns are named as Optuna names
    them. Those of whole numbers and of booleans stay such where a trial has none (pandas' nullable types); times are UTC.
    """
    import pandas as pd

    columns: dict[str, Any] = {
        "number": pd.Series([t.number for t in trials], dtype="int64"),
        "state": pd.Series([t.state.value for t in trials], dtype="object"),
    }
    for kind in ("values", "params"):
        rows: list[Mapping[str, ParamValue]] = [getattr(t, kind) for t in trials]
        for key in dict.fromkeys(key for row in rows for key in row):
            columns[f"{kind}_{key}"] = _column([row.get(key) for row in rows])
    columns |= {
        "attempts": pd.Series([t.attempts for t in trials], dtype="int64"),
        "steps": pd.Series([t.steps for t in trials], dtype="int64"),
        "started_at": pd.to_datetime(pd.Series([t.started_at for t in trials], dtype="float64"), unit="s", utc=True),
        "finished_at": pd.to_datetime(pd.Series([t.finished_at for t in trials], dtype="float64"), unit="s", utc=True),
        "wall_s": pd.Series([t.wall_s for t in trials], dtype="float64"),
        "failure_kind": pd.Series([t.failure.kind.value if t.failure else None for t in trials], dtype="object"),
        "failure_message": pd.Series([t.failure.message if t.failure else None for t in trials], dtype="object"),
    }
    if constraints:
        violations = [t.violation if t.state is TrialState.COMPLETE else None for t in trials]
        columns["violation"] = pd.Series(violations, dtype="float64")
    return pd.DataFrame(columns)


def _column(values: Sequence[ParamValue]) -> pd.Series[Any]:
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {int} and all(value is None or -(2**63) <= int(value) < 2**63 for value in values):
        return pd.Series(values, dtype="Int64")
    if kinds and kinds <= {int, float}:
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype="object")


def _write_csv(store: Store, info: StudyInfo, file: IO[bytes]) -> None:
    trials_frame(store.trials(info.name), info.spec.constraints).to_csv(file, index=False)


def _write_parquet(store: Store, info: StudyInfo, file: IO[bytes]) -> None:
    frame = trials_frame(store.trials(info.name), info.spec.constraints)
    for name, column in frame.items():
        if column.dtype == object and not all(value is None or isinstance(value, str) for value in column):
            # Parquet's columns have one type: choices of several types are written as JSON, "auto" with its quotes.
            frame[name] = [None if value is None else json.dumps(value) for value in column]
    frame.to_parquet(file, engine="pyarrow", index=False)


def _write_json(store: Store, info: StudyInfo, file: IO[bytes]) -> None:
    """One row of each list at a time: a study's reports may be far larger than memory should hold twice."""
    head = {
        "name": info.name,
        "state": info.state,
        "created_at": iso_time(info.created_at),
        "closed_reason": info.closed_reason,
        "best_value": info.best_value,
        "model": info.model,
        "spec": info.spec.to_dict(),
        "provenance": dict(info.provenance),
    }
    trials = store.trials(info.name)
    file.write(b'{"study": ' + _json(head))
    attempts = store.attempts(info.name)
    file.write(b',\n"slack": ' + _json(slack_to_dict(attempts)))
    _write_list(file, "trials", (trial_to_dict(trial, info.spec.constraints) for trial in trials))
    _write_list(file, "attempts", (attempt_to_dict(attempt) for attempt in attempts))
    reports_of = _reports_by_trial(store, info.name, trials)
    _write_list(file, "reports", (report_to_dict(report) for trial in trials for report in reports_of(trial.number)))
    file.write(b"}\n")


def _reports_by_trial(store: Store, name: str, trials: Sequence[Trial]) -> Callable[[int], Sequence[Report]]:
    """Trial number -> its reports: read all at once where memory bears it, else trial by trial, which is slower."""
    if sum(trial.steps for trial in trials) > _MAX_REPORTS:
        return lambda number: store.reports(name, number)
    rows: dict[int, list[Report]] = {}
    for report in store.reports(name):
        rows.setdefault(report.trial, []).append(report)
    return lambda number: rows.get(number, ())


def _write_list(file: IO[bytes], key: str, rows: Iterator[dict[str, Any]]) -> None:
    file.write(f',\n"{key}": ['.encode())
    for index, row in enumerate(rows):
        file.write((b",\n  " if index else b"\n  ") + _json(row))
    file.write(b"\n]")


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def attempt_to_dict(attempt: Attempt) -> dict[str, Any]:
    """An attempt as plain JSON data, in the one form that all commands print. Times as in ``trial_to_dict``."""
    return {
        "trial": attempt.trial,
        "number": attempt.number,
        "grant": asdict(attempt.grant),
        "node_id": attempt.node_id,
        "started_at": iso_time(attempt.started_at),
        "finished_at": iso_time(attempt.finished_at),
        "outcome": None if attempt.outcome is None else encode_outcome(attempt.outcome),
        "usage": None if attempt.usage is None else asdict(attempt.usage),
        "stop_reason": attempt.stop_reason,
    }


def slack_to_dict(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """What attempts were granted and did not use, of what they were granted, before and after their sizes were learned.

    By ``cpu``, ``memory`` and ``gpu``: ``before`` and ``after``, each ``{"share", "attempts"}``, or null where there is none.
    """

    def plain(found: Slack | None) -> dict[str, float] | None:
        return None if found is None else {"share": round(found.share, 4), "attempts": found.n}

    return {kind: {"before": plain(s.before), "after": plain(s.after)} for kind, s in slack(attempts).items()}


def report_to_dict(report: Report) -> dict[str, Any]:
    """A report as plain JSON data; a value that is not finite is null."""
    values = {name: value if math.isfinite(value) else None for name, value in report.values.items()}
    return {
        "at": iso_time(report.at_s),
        "trial": report.trial,
        "attempt": report.attempt,
        "step": report.step,
        "values": values,
    }


def _write_optuna(store: Store, info: StudyInfo, file: IO[bytes]) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend

    class Writer(BaseJournalBackend):
        """Appends to our file. The storage replays what it wrote; it gets its records back without their bulk."""

        def __init__(self) -> None:
            self._unread: list[dict[str, Any]] = []

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            file.writelines(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)
            bulk = {"params", "distributions", "user_attrs", "intermediate_values"}
            self._unread += [{key: value for key, value in log.items() if key not in bulk} for log in logs]

        def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
            logs, self._unread = self._unread, []
            yield from logs

    spec, trials = info.spec, store.trials(info.name)
    attempts: dict[int, list[Attempt]] = {}
    for attempt in store.attempts(info.name):
        attempts.setdefault(attempt.trial, []).append(attempt)
    reports_of = _reports_by_trial(store, info.name, trials)
    with _quiet_optuna():
        study = optuna.create_study(
            storage=JournalStorage(Writer()),
            sampler=optuna.samplers.RandomSampler(),
            study_name=info.name,
            directions=[metric.goal for metric in spec.metrics],
        )
        study.set_metric_names([metric.name for metric in spec.metrics])
        for part, value in (("sampler", spec.sampler.type), ("pruner", spec.pruner.type), ("seed", spec.seed)):
            study.set_user_attr(f"tuner:{part}", value)
        columns = {parameter: _optuna_column(d) for parameter, d in spec.space.items()}
        for trial in trials:
            frozen = _frozen(info, trial, columns, reports_of(trial.number))
            frozen.user_attrs = _user_attrs(trial, attempts.get(trial.number, ()), spec.metrics)
            study.add_trial(frozen)


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Without its note of each new study, and its warnings: of names of metrics, and of steps (see ``_optuna_column``)."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _optuna_column(d: Distribution) -> tuple[BaseDistribution, Callable[[Any], Any]]:
    """A parameter's distribution in Optuna, and what turns a value of ours into one of its."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(d, Categorical | Constant):
        choices = d.values()
        if len(set(choices)) == len(choices):
            return CategoricalDistribution(choices), lambda value: value
        return CategoricalDistribution([repr(c) for c in choices]), repr  # Optuna cannot tell True from 1
    if isinstance(d, Int):
        return IntDistribution(d.low, d.low + (d.n_values - 1) * d.step, log=d.log, step=d.step), int
    n, step = d.n_values, d.step
    if n is None or step is None:
        return FloatDistribution(d.low, d.high, log=d.log), float
    stepped = FloatDistribution(d.low, d.low + (n - 1) * step, step=step)
    if abs(stepped.high - d.low - (n - 1) * step) > step / 2:
        # Optuna counts steps in decimals of its own. Where it loses the last one, it is told of no step at all.
        return FloatDistribution(d.low, d.high), float
    return stepped, lambda value: min(float(value), stepped.high)


def _frozen(info: StudyInfo, trial: Trial, columns: Mapping[str, Any], reports: Sequence[Report]) -> FrozenTrial:
    from optuna.trial import FrozenTrial
    from optuna.trial import TrialState as OptunaState

    metrics = [metric.name for metric in info.spec.metrics]
    values = None
    if trial.state == TrialState.COMPLETE or (trial.state == TrialState.PRUNED and len(metrics) == 1):
        values = [trial.values[name] for name in metrics if name in trial.values] or None
    # Optuna wants a start of every trial but waiting ones, also of those that ended before they could run.
    ended = trial.finished_at if trial.finished_at is not None else info.created_at
    began = trial.started_at if trial.started_at is not None else ended
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=OptunaState[trial.state.value],
        value=None,
        values=values,
        datetime_start=None if trial.state == TrialState.WAITING else _time(began),
        datetime_complete=_time(ended) if trial.state.finished else None,
        params={name: columns[name][1](value) for name, value in trial.params.items()},
        distributions={name: columns[name][0] for name in trial.params},
        user_attrs={},
        system_attrs=_constraint_attrs(info.spec.constraints, trial),
        intermediate_values={r.step: r.values[metrics[0]] for r in reports if metrics[0] in r.values},
    )


def _constraint_attrs(constraints: Sequence[Constraint], trial: Trial) -> dict[str, Any]:
    """What Optuna calls constraints: numbers of which those above 0 are violations, in the units of the values."""
    if trial.state is not TrialState.COMPLETE or not all(c.name in trial.values for c in constraints):
        return {}
    over = [trial.values[c.name] - c.high for c in constraints if c.high is not None]
    under = [c.low - trial.values[c.name] for c in constraints if c.low is not None]
    return {"constraints": over + under} if constraints else {}


def _user_attrs(trial: Trial, attempts: Sequence[Attempt], metrics: Sequence[Metric]) -> dict[str, Any]:
    """What Optuna has no place for."""
    optunas = {metric.name for metric in metrics}
    others = {name: value for name, value in trial.values.items() if name not in optunas}
    attrs: dict[str, Any] = {"wall_s": trial.wall_s, "attempts": [attempt_to_dict(attempt) for attempt in attempts]}
    if others:
        attrs["values"] = others
    if trial.failure is not None:
        attrs["failure"] = {"kind": trial.failure.kind.value, "message": trial.failure.message}
    return attrs
