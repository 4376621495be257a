"""An attempt with more GPUs than any node has, on two nodes with one each; says what it and its child task saw."""

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path

os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
folder = tempfile.mkdtemp(prefix="gg")
os.environ["RAY_TMPDIR"] = folder

import ray  # noqa: E402 -- its environment had to be set before
from ray.cluster_utils import Cluster  # noqa: E402

from tuner.core.actions import Start, Stop  # noqa: E402
from tuner.core.events import NodeJoined, Reported, Started  # noqa: E402
from tuner.core.ports import Objective  # noqa: E402
from tuner.executors.ray import RayExecutor  # noqa: E402
from tuner.resources import Resources  # noqa: E402
from tuner.testing.executors import Drive  # noqa: E402

HEAD = {
    "num_cpus": 0,
    "num_gpus": 0,
    "temp_dir": f"{folder}/ray",
    "include_dashboard": False,
    "object_store_memory": 100 << 20,
    "node_ip_address": "127.0.0.2",
}
GANG = Resources(2.0, 2.0, 400.0)


class Gang(Objective):
    """Looks at its GPU and lets a task of its own look at the other one."""

    def run(self, params, context):
        import os
        import time

        import ray

        def look():
            return os.environ["CUDA_VISIBLE_DEVICES"].split(","), ray.get_runtime_context().get_node_id()

        context.report(0, loss=0.0)
        if params.get("alone"):
            return 0.0
        while params.get("wait"):
            context.report(time.monotonic_ns(), loss=0.0)
            time.sleep(0.02)
        other = ray.get(ray.remote(num_cpus=1, num_gpus=1)(look).remote())
        print(json.dumps([look(), other]), flush=True)
        return 0.0


def free_gpus(wanted: float) -> float:
    """What Ray says is free, once that is what is wanted or ten seconds have passed."""
    deadline_s = drive.executor.now_s() + 10
    while True:
        free = float(ray.available_resources().get("GPU", 0.0))
        if free == wanted or drive.executor.now_s() > deadline_s:
            return free
        drive.executor.poll(drive.executor.now_s() + 0.1)


os.makedirs(f"{folder}/ray")
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    for i in range(2):
        cluster.add_node(
            num_cpus=1,
            num_gpus=1,
            memory=400 << 20,
            object_store_memory=100 << 20,
            node_ip_address=f"127.0.0.{21 + i}",
        )
    drive = Drive(RayExecutor(address=cluster.address), Path(folder), Gang())
    drive.start_all([Start(0, 1, {}, GANG, 0, 1)])
    [outcome] = drive.finish([0])
    looks = json.loads(drive.log(0))
    free_after = free_gpus(2.0)
    drive.start_all([Start(1, 1, {"wait": True}, GANG, 0, 1)])
    drive.until(lambda: bool(drive.of(Reported, 1)), patience_s=60)
    drive.executor.stop([Stop(1, 1, "enough")])
    [stopped] = drive.finish([1])
    free_after_stop = free_gpus(2.0)
    one, two = [
        event.node.node_id for event in drive.events if isinstance(event, NodeJoined) and event.node.resources.gpu
    ]
    drive.start_all([Start(2 + i, 1, {"alone": True}, Resources(0.5), i, 1, avoid=(one,)) for i in range(4)])
    drive.finish([2, 3, 4, 5])
    places = {drive.of(Started, trial)[0].node_id for trial in (2, 3, 4, 5)}
    drive.executor.close()
    said = {
        "outcome": type(outcome).__name__,
        "parts": [gpus for gpus, _ in looks],
        "nodes": len({node for _, node in looks}),
        "free_after": free_after,
        "stopped": type(stopped).__name__,
        "free_after_stop": free_after_stop,
        "avoided": places == {two},
    }
    cluster.shutdown()
print(json.dumps(said))
