"""What the stores say alike: errors, the best value, parts of ``StudyInfo``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tuner.errors import StoreLocked, StudyExists, StudyNotFound, closest
from tuner.stores._lease import is_dead, shown_owner
from tuner.study import Metric

__all__ = ["Deferred", "best", "living_owner", "study_exists", "study_locked", "study_not_found"]


class Deferred(Mapping[str, Any]):
    """A mapping that is fetched when it is first looked into.

    A list of a thousand studies would otherwise read a thousand provenances, of up to a megabyte each, to show none.
    """

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]) -> None:
        self._fetch = fetch
        self._found: Mapping[str, Any] | None = None

    def _mapping(self) -> Mapping[str, Any]:
        if self._found is None:
            self._found = self._fetch()
        return self._found

    def __getitem__(self, key: str) -> Any:
        return self._mapping()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())


def best(metric: Metric, rows: Iterable[tuple[float, float | None]]) -> float | None:
    """The best value by the metric's goal among those that violate the constraints least; None when there is none.

    Args:
        metric: The study's first.
        rows: (violation, value) of complete trials; a value that is None or NaN is left out.
    """
    sign = 1.0 if metric.goal == "minimize" else -1.0
    found = [(violation, sign * value) for violation, value in rows if value is not None and value == value]
    return sign * min(found)[1] if found else None


def living_owner(owner: str | None, remaining_s: float | None) -> str | None:
    """The owner of a lease that still counts; None when nobody holds it.

    Args:
        owner: Who took it last; None when it was given back.
        remaining_s: Seconds until it ends unless renewed, below 0 when it has.
    """
    if owner is None or remaining_s is None or remaining_s <= 0 or is_dead(owner):
        return None
    return owner


def study_locked(name: str, shown: str, owner: str, remaining_s: float) -> StoreLocked:
    """A living driver holds the study."""
    host, _, pid = shown_owner(owner).rpartition(":")
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + remaining_s))
    return StoreLocked(
        f"study {name!r} in {shown} is being run by process {pid} on {host}, whose lease lasts until {until} "
        f"and is renewed while it lives",
        hint=f"let it finish or end that process; if {host} is lost, try again in {max(1, round(remaining_s))} s",
    )


def study_exists(name: str, shown: str) -> StudyExists:
    """The name is taken."""
    return StudyExists(
        f"there is already a study called {name!r} in {shown}", hint="resume it, or give the new one another name"
    )


def study_not_found(name: str, shown: str, known: Iterable[str]) -> StudyNotFound:
    """No such study. ``known``: the names there are, newest first."""
    names = list(known)
    near = closest(name, names)
    there = f"; there are: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "; it holds none"
    return StudyNotFound(
        f"there is no study called {name!r} in {shown}{there}", hint=f"did you mean {near!r}?" if near else None
    )
