"""Small fine-tuned models to save, and what tests do with their folders."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from clip_emotion.models.backbone import Backbone
from clip_emotion.models.emotion_clip.config import EmotionClipConfig
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.models.loading import open_backbone
from tests.support.minis import tiny_mini
from tests.support.tiny_openclip import TINY, awake, hugging_face

NO_HEADS = EmotionClipConfig(image_head=None)


def make_model(name: str, config: EmotionClipConfig, seed: int = 0) -> EmotionClip:
    """An EmotionClip over a tiny backbone (mini, clip or hf), with random weights also where they start at zero."""
    torch.manual_seed(seed)
    model = EmotionClip(copy.deepcopy(_backbone(name)), config)
    awake(model, seed + 1)
    return model


@functools.cache
def _backbone(name: str) -> Backbone:
    # What is opened here is gone by the time a checkpoint is read, as on another machine.
    with TemporaryDirectory() as place:
        folder = Path(place)
        if name == "mini":
            tiny_mini().save(folder)
            return open_backbone(str(folder))
        architecture = TINY if name == "clip" else hugging_face(folder)
        (folder / "tiny.json").write_text(json.dumps(architecture))
        torch.manual_seed(0)
        return open_backbone(f"random:{folder / 'tiny.json'}")


def pixels_for(model: EmotionClip, count: int = 3) -> torch.Tensor:
    side = model.backbone.image_size
    return model.backbone.normalise(torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3)))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
