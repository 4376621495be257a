"""The writing end of a study in a database."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from tuner.core.events import Event
from tuner.core.ports import StudyLog
from tuner.database import tables
from tuner.database.engine import Connection, Database
from tuner.database.failures import ConnectionLost
from tuner.errors import StoreError, StoreFenced
from tuner.stores._json import loads, plain_text
from tuner.stores._lease import shown_owner
from tuner.stores._read import read_log
from tuner.stores._rows import ATTEMPT_COLUMNS, EVENT_COLUMNS, REPORT_COLUMNS, TRIAL_COLUMNS, Batch, batch_of
from tuner.trial import Attempt, Trial

__all__ = ["Claim", "SqlLog"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease that was just taken.

    Attributes:
        study_id: The study.
        name: Its name.
        metric: Name of its first metric.
        fence: Number of the lease: every take-over makes it one larger.
        next_n: Position of the next event.
        lease_s: How long the lease lasts without renewal.
    """

    study_id: int
    name: str
    metric: str
    fence: int
    next_n: int
    lease_s: float


class _Statements:
    """The SQL of the hot path, written once a log: building it anew costs more than running it."""

    def __init__(self, database: Database) -> None:
        def insert(table: object, columns: Sequence[str], key: Sequence[str] = ()) -> str:
            sql = f"INSERT INTO {{0}} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
            if key:
                changed = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in key)
                sql += f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
            return database.statement(sql, table)  # type: ignore[arg-type]

        owned = "WHERE id = ? AND fence = ?"
        until = f"lease_until = {database.clock} + ?"
        study = tables.study
        self.event = insert(tables.event, EVENT_COLUMNS)
        self.report = insert(tables.report, REPORT_COLUMNS)
        self.trial = insert(tables.trial, TRIAL_COLUMNS, ("study_id", "number"))
        self.attempt = insert(tables.attempt, ATTEMPT_COLUMNS, ("study_id", "trial", "number"))
        self.advance = database.statement(f"UPDATE {{0}} SET next_n = ?, {until} {owned} AND next_n = ?", study)
        self.renew = database.statement(f"UPDATE {{0}} SET {until} {owned}", study)
        self.model = database.statement(f"UPDATE {{0}} SET model = ?, {until} {owned}", study)
        self.close = database.statement(
            f"UPDATE {{0}} SET state = ?, closed_reason = ?, lease_owner = NULL, lease_until = NULL {owned}", study
        )
        self.sent = database.statement(
            "SELECT n, command, arguments FROM {0} WHERE study_id = ? AND taken_at IS NULL ORDER BY n", tables.command
        )
        self.take = database.statement("UPDATE {0} SET taken_at = ? WHERE study_id = ? AND n = ?", tables.command)
        self.holder = database.statement("SELECT fence, next_n, lease_owner FROM {0} WHERE id = ?", study)


