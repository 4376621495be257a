"""``cluster.yaml`` and its kin in the docs: Ray accepts them, and they are what the engine expects of a cluster."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import ray
from ruamel.yaml import YAML

from tuner.cluster.file import read_cluster_file

ROOT = Path(__file__).parents[2]
CLOUDS = ["cluster.yaml", "docs/clusters/gcp.yaml"]
FILES = [*CLOUDS, "docs/clusters/onpremises.yaml"]


def load(name: str) -> Any:
    return YAML(typ="safe").load(ROOT / name)


@pytest.fixture(params=FILES)
def each(request) -> Any:
    return load(request.param)


@pytest.fixture(params=CLOUDS)
def cloud(request) -> Any:
    return load(request.param)


@pytest.fixture
def described() -> Any:
    return load("cluster.yaml")


def test_ray_accepts_the_file(each):
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(each))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.update(max_wrokers=3),
        lambda d: d["available_node_types"]["cpu_spot"].update(resources={"CPU": "many"}),
        lambda d: d.update(head_node_type="boss"),
    ],
)
def test_the_check_would_notice(described, spoil):
    from ray.autoscaler._private.util import prepare_config, validate_config

    spoil(described)
    with pytest.raises(Exception, match=r"max_wrokers|many|head_node_type"):
        validate_config(prepare_config(described))


def test_trials_never_land_on_the_head(cloud):
    head = cloud["available_node_types"][cloud["head_node_type"]]
    assert head["resources"]["CPU"] == 0
    assert head.get("max_workers", 0) == 0


def test_workers_are_spot_machines_with_cpus_and_with_gpus_that_come_and_go(cloud):
    workers = {n: t for n, t in cloud["available_node_types"].items() if n != cloud["head_node_type"]}
    assert any("GPU" in kind["resources"] for kind in workers.values())
    assert any("GPU" not in kind["resources"] for kind in workers.values())
    for kind in workers.values():
        assert kind["min_workers"] == 0 < kind["max_workers"]
        assert kind["labels"]["market-type"] == "spot"
        assert kind["resources"]["memory"] > 2**30
    assert sum(kind["max_workers"] for kind in workers.values()) <= cloud["max_workers"]


def test_each_type_can_be_told_from_the_others_by_its_labels(tmp_path):
    assert set(read_cluster_file(ROOT / "cluster.yaml").selectors) == {"cpu_spot", "gpu_spot"}
    assert set(read_cluster_file(ROOT / "examples/cluster_one_machine.yaml").selectors) == {"cpu", "gpu"}
    text = (ROOT / "examples/cluster_one_machine.yaml").read_text().replace("0.35", "0.08")
    (tmp_path / "alike.yaml").write_text(text)
    assert read_cluster_file(tmp_path / "alike.yaml").selectors == {}


@pytest.mark.parametrize("name", CLOUDS)
def test_the_machines_themselves_are_bought_as_spot_and_have_a_price(name, tmp_path):
    described = load(name)
    for kind in described["available_node_types"].values():
        kind.get("labels", {}).pop("market-type", None)
    path = tmp_path / "cluster.yaml"
    YAML().dump(described, path)
    types = read_cluster_file(path).types
    assert len(types) == 2
    assert all(kind.spot and kind.price_h and kind.boot_s for kind in types)


def test_every_node_has_our_version_of_ray_and_its_token(each):
    assert any(f"ray[default]=={ray.__version__}" in command for command in each["setup_commands"])
    for commands in (each["head_start_ray_commands"], each["worker_start_ray_commands"]):
        assert any("RAY_AUTH_MODE=token" in command and "ray start" in command for command in commands)
    assert "~/.ray/auth_token" in each["file_mounts"]
    assert any("--dashboard-host=127.0.0.1" in command for command in each["head_start_ray_commands"])


def test_every_node_gets_all_that_tuner_is_installed_from(each):
    sources = {Path(source).name for target, source in each["file_mounts"].items() if target.startswith("~/tuner/")}
    assert sources == {"tuner", "search_spaces", "pyproject.toml", "README.md", "LICENSE"}
    assert all((ROOT / source).exists() for source in sources)
    assert any("pip install" in command and "~/tuner" in command for command in each["setup_commands"])


def test_a_machine_that_vanished_is_missed_within_ten_seconds(each):
    [command] = [command for command in each["head_start_ray_commands"] if "--head" in command]
    words = shlex.split(command)
    [config] = [json.loads(word.partition("=")[2]) for word in words if word.startswith("--system-config=")]
    seconds = config["health_check_period_ms"] + config["health_check_timeout_ms"]
    assert seconds * config["health_check_failure_threshold"] / 1000 + config["health_check_initial_delay_ms"] <= 10
