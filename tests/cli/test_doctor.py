"""doctor: what it finds is what is there, and every fault has its mend."""

import importlib.metadata
import os
import shutil

import psutil
import pytest

from tuner.cli import _checks


def by_name(findings):
    return {finding.what: finding for finding in findings}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_healthy_machine_is_ready(tuner):
    answer = tuner("doctor")
    assert {line.split()[0] for line in answer.lines[:-1]} <= {"ok", "warn", "mend:"}
    assert answer.lines[-1] == "ready; --ray also tries Ray itself"


def test_as_json_it_is_a_list_of_findings(tuner):
    findings = tuner("doctor", "-o", "json").json
    assert {finding["what"] for finding in findings} >= {"Python", "CPUs", "memory", "packages", "store"}
    assert all(finding["mend"] for finding in findings if finding["level"] != "ok")


def test_a_store_that_does_not_answer_fails_with_its_mend(tuner):
    answer = tuner("doctor", "--store", "nonsense://x", exit_code=1)
    assert any(line.startswith("fail  store") for line in answer.lines)
    assert answer.lines[-1] == "something fails: mend it and look again"


def test_dead_drivers_and_logs_of_no_study_are_found(keeper, tmp_path, monkeypatch):
    keeper.make("lost", state="RUNNING")
    (tmp_path / ".tuner" / "logs" / "deleted").mkdir()
    monkeypatch.setattr(_checks, "is_dead", lambda info: info.state == "RUNNING")
    found = by_name(_checks.store(keeper.url))
    assert found["dead drivers"].mend == "tuner resume lost"
    assert found["logs of no study"].mend.endswith("logs/deleted")
    assert found["logs of no study"].level == "warn"


def test_a_store_without_faults_is_ok(digits):
    assert {finding.level for finding in _checks.store(digits.url)} == {"ok"}


def test_little_memory_shared_memory_and_disk_are_warned_of(monkeypatch):
    class Little:
        available, total, free = 100 << 20, 200 << 20, 10 << 20

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Little)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Little)
    found = by_name(_checks.machine())
    assert {found[what].level for what in ("memory", "disk here")} == {"warn"}
    assert all(finding.mend for finding in found.values() if finding.level != "ok")


def test_a_missing_and_an_old_package_fail(monkeypatch):
    versions = {"ray": "2.1.0", "skops": None}

    def version(package):
        found = versions.get(package, "99.0")
        if found is None:
            raise importlib.metadata.PackageNotFoundError(package)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(
        importlib.metadata, "requires", lambda name: ["ray[default]>=2.50", "psycopg>=100; extra == 'postgres'"]
    )
    found = by_name(_checks.installation())["packages"]
    assert (found.level, found.found) == ("fail", "skops is missing; ray 2.1.0 is below 2.50")


def test_versions_compare_as_numbers():
    assert _checks._numbers("2.9.1") < _checks._numbers("2.50")


@pytest.mark.parametrize(
    ("text", "mode", "level"), [("secret", 0o600, "ok"), ("secret", 0o644, "warn"), (" \n", 0o600, "fail")]
)
def test_rays_token_must_be_there_and_private(home, text, mode, level):
    (home / ".ray").mkdir(parents=True)
    path = home / ".ray" / "auth_token"
    path.write_text(text)
    path.chmod(mode)
    found = by_name(_checks.installation())["Ray's token"]
    assert found.level == level
    assert (found.mend == "") == (level == "ok")


def test_rays_token_may_be_elsewhere_or_switched_off(home, monkeypatch):
    assert "none yet" in by_name(_checks.installation())["Ray's token"].found
    monkeypatch.setenv("RAY_AUTH_TOKEN", "x")
    assert by_name(_checks.installation())["Ray's token"].found == "from RAY_AUTH_TOKEN"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert by_name(_checks.installation())["Ray's token"].level == "warn"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_fails(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert _checks._writable(closed / "below").level == "fail"


@pytest.mark.ray
def test_ray_starts_and_runs_a_trial(tuner):
    answer = tuner("doctor", "--ray")
    assert any(line.startswith("ok    Ray  ") and "ran a trial in" in line for line in answer.lines)


def test_a_cluster_is_looked_at_too(tuner, monkeypatch):
    from tuner.cli import _cluster_check
    from tuner.cluster.rest import Head

    answers = {
        "/api/jobs/": [{}],
        "/api/cluster_status": {"data": {"clusterStatus": {"loadMetricsReport": {"usage": {"CPU": [0.0, 6.0]}}}}},
    }
    monkeypatch.setattr("tuner.cluster.rest.Dashboard.get", lambda self, path: answers[path])
    monkeypatch.setattr(_cluster_check, "find_dashboard", lambda address: Head("http://h:1", "2.1.0", "3.9.9", False))
    found = by_name(_cluster_check.cluster("h:1"))
    assert found["cluster"].found == "http://h:1 lets us in, and knows 1 job"
    assert found["cluster's room"].found == "6 CPU"
    assert (found["cluster's versions"].level, found["cluster's token"].level) == ("warn", "warn")
    assert "Ray 2.1.0, Python 3.9.9; here are Ray " in found["cluster's versions"].found


def test_a_cluster_that_does_not_answer_fails_with_its_mend(tuner):
    answer = tuner("doctor", "--address", "127.0.0.1:1", exit_code=1)
    line = next(line for line in answer.lines if "no dashboard answers at http://127.0.0.1:1" in line)
    assert line.split()[:2] == ["fail", "cluster"]
