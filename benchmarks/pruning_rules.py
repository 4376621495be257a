"""What each pruner saves and what it loses, on the learning curves of LCBench, with random configurations.

Two questions, answered without an engine, so that nothing but the rule tells:

- ``caution``: one worker, 200 configurations; which share of all epochs is not trained, which share of the truly best 1 % and
  5 % is stopped, and how much worse the best finished trial is than the best there was.
- ``workers``: W workers for a fixed time; how much worse the best finished trial is than the best of 4,000 configurations.
  Trials that are paused go on after ``--reload`` epochs' time, which stands for starting a process and loading, but after
  no more than training anew takes.

Run: ``python -m benchmarks.pruning_rules [caution|workers]``. Needs onnxruntime and the surrogate (see ``problems.lcbench``).
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.problems.lcbench import LCBench, tasks
from benchmarks.problems.problem import METRIC, Course
from tuner import plugins
from tuner.core.ports import Problem, Pruner
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

RULES: Mapping[str, PluginSpec] = {
    "none": PluginSpec("none"),
    "asha": PluginSpec("asha", {"max": 51}),
    "asha, promote": PluginSpec("asha", {"max": 51, "promote": True}),
    "hyperband": PluginSpec("hyperband", {"max": 51}),
    "hyperband, promote": PluginSpec("hyperband", {"max": 51, "promote": True}),
    "median": PluginSpec("median"),
    "percentile": PluginSpec("percentile"),
    "curve": PluginSpec("curve"),
    "curve, top 1": PluginSpec("curve", {"top": 1}),
    "patient median": PluginSpec("patient", {"patience": 3, "pruner": "median"}),
}
HORIZONS = {4: 16.0, 16: 8.0, 64: 3.0, 256: 1.5}
"""Workers -> time, in median full trainings."""


def pruner_of(rule: str) -> Pruner:
    """A new pruner."""
    pruner: Pruner = plugins.build("pruner", RULES[rule], Metric(METRIC))
    return pruner


def courses(task: str, count: int) -> list[Course]:
    """Courses of ``count`` random configurations."""
    problem = LCBench(task, by_step=True)
    sampler = plugins.build("sampler", PluginSpec("random"), Problem(problem.space, (Metric(METRIC),), 1))
    return [problem.course(suggestion.params) for suggestion in sampler.ask(0, count)]


@dataclass(slots=True)
class Caution:
    """What one worker made of a list of courses."""

    epochs: int = 0
    finished: list[float] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)


def one_by_one(pruner: Pruner, some: Sequence[Course], steps: Sequence[int]) -> Caution:
    """One trial after the other."""
    found = Caution()
    for number, course in enumerate(some):
        pruner.admit(number)
        state, last = TrialState.COMPLETE, steps[-1]
        for step, value in zip(steps, course.values, strict=True):
            found.epochs += 1
            verdict = pruner.judge(number, step, value)
            if verdict is not None and step < steps[-1]:
                state, last = TrialState.PRUNED, step
                found.stopped.add(number)
                break
        else:
            found.finished.append(course.values[-1])
        pruner.finish(Trial(number, state, {}, {METRIC: course.values[-1]}, last_step=last))
    return found


def caution(rule: str, by_task: Mapping[str, Sequence[Course]], steps: Sequence[int]) -> dict[str, float]:
    """Over all tasks."""
    epochs = most = 0
    stopped, best = {1: 0, 5: 0}, {1: 0, 5: 0}
    lost = []
    for some in by_task.values():
        found = one_by_one(pruner_of(rule), some, steps)
        order = sorted(range(len(some)), key=lambda number: some[number].values[-1])
        for percent in stopped:
            top = order[: len(some) * percent // 100]
            best[percent] += len(top)
            stopped[percent] += len(found.stopped.intersection(top))
        epochs, most = epochs + found.epochs, most + len(some) * len(steps)
        lost.append(min(found.finished) - some[order[0]].values[-1])
    return {
        "saved": 1 - epochs / most,
        "stopped_of_best_1": stopped[1] / best[1],
        "stopped_of_best_5": stopped[5] / best[5],
        "lost": statistics.fmean(lost),
        "lost_worst": max(lost),
    }


class Floor:
    """W workers, trials and a clock: promoted trials first, then new ones, as in the engine.

    Args:
        pruner: Who judges.
        some: The courses, in the order in which they are tried.
        steps: Of every course.
        reload_s: What going on after a pause takes; infinite for training again from the beginning.
    """

    def __init__(self, pruner: Pruner, some: Sequence[Course], steps: Sequence[int], reload_s: float) -> None:
        self._pruner, self._some, self._steps, self._reload_s = pruner, some, steps, reload_s
        self._due: list[tuple[float, int, int]] = []
        self._paused: dict[int, int] = {}
        self.begun = self.finished = 0
        self.best = 1.0

    def run(self, workers: int, until_s: float) -> None:
        """Until the time is over or nothing is left to do."""
        free, now = workers, 0.0
        while True:
            while free and self._start(now):
                free -= 1
            if not self._due or self._due[0][0] > until_s:
                return
            now, number, position = heapq.heappop(self._due)
            free += self._report(now, number, position)

    def _start(self, now: float) -> bool:
        promotion = self._pruner.promote()
        if promotion is not None:
            position = self._paused.pop(promotion.trial)
            again_s = min(self._reload_s, self._some[promotion.trial].at_s[position])
            self._train(now + again_s, promotion.trial, position + 1)
        elif self.begun < len(self._some):
            self._pruner.admit(self.begun)
            self._train(now, self.begun, 0)
            self.begun += 1
        else:
            return False
        return True

    def _train(self, now: float, number: int, position: int) -> None:
        at_s = self._some[number].at_s
        takes_s = at_s[position] - (at_s[position - 1] if position else 0.0)
        heapq.heappush(self._due, (now + takes_s, number, position))

    def _report(self, now: float, number: int, position: int) -> bool:
        """Whether the worker is free now."""
        value, step = self._some[number].values[position], self._steps[position]
        last = step == self._steps[-1]
        verdict = None if last else self._pruner.judge(number, step, value)
        if not last and verdict is None:
            self._train(now, number, position + 1)
            return False
        if verdict is not None and verdict.decision == "pause":
            self._paused[number] = position
            return True
        state = TrialState.COMPLETE if last else TrialState.PRUNED
        self._pruner.finish(Trial(number, state, {}, {METRIC: value}, last_step=step))
        if last:
            self.finished += 1
            self.best = min(self.best, value)
        return True


def workers(
    count: int, by_task: Mapping[str, Sequence[Course]], rules: Sequence[str], reload: float, repeats: int = 5
) -> dict[str, dict[str, float]]:
    """Rule -> what ``count`` workers had in the end, means over tasks and orders."""
    steps = LCBench(tasks()[0], by_step=True).steps
    made: dict[str, dict[str, float]] = {}
    stopping: list[float] = []
    for rule in rules:
        lost, finished, begun = [], [], []
        for some in by_task.values():
            full_s = statistics.median(course.at_s[-1] for course in some)
            best = min(course.values[-1] for course in some)
            for repeat in range(repeats):
                order = Random(repeat).sample(list(some), len(some))
                floor = Floor(pruner_of(rule), order, steps, reload * full_s / len(steps))
                floor.run(count, HORIZONS[count] * full_s)
                lost.append(floor.best - best)
                finished.append(floor.finished)
                begun.append(floor.begun)
        stopping = lost if rule == "asha" else stopping
        versus = [one - other for one, other in zip(lost, stopping, strict=True)] if stopping else [0.0, 0.0]
        made[rule] = {
            "lost": statistics.fmean(lost),
            "finished": statistics.fmean(finished),
            "begun": statistics.fmean(begun),
            "versus_asha": statistics.fmean(versus),
            "versus_asha_error": statistics.stdev(versus) / len(versus) ** 0.5,
        }
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rows, and write them as JSON where ``--json`` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["caution", "workers"])
    parser.add_argument(
        "--reload", type=float, default=1.0, help="epochs' time that going on after a pause takes; inf: train anew"
    )
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    results: dict[str, Any] = {}
    steps = LCBench(tasks()[0], by_step=True).steps
    if given.what != "workers":
        by_task = {task: courses(task, 200) for task in tasks()}
        results["caution"] = {rule: caution(rule, by_task, steps) for rule in given.rules if "promote" not in rule}
        for rule, row in results["caution"].items():
            print(f"{rule:20}", " ".join(f"{name} {number:.4f}" for name, number in row.items()), flush=True)
    if given.what != "caution":
        by_task = {task: courses(task, 4000) for task in tasks()[::4]}
        for count in HORIZONS:
            results[f"workers {count}"] = workers(count, by_task, given.rules, given.reload)
            for rule, row in results[f"workers {count}"].items():
                print(
                    f"{count:4} {rule:20}", " ".join(f"{name} {number:.4f}" for name, number in row.items()), flush=True
                )
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
