"""The engine of many processes and machines, on Ray Data; the only file of its room that imports Ray."""

from __future__ import annotations

import contextlib
import inspect
import logging
import math
import os
import sys
import time
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_emotion import outputs
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import ClipEmotionError, MissingExtraError, UsageError
from clip_emotion.ray_session import ADDRESS, joined_or_here
from clip_emotion.retrieval.engines.base import Filling
from clip_emotion.retrieval.engines.wire import from_bytes
from clip_emotion.retrieval.engines.worker import (
    EmbedIntoParts,
    EmbedRegions,
    Job,
    Model,
    Task,
    Worker,
    content_keys,
    source_of,
)
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding import EmbedCounts, changed_files, write_pictures
from clip_emotion.retrieval.store.parts import Parts
from clip_emotion.runtime import available_cpus
from clip_emotion.types import Prediction

try:
    import pyarrow as pa
    import ray
    import ray.data
except ImportError as error:
    raise MissingExtraError("Embedding with Ray Data", "ray", "tune") from error

SHARE = 4
"""Batches of the encoder that a worker takes at once: the next is read while one is encoded, and a kill loses few."""
ROUND = 1_000_000
"""Pictures whose names are handed to Ray at once, some hundred megabytes of its memory."""
RETRIES = 3
"""How often a share is tried again whose worker died; a picture that kills each worker must not go on for ever."""
DIED = (
    f"A share of the pictures was given up after {RETRIES + 1} workers died at it, most likely for lack of memory: "
    "what was done is kept; run again with fewer --workers, or a smaller --batch-size or --max-pixels."
)
STDERR = 2
SILENT = {"RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Ray's core tells on stderr of what Ray Data does rightly."""
RESULT = {"content": "binary", "fault": "string", "code": "int32"}


@dataclass(frozen=True)
class RayDataEngine:
    """Runs in so many workers, each a process with a model of its own, on this machine or on a cluster's.

    ``parts`` is where workers leave what they embed for a store until it is written there; by default a folder beside
    the store, which all machines must then see.
    """

    model: Model
    config: StreamConfig
    workers: int = 2
    parts: str | None = None

    def label(self, sources: Sequence[ImageSource], labeller: ZeroShotLabeller, top: int) -> Iterator[Prediction]:
        """Yield a row per image or face, in the order of the pictures; words are ranked in this process."""
        if not sources:
            return
        with self._session():
            for content in self._results(sources, EmbedRegions()):
                yield from labeller.label_regions(from_bytes(content), top)

    def embed(self, sources: Iterable[ImageSource], filling: Filling) -> EmbedCounts:
        """Bring files into a store, part by part, and return what became of them.

        Parts that an earlier run left are written first. Raises UsageError where another run fills the store by parts.
        """
        store = filling.store
        beside = store.path.with_name(store.path.name + ".parts")
        parts, counts = Parts(self.parts or str(beside), store.card), EmbedCounts()
        with outputs.held(beside), contextlib.ExitStack() as stack:
            for name in parts.names():
                _write(name, parts, filling, EmbedCounts())
            parts.clear_drafts()
            changed = _changed(sources, filling, counts)
            while some := list(islice(changed, ROUND)):
                if not ray.is_initialized():
                    stack.enter_context(self._session())
                known = ray.put(content_keys(store.contents(failed=not filling.retry)))
                task = EmbedIntoParts(parts, _Fetched(known), f"{time.time_ns():020}")
                # Closed when this is left, so that an interrupted run's workers end.
                with contextlib.closing(self._results(some, task)) as written:
                    for content in written:
                        filling.advance(_write(content.decode(), parts, filling, counts))
            parts.close()
        return counts

    @contextlib.contextmanager
    def _session(self) -> Iterator[None]:
        """Join or start Ray, and let this process go on printing where it printed."""
        here = contextlib.redirect_stdout(sys.stdout)
        session = joined_or_here(self.workers, gpus=self.model.device in ("auto", "cuda"), environment=SILENT)
        with contextlib.ExitStack() as stack:
            with _native_stderr_closed():
                stack.enter_context(session)
            stack.enter_context(here)
            yield

    def _results(self, sources: Sequence[ImageSource], task: Task) -> Generator[bytes, None, None]:
        """Yield what each share of the pictures became, in order; raises what a worker told, or that too many died."""
        share = _Share.of(self.model.device, self.workers)
        config = replace(self.config, workers=share.cpus)
        job = Job(replace(self.model, device=share.device), config, task, share.cpus)
        batch = self.config.batch_size
        rows = batch * min(SHARE, math.ceil(len(sources) / self.workers / batch))
        tables = list(_tables(sources, rows))
        with _quietly():
            results = ray.data.from_arrow(tables).map_batches(
                RayWorker,
                fn_constructor_args=(job,),
                batch_size=rows,
                batch_format="pyarrow",
                zero_copy_batch=True,
                compute=ray.data.ActorPoolStrategy(size=min(self.workers, len(tables))),
                num_cpus=share.cpus,
                num_gpus=share.gpus,
                **_retries(),
            )
            try:
                for table in results.iter_batches(batch_size=None, batch_format="pyarrow"):
                    yield from _contents(table)
            except ray.exceptions.RayError as error:
                raise ClipEmotionError(DIED) from error


def _retries() -> dict[str, Any]:
    """Return the bound on retries as Ray Data takes it; from 2.64 on it takes none, and tries for ever."""
    takes = inspect.signature(ray.data.Dataset.map_batches).parameters.values()
    return {"max_task_retries": RETRIES} if any(one.kind is one.VAR_KEYWORD for one in takes) else {}


class RayWorker:
    """A worker as Ray Data calls it: rows of pictures in, one row of what they became out."""

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)

    def __call__(self, table: Any) -> Any:
        """Do one share."""
        sources = [source_of(row["name"], row["path"], row["error"]) for row in table.to_pylist()]
        content, fault = self._worker(sources, table["number"][0].as_py())
        row = {"content": content, "fault": None if fault is None else str(fault), "code": fault and fault.exit_code}
        return pa.Table.from_pylist([row], schema=pa.schema(RESULT.items()))


