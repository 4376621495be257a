"""GPUs of a real Ray: found by it with a made-up library, or only counted; every attempt sees its own and no others."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_every_attempt_sees_the_gpus_that_it_was_granted_and_so_do_its_programs(play, nvml_folder, tmp_path):
    state = tmp_path / "gpus"
    state.write_text("gpu 24000 300 10\n" * 2)
    said = play("gpus.py", environment={"LD_LIBRARY_PATH": str(nvml_folder), "FAKE_NVML_STATE": str(state)})
    assert said["offers"] == [2.0, 1500.0]
    assert said["accelerator"] == "L4"
    assert said["none"] == [["", ""], ["", ""]]
    assert said["one"] == ["0", "0"]
    assert said["two"] == ["0,1", "0,1"]
    assert said["halves"] in (["0", "0", "1"], ["0", "1", "1"])
    assert said["processes"] == 3  # one that has used a GPU, or found none, is not used for another grant
    assert said["gpu_memory_mib"] == 24000


def test_a_gang_gets_gpus_of_several_nodes_and_gives_them_back(play):
    said = play("gangs.py")
    assert said["outcome"] == "Completed"
    assert said["parts"] == [["0"], ["0"]]  # the attempt's own GPU, and its child task's on the other node
    assert said["nodes"] == 2
    assert said["free_after"] == 2.0
    assert said["stopped"] == "Pruned"
    assert said["free_after_stop"] == 2.0
    assert said["avoided"]
