"""What attempts ask for: ``auto``, amounts and formulas, and whether a cluster's node types can hold it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuner.errors import SweepError
from tuner.formula import Formula
from tuner.resources import NodeType, Resources
from tuner.space import Categorical, Constant, Float, Int
from tuner.study import Limits, PluginSpec, ResourceRequest, StudySpec
from tuner.sweep import _executor as executors
from tuner.sweep import build_spec, parse, to_yaml
from tuner.sweep._executor import check_fits
from tuner.sweep._node import Node
from tuner.sweep._resources import formula_points

REST = """
objective: {function: work:train}
metric: loss
limits: {trials: 3}
parameters:
  max_depth: {low: 2, high: 12}
  batch: {values: [32, 64, 128]}
  threads: {value: 2}
"""
SPACE = {"max_depth": Int(2, 12), "batch": Categorical([32, 64, 128]), "threads": Constant(2)}
TRAIN = PluginSpec("function", {"function": "work:train"})


def asked(resources: str) -> ResourceRequest:
    return parse(f"{REST}resources: {resources}\n").spec.resources


def spec(**more: Any) -> StudySpec:
    arguments: dict[str, Any] = {"name": "demo", "objective": TRAIN, "space": SPACE, "metric": "loss"}
    return build_spec(**(arguments | {"limits": {"trials": 3}} | more))


@pytest.mark.parametrize("resources", ["", "{}", "{cpu: auto, memory: auto, gpu: auto}", "{cpu: , gpu: Auto}"])
def test_everything_is_auto_unless_it_is_said(resources: str) -> None:
    assert asked(resources) == ResourceRequest(None, None, None)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ('{memory: "200MiB + 3MiB * max_depth"}', ResourceRequest(memory_mib=Formula("200MiB + 3MiB * max_depth"))),
        ("{memory: 1GiB + 2MB * batch}", ResourceRequest(memory_mib=Formula("1GiB + 2MB * batch"))),
        ('{memory: "ceil(1.3MiB * max_depth)"}', ResourceRequest(memory_mib=Formula("ceil(1.3MiB * max_depth)"))),
        ('{memory: "max(256MiB, 40MiB * max_depth)"}', ResourceRequest(memory_mib=Formula("max(256MiB, 40MiB * max_depth)"))),
        ("{cpu: threads}", ResourceRequest(cpu=Formula("threads"))),
        ('{gpu: "ceil(batch / 64)"}', ResourceRequest(gpu=Formula("ceil(batch / 64)"))),
        ("{memory: 2 * 4GiB, cpu: 1 + 1}", ResourceRequest(cpu=2.0, memory_mib=8192.0)),
        ("{cpu: 0.5, memory: 2GB, gpu: 0.25}", ResourceRequest(0.5, 2e9 / 2**20, 0.25)),
    ],
)  # fmt: skip
def test_amounts_and_formulas_are_read(resources: str, expected: ResourceRequest) -> None:
    assert asked(resources) == expected


def test_formulas_weight_and_nodes_read_back_equal() -> None:
    request = {"cpu": "threads", "memory": "200MiB + 3MiB * max_depth", "gpu": "auto"}
    written = spec(resources=request, weight=2.5, limits=Limits(trials=3, nodes=4))
    assert (written.weight, written.limits.nodes) == (2.5, 4)
    again = parse(to_yaml(written)).spec
    assert (again.resources, again.weight, again.limits) == (written.resources, written.weight, written.limits)


def test_a_formula_may_be_given_as_one() -> None:
    formula = Formula("3MiB * max_depth")
    for resources in ({"memory": formula}, ResourceRequest(memory_mib=formula), {"memory": formula.text}):
        assert spec(resources=resources).resources == ResourceRequest(memory_mib=formula)


def test_a_formula_given_from_python_is_checked() -> None:
    with pytest.raises(SweepError, match="no parameter") as caught:
        spec(resources=ResourceRequest(memory_mib=Formula("3MiB * depth")))
    assert caught.value.path == "resources.memory"


def test_a_formula_is_tried_at_the_corners_and_at_every_value_where_they_are_few() -> None:
    space = spec(space={"x": Float(1.0, 100.0, log=True), "n": Int(1, 3), "many": Int(0, 1000)}).space
    points = list(formula_points(Formula("x + n + many"), space))
    assert {point["n"] for point in points} == {1, 2, 3}
    assert sorted({float(str(point["x"])) for point in points}) == pytest.approx([1.0, 10.0, 100.0])
    assert {point["many"] for point in points} == {0, 500, 1000}


def test_a_formula_over_many_parameters_is_tried_at_a_bounded_number_of_points() -> None:
    space = spec(space={f"x{n}": Float(0.5, 1.0) for n in range(40)}).space
    assert len(list(formula_points(Formula(" + ".join(space)), space))) == 4096


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resources: {slots_per_trial: 2, weight: 3}", (2.0, 3.0)),
        ("trialGpuNumber: 1", (1.0, 1.0)),
        ("resources_per_trial: {gpu: 1}\nweight: 2", (1.0, 2.0)),
    ],
)
def test_other_tools_words_are_read(text: str, expected: tuple[float, float]) -> None:
    found = parse(f"{REST}{text}\n").spec
    assert (found.resources.gpu, found.weight) == expected


SMALL = NodeType("small", Resources(4.0, 0.0, 2048.0), 3)
GPU = NodeType("gpu", Resources(8.0, 1.0, 8192.0), 1, price_h=1.5)


def fits(request: ResourceRequest, *types: NodeType) -> tuple[str, ...]:
    return check_fits(spec(resources=request), types, Node.of({}, "resources"))


@pytest.mark.parametrize(
    "request_",
    [
        ResourceRequest(),
        ResourceRequest(cpu=8.0, gpu=1.0, memory_mib=8192.0),
        ResourceRequest(cpu=Formula("threads"), memory_mib=Formula("600MiB * max_depth")),
    ],
)
def test_what_some_node_type_can_hold_passes(request_: ResourceRequest) -> None:
    assert fits(request_, SMALL, GPU) == ()


@pytest.mark.parametrize(
    "request_",
    [
        ResourceRequest(cpu=9.0),
        ResourceRequest(gpu=2.0),
        ResourceRequest(cpu=5.0, memory_mib=9000.0),
        ResourceRequest(memory_mib=Formula("5GiB * max_depth")),
    ],
)
def test_what_no_node_type_can_hold_is_refused(request_: ResourceRequest) -> None:
    with pytest.raises(SweepError, match="no node type of the cluster can hold one attempt") as caught:
        fits(request_, SMALL, GPU)
    assert caught.value.path == "resources"
    assert "gpu: 8 CPU, 1 GPU, 8,192 MiB of memory" in (caught.value.expected or "")


def test_what_only_some_parameters_make_too_large_is_noted() -> None:
    (note,) = fits(ResourceRequest(memory_mib=Formula("1GiB * max_depth")), SMALL, GPU)
    assert "12,288 MiB of memory" in note


def test_a_node_type_that_does_not_say_its_memory_may_hold_any() -> None:
    assert fits(ResourceRequest(memory_mib=99999.0), NodeType("x", Resources(4.0), 1)) == ()


CLUSTER = "executor: {type: ray, cluster_file: cluster.yaml}\n"


@pytest.fixture
def with_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor's cluster file names these, whatever its options."""
    monkeypatch.setattr(executors, "read_plugin", lambda kind, node: PluginSpec("ray", dict(node.plain())))


