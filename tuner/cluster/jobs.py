"""Sweeps as Ray jobs: sent to a cluster's dashboard, followed, stopped, found again.

Ray's own client waits for ever when the network goes; here every request has a bound, and its errors become ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.cluster.address import check_port, parse_address
from tuner.cluster.environment import prepare_environment
from tuner.cluster.probe import ask_dashboard
from tuner.cluster.rest import Dashboard, Head, NoDashboard, dashboard_url
from tuner.errors import ClusterUnreachable, ExecutorError, TunerError

__all__ = ["ENDED", "STOP_WAIT_S", "Job", "JobRequest", "Jobs", "find_dashboard", "next_id", "size_limit_mib"]

ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
STOP_WAIT_S = 30
"""How long a stopped job's driver may take to close its study and let go of the cluster, in seconds."""

_LEAST_RAY = (2, 50)
_REQUEST_S = (10.0, 60.0)  # to connect or to send the next piece, and to be answered
_SILENCE_S = 15.0
_GIVE_UP_S = 60.0
_LOOK_EVERY_S = 0.5
_METADATA = "tuner_study"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A sweep to be run as a job.

    Attributes:
        study: The study's name, from which the job gets its own.
        entrypoint: The shell command that runs it, in the folder that ``package`` is unpacked to.
        package: The zip file with code and data.
        environment: Variables for the driver and the workers.
        pip: Packages to be installed for it.
        notes: What is kept with the job, name -> text.
    """

    study: str
    entrypoint: str
    package: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    pip: Sequence[str] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A job of ours, as the cluster knows it.

    Attributes:
        job_id: ``tuner-<study>-<n>``.
        study: The study that it runs.
        status: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        message: What the cluster says of it.
        exit_code: Of its driver; None before it ended, or when that is not known.
        environment: The variables that it was given.
        started_at: Seconds since the epoch; 0 before.
    """

    job_id: str
    study: str
    status: str
    message: str
    exit_code: int | None
    environment: Mapping[str, str]
    started_at: float


def size_limit_mib() -> float:
    """The largest package that a cluster takes: what its dashboard accepts, or what its head keeps."""
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE
    from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE

    return float(min(DASHBOARD_CLIENT_MAX_SIZE, GCS_STORAGE_MAX_SIZE)) / 2**20


def next_id(study: str, known: Sequence[str]) -> str:
    """The name of a study's next job: its number follows the highest that the cluster knows."""
    pattern = re.compile(rf"tuner-{re.escape(study)}-(\d+)")
    numbers = [int(match[1]) for name in known if (match := pattern.fullmatch(name))]
    return f"tuner-{study}-{max(numbers, default=0) + 1}"


def find_dashboard(address: str) -> Head:
    """The dashboard at an address, or that of the cluster whose head listens there.

    Args:
        address: ``http://host:8265`` or ``host:8265`` of the dashboard, or ``host:6379`` of the head.

    Raises:
        ClusterUnreachable: Nothing answers, it is neither of these, it refuses our token, or its Ray is too old.
    """
    prepare_environment(None)
    url = dashboard_url(address)
    try:
        head = Dashboard(url).head()
    except NoDashboard as error:
        if "://" in address:
            raise
        place = parse_address(address)
        check_port(place)
        told = ask_dashboard(place)
        if told is None:
            raise ClusterUnreachable(
                f"the cluster at {place} was started without a dashboard, which jobs need",
                hint="start its head with --include-dashboard=true and pip install 'ray[default]' there",
            ) from error
        head = Dashboard(told).head()
    numbers = tuple(int(part) for part in re.findall(r"\d+", head.ray_version)[:2])
    if numbers < _LEAST_RAY:
        raise ClusterUnreachable(
            f"the cluster at {head.url} runs Ray {head.ray_version}, and tuner needs {'.'.join(map(str, _LEAST_RAY))}",
            hint="upgrade the cluster: pip install -U 'ray[default]'",
        )
    return head


