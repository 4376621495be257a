"""Katib's, NNI's and Azure ML's parameters -> ours; W&B's and Determined's words ``tuner.space`` knows itself.

Ranges are always real values: bounds that are exponents are refused there, with the mend.
"""

from __future__ import annotations

from tuner.sweep._foreign_plugins import numeric
from tuner.sweep._node import Node

__all__ = ["rename_parameters"]

Fields = dict[str, Node]
_AZURE = {"min_value": "min", "max_value": "max"}
_AZURE_KINDS = {"quniform": "q_uniform", "qloguniform": "q_log_uniform", "qnormal": "q_normal"}
_REFUSED = "has no equal here"


def rename_parameters(node: Node) -> None:
    """Bring every parameter below ``node`` into a shape that ``tuner.space`` reads, in place.

    Raises:
        SweepError: A parameter is malformed in its own tool's terms, or its distribution has no counterpart.
    """
    if isinstance(node.content, list):
        node.content = _by_name(node.content)
    if not isinstance(node.content, dict):
        return
    for row in node.content.values():
        if isinstance(row.content, dict):
            row.content = _renamed(row, row.content)


def _by_name(items: list[Node]) -> Fields:
    """Katib's list of ``{name, parameterType, feasibleSpace}`` as a mapping."""
    example = (
        "lr: {low: 1e-5, high: 1e-1, log: true}, or Katib's [{name: lr, parameterType: double, feasibleSpace: ...}]"
    )
    found: Fields = {}
    for item in items:
        fields = dict(item.fields(example=example))
        name = fields.pop("name", None)
        if name is None or not isinstance(name.content, str):
            raise item.error("a parameter in a list needs its name", expected=example)
        if name.content in found:
            raise item.error(f"the parameter {name.content!r} is in the list twice", hint="keep one of them")
        item.content = fields
        found[name.content] = item
    return found


def _renamed(row: Node, fields: Fields) -> Fields:
    if "feasibleSpace" in fields or "parameterType" in fields:
        return _katib(row, fields)
    if "_type" in fields:
        return _nni(row, fields)
    kind = fields.get("type")
    if kind is not None and kind.content == "randint":
        return _randint(row, fields)
    if kind is not None and kind.content in _AZURE_KINDS:
        kind.content = _AZURE_KINDS[str(kind.content)]
    return {_AZURE.get(key, key): below for key, below in fields.items()}


def _randint(row: Node, fields: Fields) -> Fields:
    """Azure's ``{type: randint, upper: n}``: 0 to n - 1."""
    upper = fields.get("upper")
    if upper is None or isinstance(upper.content, bool) or not isinstance(upper.content, int):
        raise row.error("randint needs `upper`, a whole number", hint="or write {low: 0, high: 9}, both ends included")
    found = {key: below for key, below in fields.items() if key not in ("type", "upper")}
    found["low"] = Node(0, upper.path, upper.line, upper.file)
    found["high"] = Node(upper.content - 1, upper.path, upper.line, upper.file)
    return found


def _katib(row: Node, fields: Fields) -> Fields:
    """``{parameterType: double, feasibleSpace: {min: "0.01", max: "0.1"}}``; numbers are text there."""
    known = ("parameterType", "feasibleSpace", "when")
    for key, below in fields.items():
        if key not in known:
            raise row.stray(key, below, known)
    if "parameterType" not in fields or "feasibleSpace" not in fields:
        raise row.error("needs parameterType and feasibleSpace", got=", ".join(fields))
    kind, types = fields["parameterType"], ("int", "double", "discrete", "categorical")
    if kind.content not in types:
        raise kind.unknown("unknown parameterType", str(kind.content), types)
    example = '{min: "0.01", max: "0.1"} or {list: ["a", "b"]}'
    inner = dict(fields["feasibleSpace"].fields("min", "max", "list", "step", "distribution", example=example))
    found: Fields = {key: below for key, below in fields.items() if key == "when"}
    if "list" in inner:
        return found | {"values": _katib_list(inner["list"], numbers=kind.content != "categorical")}
    found["type"] = Node("int" if kind.content == "int" else "float", kind.path, kind.line, kind.file)
    shape = inner.pop("distribution", None)
    if shape is not None and shape.content not in ("uniform", "logUniform"):
        raise shape.error(_REFUSED, expected="uniform or logUniform")
    if shape is not None and shape.content == "logUniform":
        found["log"] = Node(True, shape.path, shape.line, shape.file)
    for key, below in inner.items():
        found[key] = Node(numeric(below.content), below.path, below.line, below.file)
    return found


def _katib_list(node: Node, *, numbers: bool) -> Node:
    if numbers and isinstance(node.content, list):
        items = [Node(numeric(item.content), item.path, item.line, item.file) for item in node.content]
        return Node(list(items), node.path, node.line, node.file)
    return node


def _nni(row: Node, fields: Fields) -> Fields:
    """``{_type: loguniform, _value: [1e-4, 0.1]}``: logarithmic bounds are real values there, and randint ends before its
    second one."""
    kind, value = fields["_type"], fields.get("_value")
    if value is None or not isinstance(value.content, list) or not value.content:
        raise row.error("needs _type and a list _value", expected="{_type: uniform, _value: [0, 1]}")
    items, word = value.content, kind.content
    if word == "choice":
        return {"values": value}
    if word not in ("uniform", "loguniform", "quniform", "randint"):
        raise kind.error(_REFUSED, expected="choice, uniform, loguniform, quniform or randint")
    n = 3 if word == "quniform" else 2
    if len(items) != n:
        raise value.error(f"{word} needs {n} numbers")
    found: Fields = dict(zip(("low", "high", "step"), items, strict=False))
    if word == "randint" and isinstance(items[1].content, int):
        found["high"] = Node(items[1].content - 1, items[1].path, items[1].line, items[1].file)
    if word in ("uniform", "loguniform"):
        found["type"] = Node("float", kind.path, kind.line, kind.file)
    if word == "loguniform":
        found["log"] = Node(True, kind.path, kind.line, kind.file)
    return found
