"""The folder of a training run: what may be written where."""

from __future__ import annotations

from pathlib import Path

from clip_emotion.errors import UsageError
from clip_emotion.models.emotion_clip.checkpoint import RUN_STATE
from clip_emotion.training.loop.metrics_log import BOARD, METRICS, PLOT

BEGUN = {METRICS, PLOT, BOARD, "tokenizer.json", "deepen", "ray"}
"""What a run leaves before its first checkpoint: of no use without one."""


def check_out(folder: Path, resume: bool) -> None:
    """See that a run may write into a folder: it is free, or holds the run that is to go on.

    Raises UsageError where a run would be lost by starting again, and where the folder holds other things.
    """
    if (folder / RUN_STATE).is_file():
        if not resume:
            raise UsageError(
                f"{folder} holds a run already: go on with --resume, choose another out=FOLDER, or delete the folder."
            )
        return
    if folder.exists() and (not folder.is_dir() or any(path.name not in BEGUN for path in folder.iterdir())):
        raise UsageError(f"{folder} holds other things than a run: name a new folder with out=FOLDER.")
