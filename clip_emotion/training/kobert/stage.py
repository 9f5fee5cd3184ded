"""The kind ``kobert_kote``: from KoBERT and KOTE to what ``load_kobert_emotion`` reads."""

from __future__ import annotations

from collections.abc import Iterable

from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.models.kobert.config import HUB_NAME
from clip_emotion.models.kobert.loading import Kobert, load_kobert
from clip_emotion.runtime import resolve_device
from clip_emotion.training.kobert.config import KobertKoteConfig
from clip_emotion.training.kobert.kote import KobertKoteObjective, load_splits
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage

PREFIX = "kobert:"
"""Elsewhere a folder is written kobert:FOLDER, where other embedders may stand as well."""


def train_kobert(config: KobertKoteConfig, options: RunOptions) -> Outcome:
    """Fine-tune KoBERT on KOTE's emotions; ``out`` receives what ``load_kobert_emotion`` reads."""
    objective = prepare_kobert_stage(config, options.source)
    settings = KOBERT_KOTE.compared(config, backbone=objective.backbone)
    result = fit(objective, config.fit, config.out, options.report, options.resume, settings)
    objective.finished(result).save(config.out)
    following = f"clip-emotion score CHAT.txt --emotions kobert --kobert {config.out}"
    return Outcome(result.metrics, config.out, result.notes, (following,))


def prepare_kobert_stage(config: KobertKoteConfig, source: str) -> KobertKoteObjective:
    """Load KoBERT and KOTE and build the objective.

    Raises UsageError where settings do not fit KoBERT, ModelError where that cannot be loaded, and DataError for KOTE.
    """
    splits = load_splits(config.sources)
    return KobertKoteObjective(config, open_backbone(config, source), splits)


def open_backbone(config: KobertKoteConfig, source: str) -> Kobert:
    """Load the KoBERT that is to be trained, onto the device that trains; raises as ``prepare_kobert_stage``."""
    device = resolve_device(config.device)
    backbone = config.backbone.removeprefix(PREFIX)
    if backbone != HUB_NAME and expanded(backbone).resolve() == expanded(config.out).resolve():
        raise UsageError(f"{source}: out would overwrite the backbone {backbone}: name another folder.")
    kobert = load_kobert(backbone, device)
    if config.head.max_tokens > kobert.max_tokens:
        raise UsageError(
            f"{source}: head.max_tokens is {config.head.max_tokens}, but {backbone} reads {kobert.max_tokens} at most."
        )
    return kobert


def check_kobert(config: KobertKoteConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that the stage reads, after loading KoBERT; raises as ``open_backbone`` does."""
    open_backbone(config, source)
    return config.sources.raw()


KOBERT_KOTE = Stage(
    "kobert_kote",
    KobertKoteConfig,
    check_kobert,
    train_kobert,
    uncompared={"fit": True, "out": True, "backbone": True, "device": True, "sources": {"folder", "prepared"}},
)
