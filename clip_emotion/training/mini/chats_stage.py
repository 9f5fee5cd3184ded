"""The kind ``mini_chats``: from a finished mini and chats to a mini with a tower for chat messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch

from clip_emotion.files import write_atomic
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.mini.files import CHATS, PARTS
from clip_emotion.models.mini.storage import save_tower
from clip_emotion.models.mini.text_tower import TextTower
from clip_emotion.training.corpora import load_corpora
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.mini.chats import MiniChatsObjective
from clip_emotion.training.mini.chats_config import MiniChatsConfig
from clip_emotion.training.mini.chats_tasks import chat_rows, load_tasks
from clip_emotion.training.mini.messages_config import MiniMessagesConfig
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
    finish(config, encoder, result.model.tower, {"chats": config.model_dump(mode="json")})
    return Outcome(result.metrics, config.out, result.notes, (f"clip-emotion score CHAT.txt --model {config.out}",))


def finish(
    config: MiniChatsConfig | MiniMessagesConfig, encoder: MiniEncoder, tower: TextTower, made_with: dict[str, Any]
) -> None:
    """Write ``base``'s mini with the trained tower, calibrated on KOTE comments kept out of training, into ``out``.

    The tower reads all texts that are to be judged, so that the multi-label thresholds become its. The files of words
    and pictures are copied to the bit: an image tower in 8 bits stays so.
    """
    draft = replace(encoder, chat_tower=tower)
    scale, thresholds = calibrated(draft, draft.encode_messages, load_corpora(config.sources))
    record = {**encoder.config.trained_with, **made_with}
    update = {"chat_logit_scale": scale, **thresholds, "trained_with": record}
    for name in PARTS[1:]:
        write_atomic(config.out / name, (config.base / name).read_bytes())
    save_tower(tower, config.out / CHATS)
    encoder.config.model_copy(update=update).write(config.out / PARTS[0])


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
