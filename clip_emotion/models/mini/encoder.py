"""The bundled mini: a real image–text encoder pair, small enough to come with the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor, nn

from clip_emotion.config import load_config
from clip_emotion.files import write_atomic
from clip_emotion.models.mini.config import MiniConfig
from clip_emotion.models.mini.files import CHATS, PARTS, fingerprint_mini, load_tokenizer, mini_parts
from clip_emotion.models.mini.image_tower import ImageTower, luminance, standardise
from clip_emotion.models.mini.message_tower import MessageTower
from clip_emotion.models.mini.pixels import pixel_array
from clip_emotion.models.mini.storage import load_tower, save_tower
from clip_emotion.models.mini.sub_words import tokenize
from clip_emotion.models.mini.text_tower import TextTower, pad_ids
from clip_emotion.models.word_pieces import WordPieces, count_pieces
from clip_emotion.text import nfc
from clip_emotion.text_batches import length_batches

TEXT_BATCH = 256


@dataclass
class MiniEncoder:
    """An ImageTextEncoder made of small networks for images and a small bilingual text tower.

    ``encode_images`` averages the embeddings of a picture and its mirror image. ``text_threshold`` is the probability
    from which a text is said to carry a label where several may be true; ``text_thresholds`` are each label's own in
    some vocabularies. ``chat_tower`` embeds chat messages in the space of the text tower's words.
    """

    config: MiniConfig
    text_tower: TextTower
    image_tower: ImageTower
    tokenizer: Tokenizer
    device: torch.device
    fingerprint: str
    chat_tower: TextTower | None = None
    languages: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.config.name
        self.languages = self.config.languages
        self.logit_scale = self.config.logit_scale
        self.text_logit_scale = self.config.text_logit_scale
        self.text_threshold, self.text_thresholds = self.config.text_threshold, self.config.text_thresholds
        self.message_logit_scale = self.config.chat_logit_scale or self.config.text_logit_scale
        self.preprocess: Callable[[Image.Image], Tensor] = self._preprocess
        self.text_tower.to(self.device).eval()
        self._messages = self.text_tower if self.chat_tower is None else self.chat_tower.to(self.device).eval()
        self.image_tower.to(self.device).to(memory_format=torch.channels_last).eval()

    def _preprocess(self, image: Image.Image) -> Tensor:
        return to_pixels(image, self.config.image.image_size)

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Embed pictures: RGB in [0, 1], [N, 3, H, W] → [N, D], L2-normalised, on the CPU."""
        grey = standardise(luminance(pixels.to(self.device)))
        embedding: Tensor = self.image_tower(grey)
        if self.config.flip_average:
            embedding = nn.functional.normalize(embedding + self.image_tower(grey.flip(3)), dim=-1)
        return embedding.cpu()

    @torch.inference_mode()
    def encode_texts(self, texts: list[str]) -> Tensor:
        """Embed texts: M strings in Korean or English → [M, D], L2-normalised, on the CPU."""
        return self._embed(self.text_tower, texts)

    def word_pieces(self, words: Sequence[str]) -> list[WordPieces]:
        """Return into how many pieces the tokenizer breaks each word."""
        return count_pieces(self.tokenizer, [nfc(word) for word in words])

    @torch.inference_mode()
    def encode_messages(self, texts: list[str]) -> Tensor:
        """Embed chat messages as ``encode_texts`` embeds words, by the tower trained for them where there is one."""
        return self._embed(self._messages, texts)

    def _embed(self, tower: TextTower, texts: list[str]) -> Tensor:
        ids = tokenize(self.tokenizer, [nfc(text) for text in texts])
        embeddings = torch.empty(len(texts), self.config.text.dim)
        for rows in length_batches([len(row) for row in ids], TEXT_BATCH):
            padded = pad_ids([ids[row] for row in rows], self.config.text.max_tokens)
            embeddings[rows] = tower(padded.to(self.device)).cpu()
        return embeddings

    def save(self, folder: Path) -> None:
        """Write the pair to a folder: two safetensors in half precision, the tokenizer and ``mini.yaml``."""
        description, text, image, tokenizer = (folder / name for name in PARTS)
        save_tower(self.text_tower, text)
        save_tower(self.image_tower, image)
        write_atomic(tokenizer, self.tokenizer.to_str())
        if self.chat_tower is not None:
            save_tower(self.chat_tower, folder / CHATS)
        self.config.write(description)


def to_pixels(image: Image.Image, size: int) -> Tensor:
    """Make of a picture RGB in [0, 1], float [3, size, size]."""
    return torch.from_numpy(pixel_array(image, size))


def load_mini(folder: Path, device: torch.device) -> MiniEncoder:
    """Load a mini from its folder; raises ModelError with one sentence when a part is missing or broken."""
    parts = mini_parts(folder)
    config = load_config(MiniConfig, parts[0])
    text_tower, image_tower = TextTower(config.text), ImageTower(config.image)
    load_tower(text_tower, parts[1])
    load_tower(image_tower, parts[2])
    chat_tower = None
    if config.chat_logit_scale is not None:
        chat_tower = TextTower(config.text) if config.reading is None else MessageTower(config.text, config.reading)
        load_tower(chat_tower, folder / CHATS)
    tokenizer = load_tokenizer(folder / PARTS[3])
    return MiniEncoder(config, text_tower, image_tower, tokenizer, device, fingerprint_mini(folder, config), chat_tower)
