from __future__ import annotations

import pytest

from tuner.stores.sql import SqlStore
from tuner.testing.stores import StoreTestCase


class TestSqlite(StoreTestCase):
    store_type = SqlStore

    @pytest.fixture
    def store_url(self, tmp_path):
        return f"sqlite:///{tmp_path}/not there yet/tuner.db"


@pytest.mark.postgres
class TestPostgresql(StoreTestCase):
    store_type = SqlStore

    @pytest.fixture
    def store_url(self, postgres_url):
        return postgres_url
