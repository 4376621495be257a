"""Readers of single fields: a node in, a checked value out, or an error that says where and what was expected."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tuner.sweep import _units
from tuner.sweep._node import Node

__all__ = [
    "auto",
    "boolean",
    "duration",
    "memory",
    "number",
    "one_of",
    "scalar_text",
    "share_or_count",
    "text",
    "whole",
]


def text(node: Node, example: str) -> str:
    """A string that is not blank."""
    if not isinstance(node.content, str) or not node.content.strip():
        raise node.error(f"must be text, not {_shape(node)}", expected=example)
    return node.content


def scalar_text(node: Node, example: str) -> str:
    """A string, or a number written where a name is meant (``name: 2024``)."""
    if isinstance(node.content, int | float) and not isinstance(node.content, bool):
        return str(node.content)
    return text(node, example)


def boolean(node: Node) -> bool:
    """True or false; YAML 1.1's ``yes`` and ``on`` are text in YAML 1.2, so the message says so."""
    if not isinstance(node.content, bool):
        raise node.error(
            f"must be true or false, not {_shape(node)}", hint="YAML 1.2 knows no `yes`, `no`, `on`, `off`"
        )
    return node.content


def number(node: Node, *, low: float = -math.inf, above: float = -math.inf, expected: str = "a number") -> float:
    """A finite number, at least ``low`` and above ``above``."""
    value = node.content
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = "remove the quotes" if isinstance(value, str) and _looks_numeric(value) else None
        raise node.error(f"must be a number, not {_shape(node)}", expected=expected, hint=hint)
    if isinstance(value, int) and abs(value) > 2**1000:
        raise node.error("is too large", expected=expected)
    if not math.isfinite(value):
        raise node.error("must be finite", expected=expected)
    if value < low:
        raise node.error(f"must be at least {low:g}", expected=expected)
    if value <= above:
        raise node.error(f"must be above {above:g}", expected=expected)
    return value


def whole(node: Node, *, low: int, high: int = 2**63 - 1, expected: str) -> int:
    """A whole number from ``low`` to ``high``; 200.0 and 2e2 are whole, too."""
    value = number(node, low=low, expected=expected)
    if value != int(value):
        raise node.error("must be a whole number", expected=expected)
    if value > high:
        raise node.error(f"must be at most {high}", expected=expected)
    return int(value)


def duration(node: Node) -> float:
    """Seconds, above 0."""
    expected = "a duration such as 2h, 1h30m, 90s, or a number of seconds"
    value = node.content
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise node.error(f"must be a duration, not {_shape(node)}", expected=expected)
    seconds = None if isinstance(value, int) and abs(value) > 2**1000 else _units.parse_duration_s(value)
    if seconds is None:
        raise node.error("is no duration", expected=expected, hint=_colon_hint(value))
    if seconds <= 0:
        raise node.error("must be above 0", expected=expected)
    return seconds


def memory(node: Node, expected: str = "auto, or an amount with its unit, such as 4GiB, 512MiB, 2GB") -> float:
    """MiB, above 0."""
    value = node.content
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value <= 0:
            raise node.error("must be above 0", expected=expected)
        unit = "MiB" if value >= 64 else "GiB"
        raise node.error("needs a unit", expected=expected, hint=f"did you mean {value}{unit}?")
    if not isinstance(value, str):
        raise node.error(f"must be an amount of memory, not {_shape(node)}", expected=expected)
    mib = _units.parse_memory_mib(value)
    if mib is None:
        raise node.error("is no amount of memory", expected=expected)
    if mib <= 0:
        raise node.error("must be above 0", expected=expected)
    return mib


def share_or_count(node: Node) -> int | float:
    """A count (int) or a share from 0 to 1 (float) written as ``20%``."""
    expected = "a count such as 20, or a share of the finished trials such as 20%"
    if isinstance(node.content, str):
        share = _units.parse_share(node.content)
        if share is None:
            raise node.error("is neither a count nor a share from 0% to 100%", expected=expected)
        return float(share)
    if isinstance(node.content, float) and 0 < node.content < 1:
        raise node.error("is no count", expected=expected, hint=f"did you mean {node.content * 100:g}%?")
    return whole(node, low=0, expected=expected)


def auto(node: Node) -> bool:
    """Whether the value is the word ``auto``."""
    return isinstance(node.content, str) and node.content.strip().lower() == "auto"


def one_of(node: Node, known: Mapping[str, str], what: str) -> str:
    """The value that ``known`` gives to this word."""
    word = node.content
    if isinstance(word, str) and word.lower() in known:
        return known[word.lower()]
    if not isinstance(word, str):
        raise node.error(f"must be a word, not {_shape(node)}", expected=f"one of {', '.join(known)}")
    raise node.unknown(f"unknown {what}", word, known)


def _shape(node: Node) -> str:
    return "blank" if node.content == "" else node.kind()


def _looks_numeric(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _colon_hint(value: object) -> str | None:
    """The mend for ``1:30:00``, the one foreign way to write a duration that people use."""
    parts = str(value).split(":")
    if len(parts) in (2, 3) and all(part.isdigit() for part in parts):
        units = ("h", "m", "s")[: len(parts)]
        counts = [(int(part), unit) for part, unit in zip(parts, units, strict=True)]
        return (
            f"write it as {''.join(f'{count}{unit}' for count, unit in counts if count)}"
            if any(map(int, parts))
            else None
        )
    return None
