"""Two studies share a Ray through its steward, which is killed in between; what each heard and what was asked is printed."""

import json
import time
from collections.abc import Callable

from tuner.cluster.connect import ClusterOptions, connect
from tuner.cluster.steward import NAME, NAMESPACE, Growth, Steward
from tuner.resources import NodeType, Resources

CPU = Resources(cpu=1.0, memory_mib=64.0)
TYPE = NodeType("cpu", Resources(4.0, 0.0, 4096.0), max_nodes=3)

cluster = connect(ClusterOptions(num_cpus=4, dashboard=False))
import ray  # noqa: E402 -- after its environment was set


def until(ready: Callable[[], object], *stewards: Steward, timeout_s: float = 60.0) -> None:
    """Poll as an executor does."""
    end_s = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < end_s, "it did not come"
        for steward in stewards:
            share = steward.poll()
            if share is not None:
                heard.setdefault(names[id(steward)], []).append(round(share, 3))
        time.sleep(0.05)


def asked() -> int | None:
    rows = ray.get(ray.get_actor(NAME, namespace=NAMESPACE).asked.remote())
    return None if rows is None else len(rows)


def gone() -> bool:
    try:
        ray.get(ray.get_actor(NAME, namespace=NAMESPACE).asked.remote(), timeout=5)
    except (ValueError, ray.exceptions.RayActorError):
        return True
    return False


heard: dict[str, list[float]] = {}
a = Steward("a", 3.0, Growth(True, (TYPE,), 3))
names = {id(a): "a"}
until(lambda: asked() == 0)
cleared = asked()
a.want([CPU] * 100)
until(lambda: asked() == 12, a)
b = Steward("b", 1.0, Growth(True, (TYPE,), 3))
names[id(b)] = "b"
b.want([CPU] * 100)
until(lambda: {"a", "b"} <= heard.keys(), a, b)
first = {name: shares[-1] for name, shares in heard.items()}
before = ray.get_actor(NAME, namespace=NAMESPACE)
ray.kill(before)
heard.clear()
until(lambda: not gone() and len(ray.get(ray.get_actor(NAME, namespace=NAMESPACE).members.remote())) == 2, a, b)
until(lambda: asked() == 12, a, b)
a.close()
until(lambda: heard.get("b", [0.0])[-1] == 1.0, b)
b.want([CPU] * 2)
until(lambda: asked() == 2, b)
began_s = time.monotonic()
b.want([])
b.want([CPU])
wanting_s = time.monotonic() - began_s
b.close()
until(gone)
cluster.close()
print(json.dumps({"cleared": cleared, "first": first, "wanting_s": wanting_s}))
