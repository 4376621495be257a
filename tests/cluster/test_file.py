"""Reading a cluster file: what it says of node types, and what is wrong with it, by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.cluster.file import read_cluster_file
from tuner.errors import SweepError
from tuner.resources import NodeType, Resources

ROOT = Path(__file__).parents[2]
GOOD = """\
cluster_name: small
max_workers: 5
provider:
  type: external
  module: tuner.cluster.provider.one_machine.OneMachineProvider
auth: {ssh_user: nobody}
head_node_type: head
available_node_types:
  head:
    resources: {CPU: 0}
    node_config: {}
  cpu:
    resources: {CPU: 4, memory: 4294967296}
    labels: {market-type: spot, tuner.io/price-h: "0.34", tuner.io/boot-s: "70"}
    min_workers: 1
    max_workers: 3
    node_config: {}
  gpu:
    resources: {CPU: 4, GPU: 2, memory: 8589934592}
    node_config: {}
docker: {}
initialization_commands: []
setup_commands: []
head_setup_commands: []
worker_setup_commands: []
file_mounts: {}
cluster_synced_files: []
file_mounts_sync_continuously: false
rsync_exclude: []
rsync_filter: []
head_start_ray_commands: [ray start --head --autoscaling-config=~/ray_bootstrap_config.yaml]
worker_start_ray_commands: ["ray start --address=$RAY_HEAD_IP:6379"]
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "cluster.yaml"
        path.write_text(text)
        return path

    return write


def refused(path: Path) -> SweepError:
    with pytest.raises(SweepError) as caught:
        read_cluster_file(path)
    return caught.value


def test_worker_types_with_sizes_limits_prices_and_markets_are_read(write):
    file = read_cluster_file(write(GOOD))
    assert (file.name, file.max_nodes) == ("small", 5)
    assert file.types == (
        NodeType("cpu", Resources(4, 0, 4096), 3, min_nodes=1, price_h=0.34, spot=True, boot_s=70.0),
        NodeType("gpu", Resources(4, 2, 8192), 5),
    )


def test_the_projects_own_cluster_files_are_good():
    types = {
        name: {kind.name for kind in read_cluster_file(ROOT / name).types}
        for name in ("cluster.yaml", "examples/cluster_one_machine.yaml")
    }
    assert types == {"cluster.yaml": {"cpu_spot", "gpu_spot"}, "examples/cluster_one_machine.yaml": {"cpu", "gpu"}}


def test_a_type_bought_as_spot_is_spot_without_a_label(write):
    file = read_cluster_file(
        write(
            GOOD.replace(
                "8589934592}\n    node_config: {}", "8589934592}\n    node_config: {scheduling: {preemptible: true}}"
            )
        )
    )
    assert [kind.spot for kind in file.types] == [True, True]


def test_a_type_without_memory_is_noted(write):
    file = read_cluster_file(write(GOOD.replace(", memory: 8589934592", "")))
    assert [note.split(":")[0] for note in file.notes] == ["gpu"]


def test_a_head_that_would_run_trials_is_noted(write):
    file = read_cluster_file(write(GOOD.replace("{CPU: 0}", "{CPU: 8}")))
    assert [note.split(":")[0] for note in file.notes] == ["head"]


def test_types_of_which_one_could_do_the_others_work_are_to_have_labels_that_tell_them_apart(write):
    alike = GOOD.replace("GPU: 2, ", "")
    assert ["no label tells them apart" in note for note in read_cluster_file(write(alike)).notes] == [True]
    told = alike.replace("8589934592}", "8589934592}\n    labels: {pool: large}")
    assert read_cluster_file(write(told)).notes == ()


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ("max_workers: 5", "max_wrokers: 5", 2, "max_workers"),
        ("GPU: 2", "GPU: two", 19, "two"),
        ("GPU: 2", "GPU: -2", 19, "-2"),
        ("head_node_type: head", "head_node_type: boss", 7, "head_node_type"),
        ("min_workers: 1", "min_workers: 4", 15, "above max_workers"),
        ("min_workers: 1", "min_workers: -1", 15, "negative"),
        ('"0.34"', "0.34", 14, "quotes"),
        ('"0.34"', '"cheap"', 14, "no number"),
        ("tuner.io/price-h", "tuner.io/price", 14, "no such label"),
        ('tuner.io/boot-s: "70"', 'tuner.io/spot-loss-day: "1.5"', 14, "below 1"),
        ('tuner.io/boot-s: "70"', 'tuner.io/spot-loss-day: "-1"', 14, "no number of at least 0"),
        ("max_workers: 3", "max_worker: 3", 16, "did you mean 'max_workers'"),
        ("  module: tuner", "  prot: 7000\n  module: tuner", 5, "did you mean 'port'"),
        ("  module: tuner", "  port: seven\n  module: tuner", 5, "port is 'seven'"),
        ("one_machine.OneMachineProvider", "one_machine.Provider", 5, "no such provider"),
        ("available_node_types:", "avaliable_node_types:", None, "no available_node_types"),
        ("    resources: {CPU: 0}\n", "", 9, "does not say its resources"),
        ("  gpu:\n", "  gpu: {\n", 20, "no YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(write, right, wrong, line, said):
    assert right in GOOD
    error = refused(write(GOOD.replace(right, wrong, 1)))
    assert said in str(error)
    assert error.file is not None
    assert error.file.endswith("cluster.yaml")
    assert line is None or error.line == line, str(error)


@pytest.mark.parametrize("text", ["", "- a\n", "name: sweep\nspace: {}\n", "provider: aws\n"])
def test_something_else_is_no_cluster_file(write, text):
    assert "this is no cluster file" in str(refused(write(text)))


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "none.yaml" in str(refused(tmp_path / "none.yaml"))
