"""Run every example in a folder of its own, as the README shows them. CI does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = ("notebook.py",)


def commands() -> list[list[str]]:
    """One command line for each sweep file and each script."""
    # Files of clusters are for `ray up`; their life is in the slow tests.
    sweeps = sorted(path for path in HERE.rglob("*.yaml") if not path.name.startswith("cluster"))
    return [
        *([sys.executable, "-m", "tuner", "run", str(path), "--new"] for path in sweeps),
        *([sys.executable, str(HERE / name)] for name in SCRIPTS),
    ]


def main() -> None:
    """Run them; print what a failing one said."""
    failed = 0
    for command in commands():
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            env = os.environ | {"TUNER_STORE": f"sqlite:///{folder}/tuner.db"}
            done = subprocess.run(
                command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
            )
        name = Path(command[-1] if command[-1].endswith(".py") else command[-2]).relative_to(HERE)
        verdict = "ok" if done.returncode == 0 else f"exit code {done.returncode}"
        print(f"{name!s:<40} {verdict:<14} {time.monotonic() - began:6.1f} s", flush=True)
        if done.returncode:
            failed += 1
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
