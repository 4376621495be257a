"""Studies in this process's memory: for tests, simulations and dry runs. Nothing outlives the process."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.core.events import Event, Reported
from tuner.core.ports import Store, StudyInfo, StudyLog
from tuner.errors import StoreError, StoreFenced, StoreUnreachable
from tuner.stores._info import best, living_owner, study_exists, study_locked, study_not_found
from tuner.stores._json import dumps, loads
from tuner.stores._lease import LEASE_S, new_owner, shown_owner
from tuner.study import StudySpec
from tuner.trial import Attempt, Report, Trial, TrialState

__all__ = ["MemoryStore"]

_SCHEME = "memory://"


@dataclass(slots=True, eq=False)
class _Study:
    """One study. Its fence rises with every take-over; a deleted one is fenced off for good."""

    spec: StudySpec
    provenance: Mapping[str, Any]
    created_at: float
    state: str = "RUNNING"
    closed_reason: str | None = None
    model: str | None = None
    fence: int = 0
    owner: str | None = None
    until_s: float = 0.0
    deleted: bool = False
    log: list[Event] = field(default_factory=list)
    trials: dict[int, Trial] = field(default_factory=dict)
    attempts: dict[tuple[int, int], Attempt] = field(default_factory=dict)
    commands: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def living_owner(self) -> str | None:
        return living_owner(self.owner, self.until_s - time.monotonic())

    def claim(self, lease_s: float) -> int:
        """Take the lease; the number of the claim."""
        self.fence += 1
        self.commands = []
        self.owner, self.until_s, self.state = new_owner(), time.monotonic() + lease_s, "RUNNING"
        return self.fence


@dataclass(slots=True)
class _Shelf:
    """The studies of one URL, in the order of creation, and the lock that every access takes."""

    studies: dict[str, _Study] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)


_shared: dict[str, _Shelf] = {}


class _MemoryLog(StudyLog):
    def __init__(self, shelf: _Shelf, study: _Study, lease_s: float) -> None:
        self._shelf, self._study, self._lease_s = shelf, study, lease_s
        self._fence = study.claim(lease_s)
        self._closed = False

    def read(self) -> Sequence[Event]:
        with self._shelf.lock:
            return list(self._study.log)

    def append(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        new, trials, attempts = list(events), dict[int, Trial](), dict[tuple[int, int], Attempt]()
        for entry in entries:
            if isinstance(entry, Trial):
                trials[entry.number] = entry
            elif isinstance(entry, Attempt):
                attempts[entry.trial, entry.number] = entry
            else:
                raise TypeError(f"an entry must be a Trial or an Attempt, not {type(entry).__name__}")
        with self._shelf.lock:
            study = self._held()
            study.log += new
            study.trials.update(trials)
            study.attempts.update(attempts)

    def received(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        with self._shelf.lock:
            commands = self._held().commands
            sent = list(commands)
            commands.clear()
        return sent

    def renew(self) -> None:
        with self._shelf.lock:
            self._held()

    def set_model(self, path: str) -> None:
        with self._shelf.lock:
            self._held().model = path

    def close(self, state: str, reason: str | None = None) -> None:
        with self._shelf.lock:
            if not self._closed and self._study.fence == self._fence and not self._study.deleted:
                self._study.state, self._study.closed_reason, self._study.owner = state, reason, None
            self._closed = True

    def _held(self) -> _Study:
        """The study, its lease renewed.

        Raises:
            StoreFenced: It is another's now.
        """
        study = self._study
        if self._closed:
            raise StoreError(f"the log of study {study.spec.name!r} is closed")
        if study.deleted:
            raise StoreFenced(f"study {study.spec.name!r} was deleted: this driver may write no more")
        if study.fence != self._fence:
            raise StoreFenced(f"study {study.spec.name!r} was taken over: this driver may write no more")
        study.until_s = time.monotonic() + self._lease_s
        return study


class MemoryStore(Store):
    """Studies in memory, with the leases and fences of the other stores.

    Args:
        url: ``memory://`` or ``memory://NAME``: the store that all of this process share by that URL, which stays as long as
            the process. None for a store of its own.
        lease_s: How long a lease lasts when it is not renewed, at least 0.

    Raises:
        StoreUnreachable: The URL is another store's.
    """

    def __init__(self, url: str | None = None, *, lease_s: float = LEASE_S) -> None:
        if url is not None and not url.startswith(_SCHEME):
            raise StoreUnreachable(f"{url!r} is no store in memory; expected memory:// or memory://NAME")
        self._url, self._lease_s = url or _SCHEME, lease_s
        self._shelf = _Shelf() if url is None else _shared.setdefault(url, _Shelf())

    def create(self, spec: StudySpec, provenance: Mapping[str, Any]) -> StudyLog:
        """A new study with an empty log."""
        study = _Study(spec, loads(dumps(dict(provenance))), time.time())
        with self._shelf.lock:
            if spec.name in self._shelf.studies:
                raise study_exists(spec.name, self._url)
            self._shelf.studies[spec.name] = study
            return _MemoryLog(self._shelf, study, self._lease_s)

    def acquire(self, name: str) -> StudyLog:
        """The log of a study that is there."""
        with self._shelf.lock:
            return _MemoryLog(self._shelf, self._free(name), self._lease_s)

    def studies(self) -> Sequence[StudyInfo]:
        """Every study, newest first."""
        with self._shelf.lock:
            return [_info(study) for study in reversed(self._shelf.studies.values())]

    def study(self, name: str) -> StudyInfo:
        """One study."""
        with self._shelf.lock:
            return _info(self._find(name))

    def trials(self, name: str) -> Sequence[Trial]:
        """Its trials by number."""
        with self._shelf.lock:
            return [trial for _, trial in sorted(self._find(name).trials.items())]

    def attempts(self, name: str, trial: int | None = None) -> Sequence[Attempt]:
        """Its attempts by trial and number; of one trial only when that is given."""
        with self._shelf.lock:
            found = sorted(self._find(name).attempts.items())
        return [attempt for (number, _), attempt in found if trial is None or number == trial]

    def reports(self, name: str, trial: int | None = None) -> Sequence[Report]:
        """Its reports in the order of the log; of one trial only when that is given."""
        with self._shelf.lock:
            log = list(self._find(name).log)
        return [
            Report(event.at_s, event.trial, event.attempt, event.step, event.values)
            for event in log
            if type(event) is Reported and (trial is None or event.trial == trial)
        ]

    def events(self, name: str, after: int = 0) -> Sequence[tuple[int, Event]]:
        """(position, event) of its log above ``after``."""
        with self._shelf.lock:
            return list(enumerate(self._find(name).log[max(after, 0) :], max(after, 0) + 1))

    def send(self, name: str, command: str, arguments: Mapping[str, Any]) -> None:
        """Ask something of the driver that runs the study."""
        plain = loads(dumps(dict(arguments)))
        with self._shelf.lock:
            self._find(name).commands.append((command, plain))

    def delete(self, name: str) -> None:
        """Remove a study that no living driver holds."""
        with self._shelf.lock:
            self._free(name).deleted = True
            del self._shelf.studies[name]

    def close(self) -> None:
        """Nothing to close."""

    def _find(self, name: str) -> _Study:
        study = self._shelf.studies.get(name)
        if study is None:
            raise study_not_found(name, self._url, reversed(self._shelf.studies))
        return study

    def _free(self, name: str) -> _Study:
        """A study that nobody holds.

        Raises:
            StoreLocked: A living driver holds it.
        """
        study = self._find(name)
        owner = study.living_owner()
        if owner is not None:
            raise study_locked(name, self._url, owner, study.until_s - time.monotonic())
        return study


def _info(study: _Study) -> StudyInfo:
    owner = study.living_owner()
    complete = [t for t in study.trials.values() if t.state is TrialState.COMPLETE]
    metric = study.spec.metric
    return StudyInfo(
        name=study.spec.name,
        state=study.state,
        created_at=study.created_at,
        closed_reason=study.closed_reason,
        owner=None if owner is None else shown_owner(owner),
        counts=dict(Counter(trial.state.value for trial in study.trials.values())),
        best_value=best(metric, ((trial.violation, trial.values.get(metric.name)) for trial in complete)),
        spec=study.spec,
        provenance=study.provenance,
        model=study.model,
    )