class SqlLog(StudyLog):
    """A study's log, on a connection of its own that stays open. Used from one thread."""

    def __init__(self, database: Database, claim: Claim) -> None:
        self._database = database
        self._claim = claim
        self._next_n = claim.next_n
        self._sql = _Statements(database)
        self._connection: Connection | None = database.connect()
        self._renewed_s = time.monotonic()
        # After a transaction that ended without a clear answer the position must be asked for.
        self._unsure = False

    def read(self) -> Sequence[Event]:
        with self._database.reading() as connection:
            log = read_log(connection, self._claim.study_id, self._claim.name)
        return [event for _, event in log]

    def append(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        if self._unsure:
            self._next_n = self._position()
            self._unsure = False
        batch = batch_of(self._claim.study_id, self._next_n, self._claim.metric, events, entries)
        self._transact(lambda connection: self._write(connection, batch), batch.next_n)
        self._next_n = batch.next_n

    def received(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        try:
            rows = self._sent()
        except ConnectionLost:
            rows = self._sent()
        if not rows:
            return ()

        def take(connection: Connection) -> None:
            held = connection.exec_driver_sql(self._sql.renew, (claim.lease_s, claim.study_id, claim.fence))
            if held.rowcount != 1:
                self._refuse(connection)
            connection.exec_driver_sql(self._sql.take, [(time.time(), claim.study_id, n) for n, _, _ in rows])

        claim = self._claim
        self._transact(take, None)
        return [(command, loads(arguments)) for _, command, arguments in rows]

    def _sent(self) -> list[tuple[int, str, str]]:
        if self._connection is None:
            raise StoreError(f"the log of study {self._claim.name!r} is closed")
        with self._database.reading() as connection:
            rows = connection.exec_driver_sql(self._sql.sent, (self._claim.study_id,)).all()
        return [(n, command, arguments) for n, command, arguments in rows]

    def renew(self) -> None:
        if time.monotonic() - self._renewed_s < self._claim.lease_s / 3:
            return
        self._update(self._sql.renew)

    def set_model(self, path: str) -> None:
        self._update(self._sql.model, plain_text(path))

    def close(self, state: str, reason: str | None = None) -> None:
        if self._connection is None:
            return
        try:
            self._update(self._sql.close, state, None if reason is None else plain_text(reason))
        except StoreFenced:
            pass
        finally:
            self._connection.close()
            self._connection = None

    def _write(self, connection: Connection, batch: Batch) -> None:
        sql, claim = self._sql, self._claim
        advanced = connection.exec_driver_sql(
            sql.advance, (batch.next_n, claim.lease_s, claim.study_id, claim.fence, self._next_n)
        )
        if advanced.rowcount != 1:
            self._refuse(connection)
        for statement, rows in (
            (sql.event, batch.events),
            (sql.report, batch.reports),
            (sql.trial, batch.trials),
            (sql.attempt, batch.attempts),
        ):
            if rows:
                connection.exec_driver_sql(statement, rows)

    def _update(self, statement: str, *values: object) -> None:
        claim = self._claim
        lease = () if statement is self._sql.close else (claim.lease_s,)

        def write(connection: Connection) -> None:
            done = connection.exec_driver_sql(statement, (*values, *lease, claim.study_id, claim.fence))
            if done.rowcount != 1:
                self._refuse(connection)

        self._transact(write, None)

    def _transact(self, write: Callable[[Connection], None], next_n: int | None) -> None:
        """Run ``write`` in one transaction; once more when the connection broke and nothing had been kept.

        Args:
            write: Writes; may run twice.
            next_n: The study's next position when it has been kept; None when running it twice does no harm.
        """
        self._unsure = True
        try:
            self._once(write)
        except ConnectionLost:
            if next_n is None or self._position() != next_n:
                self._once(write)
        self._unsure = False
        self._renewed_s = time.monotonic()

    def _once(self, write: Callable[[Connection], None]) -> None:
        if self._connection is None:
            raise StoreError(f"the log of study {self._claim.name!r} is closed")
        with self._database.transaction(self._connection):
            write(self._connection)

    def _position(self) -> int:
        """The study's next position as the database has it."""
        with self._database.writing() as connection:
            row = connection.exec_driver_sql(self._sql.holder, (self._claim.study_id,)).first()
            if row is None or row[0] != self._claim.fence:
                self._refuse(connection)
            return int(row[1])

    def _refuse(self, connection: Connection) -> NoReturn:
        """Say why the study's row is not ours to change.

        Raises:
            StoreFenced: Another driver took the study over, or it was deleted.
            StoreError: Neither: the log stands elsewhere than this driver thinks.
        """
        name, shown = self._claim.name, self._database.shown
        row = connection.exec_driver_sql(self._sql.holder, (self._claim.study_id,)).first()
        if row is None:
            raise StoreFenced(f"study {name!r} was deleted from {shown}: this driver may write no more")
        if row[0] == self._claim.fence:
            raise StoreError(
                f"the log of study {name!r} goes on at {row[1]}, not where this driver left it ({self._next_n})"
            )
        by = f" by {shown_owner(row[2])}" if row[2] else ""
        raise StoreFenced(
            f"study {name!r} in {shown} was taken over{by}: this driver may write no more",
            hint="nothing is lost: the other driver goes on from the last acknowledged event",
        )
