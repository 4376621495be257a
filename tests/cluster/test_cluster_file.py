"""``cluster.yaml``: Ray accepts it, and it is what the engine expects of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray
from ruamel.yaml import YAML

FILE = Path(__file__).parents[2] / "cluster.yaml"


@pytest.fixture
def described() -> Any:
    return YAML(typ="safe").load(FILE)


def test_ray_accepts_the_file(described):
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(described))


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


def test_trials_never_land_on_the_head(described):
    head = described["available_node_types"][described["head_node_type"]]
    assert head["resources"]["CPU"] == 0
    assert head.get("max_workers", 0) == 0


def test_workers_are_spot_machines_with_cpus_and_with_gpus_that_come_and_go(described):
    workers = {n: t for n, t in described["available_node_types"].items() if n != described["head_node_type"]}
    assert any("GPU" in kind["resources"] for kind in workers.values())
    assert any("GPU" not in kind["resources"] for kind in workers.values())
    for kind in workers.values():
        assert kind["min_workers"] == 0 < kind["max_workers"]
        assert kind["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
        assert kind["labels"]["market-type"] == "spot"
        assert kind["resources"]["memory"] > 2**30
    assert sum(kind["max_workers"] for kind in workers.values()) <= described["max_workers"]


def test_every_node_has_our_version_of_ray_and_its_token(described):
    assert any(f"ray[default]=={ray.__version__}" in command for command in described["setup_commands"])
    for commands in (described["head_start_ray_commands"], described["worker_start_ray_commands"]):
        assert any("RAY_AUTH_MODE=token" in command and "ray start" in command for command in commands)
    assert "~/.ray/auth_token" in described["file_mounts"]
    assert any("--dashboard-host=127.0.0.1" in command for command in described["head_start_ray_commands"])
