"""Settings of every test run: few threads, and no network for Hugging Face's libraries."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.snapshots import OPTION, Snapshots

# A busy machine is no failure: examples are judged by their outcome, never by their time.
settings.register_profile("clip-emotion", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("clip-emotion")

# Before any test imports torch or transformers, which read these only once.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Ray's workers would starve beside the tests of another process, which are of a higher priority.
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

PROCESSES = ("tests.support.processes", "ray_here")
"""A file of tests that names one of these starts processes: all such files run in one worker, one after the other."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each file's tests to one worker, and to the same one all that start Ray or the server that forks."""
    groups = {path: _group(path) for path in {item.path for item in items}}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))


def _group(path: Path) -> str:
    text = path.read_text("utf-8")
    return "processes" if any(name in text for name in PROCESSES) else str(path)


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """One start of Ray, with two CPUs, for every test that needs it."""
    pytest.importorskip("ray")
    from clip_emotion.ray_session import AS_NICE, on_this_machine, ray_session

    with ray_session({**on_this_machine(2, gpus=False), "object_store_memory": 100 * 2**20}, AS_NICE):
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch that keeps new texts."""
    parser.addoption(OPTION, action="store_true", help="keep what the command line says now in tests/files/snapshots")


@pytest.fixture
def snapshots(request: pytest.FixtureRequest) -> Snapshots:
    """The kept texts."""
    return Snapshots(update=request.config.getoption(OPTION))
