"""How a model runs: the options ``--runtime`` and ``--precision``, and the one call that loads it so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from clip_emotion.cli.common import say_log
from clip_emotion.cli.options import EngineName
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.models.base import ImageTextEncoder


class Library(StrEnum):
    """What computes embeddings."""

    auto = "auto"
    torch = "torch"
    onnx = "onnx"


class HalfOrFull(StrEnum):
    """How exactly embeddings of pictures are computed."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"
    auto = "auto"


Runtime = Annotated[
    Library,
    typer.Option("--runtime", help="What computes: onnx exports the model once, and needs no torch for the mini."),
]
Precision = Annotated[
    HalfOrFull,
    typer.Option("--precision", help="How exactly pictures are embedded; auto measures once what is quickest here."),
]


@dataclass(frozen=True)
class RunningArguments:
    """How a model runs, as the command line says it."""

    runtime: Runtime = Library.auto
    precision: Precision = HalfOrFull.fp32

    def load(self, model: str, device: str) -> ImageTextEncoder:
        """Load an encoder as ``registry.load_encoder`` does, and tell which precision was picked."""
        from clip_emotion.models import registry
        from clip_emotion.runtime import Running

        running = Running(self.runtime.value, self.precision.value)
        if running == Running():
            return registry.load_encoder(model, device)
        say_log("clip_emotion.models.precision")
        return registry.load_encoder(model, device, running)

    def check(self, engine: EngineName) -> None:
        """Raise UsageError for what workers of Ray, which load the model by its name alone, cannot do."""
        if engine is not EngineName.local and self.precision is not HalfOrFull.fp32:
            raise UsageError("--engine ray embeds in fp32: leave --precision out.")
