"""The one contract that every image–text encoder here fulfils."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from PIL.Image import Image

from clip_emotion.arrays import Float32Array
from clip_emotion.vocabulary import Vocabulary

if TYPE_CHECKING:  # an encoder that needs no torch is used without importing it
    from torch import Tensor

Embeddings: TypeAlias = "Tensor | Float32Array"
"""What an encoder gives: ``np.asarray`` reads either."""


class ImageEncoder(Protocol):
    """The side of an encoder that looks at images: all that reading labelled images needs."""

    preprocess: Callable[[Image], Any]

    def encode_images(self, pixels: Any) -> Embeddings:
        """Embed pictures: [N, 3, H, W] as ``preprocess`` gives them → [N, D], on the CPU."""
        ...


@runtime_checkable
class ImageTextEncoder(Protocol):
    """Puts pictures and texts into one space where the inner product is the cosine similarity.

    ``logit_scale`` turns cosine similarities into calibrated logits for pictures (one temperature per encoder),
    ``text_logit_scale`` does so for text against text. ``fingerprint`` is a hash of architecture and weights and the
    key of every cache. ``languages`` are the languages the text side reads, best first. Pixels and embeddings are torch
    tensors or NumPy arrays, as the encoder likes: ``models/embedding.py`` stacks and reads both.
    """

    name: str
    fingerprint: str
    languages: tuple[str, ...]
    logit_scale: float
    text_logit_scale: float
    preprocess: Callable[[Image], Any]
    """RGB picture → float tensor or array [3, H, W], the same size for every picture."""

    def encode_images(self, pixels: Any) -> Embeddings:
        """Embed pictures: [N, 3, H, W] as ``preprocess`` gives them → [N, D], L2-normalised, on the CPU."""
        ...

    def encode_texts(self, texts: list[str]) -> Embeddings:
        """Embed texts: M strings → [M, D], L2-normalised, on the CPU."""
        ...


@runtime_checkable
class TrainedEncoder(Protocol):
    """An encoder that knows which words it was trained on: what it is asked about unless the user names others."""

    vocabulary: Vocabulary | None


@runtime_checkable
class ClassEncoder(Protocol):
    """An encoder of fixed classes, which reads no words: labels are those of its classes that they name."""

    def encode_labels(self, vocabulary: Vocabulary) -> Embeddings:
        """Return the embedding of each label's class [L, D]; raises UsageError for a label that is no class."""
        ...


@runtime_checkable
class MessageEncoder(Protocol):
    """An encoder that embeds chat messages by other weights than words, in the same space.

    ``message_logit_scale`` turns the cosines between messages and words into calibrated logits.
    """

    message_logit_scale: float

    def encode_messages(self, texts: list[str]) -> Embeddings:
        """Embed messages: M strings → [M, D], L2-normalised, on the CPU."""
        ...


def text_reader(encoder: ImageTextEncoder) -> tuple[Callable[[list[str]], Embeddings], float]:
    """Return what embeds texts that are to be judged, and its logit scale: the side for messages where there is one.

    Words, which texts are compared with, are always embedded by ``encode_texts``.
    """
    if isinstance(encoder, MessageEncoder):
        return encoder.encode_messages, encoder.message_logit_scale
    return encoder.encode_texts, encoder.text_logit_scale


LoadEncoder = Callable[[str, str], ImageTextEncoder]
"""Takes what the user would write after ``--model``, and the device."""
