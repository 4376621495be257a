"""From the command line: a mistake is one clear message, exit code 2, and no store is made.

The messages are in ``bad_input.txt``; after a change that was meant, run with ``UPDATE_SNAPSHOTS=1`` and read the difference.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

import pytest

from tuner import catalog, plugins

SNAPSHOTS = Path(__file__).with_name("bad_input.txt")
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"

FILES = {
    "table.csv": "age,city,label\n" + "".join(f"{20 + i % 40},{'ab'[i % 2]},{'yn'[i % 3 == 0]}\n" for i in range(60)),
    "empty.csv": "",
    "one_class.csv": "age,label\n" + "".join(f"{i},y\n" for i in range(30)),
    "holes.csv": "age,label\n" + "".join(f"{i},{'' if i % 5 == 0 else 'yn'[i % 2]}\n" for i in range(40)),
    "broken.csv": 'age,label\n"1,y\n2,n,extra,cells\n',
    "work.py": "def train(params, context):\n    return 1.0\n\n\ndef lonely():\n    return 1.0\n\n\nnumber = 3\n",
    "crash.py": "import no_such_library\n",
    "space.yaml": "parameters:\n  x: {low: 2, high: 1}\n",
    "ray_cluster_of_two.yaml": (
        "cluster_name: demo\nmax_workers: 2\nprovider: {type: aws, region: eu-central-1}\nhead_node_type: head\n"
        "available_node_types:\n"
        "  head: {resources: {CPU: 0}, node_config: {InstanceType: m5.large}}\n"
        "  worker: {resources: {CPU: 4, memory: 4294967296}, max_workers: 2, node_config: {InstanceType: m5.xlarge}}\n"
    ),
    "not_sqlite.db": "this is text, and long enough to be taken for a database file by nobody\n" * 20,
}
ESTIMATOR = "{estimator: xgboost.XGBClassifier, data: {path: table.csv, target: label}}"


def sweep(objective: str = ESTIMATOR, metric: str = "roc_auc", **more: str) -> str:
    parts = {"space": "xgboost/classifier", "limits": "{trials: 2}"} | more
    lines = ["name: bad", f"objective: {objective}", f"metric: {{name: {metric}, goal: maximize}}"]
    return "\n".join([*lines, *(f"{key}: {value}" for key, value in parts.items())]) + "\n"


def function(name: str) -> str:
    return sweep(f'{{function: "{name}"}}', space="{}", parameters="{x: {low: 0.0, high: 1.0}}").replace(
        "space: {}\n", ""
    )


def table(data: str, **more: str) -> str:
    return sweep(f"{{estimator: xgboost.XGBClassifier, data: {data}}}", **more)


def estimator(path: str, **more: str) -> str:
    return sweep(f"{{estimator: {path}, data: {{path: table.csv, target: label}}}}", **more)


SWEEPS = {
    "data file missing": table("{path: tabel.csv, target: label}"),
    "target missing": table("{path: table.csv, target: lable}"),
    "dropped column missing": table("{path: table.csv, target: label, drop: [agee]}"),
    "empty table": table("{path: empty.csv, target: label}"),
    "one class": table("{path: one_class.csv, target: label}"),
    "holes in the target": table("{path: holes.csv, target: label}"),
    "broken table": table("{path: broken.csv, target: label}"),
    "folder as data": table("{path: ., target: label}"),
    "unknown sklearn table": table("{sklearn: breast_canser}"),
    "loader not found": table('{loader: "work:load"}'),
    "unknown data key": table("{path: table.csv, traget: label}"),
    "estimator module": estimator("xgbost.XGBClassifier"),
    "estimator class": estimator("xgboost.XGBClasifier"),
    "estimator without module": estimator("XGBClassifier"),
    "no estimator": estimator("math.floor"),
    "regressor for classes": estimator("sklearn.linear_model.Ridge", space="ridge"),
    "parameter unknown": sweep(parameters="{max_dept: {low: 2, high: 5}}"),
    "preprocessing unknown": sweep(parameters="{preprocess.scaler: {values: [standart]}}"),
    "metric unknown": sweep(metric="roc_acu"),
    "metric for regression": sweep(metric="r2"),
    "goal contradicts": sweep(metric="accuracy").replace("goal: maximize", "goal: minimize"),
    "validation too large": sweep(ESTIMATOR[:-1] + ", validation: {kind: holdout, size: 2.0}}"),
    "more folds than rows": sweep(ESTIMATOR[:-1] + ", validation: {kind: cv, folds: 500}}"),
    "fidelity without steps": estimator("sklearn.svm.SVC", space="svm/classifier").replace(
        "label}}", "label}, fidelity: epochs}"
    ),
    "function module": function("wrok:train"),
    "function name": function("work:trian"),
    "function arguments": function("work:lonely"),
    "function is no function": function("work:number"),
    "function module breaks": function("crash:train"),
    "command not found": sweep(
        "{command: [no-such-program, --x, '{x}']}", space="{}", parameters="{x: {low: 0, high: 9}}"
    ).replace("space: {}\n", ""),
    "placeholder unknown": sweep("{command: [echo, '{y}']}", space="{}", parameters="{x: {low: 0, high: 9}}").replace(
        "space: {}\n", ""
    ),
    "space file wrong": sweep(space="./space.yaml"),
    "space unknown": sweep(space="xgboost/clasifier"),
    "sampler unknown": sweep(sampler="tpee"),
    "pruner option": sweep(pruner="{type: asha, etta: 3}"),
    "grid without steps": sweep(sampler="grid"),
    "constraint on nothing": sweep(constraints="[{name: fit_s, max: 9}, {name: predict_mss, max: 20}]"),
    "constraint for regression": sweep(constraints="[{name: r2, min: 0.5}]"),
    "constraint contradicts itself": sweep(constraints="[{name: recall, min: 0.9, max: 0.8}]"),
    "constraint without a bound": sweep(constraints="[{name: recall}]"),
    "latency maximized": sweep(metric="predict_ms"),
    "pruner without reports": estimator("sklearn.svm.SVC", space="svm/classifier", pruner="asha"),
    "pruner begins behind the last round": sweep(
        pruner="{type: asha, min: 100}", parameters="{n_estimators: {low: 10, high: 50}}"
    ),
    "pruner begins behind the last fold": sweep(
        ESTIMATOR[:-1] + ", fidelity: folds, validation: {kind: cv, folds: 5}}",
        pruner="{type: median, n_warmup_steps: 9}",
    ),
    "sampler with a seed": sweep(sampler="{type: tpe, seed: 3}"),
    "sampler with another choice": sweep(sampler="{type: qmc, qmc_type: sobool}"),
    "prior that is not there": sweep(prior="last-week"),
    "steps without reports": estimator("sklearn.svm.SVC", space="svm/classifier", limits="{steps: 100}"),
    "cost without prices": sweep(limits="{trials: 2, cost: 5}"),
    "cost without prices of nodes": sweep(
        limits="{trials: 2, cost: 5}", executor="{type: ray, cluster_file: ray_cluster_of_two.yaml}"
    ),
    "cluster file missing": sweep(executor="{type: ray, cluster_file: clustr.yaml}"),
    "cluster file wrong": sweep(executor="{type: ray, cluster_file: good.yaml}"),
    "request too large for every node type": sweep(
        executor="{type: ray, cluster_file: ray_cluster_of_two.yaml}", resources='{cpu: 2, memory: "1GiB * max_depth"}'
    ).replace("xgboost/classifier", "xgboost/classifier\nparameters: {max_depth: {low: 5, high: 9}}"),
    "memory without unit": sweep(resources="{memory: 512}"),
    "memory of an unknown parameter": sweep(resources='{memory: "100MiB * max_dept"}'),
    "negative request": sweep(resources="{cpu: -1}"),
    "weight is nothing": sweep(weight="0"),
    "regret of several metrics": sweep(limits="{regret: 0.01}").replace(
        "metric: {name: roc_auc, goal: maximize}", "metric: [roc_auc, recall]"
    ),
}

CALLS = {
    "explain unknown study": ["explain", "nothing"],
    "no file": ["run", "nowhere.yaml"],
    "store scheme": ["run", "good.yaml", "--store", "mongo://x/y"],
    "store is no database": ["run", "good.yaml", "--store", "sqlite:///not_sqlite.db"],
    "store unreachable": ["run", "good.yaml", "--store", "postgresql+psycopg://nobody@127.0.0.1:{port}/tuner"],
    "address refused": ["run", "good.yaml", "--address", "127.0.0.1:{port}"],
    "address without port": ["run", "good.yaml", "--address", "head-node"],
    "address of the dashboard": ["run", "good.yaml", "--address", "http://127.0.0.1:8265"],
    "address of a client": ["run", "good.yaml", "--address", "ray://127.0.0.1:10001"],
    "executor has no address": ["run", "good.yaml", "--executor", "inline", "--address", "127.0.0.1:6379"],
    "override unknown": ["run", "good.yaml", "--set", "limits.trails=3"],
    "override malformed": ["run", "good.yaml", "--set", "limits.trials"],
    "resume unknown": ["resume", "nothing"],
    "status unknown": ["status", "nothing"],
    "nodes unknown": ["nodes", "nothing"],
    "export format": ["export", "nothing", "--format", "xlsx"],
    "predict no model": ["predict", "nothing", "table.csv"],
    "init no table": ["init", "nowhere.csv", "--target", "y"],
    "init no target": ["init", "table.csv", "--target", "labl"],
    "space unknown": ["spaces", "xgboost/clasifier"],
}


@pytest.fixture
def port():
    """A port at which nothing listens: bound, so that nobody else takes it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for module in ("work", "crash"):  # another test's, from another folder
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "good.yaml").write_text(function("work:train"), encoding="utf-8")
    return tmp_path


