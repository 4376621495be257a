"""Other tools' algorithms and early-stopping rules -> samplers and pruners of ours."""

from __future__ import annotations

from tuner.sweep._node import Node

__all__ = ["rename_pruner", "rename_sampler"]

_SAMPLERS = {
    "bayes": "gp",
    "bayesian": "gp",
    "bayesianoptimization": "gp",
    "multivariate-tpe": "tpe",
    "gridsearch": "grid",
    "sobol": "qmc",
}
_NAMES = ("type", "name", "algorithmName")
_SETTINGS = ("classArgs", "algorithmSettings")
_MEDIAN = {
    "delay_evaluation": "n_warmup_steps",
    "start_step": "n_warmup_steps",
    "evaluation_interval": "interval_steps",
    "min_trials_required": "n_startup_trials",
}


def rename_sampler(node: Node, key: str, root: Node) -> list[str]:
    """Turn ``method: bayes``, ``algorithm: {algorithmName: tpe}``, ``tuner: {name: TPE}`` ... into our ``sampler``."""
    name, options = _flatten(node)
    seed = options.pop("random_state", None) or options.pop("seed", None)
    mode = options.pop("optimize_mode", None)
    if isinstance(root.content, dict):
        if seed is not None:
            root.content.setdefault("seed", seed)
        if mode is not None and "metric" in root.content and not isinstance(root.content["metric"].content, list):
            _set_goal(root.content["metric"], mode)
    word = name.content
    if not isinstance(word, str):
        raise name.error(f"must be a name, not {name.kind()}", expected="a name such as random, grid or bayes")
    ours = _SAMPLERS.get(word.lower(), word.lower())
    node.content = {"type": Node(ours, name.path, name.line, name.file), **options} if options else ours
    return [] if ours == word.lower() else [f"`{key}: {word}` is read as `sampler: {ours}`"]


def rename_pruner(node: Node, key: str, root: Node) -> list[str]:
    """Turn W&B's ``early_terminate``, Azure's ``early_termination``, Katib's and NNI's rules into our ``pruner``."""
    if node.content is None:
        return []
    name, options = _flatten(node)
    options.pop("optimize_mode", None)
    word = str(name.content).lower()
    if word == "hyperband":
        return _hyperband(node, key, options)
    if word in ("median_stopping", "medianstop", "median"):
        renamed = {_MEDIAN.get(option, option): below for option, below in options.items()}
        node.content = {"type": Node("median", name.path, name.line, name.file), **renamed}
        return [] if word == "median" else [f"`{key}: {name.content}` is read as `pruner: median`"]
    if word in ("bandit", "truncation_selection", "curvefitting"):
        raise name.error(
            "there is no such rule here", expected="asha or median", hint="`pruner: asha` stops the worst trials early"
        )
    node.content = {"type": name, **options}
    return []


def _hyperband(node: Node, key: str, options: dict[str, Node]) -> list[str]:
    """W&B's rule stops at brackets of one hyperband, asynchronously: that is ASHA with ``min`` and ``eta``.

    With ``max_iter`` and ``s`` its first bracket stands at ``max_iter / eta**s`` (W&B's documentation, "early_terminate").
    """
    known = ("min_iter", "max_iter", "s", "eta", "strict")
    for option, below in options.items():
        if option not in known:
            raise node.stray(option, below, ("type", *known))
    numbers = {}
    for option in ("min_iter", "max_iter", "s", "eta"):
        if option in options:
            value = options[option].content
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
                raise options[option].error("must be a number above 0")
            numbers[option] = options[option]
    eta = numbers.get("eta") or Node(3, node.path, node.line, node.file)
    if "min_iter" in numbers:
        low = numbers["min_iter"]
    elif "max_iter" in numbers and "s" in numbers:
        low = _first_bracket(numbers["max_iter"], eta, numbers["s"])
    else:
        raise node.error("needs min_iter, or max_iter with s", expected="{type: hyperband, min_iter: 3, eta: 3}")
    content = {"type": Node("asha", node.path, node.line, node.file), "min": low, "eta": eta}
    if "max_iter" in numbers:
        content["max"] = numbers["max_iter"]
    node.content = content
    shown = ", ".join(f"{k}: {v.content}" for k, v in content.items())
    return [f"`{key}: hyperband` is read as `pruner: {{{shown}}}`: one bracket, promoted asynchronously"]


def _first_bracket(most: Node, eta: Node, brackets: Node) -> Node:
    assert isinstance(most.content, int | float)
    assert isinstance(eta.content, int | float)
    assert isinstance(brackets.content, int | float)
    exponent = min(brackets.content, 64)
    return Node(max(1, round(most.content / max(eta.content, 1) ** exponent)), most.path, most.line, most.file)


def _flatten(node: Node) -> tuple[Node, dict[str, Node]]:
    """The name and the options of ``X``, ``{type: X, ...}``, ``{name: X, classArgs: {...}}`` or Katib's pair lists."""
    if not isinstance(node.content, dict):
        return Node(node.content, node.path, node.line, node.file), {}
    fields = dict(node.content)
    names = [key for key in _NAMES if key in fields]
    if len(names) != 1:
        raise node.error("needs its type", expected="{type: ..., ...}")
    name = fields.pop(names[0])
    for key in _SETTINGS:
        settings = fields.pop(key, None)
        if settings is not None and isinstance(settings.content, list):
            fields |= _pairs(settings.content)
        elif settings is not None and isinstance(settings.content, dict):
            fields |= settings.content
    return name, fields


def _pairs(items: list[Node]) -> dict[str, Node]:
    """Katib's ``[{name: eta, value: "3"}]``; its values are text that holds numbers."""
    found = {}
    for item in items:
        fields = item.fields("name", "value", example='{name: n_startup_trials, value: "10"}')
        if "name" not in fields or "value" not in fields:
            raise item.error("needs a name and a value", expected='{name: n_startup_trials, value: "10"}')
        value = fields["value"]
        found[str(fields["name"].content)] = Node(numeric(value.content), value.path, value.line, value.file)
    return found


def numeric(value: object) -> int | float | str:
    """The number that a text holds, or the text."""
    text = str(value)
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _set_goal(metric: Node, goal: Node) -> None:
    if isinstance(metric.content, dict):
        metric.content.setdefault("goal", goal)
    else:
        name = Node(metric.content, metric.path, metric.line, metric.file)
        metric.content = {"name": name, "goal": goal}
