"""How fast does a real cluster grow and shrink with what a study wants?

`cluster.yaml` with only its provider swapped (nodes are processes of this machine, which boot in no time), the real `ray up`,
autoscaler and `ray down`, and tuner's steward between. What a cloud takes to boot a machine comes on top.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import Result, arguments, publish, result
from tuner.resources import Resources
from tuner.testing.one_machine import LiveCluster, swapped

ROOT = Path(__file__).parents[1]
PORT = 7310
IDLE_S = 9.0
TEN = Resources(cpu=10.0, memory_mib=1024.0)  # one to a node of 16 CPUs
IMPOSSIBLE = Resources(cpu=64.0)


def life(autoscaler: int, *, port: int = PORT, token: str | None = None, short: bool = False) -> dict[str, Any]:
    """Start a cluster, let it grow from nothing, kill a node, want nothing more, end it; the seconds that each took.

    Args:
        autoscaler: Ray's, 1 or 2.
        port: Of the head.
        token: Who does not know it is not let in; None for a cluster that lets anybody in.
        short: Leave out the node that is killed.
    """
    with tempfile.TemporaryDirectory(prefix="tl") as folder:
        home, state = Path(folder, "home"), Path(folder, "s")
        (home / ".ray").mkdir(parents=True)
        changes: dict[str, Any] = {"idle_timeout_minutes": IDLE_S / 60, "cluster_name": f"life{autoscaler}"}
        described = swapped(ROOT / "cluster.yaml", state, port, changes)
        if token is None:
            described = _without_token(described)
        else:
            (home / ".ray" / "auth_token").write_text(token)
        cluster = LiveCluster(described, home, ROOT, autoscaler)
        began_s = time.monotonic()
        with cluster:
            times = {"up_s": time.monotonic() - began_s}
            times |= _drive(cluster, short)
            began_s = time.monotonic()
        times["down_s"] = time.monotonic() - began_s
        return {**times, "left_processes": cluster.n_processes(), "left_nodes": len(cluster.nodes())}


def _without_token(described: dict[str, Any]) -> dict[str, Any]:
    """Everything that has to do with the token taken out."""
    commands = {
        key: [command.replace("RAY_AUTH_MODE=token", "RAY_AUTH_MODE=disabled") for command in described[key]]
        for key in ("head_start_ray_commands", "worker_start_ray_commands")
    }
    mounts = {target: source for target, source in described["file_mounts"].items() if "auth_token" not in target}
    return {**described, **commands, "file_mounts": mounts}


def _drive(cluster: LiveCluster, short: bool) -> dict[str, Any]:
    """Let a driver in a process of its own do the rest, as a process can be connected to one Ray only."""
    command = [sys.executable, "-m", "benchmarks.autoscaling_real", "--drive", cluster.address, str(cluster.file)]
    state = cluster.described["provider"]["state_dir"]
    done = subprocess.run(
        [*command, state, *(["short"] if short else [])],
        env=cluster.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        logs = [path.read_text() for path in Path(state).glob("ray/session_latest/logs/monitor.*")]
        log = "\n".join(line for text in logs for line in text.splitlines()[-400:] if "empty legacy field" not in line)
        raise RuntimeError(f"the driver failed:\n{done.stdout}\n{done.stderr}\n{log}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def drive(address: str, file: str, state: str, short: bool) -> dict[str, Any]:
    """The study's side: tell the steward what is wanted and look at the nodes, each of which comes or goes."""
    from tuner.cluster.connect import ClusterOptions, connect
    from tuner.cluster.file import read_cluster_file
    from tuner.cluster.nodes import living_nodes
    from tuner.cluster.steward import Growth, Steward

    connection = connect(ClusterOptions(address=address))
    described = read_cluster_file(Path(file))
    steward = Steward("life", 1.0, Growth(True, described.types, described.max_nodes, described.selectors))
    times: dict[str, Any] = {}

    def until(ready: Callable[[set[str]], bool], timeout_s: float = 120.0) -> float:
        began_s = time.monotonic()
        while not ready({node.node_id for node in living_nodes() if node.resources.cpu > 0}):
            steward.poll()
            if time.monotonic() - began_s > timeout_s:
                raise TimeoutError(f"the cluster did not follow; so far: {times}\n{_standing(address, state)}")
            time.sleep(0.1)
        return time.monotonic() - began_s

    until(lambda nodes: not nodes)
    steward.want([TEN] * 2 + [IMPOSSIBLE])
    times["first_node_s"] = until(lambda nodes: len(nodes) == 1 or len(nodes) == 2)
    times["wanted_size_s"] = times["first_node_s"] + until(lambda nodes: len(nodes) == 2)
    workers = [node for node in living_nodes() if node.resources.cpu > 0]
    times["types"] = sorted({str(node.type) for node in workers})
    if not short:
        before = {node.node_id for node in workers}
        LiveCluster(json.loads(Path(file).read_text()), Path(file).parent).kill(_last_node(state))
        times["missed_s"] = until(lambda nodes: not before <= nodes)
        times["replaced_s"] = times["missed_s"] + until(lambda nodes: len(nodes) == 2)
    steward.want([])
    times["zero_s"] = until(lambda nodes: not nodes)
    steward.close()
    connection.close()
    return times


def _standing(address: str, state: str) -> str:
    """How things stand, for the one who looks for the cause."""
    import ray
    from ray.autoscaler.v2.sdk import get_cluster_status

    from tuner.cluster.steward import NAME, NAMESPACE

    asked = ray.get(ray.get_actor(NAME, namespace=NAMESPACE).asked.remote(), timeout=10)
    return f"asked: {asked}\n{get_cluster_status(address)}\n{Path(state, 'nodes.json').read_text()}"


def _last_node(state: str) -> str:
    rows = json.loads(Path(state, "nodes.json").read_text())["nodes"]
    return str(rows[-1]["node_id"])


QUESTIONS = {
    "up_s": "ray up, the head alone",
    "first_node_s": "from wanting to the first node",
    "wanted_size_s": "from wanting to the second node, the wanted size",
    "missed_s": "from a node's death to its being missed",
    "replaced_s": "from a node's death to its replacement",
    "zero_s": f"from wanting nothing to no node ({IDLE_S:g} s of idleness included)",
    "down_s": "ray down",
}


def main() -> None:
    if sys.argv[1:2] == ["--drive"]:
        address, file, state, *rest = sys.argv[2:]
        print(json.dumps(drive(address, file, state, bool(rest))))
        return
    options = arguments(__doc__ or "")
    results: list[Result] = []
    for autoscaler in (2,) if options.short else (2, 1):
        runs = [life(autoscaler, short=options.short) for _ in range(1 if options.short else 3)]
        results += [
            result(f"{question} [s]", f"tuner, Ray's autoscaler v{autoscaler}", [run[key] for run in runs], "s")
            for key, question in QUESTIONS.items()
            if key in runs[0]
        ]
    publish("autoscaling_real", results, seed=options.seed, short=options.short)


if __name__ == "__main__":
    main()
