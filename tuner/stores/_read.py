"""Reading a study's log from a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from tuner.core.codec import decode
from tuner.core.events import Event, Reported
from tuner.database.engine import Connection, Select, select
from tuner.database.tables import event, report
from tuner.errors import StoreCorrupt, TunerError
from tuner.stores._json import loads
from tuner.stores._rows import group_reports
from tuner.trial import Report

__all__ = ["read_log", "read_reports"]

_FETCH = 10_000

_EVENT_ROWS = select(event.c.n, event.c.at_s, event.c.kind, event.c.payload)
_REPORT_ROWS = select(
    *(report.c[name] for name in ("n", "at_s", "trial", "attempt", "step", "metric", "value"))
).order_by(report.c.n, report.c.metric)


def read_log(connection: Connection, study_id: int, name: str, after: int = 0) -> Sequence[tuple[int, Event]]:
    """(position, event) of a study's log above ``after``, in order.

    Args:
        connection: In a transaction that sees one state of the database.
        study_id: The study.
        name: Its name, for messages.
        after: The last position that is not wanted.

    Raises:
        StoreCorrupt: An event cannot be understood, or one is missing.
    """
    events = _EVENT_ROWS.where(event.c.study_id == study_id, event.c.n > after)
    log = _decoded(connection, events, name)
    reports = _REPORT_ROWS.where(report.c.study_id == study_id, report.c.n > after)
    log.extend(group_reports(_streamed(connection, reports), Reported))
    log.sort(key=itemgetter(0))
    if log and (log[0][0] != after + 1 or log[-1][0] != after + len(log)):
        expected = next(i for i, (n, _) in enumerate(log, after + 1) if n != i)
        raise StoreCorrupt(f"event {expected} of study {name!r} is missing", hint="restore the store from a backup")
    return log


def read_reports(connection: Connection, study_id: int, name: str, trial: int | None) -> Sequence[Report]:
    """The reports of a study in order, of one trial only when that is given. Arguments and errors as for ``read_log``."""
    rows = _REPORT_ROWS.where(report.c.study_id == study_id)
    if trial is not None:
        rows = rows.where(report.c.trial == trial)
    found = list(group_reports(_streamed(connection, rows), Report))
    # Those that rows cannot say are events like the others.
    others = _EVENT_ROWS.where(event.c.study_id == study_id, event.c.kind == Reported.__name__)
    for n, other in _decoded(connection, others, name):
        if isinstance(other, Reported) and trial in (None, other.trial):
            found.append((n, Report(other.at_s, other.trial, other.attempt, other.step, other.values)))
    found.sort(key=itemgetter(0))
    return [one for _, one in found]


def _streamed(connection: Connection, chosen: Select[Any]) -> Iterable[Any]:
    return connection.execution_options(yield_per=_FETCH).execute(chosen)


def _decoded(connection: Connection, chosen: Select[Any], name: str) -> list[tuple[int, Event]]:
    log: list[tuple[int, Event]] = []
    for n, at_s, kind, payload in _streamed(connection, chosen):
        try:
            log.append((n, decode(kind, at_s, loads(payload))))
        except (KeyError, TypeError, ValueError, TunerError) as error:
            raise StoreCorrupt(
                f"event {n} ({kind}) of study {name!r} cannot be read: {type(error).__name__}: {error}",
                hint="it may have been written by a newer tuner: upgrade, or resume from an export",
            ) from error
    return log