def told(answer, folder, port=None) -> str:
    """What a person reads, without what differs from machine to machine, and without lists that grow with a new plug-in."""
    text = (answer.stdout + answer.stderr).replace(str(folder), "FOLDER").replace(sys.executable, "PYTHON")
    if port is not None:
        text = text.replace(str(port), "PORT")
    text = text.replace(", ".join(catalog.names()), "<every space>")
    for kind in ("sampler", "pruner", "executor"):
        text = text.replace(f"one of {', '.join(plugins.names(kind))}\n", f"one of <every {kind}>\n")
    text = re.sub(r"^\d+:\d\d:\d\d  .*\n", "", text, flags=re.M)
    return re.sub(r"[ \t]+$", "", text, flags=re.M).strip()


def snapshots() -> dict[str, str]:
    blocks = re.split(r"^== (.*)\n", SNAPSHOTS.read_text(encoding="utf-8"), flags=re.M)[1:]
    return {name: text.strip() for name, text in zip(blocks[::2], blocks[1::2], strict=True)}


def hold(name: str, text: str) -> None:
    if UPDATE:
        known = snapshots() if SNAPSHOTS.exists() else {}
        known[name] = text
        SNAPSHOTS.write_text("".join(f"== {key}\n{known[key]}\n\n" for key in sorted(known)), encoding="utf-8")
    assert "Traceback" not in text
    assert text == snapshots()[name]


@pytest.mark.parametrize("name", SWEEPS)
def test_a_wrong_sweep_is_told_and_leaves_nothing(name, tuner, folder):
    (folder / "bad.yaml").write_text(SWEEPS[name], encoding="utf-8")
    before = sorted(path.name for path in folder.iterdir() if path.name != "__pycache__")
    answer = tuner("run", "bad.yaml", "--executor", "inline", exit_code=2)
    hold(f"sweep: {name}", told(answer, folder))
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == before


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_told_and_leaves_nothing(name, tuner, folder, port):
    before = sorted(path.name for path in folder.iterdir())
    answer = tuner(*(word.replace("{port}", str(port)) for word in CALLS[name]), exit_code=2)
    hold(f"call: {name}", told(answer, folder, port))
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == before


def test_every_snapshot_belongs_to_a_case():
    cases = {f"sweep: {name}" for name in SWEEPS} | {f"call: {name}" for name in CALLS}
    assert set(snapshots()) == cases
