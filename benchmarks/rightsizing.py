"""How well are trials sized that differ in memory by a factor of ten, on one node with little of it?

The same trials (random search, same seed) on two CPUs and so little memory that the worst case fits once: requests fixed for
the worst case, fixed for the median, Ray Tune fixed for the worst case, and ``auto``. The fixed requests are an oracle's: they
come from what these very trials were measured to use in the run of ``auto``, so no expert could size better. Fits use one
thread each. A node of two CPUs can gain at most a factor of two by packing, as nothing but memory keeps the worst case from
using both.

Nobody is killed for using more than was granted while the node has memory left: neither here nor by Ray Tune. Where every
grant is a container's limit it would be, so attempts above their grant are counted too.
"""

from __future__ import annotations

import ctypes
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Result, arguments, publish, result
from benchmarks.problems.sizes import SPACES, fit
from tuner.trial import Params

N_CPUS = 2
LEARNED = 20  # trials after which slack counts
SPARE = 1.05  # of a fixed request above what the oracle saw
CONTESTANTS = ("worst", "median", "tune-worst")  # besides ``auto``
PROBLEMS = {"xgboost": (120, 1900), "families": (120, 1500)}
"""Problem -> trials, and MiB of the node."""
SHORT = 24
WHO = {
    "auto": "tuner, auto",
    "worst": "tuner, fixed for the worst case",
    "median": "tuner, fixed for the median",
    "tune-worst": "Ray Tune, fixed for the worst case",
}


@dataclass(frozen=True, slots=True)
class Task:
    """What a contestant runs.

    Attributes:
        problem: A name of ``SPACES``.
        trials: How many.
        seed: Of the sampler.
        node_mib: The node's memory.
        memory_mib: What each trial asks for; None for ``auto``.
    """

    problem: str
    trials: int
    seed: int
    node_mib: int
    memory_mib: float | None = None


@dataclass(slots=True)
class Outcome:
    """What came out.

    Attributes:
        finished_h: Trials finished an hour, from the first attempt's begin to the end.
        memory_slack: (granted - used) / granted over finished attempts after the first ``LEARNED`` trials.
        cpu_slack: The same of CPU time.
        lost_attempts: Attempts lost to memory after the first ``LEARNED`` trials, of all since then.
        above: Attempts that used more than they were granted, lost ones included, after the first ``LEARNED`` trials, of all
            since then.
        lost_trials: Trials that no attempt finished.
        at_once: Mean number of attempts running.
        needs_mib: What each finished trial used.
    """

    finished_h: float
    memory_slack: float
    cpu_slack: float
    lost_attempts: float
    above: float
    lost_trials: int
    at_once: float
    needs_mib: list[float]


@dataclass(frozen=True, slots=True)
class _Try:
    """One attempt: its trial, grant, usage and times; ``done`` if it finished, ``out`` if memory ended it."""

    trial: int
    cpu: float
    memory_mib: float
    used_mib: float
    cpu_s: float
    began_s: float
    ended_s: float
    done: bool
    out: bool


def train(params: Params, context: Any) -> float:
    return fit(params)


def with_tuner(task: Task) -> list[_Try]:
    import tuner
    from tuner.trial import Completed, Failed, FailureKind

    memory = "auto" if task.memory_mib is None else f"{task.memory_mib:.0f}MiB"
    study = tuner.run(
        "benchmarks.rightsizing:train",
        space=SPACES[task.problem],
        metric="error",
        goal="minimize",
        sampler="random",
        trials=task.trials,
        seed=task.seed,
        resources={"cpu": 1, "memory": memory},
        name=f"rightsizing-{task.problem}",
        store=f"sqlite:///{tempfile.mkdtemp()}/tuner.db",
        executor={"type": "ray", "num_cpus": N_CPUS, "memory_mib": float(task.node_mib), "dashboard": False},
    )
    tries = []
    for attempt in study.attempts():
        if attempt.usage is None or attempt.started_at is None or attempt.finished_at is None:
            continue
        outcome, usage = attempt.outcome, attempt.usage
        out = isinstance(outcome, Failed) and outcome.kind is FailureKind.OUT_OF_MEMORY
        sized = (attempt.trial, attempt.grant.cpu, attempt.grant.memory_mib, usage.whole_memory_mib, usage.cpu_s)
        tries.append(_Try(*sized, attempt.started_at, attempt.finished_at, isinstance(outcome, Completed), out))
    return tries


def with_ray_tune(task: Task) -> list[_Try]:
    import os

    os.environ["RAY_AUTH_MODE"] = "disabled"
    import ray
    from ray import tune

    assert task.memory_mib is not None
    ray.init(
        address="local",
        num_cpus=N_CPUS,
        _memory=task.node_mib << 20,
        object_store_memory=100 << 20,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=tempfile.mkdtemp(dir="/tmp"),  # short: Ray's sockets lie in it
    )
    trials, limit_mib = list(_same_trials(task)), task.memory_mib

    def run_one(config: dict[str, int]) -> None:
        tune.report({"error": 0.0, **_measured(trials[config["trial"]])})

    sized = tune.with_resources(run_one, {"cpu": 1, "memory": int(limit_mib) << 20})
    search = tune.Tuner(
        sized,
        param_space={"trial": tune.grid_search(list(range(task.trials)))},
        tune_config=tune.TuneConfig(metric="error", mode="min", reuse_actors=True),
        run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0),
    )
    grid = search.fit()
    rows: list[Mapping[str, Any]] = [row.metrics or {} for row in grid]
    return [
        _Try(
            row["config"]["trial"],
            1.0,
            limit_mib,
            row["used_mib"],
            row["cpu_s"],
            row["began_s"],
            row["ended_s"],
            done=True,
            out=False,
        )
        for row in rows
        if "used_mib" in row
    ]


