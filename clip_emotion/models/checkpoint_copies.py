"""Which files a model's folder is loaded from, and copies of them within a model that is made of others."""

from __future__ import annotations

import shutil
from pathlib import Path

from clip_emotion.files import expanded, open_up
from clip_emotion.models.classifiers import checkpoint as classifier
from clip_emotion.models.emotion_clip import checkpoint as emotion_clip
from clip_emotion.models.mini import files as mini
from clip_emotion.models.onnx import card as onnx
from clip_emotion.models.registry import BUNDLED


def checkpoint_files(spec: str) -> list[str] | None:
    """Return the names of the files that a model is loaded from, or None where it is no folder of this project's."""
    folder = expanded(spec)
    if spec in BUNDLED:
        return None
    if onnx.is_export(folder):
        card = onnx.read_card(folder)
        # Words of another export are embedded by the model that was exported, which lies elsewhere.
        return [*card.files, onnx.CARD] if card.mini is not None else None
    if (folder / mini.PARTS[0]).is_file():
        return [name for name in (*mini.PARTS, mini.CHATS) if (folder / name).is_file()]
    if (folder / classifier.DESCRIPTION).is_file():
        return [classifier.WEIGHTS, classifier.DESCRIPTION]
    if (folder / emotion_clip.DESCRIPTION).is_file():
        names = [*emotion_clip.read_card(folder).parts, emotion_clip.MODEL_CARD, emotion_clip.DESCRIPTION]
        return [name for name in names if (folder / name).is_file()]
    return None


def copy_checkpoint(spec: str, place: Path) -> bool:
    """Copy a model's files into a new folder; return False, and make none, where it is found by its name."""
    names = checkpoint_files(spec)
    if names is None:
        return False
    place.mkdir()
    for name in names:
        shutil.copyfile(expanded(spec) / name, place / name)
        open_up(place / name)
    return True


def copied_files(folder: Path, pattern: str) -> set[str]:
    """Return the paths, relative to a folder, of what ``copy_checkpoint`` put into those below it of this pattern."""
    copies = [path for path in folder.glob(f"{pattern}/*") if path.name in (checkpoint_files(str(path.parent)) or ())]
    return {path.relative_to(folder).as_posix() for path in copies}
