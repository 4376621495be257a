"""Starts a Ray of our own in the background, runs a task, closes it; says what it saw."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil

from tuner.cluster.connect import ClusterOptions, result_of, start_in_background

options = ClusterOptions(num_cpus=2, dashboard="dashboard" in sys.argv[1:])
handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
began_s = time.monotonic()
future = start_in_background(options)
returned_s = time.monotonic() - began_s
cluster = result_of(future, options)
import ray  # noqa: E402 -- the point: it is imported in the background

answer = ray.get(ray.remote(lambda: os.getpid()).remote())
processes = psutil.Process().children(recursive=True)
listening = {c.laddr.ip for p in processes if p.is_running() for c in p.net_connections() if c.status == "LISTEN"}
nodes = cluster.nodes()
token = Path.home() / ".ray" / "auth_token"
assert cluster.folder is not None
folder = str(cluster.folder)
cluster.close()
cluster.close()
left = [p.pid for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
print(
    json.dumps(
        {
            "returned_s": returned_s,
            "own_process": answer != os.getpid(),
            "handlers_kept": handlers == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
            "owned": cluster.owned,
            "url": cluster.dashboard_url,
            "cpus": [node.resources.cpu for node in nodes],
            "memory_mib": [node.resources.memory_mib for node in nodes],
            "token_mode": oct(token.stat().st_mode & 0o777),
            "auth_mode": os.environ["RAY_AUTH_MODE"],
            "left": left,
            "folder": folder,
            "folder_left": os.path.exists(folder),
            "listening": sorted(listening),
        }
    )
)