class Jobs:
    """The jobs of one cluster.

    Args:
        address: As for ``find_dashboard``.

    Raises:
        ClusterUnreachable: As for ``find_dashboard``.
    """

    def __init__(self, address: str) -> None:
        self.head = find_dashboard(address)
        with _translated(self.head.url):
            self._client = _client(self.head.url)

    @property
    def url(self) -> str:
        """The dashboard's."""
        return self.head.url

    def all(self) -> list[Job]:
        """Every job of ours that the cluster knows, oldest first."""
        with _translated(self.url):
            found = [_job(details) for details in self._client.list_jobs()]
        return sorted((job for job in found if job is not None), key=lambda job: (job.started_at, job.job_id))

    def job(self, job_id: str) -> Job:
        """One job of ours.

        Raises:
            ExecutorError: There is none of that name.
        """
        with _translated(self.url):
            found = _job(self._client.get_job_info(job_id))
        if found is None:
            raise ExecutorError(f"job {job_id!r} is none of tuner's", hint="`tuner dashboard` lists those that are")
        return found

    def submit(self, request: JobRequest) -> str:
        """Send code and data, and have the sweep run.

        Returns:
            The job's name, ``tuner-<study>-<n>``: n is 1 for a study's first job, and one more for each further one.

        Raises:
            ExecutorError: A job runs the study already, or the cluster refuses this one.
        """
        known = self.all()
        for job in known:
            if job.study == request.study and job.status not in ENDED:
                raise ExecutorError(
                    f"job {job.job_id} runs study {request.study!r} already",
                    hint=f"follow it: tuner attach {request.study} --address {self.url}; or end it:"
                    f" ray job stop {job.job_id} --address {self.url}",
                )
        job_id = next_id(request.study, [job.job_id for job in known])
        environment: dict[str, Any] = {
            "working_dir": str(request.package),
            "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S), **request.environment},
        }
        environment |= {"pip": list(request.pip)} if request.pip else {}
        with _translated(self.url):
            return str(
                self._client.submit_job(
                    entrypoint=request.entrypoint,
                    submission_id=job_id,
                    runtime_env=environment,
                    metadata={_METADATA: request.study, **request.notes},
                )
            )

    def log(self, job_id: str) -> str:
        """All that a job has printed so far."""
        with _translated(self.url):
            return str(self._client.get_job_logs(job_id))

    def stop(self, job_id: str) -> bool:
        """Ask a job to end; False when it had ended already."""
        with _translated(self.url):
            return bool(self._client.stop_job(job_id))

    def follow(self, job_id: str, write: Callable[[str], None]) -> Job:
        """Hand on what a job prints until it ends.

        Args:
            job_id: The job's name.
            write: Takes pieces of text, ends of lines included.

        Returns:
            The job, ended.

        Raises:
            ClusterUnreachable: The cluster has not answered for a minute; the job may go on.
        """
        n_written, gone_since_s = 0, None
        while True:
            try:
                job = self.job(job_id)  # asked before the last look, so that nothing is missed
                if job.status in ENDED:
                    write(self.log(job_id)[n_written:])
                    return job
                n_written = asyncio.run(self._tail(job_id, write, n_written))
                gone_since_s = None
            except ClusterUnreachable:
                now_s = time.monotonic()
                gone_since_s = gone_since_s or now_s
                if now_s - gone_since_s > _GIVE_UP_S:
                    raise
            time.sleep(_LOOK_EVERY_S)

    async def _tail(self, job_id: str, write: Callable[[str], None], skip: int) -> int:
        """Pass on what comes after the first ``skip`` characters; how many there were when the connection ended."""
        pieces, seen = self._client.tail_job_logs(job_id).__aiter__(), 0
        try:
            while (piece := await self._piece(job_id, pieces)) is not None:
                new = piece[max(skip - seen, 0) :]
                seen += len(piece)
                if new:
                    write(new)
        except TunerError:
            raise
        except Exception:
            return max(
                seen, skip
            )  # the connection broke: who called looks how things stand, and goes on where this ended
        finally:
            with contextlib.suppress(Exception):
                await pieces.aclose()
        return max(seen, skip)

    async def _piece(self, job_id: str, pieces: AsyncIterator[str]) -> str | None:
        """The next piece of the log; None at its end, or when the job has ended and nothing comes any more."""
        task = asyncio.ensure_future(anext(pieces, None))
        try:
            while not (await asyncio.wait({task}, timeout=_SILENCE_S))[0]:
                job = await asyncio.to_thread(self.job, job_id)
                if job.status in ENDED:
                    return None
            return task.result()
        finally:
            task.cancel()


def _job(details: Any) -> Job | None:
    """What Ray says of a job; None when it is none of ours."""
    metadata = details.metadata or {}
    if _METADATA not in metadata or not details.submission_id:
        return None
    status = getattr(details.status, "value", details.status)
    variables = (details.runtime_env or {}).get("env_vars") or {}
    return Job(
        details.submission_id,
        metadata[_METADATA],
        str(status),
        details.message or "",
        details.driver_exit_code,
        dict(variables),
        (details.start_time or 0) / 1000,
    )


def _client(url: str) -> Any:
    """Ray's client, each of whose requests has a bound."""
    from ray.job_submission import JobSubmissionClient

    for chatty in ("job.sdk", "dashboard_sdk"):  # which tell of every upload and every connection that closes
        logging.getLogger(f"ray.dashboard.modules.{chatty}").setLevel(logging.WARNING)

    class Bounded(JobSubmissionClient):  # type: ignore[misc]
        def _do_request(self, method: str, endpoint: str, **rest: Any) -> Any:
            return super()._do_request(method, endpoint, **{"timeout": _REQUEST_S, **rest})

    with _address_is(url):
        return Bounded(url)


@contextlib.contextmanager
def _address_is(url: str) -> Iterator[None]:
    """Ray prefers what its variables say to the address that it is given; meanwhile they say the same."""
    before = os.environ.get("RAY_API_SERVER_ADDRESS")
    os.environ["RAY_API_SERVER_ADDRESS"] = url
    try:
        yield
    finally:
        if before is None:
            del os.environ["RAY_API_SERVER_ADDRESS"]
        else:
            os.environ["RAY_API_SERVER_ADDRESS"] = before


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    """Ray's and its HTTP library's errors in our words."""
    try:
        yield
    except OSError as error:  # what the HTTP library raises are these
        raise ClusterUnreachable(
            f"the cluster at {url} stopped answering: {type(error).__name__}",
            hint="what was submitted goes on there; look again when the network is back",
        ) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("ray", "builtins"):
            raise
        said = re.sub(r"^Request failed with status code (\d+): ", "", str(error)).strip()
        lines = [line for line in said.splitlines() if line.strip()] or [type(error).__name__]
        last = lines[-1].rstrip(".")
        if "413" in str(error) and "Too Large" in str(error):
            raise ExecutorError(
                f"the cluster at {url} takes no package of that size: {last}",
                hint="leave out what no trial needs: --exclude PATTERN",
            ) from error
        raise ExecutorError(f"the cluster at {url} refuses: {last}") from error
