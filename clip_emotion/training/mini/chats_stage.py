"""The kind ``mini_chats``: from a finished mini and chats to a mini with a tower for chat messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from clip_emotion.files import write_atomic
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.mini.files import CHATS, PARTS
from clip_emotion.models.mini.storage import save_tower
from clip_emotion.models.mini.text_tower import TextTower
from clip_emotion.training.corpora import Corpora, load_corpora
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.mini.chats import MiniChatsObjective
from clip_emotion.training.mini.chats_config import MiniChatsConfig
from clip_emotion.training.mini.chats_tasks import chat_rows, load_tasks
from clip_emotion.training.mini.thresholds import calibrated
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage


def train_chats(config: MiniChatsConfig, options: RunOptions) -> Outcome:
    """Train the chat tower beside a finished mini; ``out`` receives the mini with the chat tower in it."""
    encoder = load_mini(config.base, torch.device("cpu"))
    tasks, checks = load_tasks(config, *chat_rows(config.sources), encoder)
    torch.manual_seed(config.seed)
    objective = MiniChatsObjective(config, encoder, tasks, checks)
    settings = MINI_CHATS.compared(config, mini=encoder.fingerprint)
    result = fit(objective, config.fit, config.out, options.report, options.resume, settings)
    made_with = {"chats": config.model_dump(mode="json")}
    finished = finish(encoder, result.model.tower, made_with, load_corpora(config.sources))
    save_with_messages(finished, result.model.tower, config.base, config.out)
    return Outcome(result.metrics, config.out, result.notes, (f"clip-emotion score CHAT.txt --model {config.out}",))


def finish(encoder: MiniEncoder, tower: TextTower, made_with: dict[str, Any], corpora: Corpora) -> MiniEncoder:
    """Return the mini with the trained chat tower, calibrated on KOTE comments kept out of training.

    It reads all texts that are to be judged, so that the multi-label thresholds become its.
    """
    draft = replace(encoder, chat_tower=tower)
    scale, thresholds = calibrated(draft, draft.encode_messages, corpora)
    record = {**encoder.config.trained_with, **made_with}
    update = {"chat_logit_scale": scale, **thresholds, "trained_with": record}
    return replace(draft, config=encoder.config.model_copy(update=update))


def save_with_messages(mini: MiniEncoder, tower: TextTower, base: Path, folder: Path) -> None:
    """Write a mini with its tower for messages; words and pictures stay ``base``'s files to the bit, in 8 bits too."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS[1:]:
        write_atomic(folder / name, (base / name).read_bytes())
    save_tower(tower, folder / CHATS)
    mini.config.write(folder / PARTS[0])


def check_chats(config: MiniChatsConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that the stage reads; raises ModelError where the base is not there and nothing makes it."""
    if config.base not in made:
        load_mini(config.base, torch.device("cpu"))
    made[config.out] = made.get(config.base, 0)
    return [*config.sources.raw().values(), *config.sources.chats().values()]


MINI_CHATS = Stage(
    "mini_chats",
    MiniChatsConfig,
    check_chats,
    train_chats,
    uncompared=dict.fromkeys(("fit", "out", "base", "sources"), True),
    inputs=lambda config: (config.base,),
)
