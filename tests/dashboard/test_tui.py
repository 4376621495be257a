"""The live display: readable at any width, cheap, and gone when the run is over."""

import io
import threading
import time

import pytest
from rich.console import Console

from tuner.core import events as ev
from tuner.dashboard.text import sparkline
from tuner.dashboard.tui import LiveDisplay, Screen
from tuner.trial import Failed, FailureKind

T0 = 1_700_000_000.0


def drawn(snapshot, width, **options):
    file = io.StringIO()
    Console(width=width, file=file, color_system=None).print(Screen(snapshot, **options))
    return file.getvalue().splitlines()


@pytest.fixture
def busy(opened):
    study = opened(trials=40)
    study.view._details.update(dashboard="http://127.0.0.1:8265")

    for number in range(20):
        study.trial(number, T0 + 2 * number, 0.5 + 0.02 * number - 0.001 * number * number)
    for number in range(20, 31):
        study.start(number, T0 + 40)
    study.fold([ev.Reported(T0 + 41, 20, 1, 30, {"auc": 0.7})], [])
    study.start(31, T0 + 40)
    study.finish(31, T0 + 41, Failed(FailureKind.RAISED, "ValueError: \x1b[31mno\nsuch thing " + "x" * 200))
    return study


def test_the_screen_says_everything_in_eighty_columns(busy):
    assert drawn(busy.snapshot(45), 80) == [
        "⠋ demo  running  45 s",
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━───────────────────────────── 21/40",
        "trials   20 complete · 1 failed · 11 running",
        "best     auc 0.6 · trial 10 · 10 trials ago · ▁▂▃▅▆▆▇█████████████████",
        "pace     28 trials/min · about 41 s left",
        "in use   11/2 CPU · 5.5 GiB/4.0 GiB · 1 node",
        "running    trial     step              auc      for",
        "              20       30              0.7    5.0 s",
        *(f"              {number}        -                -    5.0 s" for number in range(21, 28)),
        "              +3 more",
        "failed   trial 31 (raised): ValueError:  [31mno",
        "store    memory:",
        "Ray      http://127.0.0.1:8265",
        "Ctrl-C: finish the running trials and end; it can be resumed",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_wider_than_the_terminal(busy, width, ascii_only):
    lines = drawn(busy.snapshot(45), width, ascii_only=ascii_only)
    assert all(len(line) <= width for line in lines)
    assert any("21/40" in line for line in lines)
    if ascii_only:
        assert "".join(lines).isascii()


def test_what_matters_most_stays_when_the_terminal_is_narrow(busy):
    lines = drawn(busy.snapshot(45), 40)
    assert "best     auc 0.6 · trial 10" in lines
    assert "pace     28 trials/min · about 41 s left" in lines


def test_a_failure_cannot_move_the_cursor(busy):
    assert "\x1b" not in "".join(drawn(busy.snapshot(45), 80))


def test_before_the_study_is_opened_only_the_phase_shows(spec):
    display = LiveDisplay(Console(file=io.StringIO(), force_terminal=True), clock=lambda: T0)
    display.phase("starting Ray")
    assert drawn(display.snapshot(), 60) == ["⠋ tuner  starting Ray"]


def test_a_drain_takes_the_place_of_the_hint(busy):
    busy.fold([ev.CommandReceived(T0 + 45, "drain")], [])
    assert drawn(busy.snapshot(45), 90)[-1] == (
        "finishing 11 running trials; press Ctrl-C again to kill them (both can be resumed)"
    )


def test_a_time_limit_shows_as_time(opened):
    study = opened(time_s=600.0)
    study.trial(0, T0, 0.5)
    assert drawn(study.snapshot(60), 60)[1].endswith(" 0:01:00 of 0:10:00")


class Painted(io.StringIO):
    """Tells when a text has been written."""

    def __init__(self, awaited):
        super().__init__()
        self.awaited, self.seen = awaited, threading.Event()

    def write(self, text):
        if self.awaited in text:
            self.seen.set()
        return super().write(text)


def terminal(file):
    return Console(file=file, force_terminal=True, width=80, height=30, color_system=None)


def test_it_draws_by_itself_and_leaves_nothing_behind(story, spec):
    file = Painted("trial 0")
    with LiveDisplay(terminal(file), clock=lambda: T0 + 5) as display:
        display.opened(spec(trials=10), {"store": "memory:"})
        told = story(display.update)
        told.opening(trials=10)
        told.trial(0, T0 + 1, 0.75)
        assert file.seen.wait(10)
    ending = file.getvalue().rpartition("trial 0")[2]
    assert "\x1b[2K" in ending  # lines are erased
    assert "\x1b[?25h" in ending  # the cursor is back


def test_it_gives_the_terminal_back_when_the_run_fails(spec):
    file = io.StringIO()
    with pytest.raises(RuntimeError), LiveDisplay(terminal(file), clock=lambda: T0):
        raise RuntimeError
    assert file.getvalue().endswith("\x1b[2K") or "\x1b[?25h" in file.getvalue()


def test_thousands_of_trials_a_second_are_folded_while_it_draws(story, spec):
    file = io.StringIO()
    with LiveDisplay(terminal(file), clock=lambda: T0 + 5) as display:
        display.opened(spec(), {})
        told = story(display.update)
        told.opening()
        began = time.process_time()
        for number in range(5_000):
            told.trial(number, T0 + number / 2000, 0.5)
        cost_s = time.process_time() - began
        assert display.snapshot().counts.complete == 5_000
    assert cost_s / 5_000 < 200e-6


def test_a_frame_costs_little(busy):
    console = Console(width=100, file=io.StringIO(), force_terminal=True)
    snapshot = busy.snapshot(45)
    began = time.process_time()
    for _ in range(50):
        console.print(Screen(snapshot))
    assert (time.process_time() - began) / 50 < 10e-3  # measured: 0.4 ms; four frames a second


@pytest.mark.parametrize(
    ("values", "bars"),
    [((), ""), ((1.0,), ""), ((1.0, 1.0), "▁▁"), ((0.0, 0.5, 1.0), "▁▅█"), ((3.0, 1.0), "█▁")],
)
def test_sparklines(values, bars):
    assert sparkline(values) == bars
