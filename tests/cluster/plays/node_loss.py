"""A cluster of a head and two nodes, all on loopback addresses; kills one node under a running attempt.

What is printed at the end says how the attempts on the lost and on the living node ended, and what was told of nodes.
"""

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path

import psutil

os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
folder = tempfile.mkdtemp(prefix="nl")
os.environ["RAY_TMPDIR"] = folder

from ray.cluster_utils import Cluster  # noqa: E402 -- its environment had to be set before

from tuner.core.actions import Stop  # noqa: E402
from tuner.core.events import Finished, NodeJoined, NodeLost, Reported, Started  # noqa: E402
from tuner.executors.ray import RayExecutor  # noqa: E402
from tuner.testing.executors import Drive  # noqa: E402
from tuner.trial import Failed  # noqa: E402

HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
HEAD = {
    "num_cpus": 0,
    "temp_dir": f"{folder}/ray",
    "include_dashboard": False,
    "object_store_memory": 100 << 20,
    "node_ip_address": "127.0.0.2",
    "_system_config": HEALTH,
}


def kill(node) -> None:
    """All of a node's processes at once, as when its power fails."""
    processes = [psutil.Process(info.process.pid) for infos in node.all_processes.values() for info in infos]
    for process in processes + [child for p in processes for child in p.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


os.makedirs(f"{folder}/ray")
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    machines = [
        cluster.add_node(
            num_cpus=1, object_store_memory=100 << 20, node_ip_address=f"127.0.0.{11 + i}", labels={"i": str(i)}
        )
        for i in range(2)
    ]
    executor = RayExecutor(address=cluster.address)
    drive = Drive(executor, Path(folder))
    drive.start({"do": "report until stopped"}, lane=0)
    drive.start({"do": "report until stopped"}, lane=1)
    drive.until(lambda: all(drive.of(Reported, trial) for trial in (0, 1)))
    ids = {machine.node_id: machine for machine in machines}
    joined = {event.node.node_id: event.node for event in drive.events if isinstance(event, NodeJoined)}
    places = {trial: drive.of(Started, trial)[0].node_id for trial in (0, 1)}
    kill(ids[places[0]])
    [lost] = drive.finish([0])
    executor.stop([Stop(1, 1, "enough")])
    [kept] = drive.finish([1])
    drive.until(lambda: any(isinstance(event, NodeLost) for event in drive.events))
    [after] = drive.finish(drive.start({"do": "value"}, lane=0))
    executor.close()
    cluster.shutdown()
gone = [event.node_id for event in drive.events if isinstance(event, NodeLost)]
print(
    json.dumps(
        {
            "lost": [
                type(lost).__name__,
                lost.kind if isinstance(lost, Failed) else None,
                getattr(lost, "message", ""),
            ],
            "kept": type(kept).__name__,
            "after": type(after).__name__,
            "different_nodes": places[0] != places[1],
            "told_lost": gone == [places[0]],
            "head_offers": sorted(node.resources.cpu for node in joined.values()),
            "labels": sorted(node.labels["i"] for node in joined.values() if "i" in node.labels),
            "finished_once": all(len(drive.of(Finished, trial)) == 1 for trial in (0, 1, 2)),
        }
    )
)
