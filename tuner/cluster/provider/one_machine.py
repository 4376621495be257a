"""The node provider that Ray's launcher and autoscalers call."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from typing import Any

from ray.autoscaler.node_provider import NodeProvider
from ray.autoscaler.tags import NODE_KIND_HEAD, TAG_RAY_NODE_KIND

from tuner.cluster.provider._options import MachineOptions
from tuner.cluster.provider._processes import end_node
from tuner.cluster.provider._register import Entry, Register
from tuner.cluster.provider._runner import NodeRunner, mark_of

__all__ = ["OneMachineProvider"]


class OneMachineProvider(NodeProvider):  # type: ignore[misc]  # Ray's class is untyped
    """Nodes are processes of this machine, each node on a loopback address and with a home folder of its own.

    A node's resources are what its type in the cluster file says; Ray takes its word. Besides, ``node_config`` of a type may
    have ``boot_s``, the seconds that a node of it takes to boot; anything else in it (what a cloud would want) is not
    looked at.

    Ray makes one of these in ``ray up``, one in the autoscaler on the head, one in ``ray down``; they share the register
    on disk.

    Args:
        provider_config: The section ``provider:`` of the cluster file (``MachineOptions``).
        cluster_name: As the cluster file calls it.

    Raises:
        ExecutorError: An option is wrong, or the state folder is not ours.
    """

    def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None:
        super().__init__(provider_config, cluster_name)
        self._options = MachineOptions.of(provider_config, cluster_name)
        self._register = Register(self._options.state_dir)

    @staticmethod
    def bootstrap_config(cluster_config: dict[str, Any]) -> dict[str, Any]:
        """Check the options, and write the state folder out: on the head, ``~`` is another folder."""
        provider = cluster_config["provider"]
        options = MachineOptions.of(provider, cluster_config["cluster_name"])
        return {**cluster_config, "provider": {**provider, "state_dir": str(options.state_dir)}}

    # -- what there is ----------------------------------------------------------------------------------------------

    def non_terminated_nodes(self, tag_filters: Mapping[str, str]) -> list[str]:
        """Ids of the nodes that carry these tags."""
        return [
            node_id
            for node_id, entry in self._register.entries().items()
            if all(entry.tags.get(name) == value for name, value in tag_filters.items())
        ]

    def is_running(self, node_id: str) -> bool:
        """Whether it has booted and was not terminated."""
        entry = self._entry(node_id)
        return entry is not None and time.time() >= entry.ready_at_s

    def is_terminated(self, node_id: str) -> bool:
        """Whether it was terminated; so was one that never was."""
        return self._entry(node_id) is None

    def node_tags(self, node_id: str) -> dict[str, str]:
        """What Ray wrote on it; nothing when it is gone."""
        entry = self._entry(node_id)
        return dict(entry.tags) if entry else {}

    def internal_ip(self, node_id: str) -> str | None:
        """Its loopback address; None when it is gone."""
        entry = self._entry(node_id)
        return entry.address if entry else None

    def external_ip(self, node_id: str) -> str | None:
        """The same: everything is on one machine."""
        return self.internal_ip(node_id)

    def _entry(self, node_id: str) -> Entry | None:
        return self._register.entries().get(node_id)

    # -- what is done -----------------------------------------------------------------------------------------------

    def set_node_tags(self, node_id: str, tags: dict[str, str]) -> None:
        """Write on it."""
        self._register.tag(node_id, tags)

    def create_node(self, node_config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, dict[str, str]]:
        """Enter ``count`` nodes; their processes come with the first command that starts any."""
        ready_at_s = time.time() + float(node_config.get("boot_s", 0.0))
        made = [self._register.add(self.cluster_name, tags, ready_at_s, self._options.address_of) for _ in range(count)]
        return {entry.node_id: {"address": entry.address} for entry in made}

    def terminate_node(self, node_id: str) -> None:
        """End its processes, then strike it out: what is not in the register has no process either. The head takes Ray's files
        and the homes with it."""
        kind = self.node_tags(node_id).get(TAG_RAY_NODE_KIND)
        end_node(mark_of(self._options, node_id))
        self._register.remove(node_id)
        shutil.rmtree(self._options.state_dir / "homes" / node_id, ignore_errors=True)
        if kind == NODE_KIND_HEAD:
            shutil.rmtree(self._options.ray_dir, ignore_errors=True)

    def get_command_runner(  # noqa: PLR0913 -- the interface is Ray's
        self,
        log_prefix: str,
        node_id: str,
        auth_config: dict[str, Any],
        cluster_name: str,
        process_runner: Any,
        use_internal_ip: bool,
        docker_config: dict[str, Any] | None = None,
    ) -> NodeRunner:
        """Who runs commands on it; there is neither SSH nor Docker here."""
        entry = self._entry(node_id)
        if entry is None:
            raise ValueError(f"node {node_id} was terminated")
        return NodeRunner(self._options, entry)
