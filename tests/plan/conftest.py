"""A store of its own for each test."""

from __future__ import annotations

import pytest


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/tuner.db"
