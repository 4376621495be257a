"""Attempts on a Ray of our own that offers little memory: who outgrows it ends and how, who may live, which cores they get."""

import ctypes
import json
import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from tuner.cluster.connect import ClusterOptions, connect
from tuner.core.actions import Start
from tuner.core.events import Finished
from tuner.core.ports import Objective
from tuner.executors.ray import RayExecutor
from tuner.resources import Resources
from tuner.testing.executors import Drive
from tuner.trial import Failed

BUDGET_MIB, GRANT_MIB = 900.0, 300.0


class Eater(Objective):
    """Takes memory in one way or another."""

    def __init__(self) -> None:
        self.table = np.ones(2_000_000)  # 15 MiB that each process gets once

    def run(self, params, context):
        blocks: list[bytearray] = []
        mib = int(params.get("mib") or 0)
        if params["how"] == "python":
            blocks.append(bytearray(mib << 20))
            time.sleep(float(params.get("then_s") or 0.0))
        elif params["how"] == "native":
            threading.Timer(0.2, lambda: blocks.append(bytearray(mib << 20))).start()
            ctypes.CDLL(None).sleep(60)  # lets go of the interpreter, and hears nothing
        elif params["how"] == "killed":
            blocks.append(bytearray(mib << 20))
            time.sleep(2.0)  # the driver has heard of it
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            print(json.dumps([sorted(os.sched_getaffinity(0)), time.monotonic()]), flush=True)
            time.sleep(1.0)
            print(json.dumps(time.monotonic()), flush=True)
        return float(self.table[0])


cluster = connect(ClusterOptions(num_cpus=2, dashboard=False, memory_mib=BUDGET_MIB))
drive = Drive(RayExecutor(cluster=cluster), Path(tempfile.mkdtemp()), Eater())


def start(trial, cpu=1.0, lane=0, **params):
    drive.start_all([Start(trial, 1, params, Resources(cpu, 0.0, GRANT_MIB), lane, 1)])


def end(trial):
    [outcome] = drive.finish([trial])
    usage = drive.of(Finished, trial)[0].usage
    kind = outcome.kind.value if isinstance(outcome, Failed) else type(outcome).__name__
    whole = round(usage.whole_memory_mib) if usage else None
    return {"kind": kind, "message": getattr(outcome, "message", ""), "whole_mib": whole, "usage": usage}


start(0, how="python", mib=400, then_s=0.5)
lived = end(0)
start(1, how="python", mib=1200, then_s=30.0)
ended = end(1)
start(2, how="native", mib=1200)
forced = end(2)
start(3, how="killed", mib=400)
killed = end(3)
for trial in (4, 5):
    start(trial, lane=trial - 4, how="look")
pair = [(end(trial), drive.log(trial).splitlines())[1] for trial in (4, 5)]
start(6, cpu=2.0, how="look")
both = (end(6), drive.log(6).splitlines())[1]
said = {
    name: {key: value for key, value in row.items() if key != "usage"}
    for name, row in {"lived": lived, "ended": ended, "forced": forced, "killed": killed}.items()
}
shown: dict[str, Any] = {**said}
shown["received_mib"] = [row["usage"].received_mib for row in (lived, forced)]
shown["base_mib"] = lived["usage"].base_memory_mib
(first, first_s), (second, second_s) = (json.loads(lines[0]) for lines in pair)
shown["together"] = max(first_s, second_s) < min(json.loads(lines[1]) for lines in pair)
shown["cores"] = [first, second, json.loads(both[0])[0]]
drive.executor.close()
cluster.close()
print(json.dumps(shown))
