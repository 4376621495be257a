"""The tables, as queries see them. The migrations make them; a test holds that both agree.

``event`` and ``report`` are the log, each fact once: a report's values are rows of ``report``, every other event is a row of
``event``, and the positions ``n`` of both together are 1, 2, 3, ... without a gap. ``trial`` and ``attempt`` are folds of the
log for people to ask, written in the transaction that writes the events they follow from. ``command`` holds what other
processes ask of a study's driver; what became of it is in the log.

There are no foreign keys on purpose: every writing transaction begins by updating its study's row under the fence, so
no row can outlive or precede its study, and twenty look-ups a trial would buy nothing.

NaN is stored as NULL in ``report.value`` on both databases: SQLite knows no NaN, and NULL is what min, max and avg skip.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text, UniqueConstraint

__all__ = ["SCHEMA", "VERSION_TABLE", "attempt", "command", "event", "metadata", "report", "study", "trial"]

SCHEMA = "tuner"
"""The schema that holds the tables on PostgreSQL. SQLite has none."""

VERSION_TABLE = "tuner_alembic_version"

metadata = MetaData()

study = Table(
    "study",
    metadata,
    # AUTOINCREMENT, so that the id of a deleted study never comes back: a fenced writer of the old one could write into it.
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("closed_reason", Text),
    Column("model", Text),
    Column("next_n", BigInteger, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Double),
    Column("fence", BigInteger, nullable=False),
    Column("spec", Text, nullable=False),
    Column("provenance", Text, nullable=False),
    UniqueConstraint("name", name="study_name"),
    sqlite_autoincrement=True,
)

event = Table(
    "event",
    metadata,
    Column("study_id", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at_s", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
    sqlite_with_rowid=False,
)

report = Table(
    "report",
    metadata,
    Column("study_id", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("metric", Text, primary_key=True),
    Column("at_s", Double, nullable=False),
    Column("trial", BigInteger, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("value", Double),
    Index("report_trial", "study_id", "trial"),
    sqlite_with_rowid=False,
)

trial = Table(
    "trial",
    metadata,
    Column("study_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("value", Double),
    Column("params", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("steps", BigInteger, nullable=False),
    Column("last_step", BigInteger),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("wall_s", Double, nullable=False),
    Column("failure_kind", Text),
    Column("failure_message", Text),
    Column("violation", Double, nullable=False, server_default="0"),
    Index("trial_state", "study_id", "state", "violation", "value"),
    sqlite_with_rowid=False,
)

attempt = Table(
    "attempt",
    metadata,
    Column("study_id", BigInteger, primary_key=True, autoincrement=False),
    Column("trial", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("node_id", Text),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("grant_cpu", Double, nullable=False),
    Column("grant_gpu", Double, nullable=False),
    Column("grant_memory_mib", Double, nullable=False),
    Column("outcome", Text),
    Column("outcome_metrics", Text),
    Column("outcome_step", BigInteger),
    Column("failure_kind", Text),
    Column("failure_message", Text),
    Column("stop_reason", Text),
    Column("used_peak_memory_mib", Double),
    Column("used_cpu_s", Double),
    Column("used_wall_s", Double),
    Column("used_gpu_util", Double),
    Column("used_peak_gpu_memory_mib", Double),
    Column("used_base_memory_mib", Double),
    Column("used_mean_memory_mib", Double),
    Column("used_threads", BigInteger),
    Column("used_received_mib", Double),
    Column("used_gpu_memory_mib", Double),
    sqlite_with_rowid=False,
)

command = Table(
    "command",
    metadata,
    Column("study_id", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("sent_at", Double, nullable=False),
    Column("command", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("taken_at", Double),
    sqlite_with_rowid=False,
)
