"""Exported encoders behind the encoder contract, in NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image

from clip_emotion.arrays import Float32Array
from clip_emotion.errors import ModelError
from clip_emotion.models.mini.config import MiniConfig
from clip_emotion.models.mini.files import load_tokenizer
from clip_emotion.models.mini.pixels import pixel_array
from clip_emotion.models.mini.sub_words import padded, tokenize
from clip_emotion.models.onnx.card import IMAGE, MESSAGES, TEXT, TOKENIZER, OnnxCard, read_card
from clip_emotion.models.onnx.session import Tower
from clip_emotion.models.word_pieces import WordPieces, count_pieces
from clip_emotion.text import nfc
from clip_emotion.text_batches import length_batches

if TYPE_CHECKING:
    from clip_emotion.models.base import ImageTextEncoder
    from clip_emotion.vocabulary import Vocabulary

TEXT_BATCH = 256
LoadBase = Callable[[str], "ImageTextEncoder"]
"""Loads the encoder that was exported, by what stands after ``--model``."""


class OnnxImages:
    """The image side of an export; each tower is opened when it is first asked."""

    def __init__(self, folder: Path, card: OnnxCard) -> None:
        self.folder = folder
        self.card = card
        self.name = card.name
        self.fingerprint = card.fingerprint
        self.languages = card.languages
        self.logit_scale = card.logit_scale
        self.text_logit_scale = card.text_logit_scale

    def _tower(self, name: str) -> Tower:
        return Tower(self.folder / name, self.card.files[name])

    @cached_property
    def _images(self) -> Tower:
        return self._tower(IMAGE)

    def encode_images(self, pixels: Any) -> Float32Array:
        """Embed pictures: [N, 3, H, W] as ``preprocess`` gives them → [N, D], L2-normalised."""
        return self._images(np.asarray(pixels, dtype=np.float32))


class OnnxMini(OnnxImages):
    """An exported mini: pictures, words and messages, all without torch."""

    def __init__(self, folder: Path, card: OnnxCard, config: MiniConfig) -> None:
        super().__init__(folder, card)
        self.config = config
        self.tokenizer = load_tokenizer(folder / TOKENIZER)
        self.text_threshold, self.text_thresholds = config.text_threshold, config.text_thresholds
        self.message_logit_scale = config.chat_logit_scale or config.text_logit_scale
        self.preprocess: Callable[[Image], Float32Array] = self._preprocess

    def _preprocess(self, image: Image) -> Float32Array:
        return pixel_array(image, self.config.image.image_size)

    @cached_property
    def _words(self) -> Tower:
        return self._tower(TEXT)

    @cached_property
    def _messages(self) -> Tower:
        return self._tower(MESSAGES) if MESSAGES in self.card.files else self._words

    def encode_texts(self, texts: list[str]) -> Float32Array:
        """Embed texts: M strings in Korean or English → [M, D], L2-normalised."""
        return self._embed(self._words, texts)

    def encode_messages(self, texts: list[str]) -> Float32Array:
        """Embed chat messages, by the tower trained for them where there is one."""
        return self._embed(self._messages, texts)

    def word_pieces(self, words: Sequence[str]) -> list[WordPieces]:
        """Return into how many pieces the tokenizer breaks each word."""
        return count_pieces(self.tokenizer, [nfc(word) for word in words])

    def _embed(self, tower: Tower, texts: list[str]) -> Float32Array:
        ids = tokenize(self.tokenizer, [nfc(text) for text in texts])
        embeddings = np.empty((len(texts), self.config.text.dim), dtype=np.float32)
        for rows in length_batches([len(row) for row in ids], TEXT_BATCH):
            embeddings[rows] = tower(padded([ids[row] for row in rows], self.config.text.max_tokens))
        return embeddings


class OnnxBesideBase(OnnxImages):
    """An exported image tower; words are embedded by the encoder that was exported, loaded when they are asked for."""

    def __init__(self, folder: Path, card: OnnxCard, load_base: LoadBase) -> None:
        super().__init__(folder, card)
        self._load_base = load_base
        self.preprocess: Callable[[Image], Any] = self._transform() if card.preprocess else self.base.preprocess

    @cached_property
    def base(self) -> ImageTextEncoder:
        """The encoder that was exported; raises ModelError where it is another one by now."""
        base = self._load_base(self.card.model)
        if base.fingerprint != self.card.base_fingerprint:
            raise ModelError(f"{self.card.model} is no longer the model exported to {self.folder}: export it again.")
        return base

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The words that the encoder was trained on, where it knows them."""
        return getattr(self.base, "vocabulary", None)

    def encode_texts(self, texts: list[str]) -> Float32Array:
        """Embed texts: M strings → [M, D], L2-normalised."""
        return np.asarray(self.base.encode_texts(texts), dtype=np.float32)

    def _transform(self) -> Callable[[Image], Any]:
        from open_clip.transform import PreprocessCfg, image_transform_v2

        transform: Callable[[Image], Any] = image_transform_v2(
            PreprocessCfg(**(self.card.preprocess or {})), is_train=False
        )
        return transform


def load_export(folder: Path, load_base: LoadBase) -> OnnxMini | OnnxBesideBase:
    """Load an encoder from its export's folder; raises ModelError where a file is missing or damaged."""
    card = read_card(folder)
    if card.mini is not None:
        return OnnxMini(folder, card, card.mini)
    return OnnxBesideBase(folder, card, load_base)
