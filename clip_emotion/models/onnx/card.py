"""What an export to ONNX says of itself beside its towers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from clip_emotion.config import Config, load_config
from clip_emotion.errors import ModelError
from clip_emotion.files import sha256_of, write_atomic
from clip_emotion.models.mini.config import MiniConfig

CARD, IMAGE, TEXT, MESSAGES, TOKENIZER = "onnx.yaml", "image.onnx", "text.onnx", "messages.onnx", "tokenizer.json"
FORMAT = 1


class OnnxCard(Config):
    """What ``onnx.yaml`` says: of which encoder the towers are, in which precision, and how pictures are prepared.

    ``model`` is what to write after ``--model`` for the encoder that was exported, and ``base_fingerprint`` its
    fingerprint. ``mini`` is there where it is a mini, whose text towers are exported too; other encoders' words are
    embedded by the encoder itself. ``preprocess`` are open_clip's settings where it is a model of open_clip.
    """

    format: Literal[1] = 1
    model: str
    name: str
    fingerprint: str
    base_fingerprint: str
    precision: Literal["fp32", "int8"] = "fp32"
    languages: tuple[str, ...]
    logit_scale: float = Field(gt=0)
    text_logit_scale: float = Field(gt=0)
    mini: MiniConfig | None = None
    preprocess: dict[str, Any] | None = None
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each tower and of the tokenizer."""
    measured: dict[str, float | str] = Field(default_factory=dict)
    """How far the export is from the encoder, and what an int8 export lost."""

    def write(self, folder: Path) -> None:
        """Write the card into an export's folder, atomically."""
        text = yaml.safe_dump(self.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
        write_atomic(folder / CARD, text)

    def sealed(self, folder: Path) -> OnnxCard:
        """Return the card with the hash of each of the folder's files that belong to an export."""
        there = [name for name in (IMAGE, TEXT, MESSAGES, TOKENIZER) if (folder / name).is_file()]
        return self.model_copy(update={"files": {name: sha256_of(folder / name) for name in there}})


def is_export(folder: Path) -> bool:
    """Tell whether a folder is an export to ONNX."""
    return (folder / CARD).is_file()


def read_card(folder: Path) -> OnnxCard:
    """Read an export's card and see that its files are there; raises ModelError where one is not."""
    card = load_config(OnnxCard, folder / CARD)
    wanted = [IMAGE, *([] if card.mini is None else [TEXT, TOKENIZER])]
    missing = [name for name in {**dict.fromkeys(wanted), **card.files} if not (folder / Path(name).name).is_file()]
    if missing or not set(wanted) <= set(card.files):
        raise ModelError(f"The export {folder} lacks {', '.join(missing or wanted)}: export the model again.")
    return card
