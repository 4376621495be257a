"""What is particular to stores in databases: transactions, files, servers, errors."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.stores import postgres
from tuner.core.events import Reported, Suggested, TimerFired
from tuner.errors import StoreCorrupt, StoreError, StoreFenced, StoreLocked, StoreUnreachable, StudyNotFound
from tuner.stores.sql import SqlStore
from tuner.testing.stores import EVERY_EVENT, example_spec, finished_trial, plain

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tuner.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tuner.db"


def run_sql(store_url: str, statement: str) -> list[Any]:
    """Run a statement as another program would."""
    if store_url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(store_url.removeprefix("sqlite:///"))) as connection:
            rows = connection.execute(statement).fetchall()
            connection.commit()
            return rows
    name = store_url.rpartition("/")[2].partition("?")[0]
    return postgres.run(statement, name)


def test_a_transaction_that_the_database_breaks_leaves_nothing(store_url):
    """The events go in, the report's step is too large for the database."""
    store = SqlStore(store_url)
    log = store.create(example_spec("demo"), {})
    log.append([TimerFired(1.0)], [finished_trial(0, 1.0)])
    with pytest.raises(StoreError, match=r"number|range|large"):
        log.append([TimerFired(2.0), Reported(2.0, 0, 1, 2**70, {"loss": 1.0})], [finished_trial(1, 1.0)])
    assert list(store.events("demo")) == [(1, TimerFired(1.0))]
    assert [trial.number for trial in store.trials("demo")] == [0]
    log.append([TimerFired(3.0)], [])
    assert [n for n, _ in store.events("demo")] == [1, 2]
    log.close("COMPLETE")


