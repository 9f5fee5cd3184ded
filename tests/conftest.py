"""Settings of every test run: few threads, and no network for Hugging Face's libraries."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.snapshots import OPTION, Snapshots

# A busy machine is no failure: examples are judged by their outcome, never by their time. They are the same in every
# run, so that a failure is of the change at hand; CLIP_EMOTION_NEW_EXAMPLES=1 looks for others.
settings.register_profile(
    "clip-emotion",
    deadline=None,
    derandomize=not os.environ.get("CLIP_EMOTION_NEW_EXAMPLES"),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("clip-emotion")

# Before any test imports torch or transformers, which read these only once.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Ray's workers would starve beside the tests of another process, which are of a higher priority.
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

TOGETHER = {"ray": "ray_here", "processes": "tests.support.processes"}
"""What a file of tests names and so shares with others: they run in one process, one after the other, and first."""


@cache
def _group(file: str) -> str:
    text = Path(file).read_text("utf-8")
    return next((group for group, name in TOGETHER.items() if name in text), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the groups that take longest first, so that no process is left alone with one of them."""
    order = [*TOGETHER]
    items.sort(key=lambda item: order.index(group) if (group := _group(str(item.path))) in order else len(order))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each file's tests to one process, and to the same one all that share what takes long to start."""
    # Not --dist loadgroup, which does nothing with pytest 9.2: xdist 3.8 writes a name that it does not read.
    from xdist.scheduler import LoadFileScheduling

    class ByGroup(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(str(config.rootpath / nodeid.split("::", 1)[0]))

    return ByGroup(config, log)


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
