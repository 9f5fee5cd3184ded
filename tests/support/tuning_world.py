"""Made-up pictures whose classes can be told apart, and a tiny mini to fine-tune on them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from clip_emotion.models.mini.config import MiniConfig
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.models.mini.text_tower import TextTower
from clip_emotion.training.mini.tokenizer import train_tokenizer
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import EMOTIONS, VOTES, table, tiny_image, tiny_text, vote_row, zipped


def pattern(kind: int, seed: int, side: int = 24) -> bytes:
    """A PNG of the class's pattern, the same in a mirror, with noise that is the seed's."""
    rng = np.random.default_rng(seed)
    y, x = np.abs(2 * (np.mgrid[0:side, 0:side] + 0.5) / side - 1)
    waves = (x, y, 2 * x, 2 * y, x + y, np.hypot(x, y) * 1.5, np.maximum(x, y) * 2, np.minimum(x, y) * 2)
    values = 127 + 90 * np.cos(2 * np.pi * waves[kind]) + rng.normal(0, 12, (side, side))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_world(folder: Path, train: int = 12, validation: int = 4) -> Path:
    """Write a FER-2013 of patterns, its votes, a skewed muxspace and a tiny mini; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    fer, votes, seed = {}, [], 0
    for split, prefix, count in (("train", "Training", train), ("validation", "PublicTest", validation)):
        for kind, emotion in enumerate(EMOTIONS):
            for _ in range(count):
                seed += 1
                name = f"{split}/{emotion}/{prefix}_{seed}.png"
                fer[name] = pattern(kind, seed)
                votes.append(vote_row(name, neutral=10 if seed % 5 else 3, contempt=0 if seed % 5 else 7))
    zipped(folder / "fer2013.zip", fer)
    table(folder / "ferplus_votes.csv", ("path", *VOTES), votes)
    names = ("anger", "happiness", "neutral", "contempt")
    kinds = (0, 3, 4, 7)
    mux = {f"images/{at}.png": pattern(kinds[at % 4 if at < 24 else 1], 5000 + at, 32) for at in range(60)}
    labels = "".join(f"{name},{names[at % 4 if at < 24 else 1]}\n" for at, name in enumerate(mux))
    zipped(folder / "muxspace96.zip", {"labels.csv": f"path,emotion\n{labels}".encode(), **mux})
    tiny_base().save(folder / "base")
    return folder


def tiny_base() -> MiniEncoder:
    """A tiny mini that knows the words of the basic emotions as whole tokens, and so tells them apart."""
    torch.manual_seed(0)
    basic = Vocabulary.load("basic8")
    texts = [prompt for language in ("ko", "en") for own in basic.prompts(language) for prompt in own]
    tokenizer = train_tokenizer(texts * 4, 300)
    text = tiny_text(vocabulary_size=tokenizer.get_vocab_size(), token_width=24, width=24, dim=16, dropout=0.0)
    sizes = MiniConfig(text=text, image=tiny_image(dim=16, widths=[8, 12], dropout=0.0), logit_scale=8.0)
    tower = TextTower(text)
    with torch.no_grad():
        tower.tokens.weight.mul_(10)
    return MiniEncoder(sizes, tower, ImageTower(sizes.image), tokenizer, torch.device("cpu"), "unsaved")


def run_values(folder: Path, **changes: Any) -> dict[str, Any]:
    """A small fine-tuning configuration over the world in ``folder``; a key with dots changes a part."""
    values: dict[str, Any] = {
        "kind": "emotion_clip",
        "base": str(folder / "base"),
        "device": "cpu",
        "out": str(folder / "out"),
        "model": {"image_head": {"depth": 1, "dropout": 0.0}, "train": "all"},
        "freeze": "text",
        "data": {
            "folder": str(folder),
            "prepared": str(folder / "prepared"),
            "sources": {"fer2013": "fer2013.zip", "muxspace": "muxspace96.zip"},
            "held_out": {"muxspace": 3},
            "tuning": 4,
        },
        "templates": {"ko": ["{}", "{} 표정"], "en": ["{}", "a very {} face"]},
        "batch": 16,
        "transform": {"rotate": 3, "translate": 0.02, "erase": 0.0, "flip": 0.0},
        "losses": {"contrast": 1.0},
        "fit": {
            "steps": 12,
            "learning_rate": 0.004,
            "precision": "fp32",
            "ema": 0.5,
            "evaluate_every": 6,
            "save_every": 4,
            "log_every": 1,
        },
    }
    for key, value in changes.items():
        *parents, last = key.split(".")
        target = values
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
    return values


def write_config(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return path
