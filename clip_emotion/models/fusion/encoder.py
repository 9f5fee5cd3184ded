"""A fusion behind the contract of encoders: it captions an image, reads the caption, and answers for its classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.captioning.base import Captioner
from clip_emotion.models.classifiers.classes import FixedClasses
from clip_emotion.models.classifiers.sphere import RADIUS, on_sphere
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.fusion.features import ImageFeature
from clip_emotion.models.fusion.model import FusionModel, joined
from clip_emotion.models.side_by_side import SideBySide
from clip_emotion.vocabulary import Vocabulary


@dataclass(frozen=True)
class Parts:
    """The frozen models of a fusion."""

    image: ImageFeature
    captioner: Captioner
    text: ImageTextEncoder

    def features(self, image: Tensor, captions: list[str]) -> Tensor:
        """Return joined features [N, I + T] of images, as the image feature takes them, and of captions."""
        seen = torch.as_tensor(self.image.encode_images(image)).float()
        return joined(seen, torch.as_tensor(self.text.encode_texts(captions)).float())


class FusionEncoder(FixedClasses):
    """A trained fusion as an encoder; ``preprocess`` lays what image feature and captioner see side by side.

    Pixels are [3, K, 1], with K the sum of both numbers of pixels. Every image is captioned anew: what people
    corrected in a caption file taught the head, and is not looked up here.
    """

    def __init__(self, name: str, vocabulary: Vocabulary, parts: Parts, model: FusionModel, temperature: float) -> None:
        super().__init__(name, "a fusion over fixed classes", vocabulary, RADIUS / temperature)
        self.parts, self.model = parts, model.eval()
        self._sides = SideBySide([parts.image.preprocess, parts.captioner.preprocess])
        made_of = [parts.image.fingerprint, parts.captioner.model, parts.captioner.prompt, parts.text.fingerprint]
        settings = {"temperature": temperature, "keys": vocabulary.keys, "parts": made_of}
        head = {"head": model.config.model_dump(mode="json")}
        self.fingerprint = f"fusion-{fingerprint({**settings, **head}, model.state_dict())[:16]}"
        self.preprocess: Callable[[Image.Image], Tensor] = self._sides.preprocess

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Embed pictures: [N, 3, K, 1] as ``preprocess`` gives them → [N, C + 1], L2-normalised, on the CPU."""
        image, shown = self._sides.split(pixels)
        captions = self.parts.captioner.caption(shown)
        return on_sphere(self.model(self.parts.features(image, captions)))
