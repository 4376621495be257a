"""Style is a test: sizes, leftovers, and what importing tuner costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "tuner").rglob("*.py"))
ALL = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
FILE_LINES, FUNCTION_LINES = 500, 60
HEAVY = ("ray", "optuna", "sklearn", "xgboost", "lightgbm", "pandas", "pyarrow", "numpy", "sqlalchemy", "scipy")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", ALL, ids=named)
def test_a_file_is_short(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= FILE_LINES, f"{n_lines} lines, {FILE_LINES} is the limit: split it"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_functions_are_short(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            begin = (first.end_lineno or node.lineno) if has_docstring else node.lineno
            n_lines = (node.end_lineno or begin) - begin
            assert n_lines <= FUNCTION_LINES, f"{node.name} has {n_lines} lines, {FUNCTION_LINES} is the limit"


@pytest.mark.parametrize("path", ALL, ids=named)
def test_nothing_is_left_over(path):
    if path == Path(__file__):
        return
    found = re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b", path.read_text(encoding="utf-8"))
    assert not found, found


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_file_has_a_name_that_says_nothing(path):
    assert path.stem not in {"utils", "helpers", "manager", "common", "misc"}


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_public_names_are_sorted(path):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            names = ast.literal_eval(node.value)
            assert len(names) == len(set(names))


@pytest.mark.parametrize("statement", ["import tuner", "import tuner.cli", "from tuner import report, run"])
def test_importing_loads_no_large_library(statement):
    code = f"{statement}\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
