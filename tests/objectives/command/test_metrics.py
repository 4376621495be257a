"""How metrics come back."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from tuner.trial import Completed, FailureKind


def test_lines_with_a_step_are_reports_and_the_one_without_is_the_result(bench):
    result = bench.shell("""
        echo starting
        echo '{"step": 1, "loss": 0.5}'
        echo '{"step": 2, "loss": 0.25, "accuracy": 1}'
        echo '{"loss": 0.125, "accuracy": 0.75}'
    """)
    assert result.outcome == Completed({"loss": 0.125, "accuracy": 0.75})
    assert bench.link.reports == [(1, {"loss": 0.5}), (2, {"loss": 0.25, "accuracy": 1.0})]
    assert result.log.decode().splitlines()[:2] == ["starting", '{"step": 1, "loss": 0.5}']


def test_the_last_report_is_the_result_when_there_is_no_other(bench):
    assert bench.shell("""echo '{"step": 1, "loss": 0.5}'; echo '{"step": 2.0, "loss": 0.25}'""").outcome == Completed(
        {"loss": 0.25}
    )
    assert bench.link.reports[-1][0] == 2


def test_other_output_is_just_output(bench):
    result = bench.shell("""
        echo '{not json'
        echo '{"level": "info", "step": 1, "message": "loss"}'
        echo '[1, 2]'
        echo '{"step": 1, "rows": 100}'
        printf 'bytes: \\377\\376\\n'
        printf '{"loss": 0.5, "x": "\\377"}\\n'
        echo '{"loss": 0.25, "phase": "test"}'
        echo '{"step": 9, "loss": 9.0}' >&2
    """)
    assert result.outcome == Completed({"loss": 0.25})
    assert bench.link.reports == []
    assert "bytes: \ufffd\ufffd" in result.log.decode()


def test_a_last_line_without_an_end_counts(bench):
    assert bench.shell("""printf '{"loss": 0.5}'""").outcome == Completed({"loss": 0.5})


def test_a_line_that_comes_in_pieces_counts(bench):
    bench.write(
        "slow.py",
        """
        import os
        for piece in ('{"step": 1, ', '"loss"', ': 0.5', '}\\n{"loss": 0.25}'):
            os.write(1, piece.encode())
    """,
    )
    assert bench.run([sys.executable, "slow.py"]).outcome == Completed({"loss": 0.25})
    assert bench.link.reports == [(1, {"loss": 0.5})]


def test_a_python_program_reports_through_tuner(bench):
    bench.write(
        "train.py",
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
        from tuner.worker import report
        for step in range(3):
            report(step, loss=1.0 / (step + 1))
        report(loss=0.125)
        print("done")
    """,
    )
    for metrics in ("stdout", "file"):
        result = bench.run(["{python}", "train.py"], metrics=metrics)
        assert result.outcome == Completed({"loss": 0.125})
        assert [step for step, _ in bench.link.reports] == [0, 1, 2]
        assert b'{"loss": 0.125}' in result.log
        assert b"done" in result.log


def test_standard_output_is_not_read_where_metrics_come_by_file(bench):
    result = bench.shell("""echo '{"loss": 9}'; printf '{"loss": 0.5}' >> "$TUNER_REPORT_FILE" """, metrics="file")
    assert result.outcome == Completed({"loss": 0.5})


EXPECTED = 'expected a line such as {"loss": 0.5} on standard output'


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo hello", f"without metrics, {EXPECTED}; last lines of its output:\nhello"),
        ("true", f"without metrics, {EXPECTED}; it printed nothing"),
        ("""echo '{"los": 0.5}'""", "the metric 'loss' is missing: got los; is 'los' meant to be 'loss'?"),
        ("""echo '{"step": 1, "los": 0.5}'""", "is 'los' meant to be 'loss'?"),
        ("""echo '{"loss": NaN}'""", "loss that was returned is nan, expected a finite number"),
        ("""echo '{"step": 3, "loss": NaN}'; sleep 60""", "at step 3: loss is nan, expected a finite number"),
        ("""echo '{"loss": null}'""", "loss that was returned is None (NoneType), expected a number"),
        ("""echo '{"loss": "0.5"}'""", "loss that was returned is '0.5' (str), expected a number"),
        ("""echo '{"step": "one", "loss": 0.5}'""", "the step must be a whole number, got 'one' (str)"),
        ("""echo '{"step": 2, "loss": 1}'; echo '{"step": 2, "loss": 1}'""", "step 2 is not above the last one, 2"),
    ],
)  # fmt: skip
def test_metrics_that_cannot_be_used_fail_the_attempt(bench, script, said):
    failed = bench.failure(bench.shell(script))
    assert failed.kind is FailureKind.BAD_REPORT
    assert said in failed.message


def test_megabytes_of_output_neither_block_nor_stay(bench):
    bench.write(
        "loud.py",
        """
        import sys
        for _ in range(64):
            sys.stdout.write("x" * (1 << 20))          # one line of 64 MiB: no metrics in there
            sys.stderr.write("y" * (1 << 18) + "\\n")
        print()
        print('{"loss": 0.5}')
    """,
    )
    begun = psutil.Process().memory_info().rss
    result = bench.run([sys.executable, "loud.py"])
    assert result.outcome == Completed({"loss": 0.5})
    assert len(result.log) <= 1 << 20
    assert result.log.rstrip().endswith(b'{"loss": 0.5}')
    assert psutil.Process().memory_info().rss - begun < 64 << 20
