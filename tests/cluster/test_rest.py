"""What a dashboard answers, and what is said when it does not."""

from __future__ import annotations

import http.server
import json
import socket
import socketserver
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tuner.cluster.rest import Dashboard, Head, NoDashboard, dashboard_url
from tuner.errors import ClusterUnreachable

TOKEN = "0123456789abcdef"
ANSWERS = {
    "/api/authentication_mode": {"authentication_mode": "token"},
    "/api/version": {"version": "4", "ray_version": "2.60.0"},
    "/api/v0/cluster_metadata": {"result": True, "data": {"rayVersion": "2.60.0", "pythonVersion": "3.11.7"}},
}


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    answers: Mapping[str, Any]
    token: str | None


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self):
        answer = self.server.answers.get(self.path)
        given = self.headers.get("Authorization")
        if self.path != "/api/authentication_mode" and self.server.token and given != f"Bearer {self.server.token}":
            self.send_error(403 if given else 401)
        elif isinstance(answer, int) or answer is None:
            self.send_error(answer or 404)
        else:
            body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def serve(monkeypatch):
    """A dashboard that gives these answers to who has its token."""
    servers = []
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)

    def start(answers=ANSWERS, token=TOKEN):
        server = _Server(("127.0.0.1", 0), _Handler)
        server.answers, server.token = answers, token
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("10.0.0.5:8265", "http://10.0.0.5:8265"),
        (" http://head:8265/ ", "http://head:8265"),
        ("https://ray.example.org", "https://ray.example.org"),
        ("https://example.org/ray/", "https://example.org/ray"),
        ("[::1]:8265", "http://[::1]:8265"),
    ],
)
def test_an_address_of_a_dashboard_is_a_url_or_a_host_and_a_port(text, url):
    assert dashboard_url(text) == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("head", "no port"),
        ("", "no address"),
        ("ray://head:10001", "Ray Client"),
        ("redis://head:6379", "needs no redis://"),
        ("http://", "no address of a Ray dashboard"),
        ("http://head:port", "no address of a Ray dashboard"),
        ("head:99999", "between 1 and 65535"),
    ],
)
def test_what_is_none_is_said_to_be_what_it_is(text, said):
    with pytest.raises(ClusterUnreachable) as caught:
        dashboard_url(text)
    assert said in caught.value.message
    assert ":8265" in (caught.value.hint or "")


def test_a_dashboard_says_which_ray_and_python_it_runs(serve):
    url = serve()
    assert Dashboard(url).head() == Head(url, "2.60.0", "3.11.7", True)


def test_one_that_is_older_says_less(serve):
    url = serve({"/api/version": {"ray_version": "2.40.0"}}, token=None)
    assert Dashboard(url).head() == Head(url, "2.40.0", None, False)


def test_a_wrong_token_is_named_by_where_it_is_from(serve, monkeypatch):
    url = serve()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(ClusterUnreachable, match="refuses the token from RAY_AUTH_TOKEN") as caught:
        Dashboard(url).head()
    assert "get-auth-token" in (caught.value.hint or "")


def test_a_missing_token_is_asked_for(serve, monkeypatch, tmp_path):
    url = serve()
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ClusterUnreachable, match="wants a token, and there is none here"):
        Dashboard(url).head()


def test_a_token_that_is_kept_back_is_said_to_be(serve, monkeypatch):
    url = serve()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ClusterUnreachable, match="RAY_AUTH_MODE=disabled keeps it back"):
        Dashboard(url).head()


@pytest.mark.parametrize("answer", ["<html>", "[1]", '{"other": 1}'])
def test_another_web_server_is_not_taken_for_a_dashboard(serve, answer):
    with pytest.raises(ClusterUnreachable, match="no Ray dashboard"):
        Dashboard(serve({"/api/version": answer}, token=None)).head()


def test_one_that_fails_says_where_its_log_is(serve):
    with pytest.raises(ClusterUnreachable, match="HTTP status 500") as caught:
        Dashboard(serve({"/api/version": 500}, token=None)).head()
    assert "dashboard.log" in (caught.value.hint or "")


def test_a_closed_port_is_refused_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    began_s = time.monotonic()
    with pytest.raises(ClusterUnreachable, match="Connection refused"):
        Dashboard(url).head()
    assert time.monotonic() - began_s < 2.0


def test_one_that_accepts_and_does_not_answer_is_given_up_after_the_timeout():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        with pytest.raises(ClusterUnreachable, match=r"no reply within 0\.2 s"):
            Dashboard(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2).head()


def test_what_speaks_another_protocol_is_no_dashboard():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(8)

        def answer():
            connection, _ = other.accept()
            connection.recv(1000)
            connection.sendall(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(NoDashboard):
            Dashboard(f"http://127.0.0.1:{other.getsockname()[1]}", timeout_s=2.0).head()
