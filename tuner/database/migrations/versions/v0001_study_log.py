"""The study log: study, event, report, trial, attempt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


def upgrade() -> None:
    """Make everything."""
    schema = context.config.attributes["schema"]
    _create_study(schema)
    _create_log(schema)
    _create_folds(schema)


def _create_study(schema: str | None) -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("closed_reason", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("next_n", sa.BigInteger, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", sa.Double),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("provenance", sa.Text, nullable=False),
        sa.UniqueConstraint("name", name="study_name"),
        sqlite_autoincrement=True,
        schema=schema,
    )


def _create_log(schema: str | None) -> None:
    op.create_table(
        "event",
        _key("study_id"),
        _key("n"),
        sa.Column("at_s", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sqlite_with_rowid=False,
        schema=schema,
    )
    op.create_table(
        "report",
        _key("study_id"),
        _key("n"),
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("at_s", sa.Double, nullable=False),
        sa.Column("trial", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.BigInteger, nullable=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double),
        sqlite_with_rowid=False,
        schema=schema,
    )
    op.create_index("report_trial", "report", ["study_id", "trial"], schema=schema)


def _create_folds(schema: str | None) -> None:
    op.create_table(
        "trial",
        _key("study_id"),
        _key("number"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("params", sa.Text, nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("steps", sa.BigInteger, nullable=False),
        sa.Column("last_step", sa.BigInteger),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("wall_s", sa.Double, nullable=False),
        sa.Column("failure_kind", sa.Text),
        sa.Column("failure_message", sa.Text),
        sqlite_with_rowid=False,
        schema=schema,
    )
    op.create_index("trial_state", "trial", ["study_id", "state", "value"], schema=schema)
    op.create_table(
        "attempt",
        _key("study_id"),
        _key("trial"),
        _key("number"),
        sa.Column("node_id", sa.Text),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("grant_cpu", sa.Double, nullable=False),
        sa.Column("grant_gpu", sa.Double, nullable=False),
        sa.Column("grant_memory_mib", sa.Double, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("outcome_metrics", sa.Text),
        sa.Column("outcome_step", sa.BigInteger),
        sa.Column("failure_kind", sa.Text),
        sa.Column("failure_message", sa.Text),
        sa.Column("stop_reason", sa.Text),
        sa.Column("used_peak_memory_mib", sa.Double),
        sa.Column("used_cpu_s", sa.Double),
        sa.Column("used_wall_s", sa.Double),
        sa.Column("used_gpu_util", sa.Double),
        sa.Column("used_peak_gpu_memory_mib", sa.Double),
        sqlite_with_rowid=False,
        schema=schema,
    )
