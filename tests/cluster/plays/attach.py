"""Joins a running cluster (or fails to), runs three attempts on it, and says what happened.

Arguments: address, and then ``run`` to run attempts.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from tuner.cluster.connect import ClusterOptions, connect
from tuner.errors import ClusterUnreachable
from tuner.executors.ray import RayExecutor
from tuner.testing.executors import Drive
from tuner.trial import Completed

began_s = time.monotonic()
try:
    cluster = connect(ClusterOptions(address=sys.argv[1]))
except ClusterUnreachable as error:
    print(json.dumps({"error": str(error), "took_s": time.monotonic() - began_s}))
    sys.exit()
cluster.close()  # a second connection from the same process must work too
with tempfile.TemporaryDirectory() as folder:
    executor = RayExecutor(address=sys.argv[1])
    drive = Drive(executor, Path(folder))
    outcomes = drive.finish(drive.start({"do": "value"}, {"do": "report", "n": 100}, {"do": "raise"}))
    assert executor.cluster is not None
    owned = executor.cluster.owned
    executor.close()
print(json.dumps({"completed": [isinstance(o, Completed) for o in outcomes], "owned": owned}))
