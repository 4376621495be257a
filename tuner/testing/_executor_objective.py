"""The objective of the executors' conformance suite; worker processes import it from here."""

# ruff: noqa: T201 -- what an attempt prints is what is tested

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tuner.core.ports import Context, Objective
from tuner.errors import InvalidParams, TrialPruned
from tuner.executors.simulated import Simulation
from tuner.resources import Resources
from tuner.trial import Completed, Failed, FailureKind, Outcome, Params

__all__ = ["Deed", "Unpicklable"]

Values = Mapping[str, float]
_LONGEST_S = 120.0
FIRST_SEED = 1000  # of trial 0


class Deed(Objective):
    """Does what the parameter ``do`` names; the other parameters say how much of it, and where to leave traces.

    Traces are lines in the file ``trace``: what happened, the trial, and a clock that all processes of a machine share.
    """

    def run(self, params: Params, context: Context) -> Mapping[str, float] | float | None:
        """Do it."""
        _trace(params, "begin", context)
        try:
            return _DEEDS[str(params["do"])](params, context)
        finally:
            _trace(params, "end", context)

    checkpoints = True

    def simulate(self, params: Params, seed: int, grant: Resources, resume_step: int | None = None) -> Simulation:
        """How it goes in virtual time (``tuner.executors.simulated.Simulates``); the trial's number is in its seed."""
        if params["do"] == "count":
            return _counted(params, resume_step or 0)
        return _COURSES[str(params["do"])](params, float(seed - FIRST_SEED))


class Unpicklable(Objective):
    """Holds what cannot be sent to another process."""

    def __init__(self) -> None:
        self.connection = threading.Lock()

    def run(self, params: Params, context: Context) -> float:
        """Never reached."""
        raise AssertionError("an objective that cannot be sent was run")


def _trace(params: Params, what: str, context: Context) -> None:
    path = params.get("trace")
    if path is not None:
        with Path(str(path)).open("a") as file:
            file.write(f"{what} {context.trial} {os.getpid()} {time.monotonic()}\n")


def _value(params: Params, context: Context) -> float:
    time.sleep(float(params.get("sleep_s") or 0.0))
    return float(context.trial)


def _report(params: Params, context: Context) -> float:
    for step in range(int(params["n"] or 0)):
        context.report(step, loss=float(step), other=float(context.trial))
    return 1.0


def _report_until_stopped(params: Params, context: Context) -> float:
    deadline_s = time.monotonic() + _LONGEST_S
    step = 0
    while time.monotonic() < deadline_s:
        context.report(step, loss=1.0)
        step += 1
        time.sleep(0.01)
    raise AssertionError("it was never told to stop")


def _listen(params: Params, context: Context) -> float:
    deadline_s = time.monotonic() + _LONGEST_S
    while context.stop_requested is None:
        if time.monotonic() > deadline_s:
            raise AssertionError("it was never told to stop")
        time.sleep(0.02)
    raise TrialPruned(context.stop_requested)


def _hang(params: Params, context: Context) -> float:
    print("about to hang", flush=True)
    time.sleep(_LONGEST_S)
    return 1.0


def _raise(params: Params, context: Context) -> float:
    print("about to raise")
    raise KeyError("the culprit")


def _invalid(params: Params, context: Context) -> float:
    raise InvalidParams("depth and width exclude each other")


def _memory(params: Params, context: Context) -> float:
    raise MemoryError("no room for the table")


def _hold(params: Params, context: Context) -> float:
    block = bytearray(int(params["n"] or 0) * (1 << 20))
    time.sleep(0.2)
    return float(len(block) > 0)


def _exit(params: Params, context: Context) -> float:
    sys.exit(3)


def _crash(params: Params, context: Context) -> float:
    print("about to crash", flush=True)
    time.sleep(float(params.get("sleep_s") or 0.0))
    os._exit(3)


def _kill(params: Params, context: Context) -> float:
    context.report(0, loss=7.0)
    print("about to be killed", flush=True)
    time.sleep(float(params.get("sleep_s") or 0.0))
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(_LONGEST_S)
    return 1.0


def _print(params: Params, context: Context) -> float:
    print("the first line")
    for _ in range(int(params["n"] or 0)):
        print("x" * 99)
    print("the last line")
    return 1.0


