"""Numbers and states in the words that every display and the command line use."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.dashboard.snapshot import Counts, FailureNote, Snapshot
from tuner.trial import ParamValue

__all__ = [
    "choice",
    "clock",
    "counts",
    "drain",
    "duration",
    "failure",
    "memory",
    "number",
    "pace",
    "param",
    "pluralize",
    "sparkline",
]

_SPARKS = "▁▂▃▄▅▆▇█"
_ASCII_SPARKS = "_.-~=+*#"


def number(value: float | None) -> str:
    """A metric's value, to six significant digits; ``-`` for None."""
    return "-" if value is None else f"{value:.6g}"


def param(value: ParamValue) -> str:
    """A parameter's value as a sweep file would hold it, reals to six significant digits."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``3m 05s``, ``2h 05m``, ``3d 4h``."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def clock(seconds: float) -> str:
    """``1:02:03``: of one width for a column of lines."""
    whole = int(max(seconds, 0.0))
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def pace(per_minute: float) -> str:
    """Trials per minute, without more digits than say something: ``0.25``, ``19.2``, ``3,600``."""
    return f"{per_minute:,.0f}" if per_minute >= 100 else f"{per_minute:.3g}"


def memory(mib: float) -> str:
    """An amount of memory: ``40 KiB``, ``512 MiB``, ``7.2 GiB``."""
    if 0.0 < mib < 1.0:
        return f"{max(round(mib * 1024), 1)} KiB"
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"


def pluralize(n: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def counts(of: Counts, *, waiting: bool = True) -> list[str]:
    """Trials by how they stand, those that are there: ``14 complete``, ``8 stopped early``, ..."""
    named: Mapping[str, int] = {
        "complete": of.complete,
        "stopped early": of.pruned,
        "failed": of.failed,
        "cut off at the end": of.cut,
        "running": of.running,
        "waiting": of.waiting if waiting else 0,
        "paused": of.paused,
        "promoted": of.promoted,
        "retried": of.retried,
    }
    return [f"{n} {word}" for word, n in named.items() if n]


def choice(snapshot: Snapshot) -> list[str]:
    """How many trials keep to the constraints, and how many are on the front, where there are such."""
    complete = snapshot.counts.complete
    told = [f"{snapshot.feasible} of {complete} feasible"] if snapshot.feasible is not None and complete else []
    return told + ([] if snapshot.front is None else [f"{snapshot.front} on the front"])


def drain(snapshot: Snapshot) -> str:
    """What happens after a person asked the study to end."""
    if not snapshot.counts.running:
        return "ending; it can be resumed"
    running = pluralize(snapshot.counts.running, "running trial")
    if snapshot.draining == "drain":
        return f"finishing {running}; press Ctrl-C again to kill them (both can be resumed)"
    return f"ending {running} (can be resumed)"


def failure(note: FailureNote) -> str:
    """A failed attempt in one line."""
    said = f": {note.text}" if note.text else ""
    return (
        f"trial {note.trial} ({note.kind}){said}"
        if note.final
        else f"trial {note.trial} tries again ({note.kind}){said}"
    )


def sparkline(values: tuple[float, ...], *, ascii_only: bool = False) -> str:
    """The values as bars of eight heights; empty for fewer than two."""
    if len(values) < 2:
        return ""
    sparks = _ASCII_SPARKS if ascii_only else _SPARKS
    low, high = min(values), max(values)
    span = high - low
    if not 0 < span < float("inf"):
        return sparks[0] * len(values)
    return "".join(sparks[min(int((value - low) / span * len(sparks)), len(sparks) - 1)] for value in values)
