"""The live display of a terminal: a few lines, redrawn in place, gone when the run has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from tuner.dashboard import text
from tuner.dashboard._display import Display
from tuner.dashboard.snapshot import RunningTrial, Snapshot

__all__ = ["LiveDisplay", "Screen"]

_FPS = 4
_ROWS = 8
_LABEL = 9
_AROUND_ROWS = 13  # lines that are no running trials
_BOLD, _DIM = Style(bold=True), Style(dim=True)
_GOOD, _BAD, _CARE = Style(color="green", bold=True), Style(color="red"), Style(color="yellow", bold=True)
_SPINNER, _ASCII_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"

Part = tuple[str, Style | None]


class Screen:
    """One moment of a study as lines for a console of any width. A Rich renderable.

    Lines are cut from plain segments instead of being laid out as tables: a frame costs about a millisecond.

    Args:
        snapshot: The moment.
        ascii_only: Whether the terminal cannot show more.
        frame: Turns the spinner.
    """

    def __init__(self, snapshot: Snapshot, *, ascii_only: bool = False, frame: int = 0) -> None:
        self._now, self._ascii, self._frame = snapshot, ascii_only, frame

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, each cut to the width."""
        width = max(options.max_width, 20)
        for line in self._lines(width):
            yield from _cut(line, width, "..." if self._ascii else "…")
            yield Segment.line()

    def _lines(self, width: int) -> Iterator[list[Part]]:
        now = self._now
        yield self._title()
        if now.name is None:
            return
        if now.progress is not None:
            yield self._bar(width)
        yield self._labelled("trials", [(part, None) for part in text.counts(now.counts) or ["none yet"]], width)
        if now.best is not None and now.metric is not None:
            yield self._best_line(width)
        pace = [f"{text.pace(now.per_minute)} trials/min"] if now.per_minute is not None else []
        pace += [f"about {text.duration(now.left_s)} left"] if now.left_s is not None else []
        if pace:
            yield self._labelled("pace", [(part, None) for part in pace], width)
        if now.n_nodes:
            yield self._labelled("in use", [(part, None) for part in self._in_use()], width)
        yield from self._running()
        if now.failure is not None:
            yield [("failed   " if now.failure.final else "retried  ", _BAD), (text.failure(now.failure), None)]
        for key, label in (("store", "store"), ("dashboard", "Ray")):
            if now.details.get(key):
                yield [(label.ljust(_LABEL), _DIM), (now.details[key], _DIM)]
        if now.ended is None:
            yield self._footer()

    def _title(self) -> list[Part]:
        now = self._now
        spinner = _ASCII_SPINNER if self._ascii else _SPINNER
        turning = " " if now.ended else spinner[self._frame % len(spinner)]
        parts: list[Part] = [(f"{turning} ", _CARE), (now.name or "tuner", _BOLD)]
        parts.append((f"  {now.phase or ('running' if now.name else 'starting')}", None))
        if now.name is not None:
            parts.append((f"  {text.duration(now.elapsed_s)}", _DIM))
        return parts

    def _bar(self, width: int) -> list[Part]:
        progress = self._now.progress
        assert progress is not None
        if progress.unit == "trials":
            told = f"{progress.done:.0f}/{progress.limit:.0f}"
        else:
            told = f"{text.clock(progress.done)} of {text.clock(progress.limit)}"
        room = max(min(width - cell_len(told) - 1, 60), 4)
        full = int(room * progress.share)
        done, left = ("#", ".") if self._ascii else ("━", "─")
        return [(done * full, _GOOD), (left * (room - full), _DIM), (f" {told}", None)]

    def _best_line(self, width: int) -> list[Part]:
        now = self._now
        assert now.best is not None
        assert now.metric is not None
        since = text.pluralize(now.best.finished_since, "trial") + " ago" if now.best.finished_since else "just now"
        moved = len(set(now.history)) > 1
        spark = text.sparkline(now.history, ascii_only=self._ascii) if moved else ""
        parts: list[Part] = [
            (f"{now.metric.name} {text.number(now.best.value)}", _GOOD),
            (f"trial {now.best.trial}", None),
            *([] if now.best.feasible else [("violates constraints", _CARE)]),
            (since, None),
            *((part, None) for part in text.choice(now)),
            *([(spark, _GOOD)] if spark else []),
        ]
        return self._labelled("best", parts, width)

    def _in_use(self) -> list[str]:
        used, total = self._now.used, self._now.total
        parts = [f"{used.cpu:.6g}/{total.cpu:.6g} CPU"]
        if total.gpu:
            parts.append(f"{used.gpu:.6g}/{total.gpu:.6g} GPU")
        if used.memory_mib > 0.5 and total.memory_mib:
            parts.append(f"{text.memory(used.memory_mib)}/{text.memory(total.memory_mib)}")
        return [*parts, text.pluralize(self._now.n_nodes, "node")]

    def _running(self) -> Iterator[list[Part]]:
        now = self._now
        if not now.running:
            return
        name = (now.metric.name if now.metric else "value")[:16]
        yield [(f"{'running':<{_LABEL}}{'trial':>7} {'step':>8} {name:>16} {'for':>8}", _DIM)]
        for row in now.running:
            yield [(" " * _LABEL + _row(row), None), (" stopping" if row.stopping else "", _CARE)]
        more = now.counts.running - len(now.running)
        if more > 0:
            yield [(f"{'':<{_LABEL}}{'+' + str(more):>7} more", _DIM)]

    def _footer(self) -> list[Part]:
        if self._now.draining is not None:
            return [(text.drain(self._now), _CARE)]
        if self._now.details.get("watched"):
            return [("Ctrl-C: look away; the study goes on", _DIM)]
        return [("Ctrl-C: finish the running trials and end; it can be resumed", _DIM)]

    def _labelled(self, label: str, parts: Iterable[Part], width: int) -> list[Part]:
        """The label and as many of the parts, in order, as the width holds."""
        line: list[Part] = [(label.ljust(_LABEL), _DIM)]
        room, between = width - _LABEL, " | " if self._ascii else " · "
        for index, part in enumerate(parts):
            room -= cell_len(part[0]) + (len(between) if index else 0)
            if room < 0 and index:
                break
            line += [(between, _DIM), part] if index else [part]
        return line


