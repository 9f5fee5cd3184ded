"""Checks before a run: are the configurations right, and is all the data there that they will read?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from clip_emotion.config import validate
from clip_emotion.errors import DataError
from clip_emotion.models.mini.encoder import load_mini
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.objective import check_batches
from clip_emotion.training.kobert.kote import KobertKoteConfig, open_backbone
from clip_emotion.training.mini.chats import MiniChatsConfig
from clip_emotion.training.mini.image import MiniImageConfig
from clip_emotion.training.mini.text import MiniTextConfig
from clip_emotion.training.registry import check_widths, finished_text, read_stage
from clip_emotion.training.sources import RawSource

Made = dict[Path, int]
"""What earlier configurations of the same command will have made: folders of towers, and their embeddings' width."""


def check(paths: Sequence[Path], overrides: list[str]) -> list[Path]:
    """See, without training, that configurations can run one after the other; returns where their data lies.

    KoBERT is fetched where a configuration names it by its Hub name and it is not in the cache.
    Raises UsageError for a faulty configuration, ModelError for a KoBERT that cannot be loaded or a text tower that is
    not there and that no earlier configuration makes, and DataError that names every source which is missing or in no
    known layout.
    """
    made: Made = {}
    sources: dict[RawSource, None] = {}
    for path in paths:
        kind, values = read_stage(path, overrides)
        sources.update(dict.fromkeys(CHECKS[kind](values, str(path), made)))
    faults = [fault for fault in map(_fault, sources) if fault]
    if faults:
        raise DataError(" ".join(faults))
    return [source.path for source in sources]


def _fault(source: RawSource) -> str | None:
    try:
        source.check()
    except DataError as error:
        return str(error)
    return None


def _check_text(values: dict[str, Any], source: str, made: Made) -> Iterable[RawSource]:
    config = validate(MiniTextConfig, values, source)
    made[config.out] = config.tower.dim
    return config.sources.raw().values()


def _check_image(values: dict[str, Any], source: str, made: Made) -> Iterable[RawSource]:
    config = validate(MiniImageConfig, values, source)
    check_widths(config, made[config.text] if config.text in made else finished_text(config.text)[0].text.dim, source)
    made[config.out] = config.tower.dim
    return [*config.faces.raw().values(), *config.comments.raw().values()]


def _check_chats(values: dict[str, Any], source: str, made: Made) -> Iterable[RawSource]:
    config = validate(MiniChatsConfig, values, source)
    if config.base not in made:
        load_mini(config.base, torch.device("cpu"))
    return [*config.sources.raw().values(), *config.sources.chats().values()]


def _check_kobert(values: dict[str, Any], source: str, made: Made) -> Iterable[RawSource]:
    config = validate(KobertKoteConfig, values, source)
    open_backbone(config, source)
    return config.sources.raw()


def _check_finetuning(values: dict[str, Any], source: str, made: Made) -> Iterable[RawSource]:
    config = validate(FinetuneConfig, values, source)
    sources = [*config.data.raw().values(), *filter(None, [config.data.raw_votes()])]
    # With a source missing the batches would tell of that one alone; the caller names them all.
    if not any(map(_fault, sources)):
        check_batches(config, source)
    return sources


CHECKS: dict[str, Callable[[dict[str, Any], str, Made], Iterable[RawSource]]] = {
    "mini_text": _check_text,
    "mini_image": _check_image,
    "mini_chats": _check_chats,
    "kobert_kote": _check_kobert,
    "emotion_clip": _check_finetuning,
}
