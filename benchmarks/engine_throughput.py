"""How many trials and reports a second does the engine move, store on, against Ray Tune and a bare Ray loop?

Every contestant runs in a process of its own on the same two CPUs, in turn, so that a slow minute of the machine hits all.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.harness import Result, arguments, publish, result

N_CPUS = 2
IN_FLIGHT = 16  # of the bare loop: more gain nothing on two CPUs, fewer cost it up to half its rate


def noop(params, context):
    return 0.0


def chatty(params, context):
    for step in range(context_reports()):
        context.report(step, loss=1.0 / (step + 1))
    return 0.0


def context_reports() -> int:
    return 10_000


class Stopwatch:
    """An observer that notes when the study opened, its first trial began and it closed."""

    def __init__(self) -> None:
        self.opened_s = self.node_s = self.first_s = self.closed_s = 0.0

    def phase(self, text: str) -> None:
        pass

    def opened(self, spec: Any, details: Any) -> None:
        self.opened_s = time.perf_counter()

    def update(self, events: Sequence[Any], entries: Sequence[Any]) -> None:
        for event in events if not self.first_s else ():
            name = type(event).__name__
            if name == "NodeJoined":
                self.node_s = event.at_s
            elif name == "Started":
                self.first_s = event.at_s

    def closed(self, study: Any) -> None:
        self.closed_s = time.perf_counter()


def with_tuner(objective: Any, trials: int, seed: int) -> tuple[Any, Stopwatch, str]:
    import tuner

    watch = Stopwatch()
    folder = tempfile.mkdtemp()
    study = tuner.run(
        objective,
        space={f"x{i}": tuner.Float(0.0, 1.0) for i in range(5)},
        metric="loss",
        goal="minimize",
        sampler="random",
        trials=trials,
        seed=seed,
        name="throughput",
        store=f"sqlite:///{folder}/tuner.db",
        executor={"type": "ray", "num_cpus": N_CPUS},
        observer=watch,
    )
    assert study.state == "COMPLETE", study.closed_reason
    return study, watch, folder


def tuner_noop(n: int, seed: int) -> dict[str, float]:
    study, watch, _ = with_tuner(noop, n, seed)
    assert len(study.trials) == n
    return {"rate": n / (watch.closed_s - watch.opened_s), "first_s": max(0.0, watch.first_s - watch.node_s)}


def tuner_reports(n: int, seed: int) -> dict[str, float]:
    trials = max(N_CPUS, n // context_reports())
    study, watch, _ = with_tuner(chatty, trials, seed)
    stored = len(study.reports())
    assert stored == trials * context_reports(), f"{stored} reports stored of {trials * context_reports()}"
    return {"rate": stored / (watch.closed_s - watch.opened_s)}


def start_ray() -> Any:
    import os

    os.environ["RAY_AUTH_MODE"] = "disabled"
    import ray

    ray.init(
        address="local", num_cpus=N_CPUS, include_dashboard=False, log_to_driver=False, _temp_dir=tempfile.mkdtemp()
    )
    return ray


def bare_ray(n: int, seed: int) -> dict[str, float]:
    ray = start_ray()

    def nothing(params: dict[str, float]) -> float:
        return 0.0

    task = ray.remote(num_cpus=1, max_retries=0)(nothing)
    ray.get([task.remote({}) for _ in range(50)])
    params = {f"x{i}": 0.5 for i in range(5)}
    began = time.perf_counter()
    pending = [task.remote(params) for _ in range(IN_FLIGHT)]
    started = IN_FLIGHT
    while pending:
        done, pending = ray.wait(pending, num_returns=1, timeout=60)
        ray.get(done)
        while started < n and len(pending) < IN_FLIGHT:
            pending.append(task.remote(params))
            started += 1
    return {"rate": n / (time.perf_counter() - began)}


def ray_tune(n: int, seed: int) -> dict[str, float]:
    start_ray()
    from ray import tune

    def train(config: dict[str, float]) -> None:
        tune.report({"loss": 0.0})

    tuner = tune.Tuner(
        train,
        param_space={f"x{i}": tune.uniform(0.0, 1.0) for i in range(5)},
        tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=n, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0),
    )
    began = time.perf_counter()
    tuner.fit()
    return {"rate": n / (time.perf_counter() - began)}


CONTESTANTS = {"tuner_noop": tuner_noop, "tuner_reports": tuner_reports, "bare_ray": bare_ray, "ray_tune": ray_tune}


def in_a_process(who: str, n: int, seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.engine_throughput", "--contestant", who, str(n), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{who} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def main() -> None:
    if "--contestant" in sys.argv:
        who, n, seed = sys.argv[-3:]
        print(json.dumps(CONTESTANTS[who](int(n), int(seed))), flush=True)
        return
    options = arguments(__doc__ or "")
    short, seed = options.short, options.seed
    sizes = {"tuner_noop": 10_000, "tuner_reports": 100_000, "bare_ray": 10_000, "ray_tune": 150}
    if short:
        sizes = {"tuner_noop": 500, "tuner_reports": 20_000, "bare_ray": 500}
    rounds = [{who: in_a_process(who, n, seed + turn) for who, n in sizes.items()} for turn in range(1 if short else 3)]
    publish("engine_throughput", judge(rounds), seed=seed, short=short)


def judge(rounds: list[dict[str, dict[str, float]]]) -> list[Result]:
    noop_rates = [turn["tuner_noop"]["rate"] for turn in rounds]
    to_bare = [turn["tuner_noop"]["rate"] / turn["bare_ray"]["rate"] for turn in rounds]
    reports = [turn["tuner_reports"]["rate"] for turn in rounds]
    first = [turn["tuner_noop"]["first_s"] for turn in rounds]
    question = "no-op trials, store on"
    results = [
        result(question, "tuner, random, SQLite", noop_rates, "trials/s"),
        result(question, f"bare Ray loop, {IN_FLIGHT} in flight", [t["bare_ray"]["rate"] for t in rounds], "trials/s"),
        result(question, "tuner / bare loop", to_bare, "ratio", bar="at least 0.6", met=min(to_bare) >= 0.6),
        result(
            "reports, store on, nothing lost",
            "tuner",
            reports,
            "reports/s",
            bar="at least 5,000",
            met=min(reports) >= 5000,
        ),
        result("first trial after the node joined", "tuner", first, "s", bar="under 1", met=max(first) < 1.0),
    ]
    if "ray_tune" in rounds[0]:
        tune_rates = [turn["ray_tune"]["rate"] for turn in rounds]
        to_tune = [turn["tuner_noop"]["rate"] / turn["ray_tune"]["rate"] for turn in rounds]
        results.insert(2, result(question, "Ray Tune, reuse_actors=True", tune_rates, "trials/s"))
        results.insert(
            3, result(question, "tuner / Ray Tune", to_tune, "ratio", bar="at least 50", met=min(to_tune) >= 50)
        )
    return results


if __name__ == "__main__":
    main()
