"""Reading a study's log from a database."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from tuner.core.codec import decode
from tuner.core.events import Event, Reported
from tuner.database.engine import Connection
from tuner.database.tables import event, report
from tuner.errors import StoreCorrupt, TunerError
from tuner.stores._json import loads
from tuner.stores._rows import group_reports

__all__ = ["REPORT_FIELDS", "read_log"]

_FETCH = 10_000

REPORT_FIELDS = tuple(report.c[name] for name in ("n", "at_s", "trial", "attempt", "step", "metric", "value"))
"""What ``group_reports`` reads."""


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
    chosen = connection.execution_options(yield_per=_FETCH)
    log: list[tuple[int, Event]] = []
    events = chosen.execute(
        event.select()
        .with_only_columns(event.c.n, event.c.at_s, event.c.kind, event.c.payload)
        .where(event.c.study_id == study_id, event.c.n > after)
    )
    for n, at_s, kind, payload in events:
        try:
            log.append((n, decode(kind, at_s, loads(payload))))
        except (KeyError, TypeError, ValueError, TunerError) as error:
            raise StoreCorrupt(
                f"event {n} ({kind}) of study {name!r} cannot be read: {type(error).__name__}: {error}",
                hint="it may have been written by a newer tuner: upgrade, or resume from an export",
            ) from error
    reports = chosen.execute(
        report.select()
        .with_only_columns(*REPORT_FIELDS)
        .where(report.c.study_id == study_id, report.c.n > after)
        .order_by(report.c.n, report.c.metric)
    )
    log.extend(group_reports(reports, Reported))
    log.sort(key=itemgetter(0))
    if log and (log[0][0] != after + 1 or log[-1][0] != after + len(log)):
        expected = next(i for i, (n, _) in enumerate(log, after + 1) if n != i)
        raise StoreCorrupt(f"event {expected} of study {name!r} is missing", hint="restore the store from a backup")
    return log