def test_a_dead_drivers_study_is_taken_over_at_once(store_url):
    """Its lease has half a minute left, but its process is gone."""
    code = (
        "import os, sys; from tuner.stores.sql import SqlStore; from tuner.testing.stores import example_spec;"
        "SqlStore(sys.argv[1]).create(example_spec('demo'), {}); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, store_url], cwd=ROOT, timeout=60, check=False)
    store = SqlStore(store_url)
    assert store.study("demo").state == "RUNNING"
    assert store.study("demo").owner is None
    log = store.acquire("demo")
    log.append([TimerFired(1.0)], [])
    log.close("COMPLETE")


def test_another_hosts_driver_is_believed_until_its_lease_ends(store_url):
    store = SqlStore(store_url)
    log = store.create(example_spec("demo"), {})
    run_sql(store_url, "UPDATE study SET lease_owner = 'faraway:42:aa.1.bb'")
    with pytest.raises(StoreLocked, match="process 42 on faraway"):
        store.acquire("demo")
    assert store.study("demo").owner == "faraway:42"
    run_sql(store_url, "UPDATE study SET lease_until = lease_until - 60")
    assert store.study("demo").owner is None
    store.acquire("demo").close("COMPLETE")
    with pytest.raises(StoreFenced):
        log.append([TimerFired(1.0)], [])


def test_the_one_who_took_over_is_named(store_url):
    old = SqlStore(store_url, lease_s=0.0).create(example_spec("demo"), {})
    new = SqlStore(store_url).acquire("demo")
    with pytest.raises(StoreFenced, match=rf"taken over by .*:{os.getpid()}: this driver may write no more"):
        old.append([TimerFired(1.0)], [])
    new.close("COMPLETE")


def test_a_lease_is_renewed_from_a_third_of_its_time_on(store_url, monkeypatch):
    log = SqlStore(store_url, lease_s=30.0).create(example_spec("demo"), {})
    run_sql(store_url, "UPDATE study SET lease_until = 0")
    start_s = time.monotonic()
    log.renew()
    assert run_sql(store_url, "SELECT lease_until FROM study") == [(0.0,)]
    monkeypatch.setattr(time, "monotonic", lambda: start_s + 11.0)
    log.renew()
    [(until_s,)] = run_sql(store_url, "SELECT lease_until FROM study")
    assert 20 < until_s - time.time() < 31
    log.close("COMPLETE")


def test_a_log_with_a_gap_is_corrupt(store_url):
    store = SqlStore(store_url)
    log = store.create(example_spec("demo"), {})
    log.append([TimerFired(float(n)) for n in range(5)], [])
    run_sql(store_url, "DELETE FROM event WHERE n = 3")
    with pytest.raises(StoreCorrupt, match="event 3 of study 'demo' is missing"):
        log.read()
    log.close("COMPLETE")


@pytest.mark.parametrize(
    "change", ["kind = 'FromTheFuture'", "payload = '{'", "payload = '{}'", "kind = 'Finished', payload = '[]'"]
)
def test_an_event_that_cannot_be_understood_is_named(store_url, change):
    log = SqlStore(store_url).create(example_spec("demo"), {})
    log.append([TimerFired(1.0), Suggested(2.0, 0, {})], [])
    run_sql(store_url, f"UPDATE event SET {change} WHERE n = 2")
    with pytest.raises(StoreCorrupt, match=r"event 2 \(\w+\) of study 'demo' cannot be read"):
        log.read()
    log.close("COMPLETE")


def test_a_row_that_cannot_be_understood_is_corrupt(store_url):
    store = SqlStore(store_url)
    log = store.create(example_spec("demo"), {})
    log.append([], [finished_trial(0, 1.0)])
    run_sql(store_url, "UPDATE trial SET state = 'LOST'")
    with pytest.raises(StoreCorrupt, match=r"study 'demo' in .* cannot be read"):
        store.trials("demo")
    log.close("COMPLETE")
    run_sql(store_url, "UPDATE study SET spec = '{}'")
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        store.study("demo")


def test_reports_that_are_rows_and_events_are_stored_once(store_url):
    log = SqlStore(store_url).create(example_spec("demo"), {})
    log.append(EVERY_EVENT, [])
    rows = run_sql(store_url, "SELECT DISTINCT n FROM report")
    events = run_sql(store_url, "SELECT n FROM event")
    assert sorted(rows + events) == [(n,) for n in range(1, len(EVERY_EVENT) + 1)]
    log.close("COMPLETE")


def test_a_thousand_studies_are_listed_quickly(store_url):
    store = SqlStore(store_url)
    log = store.create(example_spec("demo"), {})
    log.append([], [finished_trial(n, float(n)) for n in range(10)])
    log.close("COMPLETE")
    columns = "state, created_at, next_n, fence, spec, provenance"
    run_sql(
        store_url,
        "WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 1000) "
        f"INSERT INTO study (name, {columns}) SELECT 'copy ' || i, {columns} FROM study, number",
    )
    begin_s = time.perf_counter()
    assert len(store.studies()) == 1001
    assert time.perf_counter() - begin_s < 2.0


@pytest.mark.postgres
def test_a_connection_that_broke_is_opened_anew(postgres_url):
    """A server that was restarted between two appends costs neither of them."""
    log = SqlStore(postgres_url).create(example_spec("demo"), {})
    log.append([TimerFired(1.0)], [])
    end_connections(postgres_url)
    log.append([TimerFired(2.0)], [finished_trial(0, 1.0)])
    assert list(log.read()) == [TimerFired(1.0), TimerFired(2.0)]
    end_connections(postgres_url)
    log.close("COMPLETE")
    assert SqlStore(postgres_url).study("demo").state == "COMPLETE"


@pytest.mark.postgres
def test_a_commit_whose_answer_was_lost_is_not_made_twice(postgres_url, monkeypatch):
    """The transaction went through, then the connection broke: the position says so."""
    store = SqlStore(postgres_url)
    log: Any = store.create(example_spec("demo"), {})
    once = log._once

    def once_then_break(write):
        monkeypatch.setattr(log, "_once", once)
        once(write)
        end_connections(postgres_url)
        once(write)

    monkeypatch.setattr(log, "_once", once_then_break)
    log.append([TimerFired(1.0)], [])
    log.append([TimerFired(2.0)], [])
    assert [n for n, _ in store.events("demo")] == [1, 2]
    log.close("COMPLETE")


def end_connections(url: str) -> None:
    name = url.rpartition("/")[2].partition("?")[0]
    postgres.run(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'tuner'"
    )


def test_an_interrupt_within_an_append_leaves_a_log_that_goes_on(store_url, monkeypatch):
    log: Any = SqlStore(store_url).create(example_spec("demo"), {})
    write = log._write

    def write_then_interrupt(connection, batch):
        monkeypatch.setattr(log, "_write", write)
        write(connection, batch)
        raise KeyboardInterrupt

    monkeypatch.setattr(log, "_write", write_then_interrupt)
    with pytest.raises(KeyboardInterrupt):
        log.append([TimerFired(1.0)], [])
    log.append([TimerFired(2.0)], [])
    assert list(log.read()) == [TimerFired(2.0)]
    log.close("COMPLETE")


def test_asking_a_missing_file_makes_nothing(path, tmp_path):
    store = SqlStore(f"sqlite:///{path}")
    assert list(store.studies()) == []
    for ask in (store.study, store.acquire, store.delete, store.trials):
        with pytest.raises(StudyNotFound, match="it holds none"):
            ask("demo")
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_an_empty_store(path):
    path.touch()
    store = SqlStore(f"sqlite:///{path}")
    assert list(store.studies()) == []
    store.create(example_spec("demo"), {}).close("COMPLETE")
    assert [info.name for info in store.studies()] == ["demo"]


def test_a_store_moves_with_its_file_and_outlives_a_change_of_folder(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = SqlStore("sqlite:///sub/tuner.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    log = store.create(example_spec("demo"), {})
    log.append(EVERY_EVENT, [])
    log.close("COMPLETE")
    store.close()
    (tmp_path / "sub").rename(tmp_path / "moved")
    moved = SqlStore(f"sqlite:///{tmp_path}/moved/tuner.db")
    assert plain([event for _, event in moved.events("demo")]) == plain(EVERY_EVENT)


def refused(url: str) -> tuple[StoreError, str]:
    """The text of the error that writing and reading at ``url`` both raise, if reading does."""
    with pytest.raises(StoreError) as caught:
        SqlStore(url).create(example_spec("demo"), {})
    text = str(caught.value)
    assert "sqlalche" not in text.lower()
    return caught.value, text


def test_a_file_that_is_no_database_is_refused(path):
    path.write_text("study,loss\ndemo,0.1\n" * 100)
    error, text = refused(f"sqlite:///{path}")
    assert isinstance(error, StoreUnreachable)
    assert "no SQLite database" in text
    with pytest.raises(StoreUnreachable, match="no SQLite database"):
        SqlStore(f"sqlite:///{path}").studies()
    assert path.read_text().startswith("study,loss")


def test_a_folder_in_the_files_place_is_refused(path):
    path.mkdir()
    assert "cannot be opened" in refused(f"sqlite:///{path}")[1]


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "file").touch()
    error, text = refused(f"sqlite:///{tmp_path}/file/tuner.db")
    assert isinstance(error, StoreUnreachable)
    assert "folder" in text
    assert "hint" in text


def test_a_damaged_file_is_corrupt(path):
    store = SqlStore(f"sqlite:///{path}")
    log = store.create(example_spec("demo"), {})
    log.append([Suggested(1.0, n, {"x": "y" * 100}) for n in range(2000)], [])
    log.close("COMPLETE")
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 4 :] = b"\x00" * (len(content) - 4096 * 4)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="damaged"):
        SqlStore(f"sqlite:///{path}").events("demo")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert "cannot be" in refused(f"sqlite:///{tmp_path}/new/tuner.db")[1]
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_a_full_disk_is_said_and_loses_nothing(path):
    """SQLite's own limit on pages stands for the disk's."""
    store = SqlStore(f"sqlite:///{path}")
    log: Any = store.create(example_spec("demo"), {})
    log.append([TimerFired(1.0)], [])
    log._connection.exec_driver_sql("PRAGMA max_page_count = 40")
    log._connection.rollback()
    with pytest.raises(StoreError, match="disk is full"):  # noqa: PT012 -- which append it is depends on SQLite
        for n in range(1000):
            log.append([Suggested(2.0, n, {"x": "y" * 1000})], [])
    kept = log.read()
    assert kept[0] == TimerFired(1.0)
    assert len(kept) == len(store.events("demo"))
    log._connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    log._connection.rollback()
    log.append([TimerFired(3.0)], [])
    assert len(log.read()) == len(kept) + 1
    log.close("COMPLETE")


