"""What attempts were measured to use besides, and commands to running studies. Attempts of before do not say: NULL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MEASURED = (
    ("used_base_memory_mib", sa.Double),
    ("used_mean_memory_mib", sa.Double),
    ("used_threads", sa.BigInteger),
    ("used_received_mib", sa.Double),
    ("used_gpu_memory_mib", sa.Double),
)


def upgrade() -> None:
    """Add the columns and the table."""
    schema = context.config.attributes["schema"]
    for name, kind in _MEASURED:
        op.add_column("attempt", sa.Column(name, kind), schema=schema)
    op.create_table(
        "command",
        sa.Column("study_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sent_at", sa.Double, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("taken_at", sa.Double),
        sqlite_with_rowid=False,
        schema=schema,
    )
