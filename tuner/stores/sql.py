"""Studies in SQLite or PostgreSQL, through SQLAlchemy Core. How the tables are asked in SQL: docs/store.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Row, Select, Table, delete, func, insert, literal_column, select, update

from tuner.core.events import Event
from tuner.core.ports import Store, StudyInfo, StudyLog
from tuner.database import tables
from tuner.database.engine import Connection, Database
from tuner.database.failures import RowConflict
from tuner.errors import StoreCorrupt, TunerError
from tuner.stores._info import Deferred, best, living_owner, study_exists, study_locked, study_not_found
from tuner.stores._json import dumps, loads
from tuner.stores._lease import LEASE_S, new_owner, shown_owner
from tuner.stores._read import read_log, read_reports
from tuner.stores._rows import ATTEMPT_COLUMNS, TRIAL_COLUMNS, attempt_from_row, trial_from_row
from tuner.stores._sqllog import Claim, SqlLog
from tuner.study import StudySpec
from tuner.trial import Attempt, Report, Trial, TrialState

__all__ = ["SqlStore"]

T = TypeVar("T")


def _counts(study_id: int | None = None) -> Select[Any]:
    """How many trials there are, by study and state; of one study only when that is given."""
    trial = tables.trial.c
    chosen = select(trial.study_id, trial.state, func.count().label("n_trials"))
    if study_id is not None:
        chosen = chosen.where(trial.study_id == study_id)
    return chosen.group_by(trial.study_id, trial.state)


def _extremes(study_id: int | None = None) -> Select[Any]:
    """The lowest and the highest value of the complete trials that violate the constraints least, by study."""
    trial = tables.trial.c
    of = [trial.state == TrialState.COMPLETE.value, trial.value.is_not(None)]
    if study_id is not None:
        of.append(trial.study_id == study_id)
    least = select(trial.study_id, func.min(trial.violation).label("least")).where(*of).group_by(trial.study_id)
    least_by = least.subquery("least_by")
    return (
        select(
            trial.study_id,
            least_by.c.least,
            func.min(trial.value).label("lowest"),
            func.max(trial.value).label("highest"),
        )
        .join(least_by, (least_by.c.study_id == trial.study_id) & (least_by.c.least == trial.violation))
        .where(*of)
        .group_by(trial.study_id, least_by.c.least)
    )


class SqlStore(Store):
    """Studies in the database at a URL. Threads and processes may share it.

    Args:
        url: ``sqlite:///file.db`` or ``postgresql+psycopg://...``; looked at here, opened when first used.
        lease_s: How long a lease lasts when it is not renewed, at least 0.

    Raises:
        StoreUnreachable: The URL is wrong.
    """

    def __init__(self, url: str, *, lease_s: float = LEASE_S) -> None:
        self._database = Database(url)
        self._lease_s = float(lease_s)
        self._clock = literal_column(self._database.clock, tables.study.c.lease_until.type)

    def create(self, spec: StudySpec, provenance: Mapping[str, Any]) -> StudyLog:
        """A new study with an empty log; makes the file and the tables when they are not there yet."""
        row = {
            "name": spec.name,
            "state": "RUNNING",
            "created_at": time.time(),
            "next_n": 1,
            "lease_owner": new_owner(),
            "lease_until": self._clock + self._lease_s,
            "fence": 1,
            "spec": dumps(spec.to_dict()),
            "provenance": dumps(dict(provenance)),
        }
        self._database.prepare()
        try:
            with self._database.writing() as connection:
                study_id = connection.execute(
                    insert(tables.study).values(row).returning(tables.study.c.id)
                ).scalar_one()
        except RowConflict as error:
            raise study_exists(spec.name, self._database.shown) from error
        return SqlLog(self._database, Claim(study_id, spec.name, spec.metric.name, 1, 1, self._lease_s))

    def acquire(self, name: str) -> StudyLog:
        """The log of a study that is there; every take-over raises the fence, which shuts out who wrote before."""
        self._require(name)
        with self._database.writing() as connection:
            row = self._row(connection, name, lock=True)
            owner = living_owner(row.lease_owner, row.remaining_s)
            if owner is not None:
                raise study_locked(name, self._database.shown, owner, row.remaining_s)
            spec = self._spec(row)
            connection.execute(
                update(tables.command)
                .where(tables.command.c.study_id == row.id, tables.command.c.taken_at.is_(None))
                .values(taken_at=time.time())
            )
            connection.execute(
                update(tables.study)
                .where(tables.study.c.id == row.id)
                .values(
                    state="RUNNING",
                    fence=row.fence + 1,
                    lease_owner=new_owner(),
                    lease_until=self._clock + self._lease_s,
                )
            )
        claim = Claim(row.id, name, spec.metric.name, row.fence + 1, row.next_n, self._lease_s)
        return SqlLog(self._database, claim)

    def studies(self) -> Sequence[StudyInfo]:
        """Every study, newest first. Provenances are fetched when they are looked into."""
        if not self._database.ready():
            return []
        with self._database.reading() as connection:
            rows = connection.execute(
                self._study_rows().order_by(tables.study.c.created_at.desc(), tables.study.c.id.desc())
            ).all()
            counts: dict[int, list[Row[Any]]] = {}
            for count in connection.execute(_counts()):
                counts.setdefault(count.study_id, []).append(count)
            extremes = {found.study_id: found for found in connection.execute(_extremes())}
        return [
            self._info(
                row,
                counts.get(row.id, ()),
                extremes.get(row.id),
                Deferred(partial(self._provenance, row.id)),
            )
            for row in rows
        ]

    def study(self, name: str) -> StudyInfo:
        """One study."""
        self._require(name)
        with self._database.reading() as connection:
            row = self._row(connection, name)
            counts = connection.execute(_counts(row.id)).all()
            extremes = connection.execute(_extremes(row.id)).one_or_none()
            provenance = connection.execute(
                select(tables.study.c.provenance).where(tables.study.c.id == row.id)
            ).scalar_one()
        return self._info(row, counts, extremes, loads(provenance))

    def trials(self, name: str) -> Sequence[Trial]:
        """Its trials by number."""
        chosen = select(*(tables.trial.c[column] for column in TRIAL_COLUMNS)).order_by(tables.trial.c.number)
        return [self._read(trial_from_row, row, name) for row in self._rows_of(name, tables.trial, chosen)]

    def attempts(self, name: str, trial: int | None = None) -> Sequence[Attempt]:
        """Its attempts by trial and number; of one trial only when that is given."""
        chosen = select(*(tables.attempt.c[column] for column in ATTEMPT_COLUMNS)).order_by(
            tables.attempt.c.trial, tables.attempt.c.number
        )
        return [self._read(attempt_from_row, row, name) for row in self._rows_of(name, tables.attempt, chosen, trial)]

    def reports(self, name: str, trial: int | None = None) -> Sequence[Report]:
        """Its reports in the order of the log; of one trial only when that is given."""
        self._require(name)
        with self._database.reading() as connection:
            return read_reports(connection, self._row(connection, name).id, name, trial)

    def events(self, name: str, after: int = 0) -> Sequence[tuple[int, Event]]:
        """(position, event) of its log above ``after``."""
        self._require(name)
        with self._database.reading() as connection:
            return read_log(connection, self._row(connection, name).id, name, after)

    def send(self, name: str, command: str, arguments: Mapping[str, Any]) -> None:
        """Ask something of the driver that runs the study."""
        row = {"sent_at": time.time(), "command": command, "arguments": dumps(dict(arguments))}
        self._require(name)
        with self._database.writing() as connection:
            key = self._row(connection, name, lock=True).id
            of = tables.command.c.study_id == key
            last = connection.execute(select(func.max(tables.command.c.n)).where(of)).scalar() or 0
            connection.execute(insert(tables.command).values(study_id=key, n=last + 1, **row))

    def delete(self, name: str) -> None:
        """Remove a study that no living driver holds."""
        self._require(name)
        with self._database.writing() as connection:
            row = self._row(connection, name, lock=True)
            owner = living_owner(row.lease_owner, row.remaining_s)
            if owner is not None:
                raise study_locked(name, self._database.shown, owner, row.remaining_s)
            connection.execute(delete(tables.study).where(tables.study.c.id == row.id))
            for table in (tables.event, tables.report, tables.trial, tables.attempt, tables.command):
                connection.execute(delete(table).where(table.c.study_id == row.id))

    def close(self) -> None:
        """Close connections that are not in use; an open log keeps its own. Idempotent."""
        self._database.close()

    def _require(self, name: str) -> None:
        """Make sure that there is something to read at all."""
        if not self._database.ready():
            raise study_not_found(name, self._database.shown, ())

    def _study_rows(self) -> Select[Any]:
        columns = [column for column in tables.study.c if column is not tables.study.c.provenance]
        return select(*columns, (tables.study.c.lease_until - self._clock).label("remaining_s"))

    def _row(self, connection: Connection, name: str, *, lock: bool = False) -> Row[Any]:
        chosen = self._study_rows().where(tables.study.c.name == name)
        row = connection.execute(chosen.with_for_update() if lock else chosen).one_or_none()
        if row is None:
            known = connection.execute(select(tables.study.c.name).order_by(tables.study.c.id.desc())).scalars()
            raise study_not_found(name, self._database.shown, known)
        return row

    def _rows_of(self, name: str, table: Table, chosen: Select[Any], trial: int | None = None) -> Sequence[Row[Any]]:
        """The rows of ``chosen`` that belong to a study, and to one trial when that is given."""
        self._require(name)
        with self._database.reading() as connection:
            chosen = chosen.where(table.c.study_id == self._row(connection, name).id)
            if trial is not None:
                chosen = chosen.where(table.c.trial == trial)
            return connection.execute(chosen).all()

    def _info(
        self, row: Row[Any], counts: Sequence[Row[Any]], extremes: Row[Any] | None, provenance: Mapping[str, Any]
    ) -> StudyInfo:
        spec = self._spec(row)
        owner = living_owner(row.lease_owner, row.remaining_s)
        values = [] if extremes is None else [(extremes.least, v) for v in (extremes.lowest, extremes.highest)]
        return StudyInfo(
            name=row.name,
            state=row.state,
            created_at=row.created_at,
            closed_reason=row.closed_reason,
            owner=None if owner is None else shown_owner(owner),
            counts={count.state: count.n_trials for count in counts},
            best_value=best(spec.metric, values),
            spec=spec,
            provenance=provenance,
            model=row.model,
        )

    def _spec(self, row: Row[Any]) -> StudySpec:
        return self._read(lambda text: StudySpec.from_dict(loads(text)), row.spec, row.name)

    def _read(self, understand: Callable[[Any], T], stored: Any, name: str) -> T:
        try:
            return understand(stored)
        except (KeyError, TypeError, ValueError, TunerError) as error:
            raise StoreCorrupt(
                f"study {name!r} in {self._database.shown} cannot be read: {type(error).__name__}: {error}",
                hint="it may have been written by a newer tuner: upgrade it",
            ) from error

    def _provenance(self, study_id: int) -> Mapping[str, Any]:
        """A study's provenance, for who looks into it later; empty when the study was deleted meanwhile."""
        with self._database.reading() as connection:
            found = connection.execute(select(tables.study.c.provenance).where(tables.study.c.id == study_id)).scalar()
        return {} if found is None else loads(found)
