"""The command line with the fake encoder, slowed down so that it can be killed at work."""

from __future__ import annotations

import time
from pathlib import Path
from unittest import mock

from torch import Tensor

from clip_emotion.models import registry
from tests.support.fakes import FakeEncoder
from tests.support.processes import run_command


class SlowEncoder(FakeEncoder):
    """The fake encoder, with a pause at every batch, which it tells of in a log, a byte a picture."""

    def __init__(self, seconds: float, log: Path | None = None) -> None:
        super().__init__()
        self.seconds = seconds
        self.log = log

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Wait, tell, and encode."""
        time.sleep(self.seconds)
        if self.log is not None:
            with self.log.open("ab") as file:
                file.write(b"." * len(pixels))
        return super().encode_images(pixels)


def run_slowly(seconds: float, arguments: list[str], log: Path | None = None) -> None:
    """Be ``clip-emotion`` with the slow encoder."""
    with mock.patch.object(registry, "load_encoder", return_value=SlowEncoder(seconds, log)):
        run_command(arguments)
