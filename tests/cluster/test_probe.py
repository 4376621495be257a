"""What is found out about a head before Ray is let loose on it."""

from __future__ import annotations

import platform
import socket

import pytest

from tuner.cluster import probe
from tuner.cluster.address import HostPort
from tuner.errors import ClusterUnreachable


def test_another_python_is_refused_down_to_its_last_digit():
    ours = platform.python_version()
    probe._check_python(HostPort("head", 6379), ours)
    probe._check_python(HostPort("head", 6379), None)  # it does not say: Ray itself will look
    with pytest.raises(ClusterUnreachable, match=rf"runs Python {ours}9, and this is Python {ours}") as caught:
        probe._check_python(HostPort("head", 6379), f"{ours}9")
    assert "tuner submit" in (caught.value.hint or "")


def test_a_head_on_loopback_only_is_told_and_not_waited_for(monkeypatch):
    """Ray takes 127.0.0.1 for the machine's own address, where a head that was told 127.0.0.1 does not listen."""
    import ray

    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        port = head.getsockname()[1]
        monkeypatch.setattr(ray._private.services, "resolve_ip_for_localhost", lambda host: "127.0.0.77")
        with pytest.raises(ClusterUnreachable, match=f"Ray would look for it at 127.0.0.77:{port}") as caught:
            probe._check_loopback(HostPort("127.0.0.1", port))
        assert "--node-ip-address" in (caught.value.hint or "")
        monkeypatch.setattr(ray._private.services, "resolve_ip_for_localhost", lambda host: "127.0.0.1")
        probe._check_loopback(HostPort("127.0.0.1", port))
