"""The fake encoder in the workers of Ray: each tells what it embeds in a file, and waits to be killed."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from clip_emotion.retrieval.engines.worker import Model
from tests.support.fakes import FakeEncoder

PATIENCE = 300
"""Seconds after which what is waited for does not come."""


@dataclass(frozen=True)
class Hold:
    """When workers wait: once so many pictures are embedded, until so many processes have embedded some.

    A worker does its first ``own`` pictures in any case: results come in the pictures' order, and a worker that began
    late may hold the first of them.
    """

    pictures: int
    processes: int
    own: int = 8

    def waits(self, processes: list[int]) -> bool:
        """Tell whether this process waits, after these embedded a picture each."""
        if processes.count(os.getpid()) < self.own:
            return False
        return len(processes) >= self.pictures and len({*processes, os.getpid()}) < self.processes


class TellingEncoder(FakeEncoder):
    """The fake encoder that adds its process's number to a file for each picture, and waits where it is to."""

    def __init__(self, log: Path, hold: Hold | None) -> None:
        super().__init__()
        self.log, self.hold = log, hold

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Wait, tell, and encode."""
        end = time.monotonic() + PATIENCE
        while self.hold and self.hold.waits(told(self.log)) and not over(self.log).exists() and time.monotonic() < end:
            time.sleep(0.05)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n" * len(pixels))
        return super().encode_images(pixels)


def load_telling(name: str, device: str, hold: Hold | None) -> TellingEncoder:
    """Load the encoder, whose name is the file."""
    return TellingEncoder(Path(name), hold)


def model(log: Path, hold: Hold | None = None) -> Model:
    """Return what a worker loads."""
    log.touch()
    load: Any = partial(load_telling, hold=hold)
    return Model(str(log), "cpu", FakeEncoder.fingerprint, load)


def over(log: Path) -> Path:
    """Return the file that ends all waiting, once it is there."""
    return log.with_suffix(".over")


def told(log: Path) -> list[int]:
    """Return the numbers of the processes that embedded, a picture each."""
    return [int(line) for line in log.read_text("utf-8").splitlines()]
