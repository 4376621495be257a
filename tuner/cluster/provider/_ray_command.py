"""The ``ray``, ``pip`` and ``uv`` that commands on a node find: as the real ones, but knowing that the machine is shared.

A cluster file's commands suppose a machine to themselves: ``ray stop`` ends every Ray process there is, ``ray start`` takes
fixed ports, ``pip install`` changes the installation. Here ``ray stop`` ends the node's own processes, ``ray start`` gets an
address and ports of the node's own, and ``pip`` and ``uv`` do nothing, because the nodes use this machine's installation.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.cluster.provider._processes import MARK, end_node

__all__ = ["install_commands", "start_arguments"]

_SCRIPT = """#!/bin/sh
exec '{python}' -c 'from tuner.cluster.provider._ray_command import main; main("{name}")' "$@"
"""
_OBJECT_STORE_BYTES = 100 << 20
_EPHEMERAL = ("--min-worker-port", "--max-worker-port", "--dashboard-agent-listen-port")


def install_commands(folder: Path) -> None:
    """Put ``ray``, ``pip`` and ``uv`` into the folder, which comes first in the nodes' PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ray", "pip", "pip3", "uv"):
        path, new = folder / name, folder / f".{name}.{os.getpid()}"
        new.write_text(_SCRIPT.format(python=sys.executable, name=name))
        new.chmod(new.stat().st_mode | stat.S_IXUSR)
        new.replace(path)


def main(name: str) -> None:
    """Stand in for the command ``name``, with the arguments and the environment of this process."""
    arguments = sys.argv[1:]
    if name != "ray":
        print(f"{name}: skipped, the nodes share this machine's installation")  # noqa: T201 -- it is a command
        return
    if arguments[:1] == ["stop"]:
        end_node(os.environ[MARK])
        return
    if arguments[:1] == ["start"]:
        arguments = ["start", *start_arguments(arguments[1:], os.environ)]
    real = Path(sys.executable).parent / "ray"
    os.execv(real, [str(real), *arguments])


def start_arguments(given: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Arguments of ``ray start`` for a node that shares its machine.

    Args:
        given: What the cluster file's command says: ``--name=value``, ``--name value`` and ``--name``.
        environment: The node's: ``NODE_IP``, ``TUNER_PORT``, ``TUNER_RAY_DIR`` and what Ray's updater sets.
    """
    head = "--head" in given
    port = int(environment["TUNER_PORT"])
    forced = {"--node-ip-address": environment["NODE_IP"]}
    if head:
        forced |= {"--port": str(port), "--temp-dir": environment["TUNER_RAY_DIR"]}
    elif "RAY_HEAD_IP" in environment:
        forced["--address"] = f"{environment['RAY_HEAD_IP']}:{port}"
    free = dict.fromkeys(_EPHEMERAL, "0")
    if head:
        free |= {"--dashboard-port": str(port + 1), "--ray-client-server-port": str(port + 2)}
    if "object_store_memory" not in environment.get("RAY_OVERRIDE_RESOURCES", ""):
        free["--object-store-memory"] = str(_OBJECT_STORE_BYTES)
    kept = _without(given, forced)
    named = {argument.partition("=")[0] for argument in kept}
    added = {**forced, **{name: value for name, value in free.items() if name not in named}}
    return [*kept, *(f"{name}={value}" for name, value in added.items())]


def _without(given: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """The arguments without those options, their values included."""
    kept: list[str] = []
    skip = False
    for argument in given:
        name, equals, _ = argument.partition("=")
        if skip:
            skip = False
        elif name in names:
            skip = not equals
        else:
            kept.append(argument)
    return kept
