"""What ``tuner submit`` sends to a cluster, and what it tells the job there to do."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tuner.api.stores import HOME_URL
from tuner.cluster.jobs import JobRequest, size_limit_mib
from tuner.cluster.package import Packed, pack, shipped_files
from tuner.database.url import parse_url
from tuner.errors import SweepError
from tuner.provenance import masked
from tuner.sweep import Sweep

__all__ = ["Shipment", "environment_of", "store_for", "working_folder"]

_CLUSTER_FILE = "$HOME/ray_bootstrap_config.yaml"  # where `ray up` puts the cluster's file on the head
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOLDER = "~/.tuner"


def working_folder(sweep_file: Path, given: Path | None) -> Path:
    """The folder that travels: the sweep file's, or the one that was asked for.

    Raises:
        SweepError: The sweep file does not lie in it.
    """
    home = sweep_file.resolve().parent
    if given is None:
        return home
    folder = given.resolve()
    if not folder.is_dir():
        raise SweepError("is no folder", path="--working-dir", got=str(given))
    if not home.is_relative_to(folder):
        raise SweepError(
            f"the sweep file {sweep_file} does not lie in it",
            path="--working-dir",
            got=str(given),
            hint=f"take a folder above it, as {home}",
        )
    return folder


def store_for(given: str | None, sweep: Sweep) -> tuple[str, list[str]]:
    """(the URL of the store that the job uses, what is to be said about it).

    Args:
        given: ``--store``; None for ``$TUNER_STORE``, else what the sweep says, else a file in the head's home folder.
        sweep: The sweep.

    Raises:
        SweepError: No job can keep a study there.
    """
    variable = os.environ.get("TUNER_STORE")
    said, url = (
        ("--store", given)
        if given
        else ("store", sweep.store)
        if sweep.store
        else ("$TUNER_STORE", variable)
        if variable
        else ("", HOME_URL)
    )
    assert url is not None
    if url.startswith("memory:"):
        raise SweepError("a job's memory is gone when it ends", path=said, got=url, hint=f"--store {HOME_URL}")
    dialect = parse_url(url).dialect
    if dialect == "sqlite":
        name = url.partition("://")[2].removeprefix("/").partition("?")[0]
        if not name.startswith(("/", "~")):
            raise SweepError(
                "is a file in the job's own folder, which the cluster removes",
                path=said,
                got=url,
                expected="a database server, or a file that stays on the head",
                hint=f"--store {HOME_URL}, sqlite:////shared/tuner.db or postgresql+psycopg://host/database",
            )
        return url, [
            f"the study is kept on the cluster's head, in {url}: `tuner attach` reads it where that file can be read,"
            " and shows the job's log elsewhere (--address)"
        ]
    if (urlsplit(url).hostname or "localhost") in ("localhost", "127.0.0.1", "::1"):
        return url, [f"{masked(url)} is looked for on the cluster's head, not on this machine"]
    return url, []


def environment_of(given: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` texts; ``KEY`` alone takes its value from here.

    Raises:
        SweepError: One has no name, or no value here.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not _VARIABLE.fullmatch(name):
            raise SweepError(
                "is no variable's name", path="--env", got=name, expected="KEY=VALUE, or KEY to take it from here"
            )
        if not equals and name not in os.environ:
            raise SweepError(
                "is not set here", path="--env", got=name, expected="KEY=VALUE, or KEY to take it from here"
            )
        found[name] = value if equals else os.environ[name]
    return found


@dataclass(frozen=True, slots=True)
class Shipment:
    """A sweep and how it is to be run over there.

    Attributes:
        sweep: The sweep, with what was laid over it.
        folder: The folder that travels.
        study: The study's name.
        store: URL of the store that the job uses.
        arguments: More arguments for ``tuner run``.
        excludes: Patterns of what stays here.
        environment: More variables.
        pip: Packages to be installed for the job.
    """

    sweep: Sweep
    folder: Path
    study: str
    store: str
    arguments: Sequence[str] = ()
    excludes: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    pip: Sequence[str] = ()

    def check(self) -> Iterator[str]:
        """Look whether what the sweep names travels; yields what is to be said.

        Raises:
            SweepError: A file cannot be found over there.
        """
        executor = self.sweep.executor
        if executor is not None and executor.type != "ray":
            raise self._error("executor", executor.type, "a job runs its trials on its cluster", "remove `executor:`")
        place = executor.options.get("checkpoints") if executor is not None else None
        if isinstance(place, str) and "://" not in place:
            yield f"executor.checkpoints: workers that do not share {place} with the head send theirs there, 512 MiB at most"
        travelling = {path.resolve() for _, path in shipped_files(self.folder, self.excludes)}
        if self._file.resolve() not in travelling:
            raise SweepError(f"{self._file} is left out by --exclude, and it is the sweep", path="--exclude")
        for place, text, path in self.sweep.files():
            if Path(text).expanduser().is_absolute():
                yield f"{place}: {text} does not travel: every node that reads it needs it at that very path"
            elif path.resolve() not in travelling and not path.resolve().is_relative_to(self.folder):
                above = os.path.commonpath([path.resolve(), self.folder])
                raise self._error(
                    place, text, f"lies outside of {self.folder}, which travels", f"--working-dir {above}"
                )
            elif path.resolve() not in travelling:
                raise self._error(place, text, "stays here: it is excluded", "choose --exclude so that it travels")

    def _error(self, place: str, got: str, message: str, hint: str) -> SweepError:
        error = SweepError(message, path=place, got=got, hint=hint)
        self.sweep.locate(error)
        return error

    @property
    def _file(self) -> Path:
        assert self.sweep.file is not None
        return self.sweep.file

    def pack(self, into: Path) -> Packed:
        """Make the package.

        Raises:
            TunerError: The folder is too large or cannot be read.
        """
        return pack(self.folder, into, size_limit_mib(), self.excludes)

    @property
    def entrypoint(self) -> str:
        """The shell command that runs the sweep on the head, or takes its study up where it stopped."""
        name = self._file.resolve().relative_to(self.folder)
        command = ["python", "-m", "tuner", "run", str(name), "--resume", "--name", self.study, *self.arguments]
        # The variable, not its value: who lists the head's processes need not see a password.
        store = ' --store "$TUNER_STORE"' if self.sweep.store is not None and self.sweep.store != self.store else ""
        cluster = f'if [ -f "{_CLUSTER_FILE}" ]; then export TUNER_CLUSTER_FILE="{_CLUSTER_FILE}"; fi; '
        return f'{cluster}exec {shlex.join(command)}{store} --address "$RAY_ADDRESS"'

    def request(self, package: Packed) -> JobRequest:
        """The job."""
        variables = {"TUNER_STORE": self.store, "TUNER_FOLDER": _FOLDER, **self.environment}
        notes = {"tuner_store": masked(self.store), "tuner_sweep": self._file.name}
        return JobRequest(self.study, self.entrypoint, package.path, variables, self.pip, notes)