def _row(row: RunningTrial) -> str:
    step = "-" if row.step is None else str(row.step)
    number = str(row.trial) if row.attempt == 1 else f"{row.trial}.{row.attempt}"
    return f"{number:>7} {step:>8} {text.number(row.value):>16} {text.duration(row.for_s):>8}"


def _cut(parts: Sequence[Part], width: int, ellipsis: str) -> Iterator[Segment]:
    room = width
    total = sum(cell_len(part) for part, _ in parts)
    if total > width:
        room -= len(ellipsis)
    for part, style in parts:
        line = Text(part.replace("\n", " ").replace("\r", " ").replace("\t", " "))
        line.truncate(room)
        plain = line.plain
        room -= cell_len(plain)
        if plain:
            yield Segment(plain, style)
        if room <= 0:
            break
    if total > width:
        yield Segment(ellipsis)


class _Frames:
    """Draws the display's present moment whenever Rich asks for a frame."""

    def __init__(self, display: LiveDisplay, console: Console) -> None:
        self._display, self._console, self._frame = display, console, 0
        self._ascii = not (console.encoding or "").lower().startswith("utf")

    def __call__(self) -> Screen:
        self._frame += 1
        rows = max(min(_ROWS, self._console.height - _AROUND_ROWS), 0)
        return Screen(self._display.snapshot(rows), ascii_only=self._ascii, frame=self._frame)


class LiveDisplay(Display):
    """Redraws a few lines in place, some times a second, on Rich's own thread.

    Args:
        console: Where to; a terminal.
        clock: As for ``Display``.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._live = Live(
            console=console,
            get_renderable=_Frames(self, console),
            refresh_per_second=_FPS,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
