"""What finished trials must keep to, what running costs, and which checkpoints are kept."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.resources import NodeType
from tuner.study import CheckpointPolicy, Constraint, Limits, Metric, Prices, StudySpec
from tuner.sweep import _fields
from tuner.sweep._node import Node

__all__ = ["check_cost", "check_regret", "read_checkpoints", "read_constraints", "read_prices"]

_EXAMPLE = "constraints: [{name: predict_ms, max: 20}, {name: recall, min: 0.8}]"
_PRICES = "prices: {cpu_h: 0.04, gpu_h: 2.5, memory_gib_h: 0.005}"
_CHECKPOINTS = "checkpoints: {best: 1, size: 2GiB}"


def read_constraints(node: Node | None, metrics: Sequence[Metric]) -> tuple[Constraint, ...]:
    """The constraints; none when there is no node.

    Args:
        node: A list of ``{name, min, max}``, or a single one.
        metrics: The study's.

    Raises:
        SweepError: One has no name or no bound, contradicts itself, is there twice, or is about the one metric that is
            optimised anyhow.
    """
    if node is None:
        return ()
    items = node.content if isinstance(node.content, list) else [node]
    found: dict[str, Constraint] = {}
    for item in items:
        constraint = _constraint(item)
        if constraint.name in found:
            raise item.error(
                f"there are two constraints on {constraint.name!r}",
                hint=f"write both bounds in one: {{name: {constraint.name}, min: ..., max: ...}}",
            )
        if len(metrics) == 1 and constraint.name == metrics[0].name:
            raise item.error(
                f"{constraint.name!r} is what is optimised: the best trial has the best value of it, with or without a bound",
                expected="the name of another metric, or of measured usage: peak_memory_mib, wall_s, cpu_s",
                hint="to end the sweep once a value is reached, give the metric a target",
            )
        found[constraint.name] = constraint
    return tuple(found.values())


def _constraint(node: Node) -> Constraint:
    fields = node.fields("name", "min", "max", example=_EXAMPLE)
    if "name" not in fields:
        raise node.error("name is missing", expected=_EXAMPLE)
    name = _fields.text(fields["name"], "the name of a metric").strip()
    low, high = (_bound(fields.get(key)) for key in ("min", "max"))
    if low is None and high is None:
        raise node.error("has no bound", expected=f"{{name: {name}, max: 20}}, or min, or both")
    if low is not None and high is not None and low > high:
        raise node.error(f"min {low:g} is above max {high:g}: no trial could keep to it", hint="swap them")
    return Constraint(name, low, high)


def _bound(node: Node | None) -> float | None:
    return None if node is None or node.content is None else float(_fields.number(node))


def read_prices(node: Node | None) -> Prices | None:
    """What running costs; None when there is no node.

    Raises:
        SweepError: A price is unknown or below 0, or there is none.
    """
    if node is None:
        return None
    fields = node.fields("cpu_h", "gpu_h", "memory_gib_h", example=_PRICES)
    prices = Prices(**{key: float(_fields.number(below, low=0.0, expected=_PRICES)) for key, below in fields.items()})
    if prices == Prices():
        raise node.error("says that nothing costs anything", expected=_PRICES)
    return prices


def check_cost(spec: StudySpec, types: Sequence[NodeType], node: Node) -> None:
    """A limit in money needs prices: of something that trials ask for, or of the nodes.

    Args:
        spec: The sweep.
        types: The kinds of node that the cluster can grow to; one with a price is enough.
        node: That of ``limits``.

    Raises:
        SweepError: There are none.
    """
    prices, resources = spec.prices, spec.resources
    if spec.limits.cost is None or any(kind.price_h for kind in types):
        return
    place = node.find("cost")
    if prices is None:
        hint = "add `prices` beside `limits`"
        if types:
            hint += ", or a price to the node types of the cluster's file (docs/clusters.md)"
        raise place.error("nothing says what running costs", expected=_PRICES, hint=hint)
    asked = (
        prices.cpu_h > 0,
        prices.gpu_h > 0 and resources.gpu not in (0, None),  # `auto` may find none
        prices.memory_gib_h > 0 and resources.memory_mib is not None,
    )
    if not any(asked):
        raise place.error(
            "nothing that trials ask for has a price, so the budget would never be spent",
            expected=_PRICES,
            hint="give prices.cpu_h, or ask for what has a price under `resources`",
        )


def check_regret(limits: Limits, metrics: Sequence[Metric], node: Node) -> None:
    """The regret bound is about one metric's best value.

    Raises:
        SweepError: There are several metrics.
    """
    if limits.regret is not None and len(metrics) > 1:
        raise node.find("regret").error(
            "the regret bound is about one metric's best value, and there are several metrics",
            hint="use limits.patience, which looks at the front",
        )


def read_checkpoints(node: Node | None) -> CheckpointPolicy:
    """Which checkpoints are kept; the default when there is no node.

    Raises:
        SweepError: A key is unknown or its value wrong.
    """
    if node is None:
        return CheckpointPolicy()
    fields = node.fields("best", "size", example=_CHECKPOINTS)
    best, size = fields.get("best"), fields.get("size")
    expected = "of how many of the best finished trials the latest checkpoint is kept: a whole number of at least 0"
    return CheckpointPolicy(
        best=CheckpointPolicy().best if best is None else _fields.whole(best, low=0, expected=expected),
        size_mib=None
        if size is None or size.content is None
        else _fields.memory(size, "an amount with its unit, such as 2GiB"),
    )
