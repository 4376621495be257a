"""What ``tuner doctor`` looks at, besides Ray."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from tuner.api.stores import open_store, store_folder, store_url
from tuner.cli._standing import is_dead
from tuner.core.ports import StudyInfo
from tuner.dashboard import text
from tuner.errors import StoreError
from tuner.provenance import masked

__all__ = ["Finding", "installation", "machine", "store"]

_MIB = 1 << 20
_LEAST_MEMORY_MIB = 1024
_LEAST_DISK_MIB = 1024
_SHM_SHARE = 0.3  # what Ray takes of memory for its object store, in /dev/shm
_NEEDED = (
    "ray", "optuna", "scikit-learn", "xgboost", "numpy", "psutil", "pandas", "pyarrow", "sqlalchemy", "alembic",
    "ruamel.yaml", "typer", "rich", "skops", "threadpoolctl", "cloudpickle",
)  # fmt: skip
_EXTRAS = {"lightgbm": "lightgbm", "psycopg": "postgres", "optuna-dashboard": "dashboard"}
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*>=\s*([0-9][0-9.]*)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        level: ``ok``; ``warn``, which may do harm; ``fail``, with which tuner will not work.
        what: What was looked at.
        found: What was found.
        mend: What to do; empty when it is ok.
    """

    level: Literal["ok", "warn", "fail"]
    what: str
    found: str
    mend: str = ""


def machine() -> Iterator[Finding]:
    """Python, processors, memory, disk."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", "Python", f"{version} ({sys.executable})")
    yield Finding("ok", "CPUs", f"{_usable_cpus()} usable of {os.cpu_count()}")
    memory = psutil.virtual_memory()
    free_mib = memory.available / _MIB
    told = f"{text.memory(free_mib)} free of {text.memory(memory.total / _MIB)}"
    few = free_mib < _LEAST_MEMORY_MIB
    yield Finding(
        "warn" if few else "ok", "memory", told, "end other programs, or run fewer trials at once" if few else ""
    )
    yield _shared_memory(memory.available / _MIB)
    for folder, whose in ((Path.cwd(), "disk here"), (Path(tempfile.gettempdir()), "disk for Ray's files")):
        yield _disk(folder, whose)


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shared_memory(free_mib: float) -> Finding:
    shm = Path("/dev/shm")
    if not shm.is_dir():
        return Finding("ok", "shared memory", "no /dev/shm; Ray uses temporary files")
    held_mib = shutil.disk_usage(shm).free / _MIB
    if held_mib >= _SHM_SHARE * free_mib:
        return Finding("ok", "shared memory", f"{text.memory(held_mib)} free in /dev/shm")
    mend = "give /dev/shm more room (docker run --shm-size=...); Ray uses slower files on disk until then"
    return Finding("warn", "shared memory", f"only {text.memory(held_mib)} free in /dev/shm", mend)


def _disk(folder: Path, whose: str) -> Finding:
    free_mib = shutil.disk_usage(folder).free / _MIB
    told = f"{text.memory(free_mib)} free at {folder}"
    if not os.access(folder, os.W_OK):
        return Finding("fail", whose, f"{folder} cannot be written", "work in another folder, or set TMPDIR")
    few = free_mib < _LEAST_DISK_MIB
    return Finding("warn" if few else "ok", whose, told, "make room; Ray stops working on a full disk" if few else "")


def installation() -> Iterator[Finding]:
    """Packages and their versions, and Ray's token."""
    least = _least_versions()
    missing, old, found = [], [], []
    for package in _NEEDED:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
            continue
        found.append(f"{package} {version}")
        if package in least and _numbers(version) < _numbers(least[package]):
            old.append(f"{package} {version} is below {least[package]}")
    if missing or old:
        said = "; ".join([*(f"{package} is missing" for package in missing), *old])
        yield Finding("fail", "packages", said, "install tuner again: pip install --upgrade tuner")
    else:
        yield Finding("ok", "packages", ", ".join(found))
    yield _extras()
    yield _token()


def _least_versions() -> dict[str, str]:
    """What this installation's own metadata ask for; empty in a checkout that was never installed."""
    try:
        wanted = importlib.metadata.requires("tuner") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = (_REQUIREMENT.match(line) for line in wanted if "extra ==" not in line)
    return {match[1].lower(): match[2] for match in found if match}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _extras() -> Finding:
    there, absent = [], []
    for package, extra in _EXTRAS.items():
        try:
            there.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            absent.append(f"{package} (pip install 'tuner[{extra}]')")
    return Finding(
        "ok",
        "extras",
        "; ".join([", ".join(there) or "none", *([f"not there: {', '.join(absent)}"] if absent else [])]),
    )


def _token() -> Finding:
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if os.environ.get("RAY_AUTH_MODE", "token") != "token":
        mend = "unset RAY_AUTH_MODE unless this machine is yours alone"
        return Finding("warn", "Ray's token", "authentication is switched off by RAY_AUTH_MODE", mend)
    if os.environ.get("RAY_AUTH_TOKEN"):
        return Finding("ok", "Ray's token", "from RAY_AUTH_TOKEN")
    try:
        if not path.exists():
            return Finding("ok", "Ray's token", f"none yet; it is made at {path} when Ray first starts")
        if path.stat().st_mode & 0o077:
            return Finding("warn", "Ray's token", f"others can read {path}", f"chmod 600 {path}")
        empty = not path.read_text(encoding="utf-8").strip()
    except OSError as error:
        return Finding(
            "fail", "Ray's token", f"{path}: {error.strerror or error}", f"make {path} yours: chmod 600 {path}"
        )
    if empty:
        return Finding("fail", "Ray's token", f"{path} is empty", f"rm {path}: a new one is made when Ray starts")
    return Finding("ok", "Ray's token", str(path))


def store(url: str | None) -> Iterator[Finding]:
    """Whether the store answers, and what dead drivers left in it."""
    where = store_url(url)
    try:
        opened = open_store(where)
        try:
            infos: Sequence[StudyInfo] = opened.studies()
        finally:
            opened.close()
    except StoreError as error:
        yield Finding("fail", "store", error.message, error.hint or "see --store and $TUNER_STORE")
        return
    yield Finding("ok", "store", f"{masked(where)}: {len(infos)} {'study' if len(infos) == 1 else 'studies'}")
    if where.startswith("memory:"):
        return
    folder = store_folder(where)
    yield _writable(folder)
    dead = [info.name for info in infos if is_dead(info)]
    if dead:
        mend = "; ".join(f"tuner resume {name}" for name in dead[:5])
        yield Finding("warn", "dead drivers", f"left {len(dead)} running: {', '.join(dead[:5])}", mend)
    logs = folder / "logs"
    known = {info.name for info in infos}
    orphans = [path for path in sorted(logs.iterdir()) if path.name not in known] if logs.is_dir() else []
    if orphans:
        mend = "if nobody needs them: rm -r " + " ".join(str(path) for path in orphans[:5])
        yield Finding("warn", "logs of no study", f"{len(orphans)} in {logs}", mend)


def _writable(folder: Path) -> Finding:
    above = folder
    while not above.exists():
        above = above.parent
    if not os.access(above, os.W_OK):
        return Finding(
            "fail", "store's folder", f"{above} cannot be written", "choose another store, or mend its rights"
        )
    return Finding("ok", "store's folder", str(folder))
