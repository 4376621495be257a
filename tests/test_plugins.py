"""A name in a sweep file -> a class -> an instance, and everything that can be wrong with it."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tuner import plugins
from tuner.core.ports import Problem, Pruner, Sampler, Suggestion
from tuner.errors import PluginNotFound, SweepError
from tuner.pruners.median import MedianPruner
from tuner.space import Float, SearchSpace
from tuner.study import Metric, PluginSpec

LOSS = Metric("loss")
OUTSIDERS = """
    from __future__ import annotations
    from collections.abc import Sequence
    from typing import Literal, Optional, TYPE_CHECKING
    from tuner.core.ports import Pruner, Sampler
    if TYPE_CHECKING:
        from nowhere import Mystery

    class Typed(Pruner):
        def __init__(self, metric, *, n: int = 1, x: float = 1.0, flag: bool = False, word: str | None = None,
                     mode: Literal["a", "b"] = "a", many: Sequence[int] = (), old: Optional[int] = None):
            self.given = (n, x, flag, word, mode, many, old)
        def judge(self, trial, step, value):
            return None

    class Outer:
        class Inner(Typed):
            pass

    class Needs(Typed):
        def __init__(self, metric, *, path: str):
            pass

    class Untypeable(Typed):
        def __init__(self, metric, *, n: Mystery = 1):
            self.n = n

    class Open(Typed):
        def __init__(self, metric, **options):
            self.options = options

    class Refusing(Typed):
        def __init__(self, metric, *, n: int = 1):
            raise ValueError(f"n must be prime, not {n}")

    class Unfinished(Sampler):
        pass

    class Stranger:
        pass
"""


@pytest.fixture
def outsiders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of an outsider's plug-ins."""
    name = f"outsiders_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(OUTSIDERS), encoding="utf-8")
    (tmp_path / "broken_plugin.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def build(name: str, **options: Any) -> Any:
    return plugins.build("pruner", PluginSpec(name, options), LOSS)


@pytest.mark.parametrize("kind", ["sampler", "pruner", "objective", "executor", "store"])
def test_every_file_of_a_folder_holds_one_class(kind):
    found = plugins.names(kind)
    assert found == sorted(found)
    assert not any(name.startswith("_") for name in found)
    for name in found:
        assert plugins.load(kind, name).__module__.endswith(f".{name}")


def test_the_names_that_sweeps_use_are_there():
    assert {"random", "grid", "tpe", "optuna"} <= set(plugins.names("sampler"))
    assert {"none", "median", "asha"} <= set(plugins.names("pruner"))


def test_listing_names_imports_none_of_them():
    before = set(sys.modules)
    plugins.names("sampler")
    assert not {name for name in set(sys.modules) - before if name.startswith("tuner.samplers.")}


@pytest.mark.parametrize(("name", "closest"), [("tpee", "tpe"), ("Random", "random"), ("zzz", None)])
def test_an_unknown_name_gets_the_closest(name, closest):
    with pytest.raises(PluginNotFound) as caught:
        plugins.load("sampler", name)
    assert caught.value.closest == closest
    assert "tpe" in caught.value.known


def test_shared_parts_are_no_plugins():
    with pytest.raises(PluginNotFound):
        plugins.load("sampler", "_optuna")


def test_options_reach_the_constructor(outsiders):
    made = build(f"{outsiders}:Typed", n=3, x=2, flag=True, word=None, mode="b", many=[1], old=None)
    assert made.given == (3, 2, True, None, "b", [1], None)


def test_an_outsiders_nested_class_is_found(outsiders):
    assert issubclass(plugins.load("pruner", f"{outsiders}:Outer.Inner"), Pruner)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_package.mod:Class", "no_such_package"),
        ("{}:Missing", "Missing"),
        ("{}:", "cannot be imported"),
        (":Class", "cannot be imported"),
        ("broken_plugin:Class", "ZeroDivisionError"),
        ("{}:Stranger", "is no pruner"),
        ("{}:Unfinished", "is no pruner"),
    ],
)
def test_an_outsider_that_cannot_be_used_is_told(outsiders, name, says):
    with pytest.raises(SweepError, match=says) as caught:
        build(name.format(outsiders))
    assert caught.value.path == "pruner.type"


