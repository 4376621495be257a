"""Options are checked without loading Ray, Optuna or scikit-learn."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from tuner import plugins
from tuner.sweep._signature import Signature, _from_source, signature

KINDS = [(kind, name) for kind in ("objective", "executor") for name in plugins.names(kind)]


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_what_is_read_from_the_source_is_the_signature(kind: str, name: str) -> None:
    parameters = inspect.signature(plugins.load(kind, name)).parameters.values()
    plain = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    assert signature(kind, name) == Signature(
        tuple(p.name for p in plain),
        frozenset(p.name for p in plain if p.default is p.empty),
        any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def __init__(self, a, b=1, *, c, d=2, **rest): ...", Signature(("a", "b", "c", "d"), frozenset("ac"), True)),
        ("def __init__(self): ...", Signature(())),
        ("def other(self): ...", None),
        ("@deprecated\n    def __init__(self, a): ...", None),
    ],
)
def test_a_constructor_is_read(source: str, expected: Signature | None) -> None:
    assert _from_source(f"__all__ = ['X']\nclass X:\n    {source}\nclass _Y: ...\n") == expected


@pytest.mark.parametrize(
    "source", ["class X: ...", "__all__ = names()\nclass X: ...", "__all__ = ['X', 'Y']\nclass X: ...\nclass Y: ..."]
)
def test_a_module_that_does_not_tell_is_imported_instead(source: str) -> None:
    assert _from_source(source) is None


def test_an_outsiders_class_is_imported() -> None:
    assert signature("objective", "tuner.objectives.function:Function").names[0] == "function"


def test_reading_a_sweep_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tuner.sweep import load\n"
        f"load({str(Path(__file__).parent / 'good' / 'wandb.yaml')!r})\n"
        f"load({str(Path(__file__).parent / 'good' / 'azure.yaml')!r})\n"
        "from tuner.sweep import parse\n"
        "parse('objective: {estimator: sklearn.svm.SVC, data: {sklearn: iris}, fidelity: none}\\nmetric: accuracy\\n'\n"
        "      'parameters: {C: {low: 1.0, high: 9.0}}\\nlimits: {trials: 1}\\nexecutor: ray\\n')\n"
        "print([m for m in ('ray', 'optuna', 'sklearn', 'xgboost', 'pandas', 'sqlalchemy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