def _grant(params: Params, context: Context) -> Mapping[str, float]:
    return {
        "loss": 0.0,
        "cpu": context.grant.cpu,
        "seed": float(context.seed),
        "hidden_gpus": float(os.environ.get("CUDA_VISIBLE_DEVICES") == ""),
        "params_kept": float(
            params == {**params, "int": 3, "float": 0.1 + 0.2, "none": None, "true": True, "text": "größe"}
        ),
    }


def _count(params: Params, context: Context) -> Mapping[str, float]:
    """Count to ``n``, a checkpoint a step; the first attempt may raise or be killed after it has saved step ``ends_at``."""
    began = 0
    if context.checkpoint is not None:
        began = int((context.checkpoint.path / "part" / "count").read_text())
        assert context.checkpoint.step == began
    for step in range(began + 1, int(params["n"] or 0) + 1):
        with context.save_checkpoint(step) as folder:
            (folder / "part").mkdir()
            (folder / "part" / "count").write_text(str(step))
            (folder / "ballast").write_bytes(b"x" * 100_000)
        if context.attempt == 1 and step == params.get("ends_at"):
            if params.get("killed"):
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("the end")
        context.report(step, loss=float(step))
        time.sleep(float(params.get("sleep_s") or 0.0))
    return {"loss": float(params["n"] or 0), "began": float(began)}


_DEEDS: Mapping[str, Callable[[Params, Context], Mapping[str, float] | float | None]] = {
    "value": _value,
    "report": _report,
    "report until stopped": _report_until_stopped,
    "listen": _listen,
    "hang": _hang,
    "raise": _raise,
    "nan": lambda params, context: float("nan"),
    "nothing": lambda params, context: None,
    "invalid": _invalid,
    "memory": _memory,
    "hold": _hold,
    "exit": _exit,
    "crash": _crash,
    "kill": _kill,
    "print": _print,
    "grant": _grant,
    "count": _count,
}


def _ends(outcome: Outcome, after_s: float = 0.0, reports: Iterable[tuple[float, int, Values]] = ()) -> Simulation:
    return Simulation(iter(reports), after_s, outcome)


def _counted(params: Params, began: int) -> Simulation:
    step_s = float(params.get("sleep_s") or 0.0)
    n = int(params["n"] or 0)
    ends_at = int(params.get("ends_at") or 0)
    reports = (
        (step_s, step, {"loss": float(step)}) for step in range(began + 1, n + 1) if not began < ends_at <= step - 1
    )
    outcome: Outcome = Completed({"loss": float(n), "began": float(began)})
    if began < ends_at:
        outcome = Failed(FailureKind.WORKER_LOST if params.get("killed") else FailureKind.RAISED, "the end")
    return Simulation(reports, 0.0, outcome)


def _fails(kind: FailureKind, message: str) -> Callable[[Params, float], Simulation]:
    return lambda params, trial: _ends(Failed(kind, message), float(params.get("sleep_s") or 0.0))


_COURSES: Mapping[str, Callable[[Params, float], Simulation]] = {
    "value": lambda params, trial: _ends(Completed({"loss": trial}), float(params.get("sleep_s") or 0.0)),
    "report": lambda params, trial: _ends(
        Completed({"loss": 1.0}),
        reports=((1e-4, step, {"loss": float(step), "other": trial}) for step in range(int(params["n"] or 0))),
    ),
    "report until stopped": lambda params, trial: _ends(
        Completed({}), reports=((0.01, step, {"loss": 1.0}) for step in itertools.count())
    ),
    "listen": lambda params, trial: _ends(Completed({}), _LONGEST_S),
    "hang": lambda params, trial: _ends(Completed({}), _LONGEST_S),
    "raise": _fails(FailureKind.RAISED, "KeyError: 'the culprit'"),
    "nan": _fails(FailureKind.BAD_REPORT, "loss is nan"),
    "nothing": _fails(FailureKind.BAD_REPORT, "no loss"),
    "invalid": _fails(FailureKind.INVALID_PARAMS, "depth and width exclude each other"),
    "memory": _fails(FailureKind.OUT_OF_MEMORY, "no room for the table"),
    "exit": _fails(FailureKind.RAISED, "sys.exit(3)"),
    "crash": _fails(FailureKind.WORKER_LOST, "its worker crashed"),
    "kill": _fails(FailureKind.WORKER_LOST, "its worker was killed"),
}
