"""Tiny minis and tiny sources: everything that training reads, a few kilobytes of it."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import nn

from clip_emotion.models.mini.config import ImageTowerConfig, MiniConfig, ReadingConfig, TextTowerConfig
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.models.mini.message_tower import MessageTower
from clip_emotion.models.mini.text_tower import TextTower

FILES = Path(__file__).parents[1] / "files"
SENTENCES = (
    "나는 오늘 정말 행복해요",
    "너무 화가 나서 참을 수 없다",
    "비가 와서 조금 슬픈 하루였다",
    "깜짝이야, 정말 놀랐잖아",
    "I am so happy about this film",
    "what a sad and lonely story",
    "this made me really angry",
    "nobody was surprised by the end",
)
EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def tiny_tokenizer() -> Tokenizer:
    """Return 120 sub-words learned from ``SENTENCES`` once: learned again they come in another order every time."""
    return Tokenizer.from_file(str(FILES / "tiny_tokenizer.json"))


def tiny_text(**changes: object) -> TextTowerConfig:
    values = {"vocabulary_size": 120, "token_width": 8, "width": 12, "layers": 2, "max_tokens": 16, "dim": 6}
    return TextTowerConfig.model_validate({**values, **changes})


def tiny_image(**changes: object) -> ImageTowerConfig:
    values = {"stem": 4, "widths": [4, 6], "blocks": [1, 2], "image_size": 16, "dim": 6}
    return ImageTowerConfig.model_validate({**values, **changes})


def tiny_mini(seed: int = 0, **changes: object) -> MiniEncoder:
    """A mini with random weights, also in the layers that start at zero."""
    torch.manual_seed(seed)
    config = MiniConfig.model_validate({"text": tiny_text(), "image": tiny_image(), **changes})
    text, image = TextTower(config.text), ImageTower(config.image)
    stirred(text, image)
    return MiniEncoder(config, text, image, tiny_tokenizer(), torch.device("cpu"), "unsaved")


@torch.no_grad()
def stirred(*towers: nn.Module) -> None:
    """Give also what starts at zero something to say."""
    for tower in towers:
        for parameter in tower.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)


def with_messages(mini: MiniEncoder, feed_forward: int = 8, seed: int = 0) -> MiniEncoder:
    """The mini with a tower for messages that reads order and has weights of its own, by seed."""
    reading = ReadingConfig(layers=1, heads=2, feed_forward=feed_forward)
    torch.manual_seed(seed)
    tower = MessageTower(mini.config.text, reading)
    stirred(tower)
    config = mini.config.model_copy(update={"chat_logit_scale": 9.0, "reading": reading})
    return replace(mini, config=config, chat_tower=tower.eval())


def face(seed: int, side: int = 48) -> bytes:
    """A PNG of grey noise, another one for every seed."""
    values = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> Path:
    """Write a tab-separated table, gzipped where its name says so."""
    text = io.StringIO()
    csv.writer(text, delimiter="," if path.suffix == ".csv" else "\t", lineterminator="\n").writerows([header, *rows])
    raw = text.getvalue().encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def vote_row(path: str, **votes: int) -> tuple[object, ...]:
    return (path, *(votes.get(name, 0) for name in VOTES))


def write_texts(folder: Path, count: int = 12) -> Path:
    """Write KOTE, both parts of GoEmotions and NSMC as training expects them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{SENTENCES[at % len(SENTENCES)]} {at}" for at in range(count)]
    kote = [(at, line, f"{at % 44},{(at + 7) % 44}") for at, line in enumerate(lines)]
    table(folder / "kote.tsv.gz", ("id", "text", "labels"), kote)
    for part in ("train", "dev"):
        rows = [(at, f"{part} {line}", f"{part} 번역 {line}", at % 28) for at, line in enumerate(lines * 3)]
        table(folder / f"goemotions_{part}.tsv.gz", ("id", "text_en", "text_ko", "labels"), rows)
    table(folder / "nsmc.tsv.gz", ("text", "rating"), [(line, 1 + 9 * (at % 2)) for at, line in enumerate(lines)])
    return folder


def write_images(folder: Path, a_class: int = 5) -> Path:
    """Write FER-2013 as a zip, FER+'s votes for it, and muxspace as a zip."""
    folder.mkdir(parents=True, exist_ok=True)
    fer, votes, seed = {}, [], 0
    for split, prefix in (("train", "Training"), ("validation", "PublicTest")):
        for emotion in EMOTIONS:
            for _ in range(a_class):
                seed += 1
                name = f"{split}/{emotion}/{prefix}_{seed}.png"
                fer[name] = face(seed)
                votes.append(vote_row(name, neutral=4, contempt=6))
    zipped(folder / "fer2013.zip", fer)
    table(folder / "ferplus_votes.csv", ("path", *VOTES), votes)
    mux = {f"images/{at}.png": face(1000 + at, 60) for at in range(12)}
    labels = "".join(f"{name},{'contempt' if at % 2 else 'anger'}\n" for at, name in enumerate(mux))
    zipped(folder / "muxspace96.zip", {"labels.csv": f"path,emotion\n{labels}".encode(), **mux})
    return folder
