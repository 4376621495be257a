"""What travels with a job, and what does not."""

from __future__ import annotations

import os
import zipfile

import pytest

from tuner.cluster.package import pack, shipped_files
from tuner.errors import TunerError


def make(folder, *names, text="x"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(folder, *excludes):
    return [name for name, _ in shipped_files(folder, excludes)]


def test_code_and_data_travel_and_histories_environments_and_caches_do_not(tmp_path):
    make(
        tmp_path, "sweep.yaml", "train.py", "data/adult.csv", ".git/config", ".tuner/tuner.db", "__pycache__/train.pyc"
    )
    make(tmp_path, "myenv/pyvenv.cfg", "myenv/lib/x.py", "data/.git/config", ".env")
    assert names(tmp_path) == [".env", "data/adult.csv", "sweep.yaml", "train.py"]


def test_what_git_ignores_travels(tmp_path):
    make(tmp_path, "data/adult.csv")
    make(tmp_path, ".gitignore", text="data/")
    assert "data/adult.csv" in names(tmp_path)


@pytest.mark.parametrize("pattern", ["old", "*.csv", "data/old", "data/old/"])
def test_more_can_be_left_out(tmp_path, pattern):
    make(tmp_path, "sweep.yaml", "data/old/a.csv")
    assert names(tmp_path, pattern) == ["sweep.yaml"]


def test_links_are_followed_and_one_that_leads_upwards_ends(tmp_path):
    make(tmp_path, "elsewhere/a.csv", "work/sweep.yaml")
    (tmp_path / "work" / "data").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "work" / "up").symlink_to(tmp_path / "work")
    assert names(tmp_path / "work") == ["data/a.csv", "sweep.yaml"]


def test_what_is_no_file_is_left_out(tmp_path):
    make(tmp_path, "sweep.yaml")
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path) == ["sweep.yaml"]


def test_the_same_files_make_the_same_package_whenever_they_were_written(tmp_path):
    make(tmp_path / "a", "sweep.yaml", "data/x.csv")
    make(tmp_path / "b", "data/x.csv", "sweep.yaml")
    os.utime(tmp_path / "b" / "sweep.yaml", (0, 0))
    first, second = (pack(tmp_path / name, tmp_path / f"{name}.zip", 1.0) for name in "ab")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.n_files == 2


def test_a_program_stays_executable(tmp_path):
    make(tmp_path / "a", "train.sh")
    (tmp_path / "a" / "train.sh").chmod(0o755)
    packed = pack(tmp_path / "a", tmp_path / "a.zip", 1.0)
    with zipfile.ZipFile(packed.path) as package:
        assert package.getinfo("train.sh").external_attr >> 16 == 0o755


def test_a_folder_that_is_too_large_is_refused_with_its_largest_files(tmp_path):
    make(tmp_path / "a", "sweep.yaml")
    (tmp_path / "a" / "noise.bin").write_bytes(os.urandom(1 << 18))
    with pytest.raises(TunerError) as caught:
        pack(tmp_path / "a", tmp_path / "a.zip", 0.1)
    assert "noise.bin (0 MiB)" in caught.value.message
    assert "--exclude" in (caught.value.hint or "")


def test_one_that_could_never_fit_is_refused_before_it_is_packed(tmp_path):
    (tmp_path / "a").mkdir()
    with (tmp_path / "a" / "huge.bin").open("wb") as file:
        file.truncate(3 << 20)
    with pytest.raises(TunerError, match="3 MiB in 1 files"):
        pack(tmp_path / "a", tmp_path / "a.zip", 0.1)
    assert not (tmp_path / "a.zip").exists()
