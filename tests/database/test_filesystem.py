from __future__ import annotations

import logging
import sqlite3
from typing import Any

import pytest

from tuner.database import journal
from tuner.database.filesystem import network_file_system
from tuner.stores.sql import SqlStore
from tuner.testing.stores import example_spec

MOUNTS = """\
21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
22 21 0:40 / {root}/nfs rw - nfs4 server:/export rw
23 21 0:41 / {root}/fuse\\040box rw shared:1 - fuse.sshfs me@host: rw
24 21 0:42 / {root}/disk rw - xfs /dev/sdb rw
25 22 0:43 / {root}/nfs/local rw - tmpfs tmpfs rw
26 21 0:44 / {root}/containers rw - fuse.fuse-overlayfs fuse-overlayfs rw
27 21 0:45 / {root}/over rw - ext4 /dev/sdc rw
28 21 0:46 / {root}/over rw - lustre mgs:/fs rw
nonsense
"""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("here.db", None),
        ("nfs/tuner.db", "nfs4"),
        ("nfs/deep/er/tuner.db", "nfs4"),
        ("nfs/local/tuner.db", None),
        ("nfsx/tuner.db", None),
        ("fuse box/tuner.db", "fuse.sshfs"),
        ("disk/tuner.db", None),
        ("containers/tuner.db", None),
        ("over/tuner.db", "lustre"),
    ],
)
def test_the_innermost_newest_mount_decides(tmp_path, name, kind):
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS.format(root=tmp_path))
    assert network_file_system(tmp_path / name, table) == kind


def test_a_link_is_followed(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS.format(root=tmp_path))
    (tmp_path / "link").symlink_to(tmp_path / "nfs")
    assert network_file_system(tmp_path / "link" / "tuner.db", table) == "nfs4"


def test_without_a_table_nothing_is_known(tmp_path):
    assert network_file_system(tmp_path / "tuner.db", tmp_path / "missing") is None


def test_a_local_store_has_the_write_ahead_log(tmp_path, caplog):
    path = tmp_path / "tuner.db"
    SqlStore(f"sqlite:///{path}").create(example_spec("demo"), {}).close("COMPLETE")
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert caplog.records == []


def test_on_a_network_file_system_the_rollback_journal_is_used_and_said_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(journal, "network_file_system", lambda path: "nfs4")
    path = tmp_path / "tuner.db"
    with caplog.at_level(logging.WARNING):
        store = SqlStore(f"sqlite:///{path}")
        log: Any = store.create(example_spec("demo"), {})
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert log._connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    log._connection.rollback()
    [record] = caplog.records
    assert "nfs4" in record.getMessage()
    assert "local disk or in PostgreSQL" in record.getMessage()
    log.close("COMPLETE")
