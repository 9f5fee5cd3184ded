"""The kind ``mini_words``: from a finished text tower to one that knows more words, names where they were."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from clip_emotion.data.tables import read_column
from clip_emotion.errors import UsageError
from clip_emotion.files import write_atomic
from clip_emotion.models.mini.files import PARTS, load_tokenizer
from clip_emotion.models.mini.storage import save_tower
from clip_emotion.models.mini.text_tower import TextTower
from clip_emotion.training.averaging import mean_of_states
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
    others = [_tower_of(config.base, folder) for folder in config.mean_with]
    objective = MiniWordsObjective(config, noisy, tokenizer, load_texts(config))
    result = fit(objective, config.fit, config.out, options.report, options.resume, MINI_WORDS.compared(config))
    words = result.model.eval()
    states = [one.state_dict() for one in (words.tower, *others)]
    words.tower.load_state_dict(mean_of_states(states, config.shares()))
    save_tower(words.tower, config.out / PARTS[1])
    write_atomic(config.out / PARTS[3], tokenizer.to_str())
    record = {**mini.trained_with, "words": config.model_dump(mode="json")}
    # Labels' own thresholds were fitted on the tower before.
    mini.model_copy(update={"trained_with": record, "text_thresholds": {}}).write(config.out / PARTS[0])
    following = f"clip-emotion train configs/train/mini_2_image.yaml text={config.out}"
    return Outcome(objective.validate(words), config.out, result.notes, (following,))


def _tower_of(base: Path, folder: Path) -> TextTower:
    """Return another run's tower; raises UsageError where its sizes or its sub-words are not those of ``base``."""
    (first, _), (described, tower) = finished_text(base), finished_text(folder)
    vocabularies = [load_tokenizer(one / PARTS[3]).get_vocab() for one in (base, folder)]
    if described.text != first.text or vocabularies[0] != vocabularies[1]:
        raise UsageError(f"mean_with: {folder} holds no text tower of these sizes and sub-words.")
    return tower


def check_words(config: MiniWordsConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that the stage reads; raises ModelError where the tower is not there and nothing makes it."""
    made[config.out] = made[config.base] if config.base in made else finished_text(config.base)[0].text.dim
    for folder in config.mean_with:
        if folder in made:
            continue
        if config.base in made:
            finished_text(folder)  # compared with the base once that is there
        else:
            _tower_of(config.base, folder)
    for path in config.unseen:
        read_column(config.sources.folder / path, "word")
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
    uncompared={"fit": True, "out": True, "base": True, "mean_with": True, "mean_weights": True, "sources": FILES},
    inputs=lambda config: (config.base, *config.mean_with),
)
