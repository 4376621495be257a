"""What is set before Ray is imported."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tuner.cluster.environment import prepare_environment


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """No Ray in this process, nothing of its in the environment, an empty home."""
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    (tmp_path / "private").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if name.startswith("RAY_")})


def token_file() -> Path:
    return Path.home() / ".ray" / "auth_token"


def test_a_new_cluster_gets_a_token_that_only_its_owner_can_read(tmp_path):
    prepare_environment(tmp_path / "private")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(token_file().read_text()) == 64
    assert stat.S_IMODE(token_file().stat().st_mode) == 0o600


def test_a_token_that_is_there_is_kept(tmp_path):
    token_file().parent.mkdir()
    token_file().write_text("mine")
    prepare_environment(tmp_path / "private")
    assert token_file().read_text() == "mine"


@pytest.mark.parametrize("name", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_a_token_in_the_environment_is_enough(tmp_path, monkeypatch, name):
    (tmp_path / "token").write_text("mine")
    monkeypatch.setenv(name, str(tmp_path / "token"))
    prepare_environment(tmp_path / "private")
    assert not token_file().exists()
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_without_a_home_that_can_be_written_the_token_is_private(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    prepare_environment(tmp_path / "private")
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "private" / "auth_token")
    assert len((tmp_path / "private" / "auth_token").read_text()) == 64


def test_a_running_cluster_is_offered_a_token_only_if_there_is_one(monkeypatch):
    prepare_environment(None)
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    assert not token_file().exists()
    monkeypatch.delenv("RAY_AUTH_MODE")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "x")
    prepare_environment(None)
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_what_the_user_has_set_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    prepare_environment(tmp_path / "private")
    assert (os.environ["RAY_AUTH_MODE"], os.environ["RAY_USAGE_STATS_ENABLED"]) == ("disabled", "1")
    assert not token_file().exists()
