"""The one place that starts and ends Ray."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from clip_emotion.errors import ClipEmotionError, MissingExtraError
from clip_emotion.runtime import available_cpus

try:
    import ray
except ImportError as error:
    raise MissingExtraError("Working with Ray", "ray", "tune") from error

ADDRESS = "RAY_ADDRESS"
"""Ray's own variable: where it is set, work goes to the cluster that it names."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}
"""Ray reads these from the environment: no statistics sent, no tables printed."""
AS_NICE = {"RAY_worker_niceness": "0"}
"""Ray would give its workers less of a busy machine's time than a run in one process has."""


def on_this_machine(cpus: int, *, gpus: bool) -> dict[str, Any]:
    """Return the options for a session on this machine alone, with at least so many CPUs, and its GPUs or none."""
    return {
        "address": "local",
        "num_cpus": max(available_cpus(), cpus),
        "num_gpus": None if gpus else 0,
        "include_dashboard": False,
    }


def joined_or_here(
    cpus: int, *, gpus: bool, environment: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[None]:
    """Join the cluster that ``RAY_ADDRESS`` names, or start one here; a session that is there is used."""
    if os.environ.get(ADDRESS):
        return ray_session({}, environment)
    return ray_session(on_this_machine(cpus, gpus=gpus), {**AS_NICE, **(environment or {})})


@contextlib.contextmanager
def ray_session(options: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Use the session that is there, or start or join Ray quietly and leave it after the block.

    ``options`` are those of ``ray.init``. Raises ClipEmotionError where Ray does not start.
    """
    with _environment({**QUIET, **(environment or {})}), contextlib.redirect_stdout(sys.stderr):
        if ray.is_initialized():
            yield
            return
        _start(options)
        try:
            yield
        finally:
            ray.shutdown()


def _start(options: Mapping[str, Any]) -> None:
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray says a start that takes too long by Exception itself.
        ray.shutdown()
        raise ClipEmotionError(
            f"Ray did not start ({' '.join(str(error).split())[:200]}): try again when the machine has less to do, or "
            "look at the cluster that RAY_ADDRESS names."
        ) from error


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {key: os.environ.get(key) for key in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
