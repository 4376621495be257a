"""The register of a cluster's nodes: one JSON file, which ``ray up`` and the autoscaler on the head change under a lock."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tuner.errors import ExecutorError

__all__ = ["Entry", "Register", "locked"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A node that has not been terminated.

    Attributes:
        node_id: Unique in the cluster's life.
        address: Its loopback address.
        tags: What Ray wrote on it.
        ready_at_s: When it has booted, in seconds since the epoch.
    """

    node_id: str
    address: str
    tags: Mapping[str, str]
    ready_at_s: float = 0.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that also holds between processes and between threads of one; it ends with its holder."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Register:
    """The nodes of one cluster, on disk.

    Args:
        folder: The cluster's own; made, for this user only, when it is not there.

    Raises:
        ExecutorError: The folder cannot be made, or belongs to somebody else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file, self._lock = folder / "nodes.json", folder / "register.lock"
        _make_private(folder)

    def entries(self) -> dict[str, Entry]:
        """Every node, by its id, in the order in which they came."""
        with locked(self._lock):
            return self._read()[1]

    def add(self, cluster: str, tags: Mapping[str, str], ready_at_s: float, address_of: Callable[[int], str]) -> Entry:
        """Enter a new node; numbers are never used twice before the register is emptied by the head's end."""
        with locked(self._lock):
            number, entries = self._read()
            entry = Entry(f"{cluster}-{number}", address_of(number), dict(tags), ready_at_s)
            self._write(number + 1, {**entries, entry.node_id: entry})
            return entry

    def tag(self, node_id: str, tags: Mapping[str, str]) -> None:
        """Write on a node; nothing happens when it is gone."""
        with locked(self._lock):
            number, entries = self._read()
            if node_id in entries:
                entries[node_id] = replace(entries[node_id], tags={**entries[node_id].tags, **tags})
                self._write(number, entries)

    def remove(self, node_id: str) -> None:
        """Strike a node out. With the last one the numbers begin anew, so that the next head has the same address."""
        with locked(self._lock):
            number, entries = self._read()
            if entries.pop(node_id, None):
                self._write(number if entries else 0, entries)

    def _read(self) -> tuple[int, dict[str, Entry]]:
        try:
            document = json.loads(self._file.read_text())
        except FileNotFoundError:
            return 0, {}
        return document["next"], {row["node_id"]: Entry(**row) for row in document["nodes"]}

    def _write(self, number: int, entries: Mapping[str, Entry]) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"next": number, "nodes": [asdict(entry) for entry in entries.values()]}))
        new.replace(self._file)


def _make_private(folder: Path) -> None:
    """Make the folder, and refuse one in which others could put things: commands are run from it."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise ExecutorError(f"the folder of the cluster, {folder}, cannot be made: {error.strerror}") from error
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise ExecutorError(
            f"the folder of the cluster, {folder}, can be written by others than you",
            hint=f"chmod go-w {folder}, or name another folder as provider.state_dir",
        )
