"""Ray's exceptions in our words."""

from __future__ import annotations

from typing import Any

import pytest
import ray.exceptions as rx

from tuner.cluster.outcomes import _MEANING, failure_of
from tuner.trial import FailureKind


def every_error(root: Any = rx.RayError) -> set[Any]:
    return {root}.union(*(every_error(child) for child in root.__subclasses__() if child.__module__ == rx.__name__))


@pytest.mark.parametrize("error", sorted(every_error(), key=str), ids=lambda error: str(error.__name__))
def test_every_error_of_ray_has_a_meaning_of_its_own(error):
    assert error.__name__ in _MEANING


def test_no_meaning_is_for_an_error_that_ray_does_not_have():
    assert set(_MEANING) <= {error.__name__ for error in every_error()}


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (rx.WorkerCrashedError(), FailureKind.WORKER_LOST, "worker process died"),
        (rx.OutOfMemoryError("task was killed"), FailureKind.OUT_OF_MEMORY, "may have been the cause"),
        (rx.NodeDiedError("node 10.0.0.9 died"), FailureKind.NODE_LOST, "10.0.0.9"),
        (rx.LocalRayletDiedError(), FailureKind.NODE_LOST, "Ray's own process"),
        (rx.TaskUnschedulableError("needs 99 CPU"), FailureKind.NODE_LOST, "99 CPU"),
        (rx.RuntimeEnvSetupError("no such package"), FailureKind.WORKER_LOST, "no such package"),
        (rx.TaskCancelledError(), FailureKind.WORKER_LOST, "from outside"),
        (rx.ActorDiedError(), FailureKind.WORKER_LOST, "actor"),
        (ValueError("GPU 1.5"), FailureKind.WORKER_LOST, "GPU 1.5"),
    ],
)
def test_what_an_error_means(error, kind, said):
    failed = failure_of(error)
    assert failed.kind is kind
    assert said in failed.message


def test_an_error_raised_in_the_worker_keeps_the_end_of_its_traceback():
    error = rx.RayTaskError("run_batch", "x" * 50_000 + "KeyError: 'the culprit'", KeyError("the culprit"))
    dual = error.as_instanceof_cause()
    assert isinstance(dual, KeyError)
    failed = failure_of(dual)
    assert failed.kind is FailureKind.WORKER_LOST
    assert failed.message.endswith("KeyError: 'the culprit'")
    assert len(failed.message) < 5_000
