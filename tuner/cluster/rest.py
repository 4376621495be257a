"""What a cluster's dashboard answers over HTTP, with bounded waits and errors that say what to do. Needs no Ray.

A dashboard (``http://host:8265``) is what can be reached from outside of a cluster; the head's own port (``host:6379``) is for
processes that run on its nodes.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from tuner.cluster.address import parse_address
from tuner.cluster.environment import find_token
from tuner.errors import ClusterUnreachable

__all__ = ["DASHBOARD_PORT", "Dashboard", "Head", "NoDashboard", "dashboard_url"]

DASHBOARD_PORT = 8265
_HINT = f"give the dashboard's address, as http://10.0.0.5:{DASHBOARD_PORT}; `ray start --head` and `ray up` print it"
_TOKEN_HINT = "put the cluster's token (there `ray get-auth-token` prints it) into RAY_AUTH_TOKEN or ~/.ray/auth_token"


class NoDashboard(ClusterUnreachable):
    """Something listens there, and it is no web server."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a dashboard says of its cluster.

    Attributes:
        url: The dashboard's.
        ray_version: Of the cluster.
        python_version: Of the cluster; None when it does not say.
        wants_token: Whether it answers only who has its token.
    """

    url: str
    ray_version: str
    python_version: str | None
    wants_token: bool


def dashboard_url(text: str) -> str:
    """The URL of a dashboard, without a slash at its end.

    Args:
        text: ``http://host:8265``, ``https://host/path`` or ``host:8265``.

    Raises:
        ClusterUnreachable: It is none of these.
    """
    address = text.strip()
    scheme, separator, _ = address.partition("://")
    if separator and scheme in ("http", "https"):
        try:
            parts = urllib.parse.urlsplit(address)
            usable = bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
        except ValueError:
            usable = False
        if not usable:
            raise ClusterUnreachable(f"{text!r} is no address of a Ray dashboard", hint=_HINT)
        return address.rstrip("/")
    if separator:
        what = "ray:// is Ray Client, which tuner does not use" if scheme == "ray" else f"it needs no {scheme}://"
        raise ClusterUnreachable(f"{text!r} is no address of a Ray dashboard: {what}", hint=_HINT)
    try:
        return f"http://{parse_address(address)}"
    except ClusterUnreachable as error:
        raise ClusterUnreachable(error.message, hint=_HINT) from error


class Dashboard:
    """Asks one dashboard.

    Args:
        url: As ``dashboard_url`` gives it.
        timeout_s: How long any one answer may take, in seconds.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        self.url, self._timeout_s = url, timeout_s

    def head(self) -> Head:
        """Make sure that a Ray dashboard answers there and lets us in.

        Raises:
            NoDashboard: What listens there is no web server.
            ClusterUnreachable: Nothing answers, it is no Ray dashboard, or it refuses our token.
        """
        mode = self._get("/api/authentication_mode", token=False)
        wants = isinstance(mode, dict) and str(mode.get("authentication_mode", "")).lower() == "token"
        version = self._get("/api/version")
        if not isinstance(version, dict) or "ray_version" not in version:
            raise ClusterUnreachable(f"what answers at {self.url} is no Ray dashboard", hint=_HINT)
        known = self._get("/api/v0/cluster_metadata")
        data = known.get("data") if isinstance(known, dict) else None
        python = data.get("pythonVersion") if isinstance(data, dict) else None
        return Head(self.url, str(version["ray_version"]), python, wants)

    def get(self, path: str) -> Any:
        """What is at a path, read from JSON.

        Raises:
            ClusterUnreachable: As for ``head``; also when there is nothing at that path.
        """
        found = self._get(path)
        if found is None:
            raise ClusterUnreachable(f"the cluster at {self.url} has no {path}", hint="is its Ray older than 2.50?")
        return found

    def _get(self, path: str, *, token: bool = True) -> Any:
        """What is there; None when nothing is."""
        request = urllib.request.Request(self.url + path)
        held = find_token() if token and os.environ.get("RAY_AUTH_MODE", "").lower() != "disabled" else None
        if held is not None:
            request.add_header("Authorization", f"Bearer {held[0]}")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise self._refused(error.code, held) from error
        except ValueError as error:
            raise ClusterUnreachable(f"what answers at {self.url} is no Ray dashboard", hint=_HINT) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error

    def _refused(self, code: int, held: tuple[str, str] | None) -> ClusterUnreachable:
        if code in (401, 403):
            off = os.environ.get("RAY_AUTH_MODE", "").lower() == "disabled"
            if held is None:
                said = "RAY_AUTH_MODE=disabled keeps it back" if off else "there is none here"
                hint = "unset RAY_AUTH_MODE" if off else _TOKEN_HINT
                return ClusterUnreachable(f"the cluster at {self.url} wants a token, and {said}", hint=hint)
            return ClusterUnreachable(f"the cluster at {self.url} refuses the token from {held[1]}", hint=_TOKEN_HINT)
        return ClusterUnreachable(
            f"the dashboard at {self.url} answered with HTTP status {code}",
            hint="its own log is dashboard.log in Ray's session folder on the head" if code >= 500 else _HINT,
        )

    def _silent(self, error: Exception) -> ClusterUnreachable:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, ssl.SSLError):
            return ClusterUnreachable(f"{self.url} speaks no TLS, or not well: {cause}", hint="is it http://?")
        if isinstance(cause, TimeoutError):
            return ClusterUnreachable(
                f"no dashboard answers at {self.url}: no reply within {self._timeout_s:g} s",
                hint="check the address, and that no firewall is in between",
            )
        if isinstance(cause, http.client.HTTPException | ConnectionResetError | BrokenPipeError):
            return NoDashboard(f"what listens at {self.url} is no web server, so no Ray dashboard", hint=_HINT)
        told = getattr(cause, "strerror", None) or cause
        return ClusterUnreachable(
            f"no dashboard answers at {self.url}: {told}",
            hint="a dashboard listens on its head only unless it is told otherwise: run this there, start it with"
            " --dashboard-host=0.0.0.0, or open a tunnel (`ray dashboard CLUSTER.yaml`,"
            f" `ssh -L {DASHBOARD_PORT}:localhost:{DASHBOARD_PORT} HEAD`)",
        )
