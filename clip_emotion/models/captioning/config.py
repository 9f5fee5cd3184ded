"""What a captioner is made of; imports no torch, so that a faulty configuration is told at once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from clip_emotion.config import Config

PROMPT = "Question: What emotion is the person showing in the image? Answer:"


class GeneratingConfig(Config):
    """A captioner of transformers: a Hub id or a folder, what it is asked, and how it answers."""

    model: str
    """A Hub id, or a folder that holds model and processor."""
    prompt: str = PROMPT
    """What the model is asked of each image; empty lets it describe the image."""
    most_tokens: int = Field(20, ge=1, le=512)
    """The longest answer in tokens."""
    beams: int = Field(1, ge=1, le=32)
    """Beams of the search; 1 takes the most probable token each time."""
    eight_bit: bool = False
    """Load the weights in 8 bits, on a GPU (pip install "clip-emotion[eight-bit]")."""
    batch: int = Field(16, ge=1)
    """Images a call."""


class Blip2CaptionerConfig(GeneratingConfig):
    """BLIP-2 (2301.12597)."""

    kind: Literal["blip2"]
    """The kind of captioner."""
    model: str = "Salesforce/blip2-opt-2.7b"
    """A Hub id, or a folder that holds model and processor."""


class ImageTextCaptionerConfig(GeneratingConfig):
    """Any model of transformers that takes an image and a text, BLIP among them.

    Images are made squares of ``side`` pixels first, so that the processor makes the same of each.
    """

    kind: Literal["image_text"]
    """The kind of captioner."""
    model: str = "Salesforce/blip-image-captioning-base"
    """A Hub id, or a folder that holds model and processor."""
    side: int = Field(384, ge=16, le=2048)
    """Side in pixels of the square that the processor is given."""


class WordsCaptionerConfig(Config):
    """A vocabulary's words nearest to an image, put into a sentence: a captioner without a language model."""

    kind: Literal["words"]
    """The kind of captioner."""
    model: str = "mini"
    """An image–text model, as --model takes it."""
    vocabulary: str = "kote44"
    """The words to choose from."""
    language: Literal["ko", "en"] = "ko"
    """Language of the words."""
    top: int = Field(2, ge=1, le=20)
    """Words a caption."""
    template: str = "a face that looks {}"
    """The sentence; {} stands for the words."""
    batch: int = Field(64, ge=1)
    """Images a call."""

    @field_validator("template")
    @classmethod
    def _has_a_place(cls, template: str) -> str:
        if template.count("{}") != 1 or "{" in template.replace("{}", ""):
            raise ValueError("the template needs one {} for the words, and no other brace")
        return template


CaptionerConfig = Annotated[
    Blip2CaptionerConfig | ImageTextCaptionerConfig | WordsCaptionerConfig, Field(discriminator="kind")
]
