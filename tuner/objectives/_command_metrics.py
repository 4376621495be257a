"""Metrics as lines of JSON among whatever else a program prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.core.ports import Context
from tuner.errors import closest
from tuner.objectives._command_checkpoints import Saves

__all__ = ["Lines", "Metrics", "ReportFile"]

LINE_LIMIT_BYTES = 1 << 20


class Lines:
    """Bytes as they come -> whole lines. A line above ``LINE_LIMIT_BYTES`` is dropped: it cannot be metrics."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends."""
        *whole, rest = data.split(b"\n")
        lines = []
        for part in whole:
            if not self._skipping:
                lines.append(bytes(self._rest) + part if self._rest else part)
            self._skipping = False
            self._rest.clear()
        if not self._skipping:
            self._rest += rest
            if len(self._rest) > LINE_LIMIT_BYTES:
                self._rest.clear()
                self._skipping = True
        return lines

    def end(self) -> list[bytes]:
        """The last line, if the program did not end it."""
        return self.feed(b"\n") if self._rest else []


class Metrics:
    """Takes metrics out of lines: those with a step are reported at once, those without are final values.

    A line that holds nothing but ``checkpoint`` says what was saved.
    A line counts if it is a JSON object that holds one of the study's metrics, or that holds nothing but numbers one of
    which is called almost like one (so that a misspelt metric is an error, not silence). All others are just output.

    Args:
        names: The study's metrics.
        context: Where reports go.
    """

    def __init__(self, names: Sequence[str], context: Context) -> None:
        self._names, self._context = names, context
        self._saves = Saves(context)
        self._last: Mapping[str, Any] = {}
        self._final: dict[str, Any] = {}

    def take(self, line: bytes) -> None:
        """Look at one line.

        Raises:
            TrialPruned, BadReport: As ``context.report`` does.
            AttemptFailed: A checkpoint is not where it should be.
        """
        line = line.strip()
        if not line.startswith(b"{") or not line.endswith(b"}"):
            return
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return
        if self._saves.take(document):
            return
        step = document.pop("step", None)
        values = {name: value for name, value in document.items() if name in self._names or _is_number(value)}
        if not any(name in values for name in self._names) and not self._misspelt(values, document):
            return
        if step is None:
            self._final.update(values)
            return
        if isinstance(step, float) and step.is_integer():
            step = int(step)  # awk and JavaScript know no whole numbers
        self._last = values
        self._context.report(step, values)

    def _misspelt(self, values: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
        return len(values) == len(document) and any(closest(name, values) for name in self._names)

    @property
    def final(self) -> Mapping[str, Any] | None:
        """The final values, completed by the last report's; None when there was neither."""
        if not self._final and not self._last:
            return None
        complete = all(name in self._final for name in self._names)
        return self._final if complete else {**self._last, **self._final}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


class ReportFile:
    """The file to which ``tuner.report`` of the program writes, read as it grows.

    Args:
        path: Need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = Lines()
        self._offset = 0

    def read(self, *, last: bool = False) -> list[bytes]:
        """The lines that are new; with ``last`` also one that was not ended."""
        lines: list[bytes] = []
        try:
            if self._path.stat().st_size > self._offset:
                with self._path.open("rb") as file:
                    file.seek(self._offset)
                    while data := file.read(1 << 16):
                        self._offset += len(data)
                        lines += self._lines.feed(data)
        except FileNotFoundError:
            return []
        return lines + self._lines.end() if last else lines
