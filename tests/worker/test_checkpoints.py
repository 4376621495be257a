"""Checkpoints of one attempt: written whole or not at all, found again, never removed by mistake."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tuner.core.actions import Stop
from tuner.errors import ExecutorError
from tuner.trial import Checkpoint, Completed, Failed, FailureKind, Pruned
from tuner.worker.checkpoints import FolderKeeper, keeper_of, study_keeper


@pytest.fixture
def keeper(tmp_path):
    return FolderKeeper(tmp_path / "checkpoints" / "s")


def kept(keeper, name, text="weights"):
    draft = keeper.draft(name, keeper.root)
    (draft / "layers").mkdir()
    (draft / "layers" / "w.txt").write_text(text)
    return keeper.keep(draft, name)[0]


def visible(keeper):
    return sorted(str(path.relative_to(keeper.root)) for path in keeper.root.glob("[0-9]*/*"))


def test_what_is_kept_is_found_as_it_was_left(keeper, tmp_path):
    place = kept(keeper, "3/1-5", "x" * (1 << 20))
    found = keeper.fetch(place, tmp_path)
    assert (found / "layers" / "w.txt").read_text() == "x" * (1 << 20)
    assert keeper.inherit(3, 1) == [Checkpoint(5, place, 1.0)]


def test_an_attempt_that_must_be_run_once_more_replaces_what_it_had_kept(keeper, tmp_path):
    kept(keeper, "3/1-5", "old")
    place = kept(keeper, "3/1-5", "new")
    assert (keeper.fetch(place, tmp_path) / "layers" / "w.txt").read_text() == "new"
    assert visible(keeper) == ["3/1-5"]


def test_a_study_whose_folder_was_moved_finds_its_checkpoints(keeper, tmp_path):
    place = kept(keeper, "3/1-5")
    keeper.root.rename(tmp_path / "elsewhere")
    moved = FolderKeeper(tmp_path / "elsewhere")
    assert moved.fetch(place, tmp_path) == tmp_path / "elsewhere" / "3" / "1-5"


def test_what_is_gone_cannot_be_fetched(keeper, tmp_path):
    with pytest.raises(OSError, match="no checkpoint at"):
        keeper.fetch(str(keeper.root / "1/1-1"), tmp_path)


def test_a_discarded_checkpoint_goes_with_its_empty_folder_and_twice_is_no_error(keeper):
    place, other = kept(keeper, "3/1-5"), kept(keeper, "4/1-5")
    keeper.discard([place, place])
    assert visible(keeper) == ["4/1-5"]
    assert not (keeper.root / "3").exists()
    assert Path(other).exists()


def test_nothing_outside_of_the_studys_folder_is_ever_removed(keeper, tmp_path):
    precious = tmp_path / "precious" / "1-1"
    precious.mkdir(parents=True)
    keeper.discard([str(precious), str(tmp_path), str(keeper.root), "/", ""])
    assert precious.exists()


def test_tidying_leaves_what_is_needed_and_nothing_else(keeper):
    needed = kept(keeper, "3/1-5")
    kept(keeper, "3/1-4")
    kept(keeper, "7/2-1")
    keeper.draft("7/2-2", keeper.root)
    keeper.tidy({needed})
    assert [str(p.relative_to(keeper.root)) for p in sorted(keeper.root.rglob("*-*"))] == ["3/1-5"]
    keeper.tidy(())
    assert not keeper.root.exists()


def test_a_checkpoint_travels_in_one_piece(keeper, tmp_path):
    far = FolderKeeper(tmp_path / "far")
    data = keeper.read(kept(keeper, "3/1-5", "abc"))
    place, _ = far.write(data, "3/1-5")
    assert (Path(place) / "layers" / "w.txt").read_text() == "abc"


def test_a_piece_that_reaches_outside_of_its_folder_is_refused(keeper, tmp_path):
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../evil"))
    with pytest.raises(tarfile.TarError):
        keeper.write(buffer.getvalue(), "1/1-1")
    assert visible(keeper) == []
    assert not list(keeper.root.glob(".partial*"))


def test_who_has_the_file_system_sees_the_mark(keeper, tmp_path):
    mark = keeper.mark()
    assert keeper.sees(mark)
    assert not FolderKeeper(tmp_path / "other machine").sees(mark)
    FolderKeeper(keeper.root).tidy(())
    assert not keeper.sees(mark)
    mark = keeper.mark()
    keeper.tidy(())
    assert keeper.sees(mark)
    keeper.unmark()
    assert not keeper.root.exists()


def test_a_url_needs_what_reads_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ExecutorError, match="checkpoints cannot be kept at s3://bucket/s"):
        study_keeper("s3://bucket/", "s", "unused")


def test_checkpoints_at_a_url_go_there_and_come_back(tmp_path):
    pytest.importorskip("fsspec")
    keeper = keeper_of("memory://bucket/s")
    draft = keeper.draft("3/1-5", tmp_path)
    (draft / "w.txt").write_text("weights")
    place, _ = keeper.keep(draft, "3/1-5")
    assert place == "memory://bucket/s/3/1-5"
    assert (keeper.fetch(place, tmp_path) / "w.txt").read_text() == "weights"
    draft = keeper.draft("3/1-5", tmp_path)
    other, _ = keeper.keep(draft, "3/1-6")
    keeper.tidy({place})
    assert (keeper.fetch(place, tmp_path) / "w.txt").read_text() == "weights"
    keeper.discard([place])
    with pytest.raises(OSError, match="no checkpoint at"):
        keeper.fetch(place, tmp_path)
    with pytest.raises(OSError, match="no checkpoint at"):
        keeper.fetch(other, tmp_path)


def test_what_an_earlier_study_of_that_name_left_is_not_inherited(keeper):
    import os

    place = kept(keeper, "0/1-50")
    os.utime(place, (1_000_000_000, 1_000_000_000))
    keeper.mark()
    kept(keeper, "0/1-2")
    assert [checkpoint.step for checkpoint in keeper.inherit(0, 1)] == [2]


def test_what_other_attempts_write_is_left_alone_when_one_has_died(keeper):
    draft = keeper.draft("0/11-5", keeper.root)
    place = kept(keeper, "0/11-4")
    assert keeper.inherit(0, 1) == []
    assert keeper.keep(draft, "0/11-5")[0]
    assert [checkpoint.step for checkpoint in keeper.inherit(0, 11)] == [4, 5]
    assert Path(place).exists()


# -- through the context ------------------------------------------------------------------------------------------------


def test_an_attempt_saves_and_the_driver_hears_of_it(bench, keeper):
    def save(params, context):
        assert context.checkpoint is None
        with context.save_checkpoint(4) as folder:
            assert list(folder.iterdir()) == []
            (folder / "w.txt").write_text("weights")
        context.report(4, loss=1.0)
        return 1.0

    assert bench.run(save, keeper=keeper).outcome == Completed({"loss": 1.0})
    [saved] = bench.link.checkpoints
    assert (saved.step, saved.place) == (4, str(keeper.root / "3/2-4"))
    assert saved.size_mib == pytest.approx(7 / (1 << 20))


def test_an_attempt_goes_on_from_what_another_one_saved(bench, keeper):
    bench.start_from = Checkpoint(7, kept(keeper, "3/1-7", "0.25"))

    def go_on(params, context):
        assert context.checkpoint.step == 7
        return float((context.checkpoint.path / "layers" / "w.txt").read_text())

    assert bench.run(go_on, keeper=keeper).outcome == Completed({"loss": 0.25})


def test_an_attempt_that_goes_on_from_the_last_step_has_nothing_left_to_do(bench, keeper):
    bench.start_from = Checkpoint(7, kept(keeper, "3/1-7", "0.25"))

    def train(params, context):
        for step in range(context.checkpoint.step + 1, 8):
            context.report(step, loss=1.0)

    assert bench.run(train, keeper=keeper).outcome == Completed({})


def test_the_report_with_which_an_attempt_learns_of_its_pause_counts(bench, keeper):
    def train(params, context):
        context.report(1, loss=1.0)
        with context.save_checkpoint(2) as folder:
            (folder / "w.txt").write_text("weights")
        context.report(2, loss=0.5)

    told = Stop(3, 2, "worse than others", pause=True)
    assert bench.run(train, keeper=keeper, stop_at_checkpoint=told).outcome == Pruned(2)
    assert bench.link.reports == [(1, {"loss": 1.0}), (2, {"loss": 0.5})]


def test_a_checkpoint_that_is_gone_is_noted_and_the_attempt_starts_from_nothing(bench, keeper):
    bench.start_from = Checkpoint(7, str(keeper.root / "3/1-7"))
    result = bench.run(lambda params, context: 1.0 if context.checkpoint is None else 0.0, keeper=keeper)
    assert result.outcome == Completed({"loss": 1.0})
    assert b"no going on from the checkpoint of step 7" in result.log


def test_what_raises_while_it_saves_leaves_nothing(bench, keeper):
    def fail(params, context):
        with context.save_checkpoint(1) as folder:
            (folder / "half").write_text("a")
            raise ValueError("the disk is on fire")

    assert bench.run(fail, keeper=keeper).outcome.kind is FailureKind.RAISED
    assert bench.link.checkpoints == []
    assert list(keeper.root.iterdir()) == []


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ((1, 1), "step 1 is not above the last one, 1"),
        ((5, 3), "not above"),
        (("a",), "must be a whole number, got 'a'"),
    ],
)
def test_a_step_that_cannot_be_used_fails_the_attempt_even_when_it_is_swallowed(bench, keeper, steps, text):
    def save(params, context):
        for step in steps:
            try:
                with context.save_checkpoint(step):
                    pass
            except Exception:
                return 1.0
        return 1.0

    outcome = bench.run(save, keeper=keeper).outcome
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.BAD_REPORT
    assert text in outcome.message


def test_a_process_killed_while_it_saves_leaves_nothing_to_be_seen(keeper, tmp_path):
    root = str(Path(__file__).resolve().parents[2])
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {root!r})
        from pathlib import Path
        from tuner.worker.checkpoints import FolderKeeper
        keeper = FolderKeeper(Path({str(keeper.root)!r}))
        draft = keeper.draft("0/1-5", keeper.root)
        (draft / "half").write_bytes(b"x" * 1000)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert len(list(keeper.root.iterdir())) == 1
    assert visible(keeper) == []
    assert keeper.inherit(0, 1) == []
    assert list(keeper.root.iterdir()) == []