def _cluster(path: Path, price: str) -> str:
    text = (
        "cluster_name: demo\nmax_workers: 2\nprovider: {type: aws, region: eu-central-1}\nhead_node_type: head\n"
        "available_node_types:\n"
        "  head: {resources: {CPU: 0}, node_config: {InstanceType: m5.large}}\n"
        f"  worker: {{resources: {{CPU: 4, memory: 4294967296}}, max_workers: 2, labels: {{{price}}}, "
        "node_config: {InstanceType: m5.xlarge}}\n"
    )
    path.write_text(text, encoding="utf-8")
    return f"{REST}executor: {{type: ray, cluster_file: cluster.yaml}}\n"


def test_prices_of_a_clusters_file_make_a_limit_of_money_real(tmp_path: Path, with_types: None) -> None:
    limited = _cluster(tmp_path / "cluster.yaml", 'tuner.io/price-h: "0.34"') + "resources: {cpu: 2}\n"
    limited = limited.replace("limits: {trials: 3}", "limits: {cost: 2}")
    found = parse(limited, tmp_path / "sweep.yaml")
    assert found.spec.limits.cost == 2.0
    assert found.executor is not None
    assert found.executor.options["cluster_file"] == str(tmp_path / "cluster.yaml")


def test_a_clusters_file_without_prices_does_not(tmp_path: Path, with_types: None) -> None:
    limited = _cluster(tmp_path / "cluster.yaml", "").replace("limits: {trials: 3}", "limits: {cost: 2}")
    with pytest.raises(SweepError, match="nothing says what running costs") as caught:
        parse(limited, tmp_path / "sweep.yaml")
    assert "node types" in (caught.value.hint or "")


def test_a_request_too_large_for_the_clusters_file_is_found_at_its_line(tmp_path: Path, with_types: None) -> None:
    text = _cluster(tmp_path / "cluster.yaml", "") + "resources: {cpu: 5}\n"
    with pytest.raises(SweepError, match="no node type of the cluster can hold one attempt") as caught:
        parse(text, tmp_path / "sweep.yaml")
    assert caught.value.line == text.count("\n")


def test_a_clusters_file_that_is_not_there_is_named(tmp_path: Path, with_types: None) -> None:
    with pytest.raises(SweepError, match=r"there is no file '.*cluster\.yaml'") as caught:
        parse(REST + CLUSTER, tmp_path / "sweep.yaml")
    assert caught.value.path == "executor.cluster_file"
