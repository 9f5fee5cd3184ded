"""The command line with the fake encoder, slowed down so that it can be killed at work."""

from __future__ import annotations

import time
from unittest import mock

from torch import Tensor

from clip_emotion.models import registry
from tests.support.fakes import FakeEncoder
from tests.support.processes import run_command


class SlowEncoder(FakeEncoder):
    """The fake encoder, with a pause at every batch."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Wait, and encode."""
        time.sleep(self.seconds)
        return super().encode_images(pixels)


def run_slowly(seconds: float, arguments: list[str]) -> None:
    """Be ``clip-emotion`` with the slow encoder."""
    with mock.patch.object(registry, "load_encoder", return_value=SlowEncoder(seconds)):
        run_command(arguments)