def test_a_database_that_stays_locked_is_said(path, monkeypatch):
    monkeypatch.setattr("tuner.database.engine.BUSY_TIMEOUT_S", 0.05)
    store = SqlStore(f"sqlite:///{path}")
    log = store.create(example_spec("demo"), {})
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            log.append([TimerFired(1.0)], [])
        other.execute("ROLLBACK")
    log.append([TimerFired(2.0)], [])
    assert list(log.read()) == [TimerFired(2.0)]
    log.close("COMPLETE")


@pytest.mark.parametrize(
    "url",
    ["postgresql://nobody:hunter2@127.0.0.1:9/db", "postgres://u:hunter2@/db?host=/nowhere", "postgresql://[::/db"],
)
def test_a_server_that_does_not_answer_is_named_without_its_password(url):
    begin_s = time.perf_counter()
    with pytest.raises(StoreUnreachable) as caught:
        SqlStore(url).studies()
    assert time.perf_counter() - begin_s < 10
    assert "hunter2" not in str(caught.value)
    assert "sqlalche" not in str(caught.value).lower()


@pytest.mark.postgres
def test_a_database_that_is_not_there_is_named(postgres_url):
    name = postgres_url.rpartition("/")[2].partition("?")[0]
    with pytest.raises(StoreUnreachable, match="does not exist"):
        SqlStore(postgres_url.replace(name, "no_such_database")).studies()


def test_a_missing_driver_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreUnreachable, match=r"pip install 'tuner\[postgres\]'"):
        SqlStore("postgresql://localhost/db").studies()
