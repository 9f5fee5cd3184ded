"""Which engine brings pictures through an encoder, as the user chose it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_emotion.cli.options import EngineName
from clip_emotion.errors import UsageError
from clip_emotion.files import expanded

if TYPE_CHECKING:
    from clip_emotion.models.base import ImageTextEncoder
    from clip_emotion.retrieval.engines.base import Engine
    from clip_emotion.retrieval.labelling.stream import StreamConfig


@dataclass(frozen=True)
class EngineChoice:
    """An engine as it was chosen; it is made when the encoder is there.

    Raises MissingExtraError where the engine's package is not installed, UsageError for ``parts`` without Ray.
    """

    name: EngineName
    device: str
    config: StreamConfig
    parts: str | None = None

    def __post_init__(self) -> None:
        if self.name is EngineName.ray:
            import clip_emotion.retrieval.engines.ray_data  # noqa: F401 - told before any work begins
        elif self.parts is not None:
            raise UsageError("--parts is where the workers of Ray write: add --engine ray, or leave it out.")

    @property
    def device_here(self) -> str:
        """Where this process runs its encoder, which with Ray reads words alone."""
        return "cpu" if self.name is EngineName.ray else self.device

    def made(self, model: str, encoder: ImageTextEncoder) -> Engine:
        """Return the engine; ``model`` is what the user wrote, by which workers load the encoder for themselves."""
        if self.name is EngineName.local:
            from clip_emotion.retrieval.engines.local import LocalEngine

            return LocalEngine(encoder, self.config)
        from clip_emotion.retrieval.engines.ray_data import RayDataEngine
        from clip_emotion.retrieval.engines.worker import Model

        local = expanded(model)
        found = str(local.absolute()) if local.exists() else model
        return RayDataEngine(
            Model(found, self.device, encoder.fingerprint), self.config, self.config.workers, self.parts
        )
