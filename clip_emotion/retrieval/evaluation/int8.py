"""Exports in 8 bits: made with pictures that calibrate, and refused where they name fewer labelled pictures rightly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clip_emotion.arrays import Float32Array
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import DataError, ModelError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.onnx.card import IMAGE, OnnxCard
from clip_emotion.models.onnx.encoder import load_export
from clip_emotion.models.onnx.quantise import quantise
from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions, evaluate_rows
from clip_emotion.retrieval.evaluation.labelled import ImageRow, open_labelled
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.retrieval.labelling.stream import StreamConfig, stream_batches
from clip_emotion.vocabulary import Vocabulary

MOST_LOST = 0.003
"""The most of top-1 accuracy that 8 bits may cost."""
CALIBRATING = RowSelection(split=None, prefer=("train", "validation", "test"), limit=256)
"""Which pictures calibrate: of the training split where there is one, so that they are not those that check."""


@dataclass(frozen=True)
class Checks:
    """The labelled pictures that 8 bits are checked on: where they are, which of them, and the words for them."""

    data: str
    vocabulary: Vocabulary
    selection: RowSelection = field(default_factory=RowSelection)
    options: EvaluationOptions = field(default_factory=EvaluationOptions)


def to_int8(exported: ImageTextEncoder, folder: Path, card: OnnxCard, checks: Checks) -> OnnxCard:
    """Put the image tower of an fp32 export into 8 bits, in its folder, and return the new card.

    Raises ModelError where more than ``MOST_LOST`` of top-1 accuracy is lost; the folder is then no export any more.
    """
    before = _accuracy(exported, checks)
    quantised = folder / f"int8-{IMAGE}"
    how = quantise(folder / IMAGE, quantised, _calibration(exported.preprocess, checks))
    quantised.replace(folder / IMAGE)
    card = card.model_copy(update={"precision": "int8"}).sealed(folder)
    card = card.model_copy(update={"fingerprint": f"{card.base_fingerprint}+int8.{card.files[IMAGE][:8]}"})
    card.write(folder)
    after = _accuracy(load_export(folder, lambda model: exported), checks)
    check_loss(before, after, checks.data)
    measured: dict[str, Any] = {"how": how, "top1_fp32": before, "top1_int8": after, "checked_on": checks.data}
    card = card.model_copy(update={"measured": {**card.measured, **measured}})
    card.write(folder)
    return card


def check_loss(before: float, after: float, data: str) -> None:
    """Raise ModelError where the accuracy in 8 bits is more than ``MOST_LOST`` below that before."""
    # Both are counts over one number of rows; half a millionth is what division leaves.
    if before - after > MOST_LOST + 5e-7:
        raise ModelError(
            f"int8 names fewer of {data} rightly than fp32 ({after:.4f} instead of {before:.4f} top-1), and more than "
            f"{100 * MOST_LOST:g} points may not be lost: export in fp32."
        )


def _accuracy(encoder: ImageTextEncoder, checks: Checks) -> float:
    with open_labelled(checks.data, checks.selection) as rows:
        if not rows.images:
            raise DataError(f"{checks.data} holds no pictures: int8 is checked on labelled pictures.")
        result = evaluate_rows(encoder, rows, checks.vocabulary, checks.options)
    if result.metrics is None:
        raise DataError(f"{checks.data} has classes that '{checks.vocabulary.name}' does not have: name other words.")
    return float(result.metrics.accuracy)


def _calibration(preprocess: Callable[[Any], Any], checks: Checks) -> list[Float32Array]:
    stream = checks.options.stream
    with open_labelled(checks.data, CALIBRATING) as rows:
        return list(_batches(rows.images, preprocess, stream))


def _batches(
    rows: Iterable[ImageRow], preprocess: Callable[[Any], Any], stream: StreamConfig
) -> Iterable[Float32Array]:
    sources = (ImageSource(row.name, row.read()) for row in rows if not row.fault)
    for batch in stream_batches(sources, preprocess, stream):
        pixels = [np.asarray(region.pixels, dtype=np.float32) for region in batch if region.pixels is not None]
        if pixels:
            yield np.stack(pixels)
