"""Encoders to ONNX: a tower as one graph from prepared pictures, or sub-word ids, to embeddings of unit length."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clip_emotion.errors import MissingExtraError, UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.emotion_clip.checkpoint import EmotionClipEncoder
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.mini.image_tower import luminance, standardise
from clip_emotion.models.onnx.card import IMAGE, MESSAGES, TEXT, TOKENIZER, OnnxCard
from clip_emotion.models.onnx.encoder import load_export
from clip_emotion.models.onnx.session import INPUT, OUTPUT
from clip_emotion.models.quiet import quietly

OPSET = 17
CHECKED = 5
"""Pictures and texts whose embeddings are compared with those of the encoder itself."""
CHECK_TEXTS = ["설렘", "a face that looks proud", "오늘 정말 힘들었지만 그래도 괜찮아", "", "happy"]


class _MiniImages(nn.Module):
    """The mini's way from RGB in [0, 1] to the mean of a picture's embedding and its mirror image's, in one pass."""

    def __init__(self, encoder: MiniEncoder) -> None:
        super().__init__()
        self.tower = encoder.image_tower
        self.flip_average = encoder.config.flip_average

    def forward(self, pixels: Tensor) -> Tensor:
        """[N, 3, H, W] → [N, D]."""
        grey = standardise(luminance(pixels))
        if not self.flip_average:
            embedding: Tensor = self.tower(grey)
            return embedding
        one, mirrored = self.tower(torch.cat((grey, grey.flip(3)))).chunk(2)
        return nn.functional.normalize(one + mirrored, dim=-1)


class _OpenClipImages(nn.Module):
    """The image side of an open_clip model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        """[N, 3, H, W] → [N, D]."""
        embedding: Tensor = self.model.encode_image(pixels, normalize=True)
        return embedding


class _CheckpointImages(nn.Module):
    """The image side of a checkpoint with its head."""

    def __init__(self, encoder: EmotionClipEncoder) -> None:
        super().__init__()
        self.model = encoder.model
        self.flip_average = bool(encoder.card.flip_average)

    def forward(self, pixels: Tensor) -> Tensor:
        """[N, 3, H, W] → [N, D]."""
        return self.model.embed_images(pixels, flip_average=self.flip_average)


def export_encoder(encoder: ImageTextEncoder, model: str, folder: Path) -> OnnxCard:
    """Export an encoder on the CPU into an existing folder and return its card, with how far the two are apart.

    ``model`` is what stands after ``--model`` for it. Raises UsageError for an encoder of a kind that cannot be
    exported, MissingExtraError without the extra ``onnx``.
    """
    require_onnx()
    described: dict[str, Any] = {}
    pixels = torch.rand(2, *torch.as_tensor(np.asarray(encoder.preprocess(_grey()))).shape)
    if isinstance(encoder, MiniEncoder):
        described["mini"] = encoder.config.model_copy(update={"trained_with": {}})
        _write(_MiniImages(encoder), pixels, folder / IMAGE, {0: "pictures"})
        _write_texts(encoder, folder)
    else:
        _write(_image_side(encoder), pixels, folder / IMAGE, {0: "pictures"})
        if hasattr(encoder, "model") and hasattr(encoder.model, "visual"):
            described["preprocess"] = dict(encoder.model.visual.preprocess_cfg)
    card = OnnxCard(
        model=model,
        name=encoder.name,
        fingerprint=encoder.fingerprint,
        base_fingerprint=encoder.fingerprint,
        languages=encoder.languages,
        logit_scale=encoder.logit_scale,
        text_logit_scale=encoder.text_logit_scale,
        **described,
    ).sealed(folder)
    card.write(folder)
    card = card.model_copy(update={"measured": dict(_differences(encoder, folder, pixels))})
    card.write(folder)
    return card


def require_onnx() -> None:
    """Raise MissingExtraError where what exports and runs ONNX is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Exporting to ONNX", error.name or "onnx", "onnx") from error


def _image_side(encoder: ImageTextEncoder) -> nn.Module:
    if isinstance(encoder, EmotionClipEncoder):
        return _CheckpointImages(encoder)
    model = getattr(encoder, "model", None)
    if not hasattr(model, "visual"):
        raise UsageError(
            f"{encoder.name} is of a kind that cannot be exported to ONNX: name a mini, a checkpoint or open_clip."
        )
    return _OpenClipImages(model)


def _write_texts(encoder: MiniEncoder, folder: Path) -> None:
    ids = torch.tensor([[1, 2, 3], [1, 0, 0]])
    axes = {0: "texts", 1: "sub_words"}
    _write(encoder.text_tower, ids, folder / TEXT, axes)
    if encoder.chat_tower is not None:
        _write(encoder.chat_tower, ids, folder / MESSAGES, axes)
    (folder / TOKENIZER).write_text(encoder.tokenizer.to_str(), encoding="utf-8")


def _write(tower: nn.Module, example: Tensor, path: Path, axes: Mapping[int, str]) -> None:
    # torch's fused attention has no counterpart in ONNX. The exporter that traces needs no further package.
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with quietly(), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                tower.eval(),
                (example,),
                str(path),
                dynamo=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: dict(axes), OUTPUT: {0: axes[0]}},
                opset_version=OPSET,
            )
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


@dataclass(frozen=True)
class _Pair:
    ours: Any
    theirs: Any

    @property
    def apart(self) -> float:
        return float(np.abs(np.asarray(self.ours) - np.asarray(self.theirs)).max())


def _differences(encoder: ImageTextEncoder, folder: Path, pixels: Tensor) -> Mapping[str, float]:
    """Return how far the export's embeddings are from the encoder's at most, for pictures, words and messages."""
    exported: Any = load_export(folder, lambda model: encoder)
    batch = torch.rand(CHECKED, *pixels.shape[1:], generator=torch.Generator().manual_seed(0))
    pairs = {"pictures_apart": _Pair(encoder.encode_images(batch), exported.encode_images(batch.numpy()))}
    if isinstance(encoder, MiniEncoder):
        pairs["texts_apart"] = _Pair(encoder.encode_texts(CHECK_TEXTS), exported.encode_texts(CHECK_TEXTS))
        pairs["messages_apart"] = _Pair(encoder.encode_messages(CHECK_TEXTS), exported.encode_messages(CHECK_TEXTS))
    return {name: pair.apart for name, pair in pairs.items()}


def _grey() -> Any:
    from PIL import Image

    return Image.new("RGB", (64, 64), (128, 128, 128))
