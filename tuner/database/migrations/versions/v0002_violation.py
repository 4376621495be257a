"""By how much a trial violates the study's constraints. Studies of 0.1 had none, so their trials violate nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and let the index that finds the best trial go by it first."""
    schema = context.config.attributes["schema"]
    op.add_column("trial", sa.Column("violation", sa.Double, nullable=False, server_default="0"), schema=schema)
    op.drop_index("trial_state", "trial", schema=schema)
    op.create_index("trial_state", "trial", ["study_id", "state", "violation", "value"], schema=schema)
