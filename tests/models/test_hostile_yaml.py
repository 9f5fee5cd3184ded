"""Descriptions beside weights come from strangers: bombs of aliases and endless brackets are one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from clip_emotion.errors import ClipEmotionError
from clip_emotion.models.emotion_clip.checkpoint import DESCRIPTION as CHECKPOINT
from clip_emotion.models.emotion_clip.checkpoint import read_card
from clip_emotion.models.kobert.emotion import DESCRIPTION as KOBERT
from clip_emotion.models.kobert.emotion import PARTS as KOBERT_PARTS
from clip_emotion.models.kobert.emotion import load_kobert_emotion
from clip_emotion.models.mini.files import PARTS
from clip_emotion.models.registry import load_encoder

ALIASES = "\n".join(
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)),
    ]
)
CHAIN = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000))])
HOSTILE = {
    "aliases": ALIASES,
    "loop": "a: &a [*a]",
    "chain": CHAIN,
    "brackets": "format: " + "[" * 100_000,
    "braces": "{a: " * 100_000,
    "lists": "- " * 100_000,
    "number": "format: " + "9" * 5000,
    "date": "format: 2026-02-30",
    "object": "format: !!python/object/apply:os.system [echo]",
}


def described(folder: Path, name: str, text: str) -> Path:
    """A folder with such a description, and empty files under the names of the other parts."""
    for part in (*PARTS, *KOBERT_PARTS):
        (folder / part).write_bytes(b"")
    if name != PARTS[0]:
        (folder / PARTS[0]).unlink()
    (folder / name).write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.parametrize("name", [CHECKPOINT, PARTS[0]])
def test_an_encoders_description_is_read_within_bounds(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ClipEmotionError, match=rf"^[^\n]*{name}[^\n]*\.$"):
        load_encoder(str(described(tmp_path, name, text)), "cpu")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_a_card_and_a_koberts_description_are_too(text: str, tmp_path: Path) -> None:
    folder = described(tmp_path, CHECKPOINT, text)
    with pytest.raises(ClipEmotionError, match=rf"^[^\n]*{CHECKPOINT}[^\n]*\.$"):
        read_card(folder)
    with pytest.raises(ClipEmotionError, match=rf"^[^\n]*{KOBERT}[^\n]*\.$"):
        load_kobert_emotion(described(tmp_path, KOBERT, text))
