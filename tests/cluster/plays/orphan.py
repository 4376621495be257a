"""Starts a Ray of our own with a busy worker, says which processes there are, and is killed."""

import json
import os
import signal
import sys
import time

import psutil

from tuner.cluster.connect import ClusterOptions, connect

cluster = connect(ClusterOptions(num_cpus=1, dashboard=False))
import ray  # noqa: E402 -- imported once the environment is set

task = ray.remote(lambda: time.sleep(60)).remote()
ray.wait([task], timeout=1.0)
pids = [p.pid for p in psutil.Process().children(recursive=True)]
print(json.dumps({"pids": pids, "folder": str(cluster.folder)}))
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
