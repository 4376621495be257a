"""Plain lines: few, complete, and nothing important missing."""

import threading

from tuner.core import events as ev
from tuner.dashboard.plain import PlainDisplay, PlainLines, progress_line
from tuner.trial import Completed, Failed, FailureKind, Trial, TrialState

T0 = 1_700_000_000.0


def test_the_line_says_how_far_how_good_how_fast_and_how_long(opened):
    study = opened(trials=100)
    for number in range(20):
        study.trial(number, T0 + number, number / 100)
    assert progress_line(study.snapshot(20)) == (
        "0:00:20  20/100 trials: 20 complete; best auc 0.19 (trial 19); 60/min; about 1m 20s left"
    )


def test_lines_come_every_ten_seconds_at_first_and_every_thirty_later(opened):
    study, lines = opened(), PlainLines()
    told = [second for second in range(300) if any("trials:" in line for line in lines.due(study.snapshot(second)))]
    assert told == [10, 20, 30, 40, 50, 60, 90, 120, 150, 180, 210, 240, 270]


def test_failures_are_told_at_once_but_not_without_end(opened):
    study, lines = opened(), PlainLines()
    lines.due(study.snapshot())
    told = []
    for number in range(30):
        study.start(number, T0 + 1)
        study.finish(number, T0 + 1, Failed(FailureKind.RAISED, "ValueError: no"))
        told += lines.due(study.snapshot(1))
    assert told[0] == "0:00:01  failed: trial 0 (raised): ValueError: no"
    assert len(told) == 10
    assert told[-1].endswith("further failures are only counted")


def test_failures_between_two_looks_are_one_line(opened):
    study, lines = opened(), PlainLines()
    lines.due(study.snapshot())
    for number in range(3):
        study.start(number, T0 + 1)
        study.finish(number, T0 + 1, Failed(FailureKind.COMMAND_EXIT, "exit code 3"))
    assert lines.due(study.snapshot(1)) == [
        "0:00:01  failed: trial 2 (command_exit): exit code 3 (and 2 more)",
    ]


def test_a_drain_says_what_happens_and_what_ctrl_c_does(opened):
    study, lines = opened(), PlainLines()
    study.start(0, T0)
    lines.due(study.snapshot())
    study.fold([ev.CommandReceived(T0 + 1, "drain")], [])
    assert lines.due(study.snapshot(1)) == [
        "0:00:01  finishing 1 running trial; press Ctrl-C again to kill them (both can be resumed)"
    ]
    assert lines.due(study.snapshot(2)) == []


def test_the_end_is_told_once_and_last(opened):
    study, lines = opened(trials=1), PlainLines()
    lines.due(study.snapshot())
    study.trial(0, T0, 0.5)
    study.view.closed("COMPLETE", "1 trial was run")
    assert lines.due(study.snapshot(2))[-1] == "0:00:02  COMPLETE: 1 trial was run"
    assert lines.due(study.snapshot(3)) == []


def test_a_drain_with_nothing_running_promises_nothing(opened):
    study, lines = opened(), PlainLines()
    lines.due(study.snapshot())
    study.fold([ev.CommandReceived(T0 + 1, "drain")], [])
    assert lines.due(study.snapshot(1)) == ["0:00:01  ending; it can be resumed"]


def test_failures_of_earlier_drivers_are_no_news(spec):
    failure = Failed(FailureKind.RAISED, "ValueError: no")
    display = PlainDisplay(print, clock=lambda: T0)
    display.restore(spec(), [Trial(0, TrialState.FAIL, {}, {}, 1, finished_at=T0 - 9, failure=failure)])
    lines = PlainLines()
    assert lines.due(display.snapshot()) == []
    display.opened(spec(), {"store": "memory:"})
    assert lines.due(display.snapshot()) == ["0:00:00  demo: store memory:"]


class Ended:
    state, closed_reason = "COMPLETE", "10 trials were run"


def test_the_display_writes_what_happened_and_no_carriage_returns(story, spec):
    written: list[str] = []
    with PlainDisplay(written.append, clock=lambda: T0 + 5) as display:
        display.phase("starting Ray")
        display.opened(spec(trials=10), {"store": "memory:", "executor": "ray", "dashboard": "http://127.0.0.1:8265"})
        told = story(display.update)
        told.opening(trials=10)
        told.start(0, T0 + 1)
        told.finish(0, T0 + 2, Completed({"auc": 0.75}))
        display.closed(Ended())
    assert written[0].endswith("starting Ray")
    assert any("demo: executor ray; store memory:; dashboard http://127.0.0.1:8265" in line for line in written)
    assert written[-1] == "0:00:05  COMPLETE: 10 trials were run"
    assert "best auc 0.75 (trial 0)" in written[-2]
    assert not any("\r" in line or "\n" in line for line in written)


def test_a_reader_that_went_away_does_not_stop_the_study():
    failed = threading.Event()

    def broken(line):
        failed.set()
        raise BrokenPipeError

    with PlainDisplay(broken, clock=lambda: T0) as display:
        display.phase("starting Ray")
        assert failed.wait(10)
        display.phase("still there")
    assert not display._thread.is_alive()
