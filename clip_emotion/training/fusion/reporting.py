"""What a fusion leaves behind: its model, and what is told of it."""

from __future__ import annotations

from pathlib import Path

from clip_emotion.evaluation.fusion_report import FusionReport
from clip_emotion.models.fusion.saving import save_fusion
from clip_emotion.training.fusion.config import FuseConfig
from clip_emotion.training.fusion.fuse import Fused


def report_of(config: FuseConfig, found: Fused) -> FusionReport:
    """Return what is told of a fusion."""
    parts = found.encoder.parts
    facts = {
        "captioner": parts.captioner.model,
        "prompt": parts.captioner.prompt,
        "image feature": f"{config.image.kind} {parts.image.fingerprint[:24]}",
        "text feature": f"{config.text.model} {parts.text.fingerprint[:24]}",
        "images": ", ".join(f"{name} {count:,}" for name, count in found.counts.items()),
        "seeds": ", ".join(map(str, config.seeds)),
    }
    names = dict(zip(found.vocabulary.keys, found.vocabulary.names("en"), strict=True))
    title = f"{', '.join(found.data) or config.data.merged} ({found.split})"
    return FusionReport(title, facts, found.rows, found.kept, found.quality, found.examples, names)


def save(config: FuseConfig, found: Fused, folder: Path) -> None:
    """Write the model into a new folder; raises ModelError where it cannot be written."""
    row = next(one for one in found.rows if one.name == found.kept)
    about = {
        "metrics": {"accuracy": row.rates("both", "accuracy")[0], "macro_recall": row.rates("both", "macro_recall")[0]},
        "data": dict(found.data),
        "trained_with": {**config.model_dump(mode="json"), "kept": found.kept},
    }
    save_fusion(found.encoder, folder, (config.image, config.captions, config.text.model), about)
