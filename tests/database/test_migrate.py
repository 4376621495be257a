from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tests.stores import postgres
from tuner.core.events import Finished, TimerFired
from tuner.database import migrate
from tuner.database.engine import Database
from tuner.database.tables import SCHEMA, VERSION_TABLE, metadata
from tuner.errors import StoreError
from tuner.resources import Resources, Usage
from tuner.stores.sql import SqlStore
from tuner.testing.stores import EVERY_EVENT, example_spec, finished_trial, plain
from tuner.trial import Attempt, Pruned, TrialState

ROOT = Path(__file__).resolve().parents[2]

NEXT = """
import sqlalchemy as sa
from alembic import context, op

revision = "9001"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("study", sa.Column("note", sa.Text), schema=context.config.attributes["schema"])
"""

# What v0002_violation.py does to SQLite.
TO_0_2 = f"""
ALTER TABLE trial ADD COLUMN violation DOUBLE DEFAULT '0' NOT NULL;
DROP INDEX trial_state;
CREATE INDEX trial_state ON trial (study_id, state, violation, value);
UPDATE {VERSION_TABLE} SET version_num = '0002';
"""
MEASURED = Attempt(
    8, 1, Resources(), "n", 1.0, 2.0, Pruned(1), Usage(1.0, 2.0, 3.0, None, None, 4.0, 5.0, 6, 7.0, None)
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tuner.db"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request, path):
    """A database in which nothing was ever made."""
    if request.param == "sqlite":
        yield f"sqlite:///{path}"
        return
    name = postgres.new_database()
    yield postgres.url_of(name)
    postgres.drop_database(name)


def sql(path: Path, statement: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(statement).fetchall()
        connection.commit()
        return rows


def test_the_newest_version_is_the_one_that_the_code_knows():
    config = Config()
    config.set_main_option("script_location", str(migrate._FOLDER))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


def test_the_migrations_make_the_tables_that_the_code_uses(empty_url):
    database = Database(empty_url)
    database.prepare()
    on_server = database.url.dialect == "postgresql"
    tables = metadata
    if on_server:
        tables = type(metadata)()
        for table in metadata.tables.values():
            table.to_metadata(tables, schema=SCHEMA)
    with database.reading() as connection:
        options = {
            "compare_type": True,
            "include_schemas": on_server,
            "version_table": VERSION_TABLE,
            "version_table_schema": SCHEMA if on_server else None,
        }
        context = MigrationContext.configure(connection.execution_options(schema_translate_map={}), opts=options)
        assert compare_metadata(context, tables) == []
    database.close()


def test_preparing_again_changes_nothing(empty_url):
    for _ in range(2):
        database = Database(empty_url)
        database.prepare()
        assert database.ready()
        database.close()


def test_processes_that_start_together_make_the_tables_once(empty_url):
    code = (
        "import sys; from tuner.stores.sql import SqlStore; from tuner.testing.stores import example_spec;"
        "SqlStore(sys.argv[1]).create(example_spec(sys.argv[2]), {}).close('COMPLETE')"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, empty_url, str(n)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    failures = [process.communicate(timeout=120)[1] for process in started if process.wait(120)]
    assert failures == []
    assert sorted(info.name for info in SqlStore(empty_url).studies()) == [str(n) for n in range(4)]


@pytest.fixture
def next_version(tmp_path, monkeypatch):
    """Makes this tuner the next one, whose schema has one more version."""

    def upgrade_tuner():
        folder = tmp_path / "migrations"
        shutil.copytree(migrate._FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / "v9001_note.py").write_text(NEXT.format(head=migrate.HEAD))
        monkeypatch.setattr(migrate, "_FOLDER", folder)
        monkeypatch.setattr(migrate, "HEAD", "9001")

    return upgrade_tuner


@pytest.mark.parametrize("first", ["reading", "writing"])
def test_an_older_store_is_brought_up_to_date_with_everything_in_it(empty_url, next_version, first):
    store = SqlStore(empty_url)
    log = store.create(example_spec("demo"), {"a": 1})
    log.append(EVERY_EVENT, [finished_trial(0, 1.0)])
    log.close("COMPLETE")
    store.close()
    next_version()
    newer = SqlStore(empty_url)
    if first == "writing":
        newer.create(example_spec("other"), {}).close("COMPLETE")
    assert plain([event for _, event in newer.events("demo")]) == plain(EVERY_EVENT)
    with newer._database.reading() as connection:
        assert migrate.current_version(connection) == "9001"
        prefix = f"{SCHEMA}." if newer._database.url.dialect == "postgresql" else ""
        assert connection.exec_driver_sql(f"SELECT note FROM {prefix}study WHERE name = 'demo'").scalar() is None
    newer.acquire("demo").close("COMPLETE")


def test_a_study_of_0_1_opens_after_the_upgrade(path):
    """Written by 0.1: its schema, and a specification and a log that know nothing of what came later."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("study_of_0_1.sql").read_text(encoding="utf-8"))
    store = SqlStore(f"sqlite:///{path}")
    info = store.study("old")
    assert (info.state, dict(info.counts)) == ("COMPLETE", {"COMPLETE": 5, "PRUNED": 3})
    assert info.best_value == min(t.values["loss"] for t in store.trials("old") if t.state is TrialState.COMPLETE)
    assert (info.spec.constraints, info.spec.noisy, info.spec.limits.steps) == ((), False, None)
    assert {trial.violation for trial in store.trials("old")} == {0.0}
    log = store.acquire("old")
    assert len(log.read()) == len(store.events("old")) > 70
    log.append([TimerFired(2e9)], [replace(finished_trial(8, 0.0), violation=0.5), MEASURED])
    log.close("COMPLETE")
    assert store.trials("old")[-1].violation == 0.5
    assert store.study("old").best_value == info.best_value
    assert sql(path, f"SELECT version_num FROM {VERSION_TABLE}") == [(migrate.HEAD,)]


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_attempts_of_earlier_versions_keep_what_was_measured(path, version):
    """They know nothing of the base of the process and the rest, which is as if it were not measured."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("study_of_0_1.sql").read_text(encoding="utf-8"))
        if version == "0.2":
            connection.executescript(TO_0_2)
    store = SqlStore(f"sqlite:///{path}")
    first = store.attempts("old", 0)[0]
    assert first.usage == Usage(0.02734375, 0.002376363999999964, 0.0023722390000102678)
    assert decoded(store, 0) == first.usage
    log = store.acquire("old")
    store.send("old", "release", {"node": "all"})
    assert list(log.received()) == [("release", {"node": "all"})]
    log.append([], [MEASURED])
    log.close("COMPLETE")
    assert store.attempts("old", 8) == [MEASURED]
    assert sql(path, f"SELECT version_num FROM {VERSION_TABLE}") == [(migrate.HEAD,)]


def decoded(store: SqlStore, trial: int) -> Usage | None:
    """What the log says that the trial used."""
    return next(e.usage for _, e in store.events("old") if isinstance(e, Finished) and e.trial == trial)


def test_a_migration_that_fails_leaves_the_store_as_it_was(empty_url, next_version):
    store = SqlStore(empty_url)
    log = store.create(example_spec("demo"), {})
    log.append([TimerFired(1.0)], [])
    log.close("COMPLETE")
    store.close()
    head = migrate.HEAD
    next_version()
    broken = migrate._FOLDER / "versions" / "v9001_note.py"
    broken.write_text(broken.read_text() + "    op.add_column('no_such_table', sa.Column('x', sa.Text))\n")
    with pytest.raises(StoreError):
        SqlStore(empty_url).studies()
    database = Database(empty_url)
    with database.reading() as connection:
        assert migrate.current_version(connection) == head
        prefix = f"{SCHEMA}." if database.url.dialect == "postgresql" else ""
        assert "note" not in connection.exec_driver_sql(f"SELECT * FROM {prefix}study").keys()  # noqa: SIM118 -- rows otherwise


USES: dict[str, Callable[[SqlStore], object]] = {
    "create": lambda store: store.create(example_spec("other"), {}),
    "studies": lambda store: store.studies(),
    "study": lambda store: store.study("demo"),
    "acquire": lambda store: store.acquire("demo"),
    "delete": lambda store: store.delete("demo"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_newer_tuners_store_is_left_alone(path, use):
    url = f"sqlite:///{path}"
    SqlStore(url).create(example_spec("demo"), {}).close("COMPLETE")
    sql(path, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"newer tuner.*9999.*\n.*pip install --upgrade tuner"):
        use(SqlStore(url))
    assert sql(path, "SELECT name FROM study") == [("demo",)]
    assert sql(path, f"SELECT version_num FROM {VERSION_TABLE}") == [("9999",)]


def test_another_programs_tables_are_left_alone(path):
    sql(path, "CREATE TABLE trial (id INTEGER PRIMARY KEY)")
    with pytest.raises(StoreError, match="belongs to another program: it has tables called trial"):
        SqlStore(f"sqlite:///{path}").create(example_spec("demo"), {})
    assert sql(path, "SELECT name FROM sqlite_master WHERE type = 'table'") == [("trial",)]
    assert list(SqlStore(f"sqlite:///{path}").studies()) == []


def test_other_programs_migrations_in_the_file_do_not_matter(path):
    """Optuna and MLflow keep theirs in alembic_version."""
    sql(path, "CREATE TABLE alembic_version (version_num TEXT)")
    sql(path, "INSERT INTO alembic_version VALUES ('v3.0.0.d')")
    SqlStore(f"sqlite:///{path}").create(example_spec("demo"), {}).close("COMPLETE")
    assert sql(path, "SELECT version_num FROM alembic_version") == [("v3.0.0.d",)]


def test_an_up_to_date_store_is_opened_without_alembic(path):
    SqlStore(f"sqlite:///{path}").create(example_spec("demo"), {}).close("COMPLETE")
    code = (
        "import sys; from tuner.stores.sql import SqlStore;"
        "SqlStore(sys.argv[1]).acquire('demo').close('COMPLETE'); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "False"
