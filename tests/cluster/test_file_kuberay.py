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
        NodeType("cpu-spot", Resources(14, 0, 52 * 1024), 16, price_h=0.78, spot=True, boot_s=120.0),
        NodeType("gpu-spot", Resources(7, 1, 26 * 1024), 8, price_h=0.86, spot=True, boot_s=240.0),
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


def changed(tmp_path: Path, right: str, wrong: str) -> Path:
    text = (FOLDER / "raycluster.yaml").read_text()
    assert right in text
    path = tmp_path / "cluster.yaml"
    path.write_text(text.replace(right, wrong, 1))
    return path


def test_how_many_pods_a_day_are_taken_away_is_read(tmp_path):
    cpu, gpu = read_cluster_file(changed(tmp_path, 'boot-s: "120"', 'spot-loss-day: "0.05"')).types
    assert (cpu.spot_loss_day, cpu.boot_s, gpu.spot_loss_day) == (0.05, None, None)


@pytest.mark.parametrize("name", MANIFESTS)
def test_groups_are_asked_for_by_their_own_labels(name):
    assert read_cluster_file(FOLDER / name).selectors == {"cpu-spot": {"pool": "cpu"}, "gpu-spot": {"pool": "gpu"}}


@pytest.mark.parametrize("name", MANIFESTS)
def test_rays_autoscaler_sees_the_labels_that_groups_are_asked_for_by(name):
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    resource = {"metadata": {"name": "tuner", "namespace": "default"}, "spec": cluster_of(name)}
    seen = _derive_autoscaling_config_from_ray_cr(resource)["available_node_types"]
    for group, labels in read_cluster_file(FOLDER / name).selectors.items():
        assert [kind for kind, described in seen.items() if labels.items() <= described["labels"].items()] == [group]


def test_groups_of_which_one_could_do_the_others_work_are_to_have_labels_that_tell_them_apart(tmp_path):
    no_gpu = ', nvidia.com/gpu: "1"}\n                limits: {cpu: "7", memory: 26Gi, nvidia.com/gpu: "1"}'
    alike = changed(tmp_path, no_gpu, '}\n                limits: {cpu: "7", memory: 26Gi}')
    assert read_cluster_file(alike).notes == ()
    alike.write_text(alike.read_text().replace("pool: gpu", "pool: cpu"))
    [note] = read_cluster_file(alike).notes
    assert note.startswith("cpu-spot and gpu-spot: no label tells them apart")


def test_labels_that_rays_autoscaler_does_not_see_are_noted(tmp_path):
    file = read_cluster_file(changed(tmp_path, "rayStartParams: {}", 'rayStartParams: {labels: "pool=cpu"}'))
    assert [note.split(":")[0] for note in file.notes] == ["cpu-spot"]
    assert "`labels:` of the group" in file.notes[0]


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
        ('boot-s: "120"', 'boot-s: "-1"', "no number of at least 0"),
        ('boot-s: "120"', 'boot-s: "2m"', "no number of at least 0"),
        ('boot-s: "120"', 'spot-loss-day: "1.5"', "below 1"),
        ('boot-s: "120"', 'boot: "120"', "no such annotation"),
        ("labels: {pool: cpu}", "labels: {pool: 1}", "labels are text: put the value in quotes"),
        ("labels: {pool: cpu}", "labels: [pool]", "no mapping of names to text"),
        ("image: &image IMAGE", "image: &image", "no image"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, right, wrong, said):
    path = changed(tmp_path, right, wrong)
    with pytest.raises(SweepError) as caught:
        read_cluster_file(path)
    assert said in str(caught.value)
    assert caught.value.line is not None


@pytest.mark.parametrize(("text", "number"), [("2", 2.0), (3, 3.0), ("500m", 0.5), ("1Ki", 1024.0), ("1.5G", 1.5e9)])
def test_quantities_are_numbers(text, number):
    assert quantity(text) == pytest.approx(number)
