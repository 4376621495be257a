"""The queries of docs/store.md give what the page says, on both databases."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.stores import postgres
from tuner.core.events import Event, Finished, Reported, Started, Suggested, TimerFired
from tuner.resources import Resources, Usage
from tuner.stores.sql import SqlStore
from tuner.testing.stores import example_spec
from tuner.trial import Attempt, Completed, Failed, FailureKind, Outcome, Pruned, Trial, TrialState

PAGE = Path(__file__).resolve().parents[2] / "docs" / "store.md"
QUERIES = [
    (question, dialect, query)
    for question, dialect, query in re.findall(
        r"\n([^\n]+)\n\n```sql ?(\w*)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
]

EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "How do my studies stand?": [("other", "FAILED", 0, 0), ("demo", "COMPLETE", 4, 2)],
    "Which are the best trials? (`DESC` for a metric that is maximised.)": [
        (2, 0.25, '{"depth":3}'),
        (0, 0.5, '{"depth":2}'),
    ],
    "How did the best value improve?": [(0, 0.5), (2, 0.25)],
    "What is the learning curve of trial 2?": [(0, 1.0), (1, 0.5), (2, 0.25)],
    "At which step were trials stopped, and how many steps did that save against the longest one?": [(1, 0, 2)],
    "Why did attempts fail?": [("out_of_memory", 2, 1), ("node_lost", 1, 1)],
    "What did it cost, and how much of that went into attempts that came to nothing?": [(24.0, 12.0, 6.0)],
    "How much of the granted memory was used?": [
        (0, 1, 100.0, 25.0, 0.75),
        (2, 1, 200.0, 100.0, 0.5),
        (2, 2, 200.0, 100.0, 0.5),
        (3, 1, 100.0, 100.0, 0.0),
        (3, 2, 200.0, 200.0, 0.0),
    ],
    "How busy was each node?": [("a", 4, 8.0), ("b", 2, 4.0)],
    "What happened last?": [(17, "TimerFired", 9.0), (16, "Finished", 8.0), (15, "Started", 7.0)],
    "Parameters are JSON, for which the two databases have their own words. What is the mean loss by depth, in SQLite?": [
        (2, 0.5),
        (3, 0.25),
    ],
    "And in PostgreSQL?": [(2, 0.5), (3, 0.25)],
}


def attempt(trial: int, number: int, node: str, memory: float, used: float, outcome: Outcome) -> Attempt:
    start_s = trial + number
    return Attempt(
        trial, number, Resources(1.0, 0.0, memory), node, start_s, start_s + 2.0, outcome, Usage(used, 4.0, 2.0)
    )


def fill(url: str) -> None:
    store = SqlStore(url)
    log = store.create(example_spec("demo"), {})
    lost, memory = Failed(FailureKind.NODE_LOST, "gone"), Failed(FailureKind.OUT_OF_MEMORY, "killed")
    best = Completed({"loss": 0.25})
    events: list[Event] = [Suggested(0.0, n, {"depth": 2 + n}) for n in range(4)]
    events += [Reported(1.0, 2, 2, step, {"loss": loss}) for step, loss in enumerate((1.0, 0.5, 0.25))]
    events += [Started(1.0, 0, 1), Finished(2.0, 0, 1, Completed({"loss": 0.5})), Started(2.0, 1, 1)]
    events += [Finished(3.0, 1, 1, Pruned(0)), Started(3.0, 2, 1), Finished(4.0, 2, 1, lost), Started(4.0, 2, 2)]
    events += [Started(7.0, 3, 2), Finished(8.0, 3, 2, memory), TimerFired(9.0)]
    trials = [
        Trial(0, TrialState.COMPLETE, {"depth": 2}, {"loss": 0.5}, 1, 0, None, 1.0, 3.0, 2.0),
        Trial(1, TrialState.PRUNED, {"depth": 3}, {"loss": 0.1}, 1, 1, 0, 2.0, 3.0, 2.0),
        Trial(2, TrialState.COMPLETE, {"depth": 3}, {"loss": 0.25}, 2, 3, 2, 3.0, 6.0, 4.0),
        Trial(3, TrialState.FAIL, {"depth": 5}, {}, 2, 0, None, 4.0, 8.0, 4.0, memory),
    ]
    attempts = [
        attempt(0, 1, "a", 100.0, 25.0, Completed({"loss": 0.5})),
        attempt(1, 1, "b", 0.0, 50.0, Pruned(0)),
        attempt(2, 1, "b", 200.0, 100.0, lost),
        attempt(2, 2, "a", 200.0, 100.0, best),
        attempt(3, 1, "a", 100.0, 100.0, memory),
        attempt(3, 2, "a", 200.0, 200.0, memory),
    ]
    log.append(events, [*trials, *attempts])
    log.close("COMPLETE")
    store.create(example_spec("other"), {}).close("FAILED")
    store.close()


def test_every_query_of_the_page_is_here():
    assert [question for question, _, _ in QUERIES] == list(EXPECTED)


def rounded(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(float(v) if type(v).__name__ == "Decimal" else v for v in row) for row in rows]


def test_queries_on_sqlite(tmp_path):
    fill(f"sqlite:///{tmp_path}/tuner.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "tuner.db")) as connection:
        for question, dialect, query in QUERIES:
            if dialect in ("", "sqlite"):
                assert (question, connection.execute(query).fetchall()) == (question, EXPECTED[question])


@pytest.mark.postgres
def test_queries_on_postgresql(postgres_url):
    fill(postgres_url)
    name = postgres_url.rpartition("/")[2].partition("?")[0]
    for question, dialect, query in QUERIES:
        if dialect in ("", "postgresql"):
            assert (question, rounded(postgres.run(query, name))) == (question, EXPECTED[question])
