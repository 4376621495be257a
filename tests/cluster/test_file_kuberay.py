"""KubeRay manifests as cluster files: their worker groups are node types, and what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray
from ruamel.yaml import YAML

from tuner.cluster.file import read_cluster_file
from tuner.cluster.kuberay import quantity
from tuner.errors import SweepError
from tuner.resources import NodeType, Resources

FOLDER = Path(__file__).parents[2] / "docs" / "clusters"
MANIFESTS = ["raycluster.yaml", "rayjob.yaml"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_manifests_of_the_docs_have_two_spot_types_that_come_from_zero(name):
    file = read_cluster_file(FOLDER / name)
    assert file.types == (
        NodeType("cpu-spot", Resources(14, 0, 52 * 1024), 16, price_h=0.78, spot=True),
        NodeType("gpu-spot", Resources(7, 1, 26 * 1024), 8, price_h=0.86, spot=True),
    )


def cluster_of(name: str) -> Any:
    document = YAML(typ="safe").load(FOLDER / name)
    return document["spec"].get("rayClusterSpec", document["spec"])


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_manifests_of_the_docs_are_safe_and_run_no_trial_on_the_head(name):
    cluster = cluster_of(name)
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for resources in (group["template"]["spec"]["containers"][0]["resources"] for group in groups):
        assert resources["requests"]["memory"] == resources["limits"]["memory"], "a pod above its limit is killed"


def test_both_manifests_describe_the_same_workers():
    clusters = [cluster_of(name) for name in MANIFESTS]
    assert clusters[0]["workerGroupSpecs"] == clusters[1]["workerGroupSpecs"]
    assert clusters[0]["autoscalerOptions"] == clusters[1]["autoscalerOptions"]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("ray.io/v1\n", "ray.io/v1alpha1\n", "no version that tuner knows"),
        ("workerGroupSpecs:", "workerGroupSpec:", "did you mean 'workerGroupSpecs'"),
        ("minReplicas: 0", "minReplicas: 17", "above maxReplicas"),
        ("maxReplicas: 16", "maxReplicas: many", "no number of pods"),
        ("groupName: cpu-spot", "groupname: cpu-spot", "did you mean 'groupName'"),
        ('limits: {cpu: "14", memory: 52Gi}', 'limits: {cpu: "14"}', "cpu and memory"),
        ('limits: {cpu: "14", memory: 52Gi}', 'limits: {cpu: "14", memory: 52GB}', "no quantity"),
        ('price-h: "0.78"', 'price-h: "cheap"', "no number"),
        ("image: &image IMAGE", "image: &image", "no image"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, right, wrong, said):
    text = (FOLDER / "raycluster.yaml").read_text()
    assert right in text
    path = tmp_path / "cluster.yaml"
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(SweepError) as caught:
        read_cluster_file(path)
    assert said in str(caught.value)
    assert caught.value.line is not None


@pytest.mark.parametrize(("text", "number"), [("2", 2.0), (3, 3.0), ("500m", 0.5), ("1Ki", 1024.0), ("1.5G", 1.5e9)])
def test_quantities_are_numbers(text, number):
    assert quantity(text) == pytest.approx(number)
