"""The mini as a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL.Image import Image
from tokenizers import Tokenizer
from torch import Tensor

from clip_emotion.config import validate
from clip_emotion.errors import ModelError
from clip_emotion.models.backbone import Backbone, Spec, in_groups
from clip_emotion.models.mini.config import WITHOUT_MESSAGES, MiniConfig
from clip_emotion.models.mini.encoder import load_mini, to_pixels
from clip_emotion.models.mini.image_tower import ImageTower, luminance, standardise
from clip_emotion.models.mini.sub_words import tokenize
from clip_emotion.models.mini.text_tower import TextTower, pad_ids
from clip_emotion.text import nfc

TOKENIZER = "tokenizer.json"


class MiniBackbone(Backbone):
    """The mini's two towers; its tower for chat messages fits the words as they are, and is left behind."""

    def __init__(self, sizes: MiniConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.sizes = sizes
        self.tokenizer = tokenizer
        self.image_tower = ImageTower(sizes.image).to(memory_format=torch.channels_last)
        self.text_tower = TextTower(sizes.text)
        self.name = sizes.name
        kept = sizes.model_dump(mode="json", exclude={*WITHOUT_MESSAGES, "trained_with"})
        self.spec = {"kind": "mini", "sizes": kept}
        self.dim = sizes.image.dim
        self.image_size = sizes.image.image_size
        self.languages = sizes.languages
        self.initial_logit_scale = sizes.logit_scale
        self.initial_text_logit_scale = sizes.text_logit_scale
        self.initial_text_threshold = sizes.text_threshold
        self.flip_average = sizes.flip_average

    def preprocess(self, image: Image) -> Tensor:
        """RGB picture → float in [0, 1], [3, image_size, image_size]."""
        return to_pixels(image, self.image_size)

    def image_features(self, pixels: Tensor) -> Tensor:
        """Embed pictures: RGB in [0, 1], [N, 3, H, W] → [N, D], not normalised."""
        return self.image_tower.features(standardise(luminance(pixels.to(self.device))))

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Turn M texts in Korean or English into sub-word ids [M, T], T that of the longest, 0 where a text ended."""
        return pad_ids(tokenize(self.tokenizer, [nfc(text) for text in texts]), self.sizes.text.max_tokens)

    def text_features(self, tokens: Tensor) -> Tensor:
        """Embed sub-word ids [M, T] → [M, D], not normalised."""
        return self.text_tower.features(tokens.to(self.device))

    def image_blocks(self) -> list[list[str]]:
        """Return the stem with the layers of a second network, each block of the first, and the heads."""
        trunk = len(self.image_tower.trunk)
        blocks = [f"image_tower.trunk.{at}" for at in range(3, trunk)]
        stem = ("image_tower.trunk.0", "image_tower.trunk.1", "image_tower.second.trunk")
        return in_groups(self._names("image_tower"), stem, blocks)

    def text_blocks(self) -> list[list[str]]:
        """Return the sub-words' embedding, each block, and the pooling with its head."""
        blocks = [f"text_tower.blocks.{at}" for at in range(len(self.text_tower.blocks))]
        return in_groups(self._names("text_tower"), ("text_tower.tokens", "text_tower.widen"), blocks)

    def _names(self, tower: str) -> list[str]:
        return [name for name, _ in self.named_parameters() if name.startswith(f"{tower}.")]

    def tokenizer_files(self) -> dict[str, bytes]:
        """Return the tokenizer as one file."""
        return {TOKENIZER: self.tokenizer.to_str().encode()}


def open_mini(folder: Path, device: torch.device) -> MiniBackbone:
    """Open a mini's folder for training; raises ModelError when a part is missing or broken."""
    encoder = load_mini(folder, torch.device("cpu"))
    backbone = MiniBackbone(encoder.config, encoder.tokenizer)
    backbone.image_tower.load_state_dict(encoder.image_tower.state_dict())
    backbone.text_tower.load_state_dict(encoder.text_tower.state_dict())
    return backbone.to(device)


def rebuild_mini(spec: Spec, device: torch.device, files: dict[str, bytes]) -> MiniBackbone:
    """Rebuild a mini from its description; raises UsageError or ModelError where that is broken."""
    sizes = validate(MiniConfig, dict(spec.get("sizes") or {}), "The mini's description")
    try:
        tokenizer = Tokenizer.from_str(files[TOKENIZER].decode())
    except Exception as error:
        raise ModelError(f"The model's {TOKENIZER} is missing or damaged: fetch or train it again.") from error
    return MiniBackbone(sizes, tokenizer).to(device)
