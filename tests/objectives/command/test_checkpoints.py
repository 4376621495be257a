"""Programs that save and go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import tuner
from tuner.core.actions import Start
from tuner.resources import Resources
from tuner.trial import Checkpoint, Completed, FailureKind
from tuner.worker import run_attempt
from tuner.worker.checkpoints import FolderKeeper

SHELL = """
    from=${TUNER_CHECKPOINT_STEP:-0}
    if [ -n "$TUNER_CHECKPOINT" ]; then sum=$(cat "$TUNER_CHECKPOINT/sum"); else sum=0; fi
    for step in 1 2 3 4; do
        if [ $step -gt $from ]; then
            sum=$((sum + step))
            mkdir "$TUNER_CHECKPOINT_DIR/$step"
            echo $sum > "$TUNER_CHECKPOINT_DIR/$step/sum"
            echo "{\\"checkpoint\\": $step}"
            echo "{\\"step\\": $step, \\"loss\\": $sum}"
        fi
    done
"""
PYTHON = """
    import tuner
    start = tuner.checkpoint()
    total = int((start.path / "sum").read_text()) if start else 0
    for step in range(start.step + 1 if start else 1, 5):
        total += step
        with tuner.save_checkpoint(step) as folder:
            (folder / "sum").write_text(str(total))
        tuner.report(step, loss=total)
"""


@pytest.fixture
def keeper(tmp_path):
    return FolderKeeper(tmp_path / "checkpoints")


def attempt(bench, keeper, command, checkpoint=None, attempt=1):
    objective = bench.objective(command, params="json")
    start = Start(4, attempt, bench.params, Resources(1, 0, 512), 0, 99, checkpoint)
    bench.link = bench.new_link(keeper=keeper)
    return run_attempt(objective, start, bench.spec().metrics, bench.link, bench.base / "scratch")


@pytest.mark.parametrize("language", ["shell", "python"])
def test_a_program_saves_and_another_attempt_goes_on_from_there(bench, keeper, language):
    root = str(Path(__file__).resolve().parents[3])
    if language == "shell":
        command = ["sh", "-c", SHELL]
    else:
        program = bench.write("work.py", PYTHON)
        command = ["env", f"PYTHONPATH={root}", sys.executable, str(program)]
    assert attempt(bench, keeper, command).outcome == Completed({"loss": 10.0})
    assert [saved.step for saved in bench.link.checkpoints] == [1, 2, 3, 4]
    second = bench.link.checkpoints[1]
    assert (Path(second.place) / "sum").read_text().strip() == "3"
    assert attempt(bench, keeper, command, second, attempt=2).outcome == Completed({"loss": 10.0})
    assert [saved.step for saved in bench.link.checkpoints] == [3, 4]
    assert [step for step, _ in bench.link.reports] == [3, 4]


def test_a_program_that_has_nothing_to_go_on_from_is_told_so(bench, keeper):
    script = (
        """test -z "$TUNER_CHECKPOINT$TUNER_CHECKPOINT_STEP" && test -d "$TUNER_CHECKPOINT_DIR" && echo '{"loss": 1}'"""
    )
    assert attempt(bench, keeper, ["sh", "-c", script]).outcome == Completed({"loss": 1.0})


def test_a_checkpoint_that_is_announced_and_not_there_fails_the_attempt(bench, keeper):
    result = attempt(bench, keeper, ["sh", "-c", """echo '{"checkpoint": 3}'; echo '{"loss": 1}'"""])
    failed = bench.failure(result)
    assert failed.kind is FailureKind.BAD_REPORT
    assert "there is no folder $TUNER_CHECKPOINT_DIR/3" in failed.message


def test_a_checkpoint_without_a_whole_step_fails_the_attempt(bench, keeper):
    failed = bench.failure(
        attempt(bench, keeper, ["sh", "-c", """echo '{"checkpoint": "last"}'; echo '{"loss": 1}'"""])
    )
    assert failed.kind is FailureKind.BAD_REPORT
    assert "must be a whole number, got 'last'" in failed.message


def test_what_holds_more_than_a_checkpoint_is_about_metrics(bench, keeper):
    result = attempt(bench, keeper, ["sh", "-c", """echo '{"checkpoint": 3, "loss": 1}'"""])
    assert result.outcome == Completed({"loss": 1.0, "checkpoint": 3.0})


def test_by_hand_nothing_is_gone_on_from_and_what_is_saved_goes(monkeypatch, capsys):
    for name in ("TUNER_CHECKPOINT", "TUNER_CHECKPOINT_STEP", "TUNER_CHECKPOINT_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert tuner.checkpoint() is None
    with tuner.save_checkpoint(1) as folder:
        (folder / "w").write_text("x")
    assert not folder.exists()
    assert capsys.readouterr().out == ""
    with pytest.raises(TypeError, match="whole number"), tuner.save_checkpoint("1"):  # type: ignore[arg-type]
        pass


def test_inside_a_function_they_are_the_contexts(bench, keeper):
    from tuner.core.ports import Objective

    class Saves(Objective):
        def run(self, params, context):
            assert tuner.checkpoint() == context.checkpoint
            with tuner.save_checkpoint(2):
                pass
            return 1.0

    draft = keeper.draft("4/1-1", bench.base)
    place, size = keeper.keep(draft, "4/1-1")
    start = Start(4, 2, {}, Resources(1, 0, 512), 0, 99, Checkpoint(1, place, size))
    link = bench.new_link(keeper=keeper)
    outcome = run_attempt(Saves(), start, bench.spec().metrics, link, bench.base / "scratch").outcome
    assert outcome == Completed({"loss": 1.0})
    assert [saved.step for saved in link.checkpoints] == [2]
