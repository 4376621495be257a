from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tuner.stores import _lease
from tuner.stores._lease import is_dead, new_owner, shown_owner


def test_this_process_is_alive():
    assert not is_dead(new_owner())


def test_an_owner_is_shown_as_host_and_pid():
    assert shown_owner(new_owner()).endswith(f":{os.getpid()}")


def test_two_owners_of_one_process_differ():
    assert new_owner() != new_owner()


@pytest.fixture
def ended():
    """The owner that a process which has ended had been."""
    code = "from tuner.stores._lease import new_owner; print(new_owner())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_an_ended_process_of_this_host_is_dead(ended):
    assert is_dead(ended)


def test_a_process_that_waits_for_its_parent_is_dead():
    """A zombie still has its number."""
    code = "from tuner.stores._lease import new_owner; print(new_owner(), flush=True)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    owner = child.stdout.read().strip()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner)
    child.wait(30)


def test_a_number_that_was_given_to_another_process_is_dead():
    host, pid, token = new_owner().rsplit(":", 2)
    machine, started, rest = token.split(".")
    assert is_dead(f"{host}:{pid}:{machine}.{int(started) - 1}.{rest}")


@pytest.mark.parametrize("part", ["host", "machine"])
def test_nothing_is_known_of_processes_elsewhere(ended, part):
    host, pid, token = ended.rsplit(":", 2)
    _, rest = token.split(".", 1)
    elsewhere = f"other:{pid}:{token}" if part == "host" else f"{host}:{pid}:00000000.{rest}"
    assert not is_dead(elsewhere)


@pytest.mark.parametrize("owner", ["", "host", "host:pid:x.y.z", "host:1:token", "host:1"])
def test_what_is_no_owner_is_not_called_dead(owner):
    assert not is_dead(owner)


def test_without_proc_a_signal_tells(ended, monkeypatch):
    monkeypatch.setattr(_lease, "_started", lambda pid: None)
    assert is_dead(ended)
    assert not is_dead(new_owner())
