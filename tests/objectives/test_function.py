"""A function as the objective: found, checked, called, and carried to processes that have never seen its module."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
import textwrap
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from tuner import plugins
from tuner.errors import ObjectiveError
from tuner.objectives.function import Function
from tuner.resources import Resources
from tuner.space import Float, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec

SPEC = StudySpec("f", (Metric("loss"),), SearchSpace({"lr": Float(0, 1), "width": Float(1, 9)}), PluginSpec("function"))


class FakeContext:
    trial, attempt, seed, grant = 0, 1, 7, Resources()
    directory, stop_requested, checkpoint = Path(), None, None

    def save_checkpoint(self, step: int) -> AbstractContextManager[Path]:
        raise NotImplementedError

    def report(self, step: int, values: Any = None, /, **metrics: float) -> None: ...

    def log(self, text: str) -> None: ...


CONTEXT = FakeContext()


@pytest.fixture
def modules(tmp_path: Path):
    """Writes modules into a folder of their own; forgets them afterwards."""
    known, path = set(sys.modules), list(sys.path)

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            file = tmp_path / (name.replace("_package", "/__init__").replace("_in_", "/") + ".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        return tmp_path

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if str(tmp_path) in f"{sys.modules[name].__spec__}":
            del sys.modules[name]


def prepared(function: Any, **options: Any) -> Function:
    objective = Function(function, **options)
    objective.prepare(SPEC)
    return objective


def refused(function: Any, **options: Any) -> str:
    with pytest.raises(ObjectiveError) as caught:
        prepared(function, **options)
    return str(caught.value)


def test_a_module_beside_the_sweep_file_goes_before_one_elsewhere(modules, tmp_path):
    base = modules(work_z="def train(params, context): return 1.0")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "work_z.py").write_text("def other(params, context): return 2.0")
    sys.path[:0] = [str(tmp_path / "elsewhere")]
    with plugins.beside(base):  # which looks there last
        assert prepared("work_z:train", base=str(base)).run({}, CONTEXT) == 1.0


def test_a_function_beside_the_sweep_file_is_found_by_name(modules):
    base = modules(work_a="def train(params, context): return params['lr'] + context.seed")
    assert prepared("work_a:train", base=str(base)).run({"lr": 0.5}, CONTEXT) == 7.5


def test_dots_reach_into_packages_and_classes(modules):
    base = modules(
        pkgb_package="", pkgb_in_mod="class Trainer:\n    @staticmethod\n    def train(params): return params['lr']"
    )
    assert prepared("pkgb.mod:Trainer.train", base=base).run({"lr": 0.25}, CONTEXT) == 0.25


def test_a_closure_is_taken_as_it_is():
    offset = 2.0
    assert prepared(lambda params: params["lr"] + offset).run({"lr": 0.5}, CONTEXT) == 2.5


def test_the_function_gets_a_dict_of_its_own():
    given = {"lr": 0.5}

    def train(params):
        params["lr"] = 99
        return 0.0

    prepared(train).run(given, CONTEXT)
    assert given == {"lr": 0.5}


def both(params, context):
    return (params["lr"], context.seed)


def only_params(params):
    return (params["lr"], None)


def context_by_keyword(params, *, context):
    return (params["lr"], context.seed)


def context_late(params, path="x", context=None):
    return (params["lr"], context.seed)


def second_without_default(config, reporter):
    return (config["lr"], reporter.seed)


def second_with_default(params, verbose=False):
    assert verbose is False
    return (params["lr"], None)


def positional_only(params, context, /):
    return (params["lr"], context.seed)


def anything(*args, **kwargs):
    return (args[0]["lr"], args[1].seed)


class Callable_:
    def __call__(self, params, context):
        return (params["lr"], context.seed)

    def method(self, params):
        return (params["lr"], None)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (both, (0.5, 7)),
        (only_params, (0.5, None)),
        (context_by_keyword, (0.5, 7)),
        (context_late, (0.5, 7)),
        (second_without_default, (0.5, 7)),
        (second_with_default, (0.5, None)),
        (positional_only, (0.5, 7)),
        (anything, (0.5, 7)),
        (Callable_(), (0.5, 7)),
        (Callable_().method, (0.5, None)),
        (functools.partial(both), (0.5, 7)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_context_comes_where_the_function_wants_it(function, expected):
    assert prepared(function).run({"lr": 0.5}, CONTEXT) == expected


def test_constants_come_by_keyword():
    def train(params, context, *, rows, scale=1.0):
        return params["lr"] * rows * scale

    assert prepared(train, arguments={"rows": 10}).run({"lr": 0.5}, CONTEXT) == 5.0


def test_a_constant_for_the_second_parameter_is_not_the_context():
    def train(params, rows):
        return params["lr"] * rows

    assert prepared(train, arguments={"rows": 10}).run({"lr": 0.5}, CONTEXT) == 5.0


async def asynchronous(params, context):
    return 0.0


def generating(params, context):
    yield 0.0


def one_by_one(lr, width):
    return lr


def three(params, context, rows):
    return 0.0


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (3, {}, "objective.function is 3, expected pkg.mod:function or a callable"),
        ("work_c.train", {}, "hint: write work_c:train"),
        ("work_c.py", {}, "hint: write work:train for train in work.py"),
        ("work_d:train", {}, "no module 'work_d'; looked in {base} and Python's own path\n  hint: did you mean work_c?"),
        ("work_c.py:train", {}, "hint: name the module, not the file: work_c"),
        ("work_c:trian", {}, "there is no 'trian' in {base}/work_c.py\n  hint: did you mean 'train'?"),
        ("work_c:Net", {}, "work_c:Net is a class, expected a function"),
        ("work_c:RATE", {}, "work_c:RATE is no function but 0.1 (float)"),
        ("needs:train", {}, "importing needs failed: it needs the module 'not_installed_anywhere'"),
        ("broken:train", {}, "importing broken raised SyntaxError"),
        ("leaves:train", {}, "importing leaves raised SystemExit: 2"),
        ("raises:train", {}, "importing raises raised ZeroDivisionError"),
        (asynchronous, {}, "is an async function, expected a plain function"),
        (generating, {}, "is a generator, expected a plain function"),
        (one_by_one, {}, "missing a required argument"),
        (lambda: 0.0, {}, "too many positional arguments; expected <lambda>(params, context) or <lambda>(params)"),
        (three, {}, "missing a required argument: 'rows'"),
        (both, {"arguments": {"row": 1}}, "hint: objective.arguments.row: both has no such parameter"),
        (three, {"arguments": {"row": 1}}, "hint: objective.arguments.row: did you mean 'rows'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_called_is_refused_before_anything_runs(modules, function, options, said):
    base = modules(
        work_c="RATE = 0.1\nclass Net: pass\ndef train(params): return 0.5",
        needs="import not_installed_anywhere",
        broken="def train(params:\n",
        leaves="import sys; sys.exit(2)",
        raises="1 / 0",
    )
    if function is one_by_one:
        # One parameter by one, both positional: bindable as (params, context), so only the names tell.
        assert prepared(function, base=base).run({"lr": 0.5}, CONTEXT) == {"lr": 0.5}
        return
    assert said.format(base=base.resolve()) in refused(function, base=base, **options)


def test_parameters_one_by_one_are_refused_with_the_mend():
    def train(lr, width, depth):
        return lr

    assert "the parameters come as one mapping: write `def" in refused(train)
    assert "read params['lr']" in refused(train)


def test_the_description_holds_the_source_and_its_digest(modules):
    base = modules(work_e="# a comment\ndef train(params):\n    return 0.5\n")
    described = prepared("work_e:train", base=base, arguments={}).describe()

    assert described["function"] == "work_e:train"
    assert described["source"] == "def train(params):\n    return 0.5\n"
    assert len(described["sha256"]) == len(described["file_sha256"]) == 64
    assert described["file"].endswith("work_e.py")


def test_what_has_no_source_is_described_by_name():
    described = Function(max).describe()
    assert described == {"kind": "function", "function": "builtins:max"}


def run_elsewhere(payload: bytes, tmp_path: Path) -> str:
    """Unpickle and run in a process that knows nothing of this one's modules."""
    file = tmp_path / "objective.pickle"
    file.write_bytes(payload)
    code = (
        "import pickle, sys; objective = pickle.load(open(sys.argv[1], 'rb'));"
        "print(objective.run({'lr': 0.5}, None), objective.name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("package", [{"pkgf_package": ""}, {}], ids=["package", "namespace package"])
@pytest.mark.parametrize("protocol", [4, 5])
def test_modules_beside_the_sweep_file_travel_with_the_function(modules, tmp_path, protocol, package):
    base = modules(
        work_f="from helper_f import twice\nimport pkgf.deep\ndef train(params): return twice(params['lr']) + pkgf.deep.ONE",
        helper_f="def twice(x): return 2 * x",
        pkgf_in_deep="ONE = 1",
        **package,
    )
    payload = pickle.dumps(prepared("work_f:train", base=base), protocol)
    for file in base.rglob("*.py"):
        file.unlink()

    assert run_elsewhere(payload, tmp_path) == "2.0 work_f:train"
    assert cloudpickle.list_registry_pickle_by_value() == set()


def test_a_module_imported_while_it_runs_is_found_where_the_folder_is_there_too(modules, tmp_path):
    base = modules(work_g="def train(params):\n    import lazy_g\n    return lazy_g.ONE", lazy_g="ONE = 1")
    assert run_elsewhere(pickle.dumps(prepared("work_g:train", base=base)), tmp_path) == "1 work_g:train"


def test_a_closure_travels_with_what_it_holds(tmp_path):
    table = np.arange(4.0)

    def train(params):
        return params["lr"] * table.sum()

    assert run_elsewhere(cloudpickle.dumps(prepared(train)), tmp_path).startswith("3.0 ")


def test_large_arrays_stay_out_of_band():
    table = np.zeros(1_000_000)
    objective = prepared(lambda params: float(table[0]))
    buffers: list[pickle.PickleBuffer] = []
    payload = pickle.dumps(objective, 5, buffer_callback=buffers.append)

    assert len(payload) < 100_000
    assert sum(buffer.raw().nbytes for buffer in buffers) == table.nbytes
    assert pickle.loads(payload, buffers=buffers).run({}, CONTEXT) == 0.0


def test_installed_modules_travel_by_name(modules):
    base = modules(work_h="import numpy, tuner.errors\ndef train(params): return tuner.errors, numpy")
    assert len(pickle.dumps(prepared("work_h:train", base=base), 5)) < 5_000


def test_ours_travels_by_name_even_when_the_sweep_lies_beside_our_sources():
    import tuner

    root = Path(tuner.__file__).parents[1]
    payload = pickle.dumps(prepared("tuner.errors:closest", base=root, arguments={"known": []}), 5)
    assert len(payload) < 1_000


def test_what_cannot_travel_is_named_with_the_mend():
    lock = threading.Lock()

    def train(params):
        with lock:
            return 0.5

    objective = prepared(train)
    with pytest.raises(ObjectiveError) as caught:
        pickle.dumps(objective)
    assert "cannot be sent to the workers: TypeError: cannot pickle '_thread.lock' object" in str(caught.value)
    assert "open files, locks and connections inside it" in str(caught.value)