_MEASURES = ("used_mib", "cpu_s", "began_s", "ended_s")


def _same_trials(task: Task) -> Sequence[Params]:
    """The parameters that tuner's random sampler gives."""
    from tuner import plugins
    from tuner.core.ports import Problem
    from tuner.study import Metric, PluginSpec

    searched = Problem(SPACES[task.problem], (Metric("error"),), task.seed, task.trials)
    sampler = plugins.build("sampler", PluginSpec("random"), searched)
    return [suggestion.params for suggestion in sampler.ask(0, task.trials)]


def _measured(params: Params) -> dict[str, float]:
    """Fit in this process, its highest resident memory and CPU time measured as a container's would be."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the highest so far
    began_s, cpu_s = time.time(), time.process_time()
    fit(params)
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return dict(zip(_MEASURES, (peak_kib / 1024, time.process_time() - cpu_s, began_s, time.time()), strict=True))


def judged(tries: Sequence[_Try], trials: int) -> Outcome:
    """Figures from attempts."""
    done = [one for one in tries if one.done]
    later = [one for one in tries if one.trial >= LEARNED]
    finished = [one for one in later if one.done] or done
    granted = sum(one.memory_mib for one in finished)
    cpu_s = sum(one.cpu * (one.ended_s - one.began_s) for one in finished)
    took_s = max(one.ended_s for one in tries) - min(one.began_s for one in tries)
    return Outcome(
        finished_h=3600.0 * len(done) / took_s,
        memory_slack=sum(one.memory_mib - one.used_mib for one in finished) / granted,
        cpu_slack=1.0 - sum(one.cpu_s for one in finished) / cpu_s,
        lost_attempts=sum(one.out for one in later) / max(1, len(later)),
        above=sum(one.out or one.used_mib > one.memory_mib for one in later) / max(1, len(later)),
        lost_trials=trials - len({one.trial for one in done}),
        at_once=sum(one.ended_s - one.began_s for one in tries) / took_s,
        needs_mib=[one.used_mib for one in done],
    )


def in_a_process(who: str, task: Task) -> Outcome:
    """A contestant in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.rightsizing", "--contestant", who, json.dumps(asdict(task))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{who} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return Outcome(**json.loads(done.stdout.strip().splitlines()[-1]))


def raced(problem: str, trials: int, seed: int) -> dict[str, Outcome]:
    """All contestants on one problem; ``auto`` first, as the others' requests come from what it measured."""
    node_mib = PROBLEMS[problem][1]
    seen = {"auto": in_a_process("auto", Task(problem, trials, seed, node_mib))}
    needs = sorted(seen["auto"].needs_mib)
    requests = {"worst": min(node_mib, SPARE * needs[-1]), "median": SPARE * statistics.median(needs)}
    for who in CONTESTANTS:
        seen[who] = in_a_process(who, Task(problem, trials, seed, node_mib, requests[who.split("-")[-1]]))
    return seen


def rows_of(problem: str, seen: Mapping[str, Outcome]) -> list[Result]:
    """Results of one problem, bars for ``auto``."""
    needs = seen["auto"].needs_mib
    rows = [result(f"{problem}: memory of a trial", "measured", needs, "MiB")]
    worst = seen["worst"].finished_h
    for who, one in seen.items():
        ours = who == "auto"
        figures: list[tuple[str, float, str, str | None, bool]] = [
            (f"memory slack after {LEARNED} trials", 100 * one.memory_slack, "% of grants", "at most 20 %", True),
            ("attempts lost to memory", 100 * one.lost_attempts, "%", "at most 2 %", True),
            ("attempts above their grant", 100 * one.above, "%", None, True),
            ("trials lost to memory", one.lost_trials, "trials", "none", True),
            ("finished trials", one.finished_h, "an hour", None, True),
            ("finished trials, of the worst case's", one.finished_h / worst, "ratio", "at least 2", False),
            ("CPU slack", 100 * one.cpu_slack, "% of grants", None, True),
            ("attempts at once, mean", one.at_once, "attempts", None, True),
        ]
        limits = {"at most 20 %": 20.0, "at most 2 %": 2.0, "none": 0.0, "at least 2": 2.0}
        for question, value, unit, bar, most in figures:
            met = None if bar is None else (value <= limits[bar] if most else value >= limits[bar])
            shown = {"bar": bar, "met": met} if ours and bar else {}
            rows.append(result(f"{problem}: {question}", WHO[who], [value], unit, **shown))
    return rows


def main() -> None:
    if "--contestant" in sys.argv:
        who, text = sys.argv[-2:]
        task = Task(**json.loads(text))
        tries = with_ray_tune(task) if who.startswith("tune") else with_tuner(task)
        print(json.dumps(asdict(judged(tries, task.trials))), flush=True)
        return
    options = arguments(__doc__ or "")
    rows: list[Result] = []
    for problem in ("xgboost",) if options.short else SPACES:
        trials = SHORT if options.short else PROBLEMS[problem][0]
        rows += rows_of(problem, raced(problem, trials, options.seed))
    publish("rightsizing", rows, seed=options.seed, short=options.short)


if __name__ == "__main__":
    main()
