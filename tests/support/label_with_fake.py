"""Runs the real command line with the fake encoder: ``python -m tests.support.label_with_fake SECONDS label …``."""

from __future__ import annotations

import sys
import time

from torch import Tensor

from clip_emotion.cli.main import run
from clip_emotion.models import registry
from tests.support.fakes import FakeEncoder


class SlowEncoder(FakeEncoder):
    def encode_images(self, pixels: Tensor) -> Tensor:
        time.sleep(float(sys.argv[1]))
        return super().encode_images(pixels)


if __name__ == "__main__":
    registry.load_encoder = lambda spec="mini", device="auto": SlowEncoder()
    run(sys.argv[2:])
