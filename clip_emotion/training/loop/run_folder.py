"""The folder of a training run: what may be written where."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from clip_emotion.errors import UsageError
from clip_emotion.models.emotion_clip.checkpoint import RUN_STATE
from clip_emotion.outputs import MARK, WriteOptions
from clip_emotion.training.loop.metrics_log import BOARD, METRICS_FILE, PLOT

BEST = "best.safetensors"
ANSWERS = "answers.safetensors"
"""What a teacher leaves that has no checkpoint of its own: all that a finished run of it is."""


def draft_name(name: str) -> str:
    """Return the name under which a run's file is written before it is whole."""
    return f"{name}.draft"


BEGUN = {
    *(MARK, METRICS_FILE, PLOT, BOARD, "tokenizer.json", "deepen", "ray"),
    *(draft_name(RUN_STATE), draft_name(BEST)),
    *("checkpoint.tmp", "best.tmp"),  # the drafts of earlier releases
}
"""What a run leaves before its first checkpoint: of no use without one."""


def has_checkpoint(folder: Path) -> bool:
    """Tell whether a folder holds a run that ``--resume`` goes on with, or takes as it is where it is finished."""
    return (folder / RUN_STATE).is_file() or (folder / ANSWERS).is_file()


def check_out(folder: Path, options: WriteOptions) -> None:
    """See that a run may write into a folder: it is free, or holds a run that is to go on or to be replaced.

    What a run left that was killed before its first checkpoint is overwritten. Raises UsageError where a run would be
    lost by starting again, and where the folder holds other things.
    """
    if has_checkpoint(folder):
        if not (options.resume or options.overwrite):
            raise UsageError(
                f"{folder} holds a run already: go on with --resume, begin again with --overwrite, or choose another "
                "out=FOLDER."
            )
        return
    if folder.exists() and (not folder.is_dir() or not all(map(_is_begun, folder.iterdir()))):
        raise UsageError(f"{folder} holds other things than a run: name a new folder with out=FOLDER.")


def _is_begun(path: Path) -> bool:
    return path.name in BEGUN or (path.name == BEST and _is_best_of_a_run(path))


def _is_best_of_a_run(path: Path) -> bool:
    """Tell whether a best model was written by a run, and is not a file of that name from elsewhere."""
    try:
        with safe_open(str(path), "pt") as file:
            header = file.metadata() or {}
    except (OSError, SafetensorError):
        return False
    return "step" in header and ("metrics" in header or "figures" in header)