def test_an_outsider_that_lacks_methods_is_told(outsiders):
    with pytest.raises(SweepError, match="lacks ask"):
        plugins.load("sampler", f"{outsiders}:Unfinished")


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("n", "three", "a whole number"),
        ("n", 1.5, "a whole number"),
        ("n", True, "a whole number"),
        ("n", None, "a whole number"),
        ("x", "1", "a number"),
        ("x", False, "a number"),
        ("flag", 1, "true or false"),
        ("flag", "yes", "true or false"),
        ("word", 3, "a text or null"),
        ("mode", "c", "'a' or 'b'"),
        ("old", "x", "a whole number or null"),
    ],
)
def test_an_option_of_the_wrong_type_is_told(outsiders, option, value, expected):
    with pytest.raises(SweepError, match=f"{option} (has the wrong type|takes no such value)") as caught:
        build(f"{outsiders}:Typed", **{option: value})
    assert caught.value.path == f"pruner.{option}"
    assert caught.value.got == value
    assert caught.value.expected == expected


def test_an_unknown_option_gets_the_closest():
    with pytest.raises(SweepError, match="has no option 'n_warmup_step'") as caught:
        build("median", n_warmup_step=3)
    assert caught.value.hint == "did you mean 'n_warmup_steps'?"
    with pytest.raises(SweepError) as caught:
        build("none", eta=3)
    assert caught.value.expected == "no options"


def test_an_option_that_is_needed_is_named(outsiders):
    with pytest.raises(SweepError, match="needs the option 'path'") as caught:
        build(f"{outsiders}:Needs")
    assert caught.value.path == "pruner.path"


def test_what_a_constructor_refuses_is_a_sweep_error(outsiders):
    with pytest.raises(SweepError, match="n must be prime, not 4") as caught:
        build(f"{outsiders}:Refusing", n=4)
    assert caught.value.path == "pruner"
    assert isinstance(caught.value.__cause__, ValueError)


def test_annotations_that_cannot_be_read_are_not_checked(outsiders):
    assert build(f"{outsiders}:Untypeable", n="anything").n == "anything"


def test_open_ended_options_are_passed_on(outsiders):
    assert build(f"{outsiders}:Open", anything=1).options == {"anything": 1}


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "tuner.pruners.optuna", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SweepError, match="cannot be loaded") as caught:
        plugins.load("pruner", "optuna")
    assert "optuna" in str(caught.value)


def test_a_file_with_two_classes_is_a_bug():
    class One(Sampler):
        def ask(self, first: int, count: int) -> list[Suggestion]:
            return []

    module = type(sys)("two_of_them")
    for name in ("One", "Two"):
        vars(module)[name] = type(name, (One,), {"__module__": "two_of_them"})
    with pytest.raises(TypeError, match="exactly one public Sampler, but holds 2"):
        plugins._public_class(module, Sampler)


def test_the_port_comes_before_the_options():
    problem = Problem(SearchSpace({"x": Float(0.0, 1.0)}), (LOSS,), 1)
    assert isinstance(plugins.build("sampler", PluginSpec("random"), problem), Sampler)
    with pytest.raises(SweepError, match="has no option 'problem'"):
        plugins.build("sampler", PluginSpec("random", {"problem": 3}), problem)


def wrapped(pruner: Any, **options: Any) -> Any:
    return plugins.build("pruner", PluginSpec("patient", {"patience": 1, "pruner": pruner, **options}), LOSS)


def test_an_option_may_be_a_plugin_of_the_same_kind():
    for form in (
        "median",
        {"type": "median"},
        {"type": "patient", "patience": 2, "pruner": "median"},
        MedianPruner(LOSS),
    ):
        assert isinstance(wrapped(form), Pruner)


@pytest.mark.parametrize(
    ("pruner", "path"),
    [
        ("medain", "pruner.pruner"),
        ({"type": "medain"}, "pruner.pruner.type"),
        ({"n_warmup_steps": 3}, "pruner.pruner"),
        (3, "pruner.pruner"),
        ({"type": "median", "interval_steps": 0}, "pruner.pruner.interval_steps"),
        ({"type": "median", "eta": 3}, "pruner.pruner.eta"),
        ({"type": "patient", "patience": 1, "pruner": {"type": "asha", "eta": 1}}, "pruner.pruner.pruner.eta"),
        ({"type": "patient", "patience": 1, "pruner": "ahsa"}, "pruner.pruner.pruner"),
        ({"type": "nowhere:Pruner"}, "pruner.pruner.type"),
    ],
)
def test_what_is_wrong_with_an_inner_plugin_is_told_with_its_place(pruner, path):
    with pytest.raises(SweepError) as caught:
        wrapped(pruner)
    assert caught.value.path == path
