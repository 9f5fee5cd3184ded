"""What a run writes of its course: metrics.jsonl, TensorBoard's events and a plot of the learning curves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.files import write_atomic
from clip_emotion.training.loop.config import FitConfig

METRICS_FILE = "metrics.jsonl"
BOARD = "tensorboard"
PLOT = "learning_curve.png"
FLUSH_SECONDS = 10
"""A killed run loses this much of TensorBoard's curves, and nothing of ``metrics.jsonl``."""


class MetricsLog:
    """Writes the course of a run into its folder; of steps after ``step`` it forgets what an earlier run wrote."""

    def __init__(self, folder: Path, config: FitConfig, step: int) -> None:
        self._folder, self._config = folder, config
        _forget_after(step, folder / METRICS_FILE, fresh=not step)
        self._board = _open_board(folder / BOARD, step) if config.tensorboard else None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Draw numbers of a step in TensorBoard, where it is wanted; what is no number is left out."""
        if self._board is not None:
            for name, value in values.items():
                if math.isfinite(value):
                    self._board.add_scalar(name, value, step)

    def validated(self, line: Mapping[str, float], metrics: Measurements, best_step: int | None) -> None:
        """Write a validation: a line with step, seconds and loss, then its metrics; and draw the curves anew."""
        with (self._folder / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, **metrics}, ensure_ascii=False) + "\n")
        self.scalars(int(line["step"]), {f"validation/{name}": value for name, value in metrics.items()})
        if self._config.learning_curve:
            self._draw(metrics, best_step)

    def _draw(self, metrics: Measurements, best_step: int | None) -> None:
        # matplotlib takes longer to import than a small run takes.
        from clip_emotion.evaluation.plots.learning_curve import learning_curve_figure
        from clip_emotion.plotting import figure_png

        rows = [json.loads(line) for line in (self._folder / METRICS_FILE).read_text("utf-8").splitlines()]
        figure = learning_curve_figure(rows, metrics.records, best_step)
        write_atomic(self._folder / PLOT, figure_png(figure))

    def close(self) -> None:
        """Write out what TensorBoard's writer still holds."""
        if self._board is not None:
            self._board.close()


def _open_board(folder: Path, step: int) -> Any:
    from tensorboardX import SummaryWriter

    if not step:
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
    purge = step + 1 if step else None
    return SummaryWriter(str(folder), purge_step=purge, flush_secs=FLUSH_SECONDS, filename_suffix=f".{step}")


def _forget_after(step: int, path: Path, *, fresh: bool) -> None:
    """Drop the lines of steps that are about to be taken again (all of a fresh run's), and a last line cut off."""
    if not path.is_file():
        return
    lines = [] if fresh else path.read_text("utf-8", "replace").splitlines()
    write_atomic(path, "".join(f"{line}\n" for line in lines if _step_of(line) <= step))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
