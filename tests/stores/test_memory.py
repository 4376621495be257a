from __future__ import annotations

import uuid

import pytest

from tuner.errors import StoreUnreachable
from tuner.stores.memory import MemoryStore
from tuner.testing.stores import StoreTestCase, example_spec


class TestMemoryStore(StoreTestCase):
    store_type = MemoryStore

    @pytest.fixture
    def store_url(self):
        return f"memory://{uuid.uuid4().hex}"


def test_a_store_without_a_url_is_its_own():
    one, other = MemoryStore(), MemoryStore()
    one.create(example_spec("demo"), {}).close("COMPLETE")
    assert [info.name for info in one.studies()] == ["demo"]
    assert list(other.studies()) == []


def test_another_stores_url_is_refused():
    with pytest.raises(StoreUnreachable, match="memory://NAME"):
        MemoryStore("sqlite:///x.db")
