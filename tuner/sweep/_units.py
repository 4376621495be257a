"""Durations, memory and shares as people write them."""

from __future__ import annotations

import math
import re

__all__ = ["format_duration", "format_memory", "parse_duration_s", "parse_memory_mib", "parse_share"]

_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "min": 60.0, "s": 1.0, "sec": 1.0, "ms": 0.001}
_ORDER = ("d", "h", "m", "s", "ms")
_MIB = {
    "ki": 2.0**-10, "mi": 1.0, "gi": 2.0**10, "ti": 2.0**20,
    "k": 1e3 / 2**20, "m": 1e6 / 2**20, "g": 1e9 / 2**20, "t": 1e12 / 2**20,
}  # fmt: skip
_NUMBER = r"(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)"
_DURATION = re.compile(rf"{_NUMBER}\s*(days?|d|hours?|hrs?|h|minutes?|mins?|ms|m|seconds?|secs?|s)\s*", re.IGNORECASE)
_MEMORY = re.compile(rf"{_NUMBER}\s*([kmgt]i?)b?", re.IGNORECASE)
_SHARE = re.compile(rf"{_NUMBER}\s*%")


def parse_duration_s(value: str | float) -> float | None:
    """Seconds in ``2h``, ``1h30m``, ``90 s``, ``250ms`` or a bare number of seconds; None when it is no duration.

    Units may not repeat and go from large to small.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _finite(float(value))
    text, total, rank = value.strip(), 0.0, -1
    if re.fullmatch(_NUMBER, text):
        return _finite(float(text))
    position = 0
    while position < len(text):
        found = _DURATION.match(text, position)
        if not found:
            return None
        unit = "ms" if found[2].lower() == "ms" else found[2].lower()[0]
        if _ORDER.index(unit) <= rank:
            return None
        rank, position = _ORDER.index(unit), found.end()
        total += float(found[1]) * _SECONDS[unit]
    return _finite(total) if text else None


def format_duration(seconds: float) -> str:
    """A duration that ``parse_duration_s`` reads back: whole units where it is whole seconds, else plain seconds."""
    if seconds <= 0 or seconds != int(seconds) or seconds >= 2**53:
        return f"{seconds!r}s"
    rest, parts = int(seconds), []
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, int(_SECONDS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_memory_mib(value: str) -> float | None:
    """MiB in ``4GiB``, ``512MiB``, ``2GB`` (decimal) or ``4Gi``; None when it is no amount of memory with a unit."""
    found = _MEMORY.fullmatch(value.strip())
    return _finite(float(found[1]) * _MIB[found[2].lower()]) if found else None


def format_memory(mib: float) -> str:
    """An amount that ``parse_memory_mib`` reads back exactly."""
    if mib >= 1024 and mib % 1024 == 0:
        return f"{int(mib // 1024)}GiB"
    return f"{int(mib)}MiB" if mib == int(mib) else f"{mib!r}MiB"


def parse_share(value: str) -> float | None:
    """0.2 from ``20%``; None when it is no percentage from 0 to 100."""
    found = _SHARE.fullmatch(value.strip())
    share = float(found[1]) / 100 if found else math.inf
    return share if share <= 1 else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
