from __future__ import annotations

import pytest

from tests.stores import postgres
from tuner.stores.sql import SqlStore


@pytest.fixture(scope="session")
def postgres_template():
    """A database with tuner's tables: copying it is quicker than making them for every test."""
    name = postgres.new_database()
    store = SqlStore(postgres.url_of(name))
    store._database.prepare()
    store.close()
    yield name
    postgres.drop_database(name)


@pytest.fixture
def postgres_url(postgres_template):
    name = postgres.new_database(postgres_template)
    yield postgres.url_of(name)
    postgres.drop_database(name)
