"""From a configuration to a captioner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clip_emotion.models.base import LoadEncoder
from clip_emotion.models.captioning.base import Captioner
from clip_emotion.models.captioning.config import (
    Blip2CaptionerConfig,
    CaptionerConfig,
    ImageTextCaptionerConfig,
    WordsCaptionerConfig,
)
from clip_emotion.models.captioning.generating import GeneratingCaptioner, open_pretrained
from clip_emotion.models.captioning.words import WordsCaptioner
from clip_emotion.runtime import resolve_device


def make_captioner(config: CaptionerConfig, load_encoder: LoadEncoder, device: str = "auto") -> Captioner:
    """Make the captioner that a configuration asks for; raises ModelError where its weights cannot be had."""
    made: Captioner = MAKERS[config.kind](config, load_encoder, device)
    return made


def _blip2(config: Blip2CaptionerConfig, load_encoder: LoadEncoder, device: str) -> Captioner:
    chosen = resolve_device(device)
    model, processor = open_pretrained(config, "Blip2ForConditionalGeneration", "Blip2Processor", chosen)
    # Released processors may not say how many places an image takes in the prompt, which the model needs to be told.
    processor.num_query_tokens = model.config.num_query_tokens
    return GeneratingCaptioner(config, model, processor)


def _image_text(config: ImageTextCaptionerConfig, load_encoder: LoadEncoder, device: str) -> Captioner:
    chosen = resolve_device(device)
    model, processor = open_pretrained(config, "AutoModelForImageTextToText", "AutoProcessor", chosen)
    return GeneratingCaptioner(config, model, processor, config.side)


def _words(config: WordsCaptionerConfig, load_encoder: LoadEncoder, device: str) -> Captioner:
    return WordsCaptioner(config, load_encoder(config.model, device))


MAKERS: dict[str, Callable[[Any, LoadEncoder, str], Captioner]] = {
    "blip2": _blip2,
    "image_text": _image_text,
    "words": _words,
}
"""Each kind of captioner with what makes it."""
