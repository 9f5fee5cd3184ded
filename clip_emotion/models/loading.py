"""One look-up from what the user wrote to a backbone that is open for training, or from a description back to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.models.backbone import RANDOM_PREFIX, Backbone, Spec
from clip_emotion.resources import weights_dir


def open_backbone(spec: str, device: torch.device | str = "cpu") -> Backbone:
    """Open a model for training.

    ``spec`` is ``mini``, a mini's folder, every name that ``load_open_clip`` takes, or ``random:ARCHITECTURE``: an
    open_clip architecture, or a JSON file of one, with random weights (from torch's global generator). Raises
    UsageError for an unknown name, ModelError where weights are missing, broken or out of reach.
    """
    chosen = torch.device(device)
    if spec.startswith(RANDOM_PREFIX):
        from clip_emotion.models.openclip.backbone import random_open_clip

        return random_open_clip(spec.removeprefix(RANDOM_PREFIX), chosen)
    folder = weights_dir() / "mini" if spec == "mini" else expanded(spec)
    if spec == "mini" or (folder / "mini.yaml").is_file():
        from clip_emotion.models.mini.backbone import open_mini

        return open_mini(folder, chosen)
    from clip_emotion.models.openclip.backbone import open_open_clip

    return open_open_clip(spec, chosen)


def backbone_from_spec(
    spec: Mapping[str, Any], device: torch.device | str = "cpu", tokenizer_files: Mapping[str, bytes] | None = None
) -> Backbone:
    """Rebuild a backbone from its ``spec`` and its ``tokenizer_files``, with no network and with weights to be loaded.

    Raises UsageError for an unknown ``kind``, ModelError where the description is broken.
    """
    kind = str(spec.get("kind"))
    if kind not in MAKERS:
        raise UsageError(f"Unknown kind of backbone '{kind}': choose one of {', '.join(MAKERS)}.")
    return MAKERS[kind](dict(spec), torch.device(device), dict(tokenizer_files or {}))


def _rebuild_mini(spec: Spec, device: torch.device, files: dict[str, bytes]) -> Backbone:
    from clip_emotion.models.mini.backbone import rebuild_mini

    return rebuild_mini(spec, device, files)


def _rebuild_open_clip(spec: Spec, device: torch.device, files: dict[str, bytes]) -> Backbone:
    from clip_emotion.models.openclip.backbone import rebuild_open_clip

    return rebuild_open_clip(spec, device, files)


MAKERS: dict[str, Callable[[Spec, torch.device, dict[str, bytes]], Backbone]] = {
    "mini": _rebuild_mini,
    "open_clip": _rebuild_open_clip,
}
