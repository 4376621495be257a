"""What git knows of a folder: commit, branch, and what differs from the commit."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from tuner.database.url import mask_urls

__all__ = ["repository_facts"]

TIMEOUT_S = 5.0
DIFF_LIMIT = 1 << 20
_STATUS_LIMIT = 1 << 20
_UNTRACKED_LIMIT = 200


def repository_facts(folder: Path, timeout_s: float = TIMEOUT_S) -> dict[str, Any] | None:
    """Commit, branch, remote and uncommitted changes of the repository that ``folder`` is in.

    Args:
        folder: Any folder of it.
        timeout_s: How long each of git's commands may take; one that takes longer is ended and ``problem`` names it.

    Returns:
        ``commit`` (None before the first), ``branch`` (None when detached), ``remote``, ``dirty``, ``diff`` against the
        commit (at most ``DIFF_LIMIT`` bytes, then ``diff_truncated``), ``untracked`` (names), ``problem``. None when git is
        not installed or the folder is in no repository.
    """
    status, problem = _git(folder, ["status", "--porcelain=v2", "--branch", "-z"], _STATUS_LIMIT, timeout_s)
    if status is None:
        return None if problem is None else {"problem": problem}
    facts = _understood(status)
    facts["problem"] = problem
    remote, _ = _git(folder, ["config", "--get", "remote.origin.url"], 10_000, timeout_s)
    facts["remote"] = mask_urls(remote.decode("utf-8", "replace").strip()) if remote else None
    facts["diff"], facts["diff_truncated"] = "", False
    if facts["dirty"] and facts["commit"] is not None:
        command = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "HEAD"]
        diff, problem = _git(folder, command, DIFF_LIMIT + 1, timeout_s)
        facts["diff"] = mask_urls((diff or b"")[:DIFF_LIMIT].decode("utf-8", "replace"))
        facts["diff_truncated"] = len(diff or b"") > DIFF_LIMIT
        facts["problem"] = facts["problem"] or problem
    return facts


def _understood(status: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = {"commit": None, "branch": None, "dirty": False, "untracked": []}
    for row in status.decode("utf-8", "replace").split("\0"):
        if row.startswith("# branch.oid ") and not row.endswith("(initial)"):
            facts["commit"] = row.removeprefix("# branch.oid ")
        elif row.startswith("# branch.head ") and not row.endswith("(detached)"):
            facts["branch"] = row.removeprefix("# branch.head ")
        elif row.startswith("? "):
            if len(facts["untracked"]) < _UNTRACKED_LIMIT:
                facts["untracked"].append(row.removeprefix("? "))
        elif row[:2] in ("1 ", "2 ", "u "):
            facts["dirty"] = True
    return facts


def _git(folder: Path, command: list[str], limit: int, timeout_s: float) -> tuple[bytes | None, str | None]:
    """(the first ``limit`` bytes of what git says, what went wrong).

    Nothing was said (None) when git is missing, took too long or ended with an error; the last is no problem worth noting.
    """
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        process = subprocess.Popen(
            ["git", "-C", str(folder), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | quiet,
            start_new_session=True,
        )
    except OSError:
        return None, None
    expired = threading.Event()

    def end() -> None:
        expired.set()
        # A helper that git started (fsmonitor, a filter) would keep the pipe open.
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()

    timer = threading.Timer(timeout_s, end)
    timer.start()
    assert process.stdout is not None
    with process.stdout as output:
        said = output.read(limit)
    # Closing our end makes git stop by itself when there was more than we want.
    process.wait()
    timer.cancel()
    if expired.is_set():
        return None, f"git {command[0]} took longer than {timeout_s:g} s"
    return (said, None) if process.returncode == 0 or len(said) == limit else (None, None)
