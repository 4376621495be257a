"""What is left of a store when its writer is killed, or its last transaction was written only in part."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tuner.core.events import Event, Finished, Reported, Started, Suggested, TimerFired
from tuner.resources import Resources, Usage
from tuner.stores.sql import SqlStore
from tuner.testing.stores import example_spec, finished_trial
from tuner.trial import Attempt, Completed, Trial

SEED = 20261123
ROOT = Path(__file__).resolve().parents[2]

# Appends for ever, and says each position only after the append has returned.
WRITER = """
import sys
from tests.stores.test_crash import trial_batch
from tuner.errors import StudyNotFound
from tuner.stores.sql import SqlStore
from tuner.testing.stores import example_spec

store = SqlStore(sys.argv[1])
try:
    log = store.acquire("demo")
except StudyNotFound:
    log = store.create(example_spec("demo"), {})
n = len(log.read())
print("from", n, flush=True)
while True:
    events, entries = trial_batch(n // 6)
    log.append(events, entries)
    n += len(events)
    print(n, flush=True)
"""


def trial_batch(number: int) -> tuple[list[Event], list[Trial | Attempt]]:
    """Six events of one trial, and what stands after them."""
    outcome = Completed({"loss": float(number)})
    events: list[Event] = [
        Suggested(1.0, number, {"rate": 0.5}),
        Started(2.0, number, 1, "node"),
        *(Reported(3.0, number, 1, step, {"loss": step / 3, "accuracy": 0.5}) for step in range(3)),
        Finished(4.0, number, 1, outcome, Usage(1.0, 2.0, 3.0)),
    ]
    attempt = Attempt(number, 1, Resources(), "node", 2.0, 4.0, outcome, Usage(1.0, 2.0, 3.0))
    return events, [finished_trial(number, float(number)), attempt]


def check_whole(store: SqlStore) -> int:
    """The log is a number of whole batches, and the folds are of the same ones; how many events there are."""
    events = list(store.events("demo"))
    n_trials, rest = divmod(len(events), 6)
    assert rest == 0
    assert [n for n, _ in events] == list(range(1, len(events) + 1))
    expected = [trial_batch(number) for number in range(n_trials)]
    assert [event for _, event in events] == [event for batch, _ in expected for event in batch]
    assert list(store.trials("demo")) == [entries[0] for _, entries in expected]
    assert list(store.attempts("demo")) == [entries[1] for _, entries in expected]
    return len(events)


def kill_after(url: str, n_acknowledged: int) -> tuple[int, int]:
    """Run a writer until it has acknowledged so many appends, kill it, and return (where it began, its last position)."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert writer.stdout is not None
        began = last = int(writer.stdout.readline().split()[1])
        for _ in range(n_acknowledged):
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        # What it still said before it died was acknowledged as well; the last line may be cut.
        last = max([last, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        writer.wait(30)
    finally:
        writer.kill()
        writer.wait(30)
    return began, last


def killed_writers_lose_nothing(url: str) -> None:
    chance = random.Random(SEED)
    acknowledged = 0
    for _ in range(5):
        began, last = kill_after(url, chance.randint(5, 120))
        # The next writer begins at once, with no less than the last one had been promised.
        assert began >= acknowledged
        store = SqlStore(url)
        kept = check_whole(store)
        assert kept >= last
        assert store.study("demo").owner is None
        assert store.study("demo").state == "RUNNING"
        store.close()
        acknowledged = last
    log = SqlStore(url).acquire("demo")
    log.append([TimerFired(9.0)], [])
    log.close("INTERRUPTED")


def test_killed_writers_lose_nothing_in_sqlite(tmp_path):
    killed_writers_lose_nothing(f"sqlite:///{tmp_path}/tuner.db")


@pytest.mark.postgres
def test_killed_writers_lose_nothing_in_postgresql(postgres_url):
    killed_writers_lose_nothing(postgres_url)


def test_a_torn_write_loses_whole_appends_only(tmp_path):
    """Whatever part of the write-ahead log reached the disk, the store opens with the appends that are whole in it."""
    store = SqlStore(f"sqlite:///{tmp_path}/tuner.db")
    log = store.create(example_spec("demo"), {})
    for number in range(20):
        log.append(*trial_batch(number))
    wal = tmp_path / "tuner.db-wal"
    size = wal.stat().st_size
    assert size > 0
    kept = set()
    for turn, cut in enumerate([size, *range(0, size, size // 40)]):
        folder = tmp_path / f"cut {turn}"
        folder.mkdir()
        shutil.copy(tmp_path / "tuner.db", folder / "tuner.db")
        content = bytearray(wal.read_bytes()[:cut])
        if turn % 2:  # the last page may also hold anything
            content[-512:] = bytes(b ^ 0x5A for b in content[-512:])
        (folder / "tuner.db-wal").write_bytes(content)
        copy = SqlStore(f"sqlite:///{folder}/tuner.db")
        if [info.name for info in copy.studies()] == ["demo"]:
            kept.add(check_whole(copy))
        copy.close()
    assert len(kept) > 10
    assert max(kept) == 120
    log.close("COMPLETE")
    store.close()
