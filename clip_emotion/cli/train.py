"""``clip-emotion train``: run one or more training configurations, one after the other."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import say, stderr

if TYPE_CHECKING:
    from clip_emotion.training.fit import Progress


def train(
    arguments: list[str] = typer.Argument(..., metavar="CONFIG… [key=value …]", help="YAML files, then overrides."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the run's last checkpoint, if there is one."),
    check: bool = typer.Option(False, "--check", help="See that configurations and data are right; train nothing."),
    threads: int = typer.Option(0, "--threads", min=0, help="CPU threads; 0 takes every core."),
) -> None:
    """Train an encoder as the configurations say; figures go to OUT/metrics.jsonl, checkpoints beside them.

    Example: clip-emotion train configs/train/mini_1_text.yaml configs/train/mini_2_image.yaml --resume
    """
    from clip_emotion.errors import UsageError
    from clip_emotion.runtime import available_cpus

    overrides = [argument for argument in arguments if "=" in argument]
    configs = [Path(argument) for argument in arguments if "=" not in argument]
    missing = [str(path) for path in configs if not path.is_file()]
    if missing or not configs:
        raise UsageError(f"No such configuration: {', '.join(missing) or 'none given'} (see the folder configs/train).")

    if check:
        _check(configs, overrides)
        return
    try:
        _train(configs, overrides, resume, threads or available_cpus())
    except KeyboardInterrupt:
        say(f"To go on: clip-emotion train {shlex.join(arguments)} --resume")
        raise


def _check(configs: list[Path], overrides: list[str]) -> None:
    from clip_emotion.training.checking import check

    sources = check(configs, overrides)
    say(f"Ready: {len(configs)} configuration(s) are right, and all {len(sources)} data sets that they read are there.")


def _train(configs: list[Path], overrides: list[str], resume: bool, threads: int) -> None:
    import torch

    from clip_emotion.training.stages import train as run_stage

    torch.set_num_threads(threads)
    for path in configs:
        say(f"Training {path} (Ctrl-C keeps the checkpoint; --resume goes on).")
        figures = run_stage(path, overrides, _report, resume)
        say(f"Done: {_shown(figures)}")


def _report(progress: Progress) -> None:
    left = (progress.steps - progress.step) / max(progress.rate, 1e-9)
    line = f"step {progress.step}/{progress.steps}  loss {progress.loss:.3f}"
    if progress.accuracy is not None:
        line += f"  accuracy {progress.accuracy:.3f}"
    line += f"  {progress.rate:.2f} steps/s"
    if progress.pictures_per_second is not None:
        line += f"  {progress.pictures_per_second:.0f} pictures/s"
    line += f"  {left / 60:.0f} min left"
    if progress.figures:
        line += f"  {_shown(progress.figures)}"
    stderr.print(line, soft_wrap=True, markup=False)


def _shown(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