@dataclass(frozen=True)
class _Fetched:
    """An array that Ray holds once on every machine."""

    reference: Any

    def __call__(self) -> NDArray[np.bytes_]:
        array: NDArray[np.bytes_] = ray.get(self.reference)
        return array


@dataclass(frozen=True)
class _Share:
    """What each worker has: processors, and so threads, and a GPU or none."""

    cpus: int
    gpus: int

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"

    @classmethod
    def of(cls, device: str, workers: int) -> _Share:
        """Share this machine among the workers, or give each a processor of a cluster, and a GPU where there are any.

        Raises UsageError for more than this machine has; a cluster may grow.
        """
        there = ray.cluster_resources()
        gpus = int(device == "cuda" or (device == "auto" and there.get("GPU", 0) >= 1))
        cluster = bool(os.environ.get(ADDRESS))
        cpus = _beside_a_gpu() if cluster and gpus else 1 if cluster else max(1, available_cpus() // workers)
        for what, each in (("CPU", cpus), ("GPU", gpus)):
            if not cluster and there.get(what, 0) < workers * each:
                raise UsageError(
                    f"{workers} workers need {workers * each} {what}s, and Ray sees {there.get(what, 0):g}: lower "
                    "--workers."
                )
        return cls(cpus, gpus)


def _beside_a_gpu() -> int:
    """Return how many processors there are for each GPU, on the machine of a cluster that has the fewest."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    return max(1, min((int(one.get("CPU", 1) // one["GPU"]) for one in machines), default=1))


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Let nothing of what Ray's core writes on stderr by itself be seen; what fails is raised all the same."""
    kept, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    try:
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Let Ray Data keep the pictures' order, lose no block, and say nothing while the block runs."""
    context = ray.data.DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = 0
    logger = logging.getLogger("ray.data")
    before = logger.level
    with ray.data.DataContext.current(context), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(before)


def _tables(sources: Sequence[ImageSource], rows: int) -> Iterator[Any]:
    """Yield the pictures as tables of so many rows, a table a share."""
    schema = pa.schema({"number": "int64", "name": "string", "path": "binary", "error": "string"}.items())
    for first in range(0, len(sources), rows):
        some = [_row(number, sources[number]) for number in range(first, min(first + rows, len(sources)))]
        yield pa.Table.from_pylist(some, schema=schema)


def _row(number: int, source: ImageSource) -> dict[str, Any]:
    content = source.content
    if content is not None and not isinstance(content, Path):
        raise UsageError("Workers read files: name pictures by their paths.")
    # Not resolved: two links to one picture are two pictures to the user who named them.
    path = None if content is None else os.fsencode(os.path.abspath(content))  # noqa: PTH100
    return {"number": number, "name": source.name, "path": path, "error": source.error}


def _contents(table: Any) -> Iterator[bytes]:
    for row in table.to_pylist():
        if row["fault"] is not None:
            kind = UsageError if row["code"] == UsageError.exit_code else ClipEmotionError
            raise kind(row["fault"])
        yield row["content"]


def _changed(sources: Iterable[ImageSource], filling: Filling, counts: EmbedCounts) -> Iterator[ImageSource]:
    """Yield the files that a store does not have as they are now."""
    for one in changed_files(sources, filling.store, counts, retry=filling.retry):
        if isinstance(one, int):
            filling.advance(one)
        else:
            yield one[0]


def _write(name: str, parts: Parts, filling: Filling, counts: EmbedCounts) -> int:
    """Write a part into the store in one transaction, delete it, and return how many files it is of.

    A damaged part is deleted too: its pictures are embedded again.
    """
    part = parts.read(name)
    if part is None:
        parts.remove(name)
        counts.errors.append(f"{parts.place}: part {name} was damaged; run again for its pictures.")
        return 0
    for picture in part.pictures:
        if picture.regions is not None and filling.store.knows(picture.file.content, failed=not filling.retry):
            picture.regions = None
    write_pictures(filling.store, part.pictures, counts)
    counts.errors += part.failures
    parts.remove(name)
    return len(part.pictures) + len(part.failures)
