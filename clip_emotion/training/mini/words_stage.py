"""The kind ``mini_words``: from a finished text tower to one that knows more words, names where they were."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from clip_emotion.files import write_atomic
from clip_emotion.models.mini.encoder import save_tower
from clip_emotion.models.mini.files import PARTS, load_tokenizer
from clip_emotion.models.mini.text_tower import TextTower
from clip_emotion.training.averaging import average_tensors
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.mini.morphemes import check_morphemes
from clip_emotion.training.mini.teacher import model_folder
from clip_emotion.training.mini.text_stage import FILES, finished_text
from clip_emotion.training.mini.words import MiniWordsObjective, load_texts
from clip_emotion.training.mini.words_config import MiniWordsConfig
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage


def train_words(config: MiniWordsConfig, options: RunOptions) -> Outcome:
    """Teach a finished text tower more words; ``out`` receives the tower with the tokenizer and ``mini.yaml``."""
    mini, tower = finished_text(config.base)
    tokenizer = load_tokenizer(config.base / PARTS[3])
    noisy = TextTower(mini.text.model_copy(update={"dropout": config.dropout}))
    noisy.load_state_dict(tower.state_dict())
    torch.manual_seed(config.seed)
    objective = MiniWordsObjective(config, noisy, tokenizer, load_texts(config))
    result = fit(objective, config.fit, config.out, options.report, options.resume, MINI_WORDS.compared(config))
    words = result.model.eval()
    shared = average_tensors(tower.state_dict(), words.tower.state_dict(), config.share, frozenset())
    words.tower.load_state_dict(shared)
    save_tower(words.tower, config.out / PARTS[1])
    write_atomic(config.out / PARTS[3], tokenizer.to_str())
    record = {**mini.trained_with, "words": config.model_dump(mode="json")}
    mini.model_copy(update={"trained_with": record}).write(config.out / PARTS[0])
    following = f"clip-emotion train configs/train/mini_2_image.yaml text={config.out}"
    return Outcome(objective.validate(words), config.out, result.notes, (following,))


def check_words(config: MiniWordsConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that the stage reads; raises ModelError where the tower is not there and nothing makes it."""
    made[config.out] = made[config.base] if config.base in made else finished_text(config.base)[0].text.dim
    if config.bridge.en:
        model_folder()
    if config.bridge.ko:
        check_morphemes()
    return config.sources.raw().values()


MINI_WORDS = Stage(
    "mini_words",
    MiniWordsConfig,
    check_words,
    train_words,
    uncompared={"fit": True, "out": True, "base": True, "share": True, "sources": FILES},
    inputs=lambda config: (config.base,),
)
