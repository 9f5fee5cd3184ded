"""Pictures of many requests through the encoder together: one thread, short waits, batches of bounded size."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from concurrent.futures import Future
from typing import Any

from clip_emotion.arrays import Float32Array
from clip_emotion.models.base import ImageEncoder
from clip_emotion.models.embedding import embed_pixels

Waiting = tuple[Any, "Future[Float32Array]"]


class Batcher:
    """Embeds preprocessed pictures [3, H, W]: each waits at most ``wait`` seconds for others to join its batch."""

    def __init__(self, encoder: ImageEncoder, size: int = 32, wait: float = 0.01) -> None:
        self.encoder = encoder
        self.size = size
        self.wait = wait
        self.sizes: Counter[int] = Counter()
        """How many batches of each size went through, for the metrics."""
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    def submit(self, pixels: Any) -> Future[Float32Array]:
        """Hand in a picture; the future holds its embedding [D], or the encoder's error."""
        waiting: Future[Float32Array] = Future()
        self._queue.put((pixels, waiting))
        return waiting

    @property
    def alive(self) -> bool:
        """Whether the thread works; what is handed in to a dead one is never answered."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End the thread after what was handed in."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = self._gather(first)
            self._embed(batch)
            if last:
                return

    def _gather(self, first: Waiting) -> tuple[list[Waiting], bool]:
        """Return a batch, and whether it is the last one."""
        batch, end = [first], time.monotonic() + self.wait
        while len(batch) < self.size:
            try:
                item = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False

    def _embed(self, batch: list[Waiting]) -> None:
        self.sizes[len(batch)] += 1
        try:
            vectors = embed_pixels(self.encoder, [pixels for pixels, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever failed belongs to those who wait, not to this thread
            for _, waiting in batch:
                waiting.set_exception(error)
            return
        for (_, waiting), vector in zip(batch, vectors, strict=True):
            waiting.set_result(vector)
