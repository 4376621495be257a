"""Attempts with no GPU, parts of one and several, on a Ray of our own that found two by itself; says what each saw."""

import json
import os
import tempfile
import time
from pathlib import Path

from tuner.cluster.connect import ClusterOptions, connect
from tuner.core.actions import Start, Stop
from tuner.core.events import Finished, Reported
from tuner.core.ports import Objective
from tuner.executors.ray import RayExecutor
from tuner.resources import Resources
from tuner.testing.executors import Drive

GPU_KEY = "CUDA_VISIBLE_DEVICES"


class Look(Objective):
    """Says which GPUs it may see; waits with it until it is stopped where it is asked to."""

    def run(self, params, context):
        import subprocess
        import sys

        child = subprocess.run(
            [sys.executable, "-c", f"import os; print(os.environ.get('{GPU_KEY}', 'unset'), end='')"],
            capture_output=True,
            text=True,
            check=True,
        )
        print(f"{os.environ.get(GPU_KEY, 'unset')}|{child.stdout}|{os.getpid()}", flush=True)
        context.report(0, loss=0.0)
        while params.get("wait") and context.stop_requested is None:
            time.sleep(0.02)
        return 0.0


cluster = connect(ClusterOptions(num_cpus=2, dashboard=False, memory_mib=1500))
drive = Drive(RayExecutor(cluster=cluster), Path(tempfile.mkdtemp()), Look())
node = cluster.nodes()[0]


def seen(trial: int) -> list[str]:
    return drive.log(trial).strip().split("|")


for trial, gpu in enumerate([0.0, 1.0, 2.0, 0.0]):
    drive.start_all([Start(trial, 1, {}, Resources(1.0, gpu), 0, 1)])
    drive.finish([trial])
halves = [Start(10 + i, 1, {"wait": True}, Resources(0.5, 0.5), i, 1) for i in range(3)]
drive.start_all(halves)
drive.until(lambda: all(drive.of(Reported, start.trial) for start in halves), patience_s=60)
drive.executor.stop([Stop(start.trial, 1, "enough", prune=False) for start in halves])
drive.finish([start.trial for start in halves])
usage = drive.of(Finished, 1)[0].usage
said = {
    "offers": [node.resources.gpu, node.resources.memory_mib],
    "accelerator": node.labels.get("ray.io/accelerator-type"),
    "none": [seen(0)[:2], seen(3)[:2]],
    "one": seen(1)[:2],
    "two": seen(2)[:2],
    "halves": sorted(seen(start.trial)[0] for start in halves),
    "processes": len({seen(trial)[2] for trial in (0, 1, 2)}),
    "gpu_memory_mib": usage.gpu_memory_mib if usage else None,
}
drive.executor.close()
cluster.close()
print(json.dumps(said))
