"""``clip-emotion train``: run one or more training configurations, one after the other."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import say, say_log, stderr

if TYPE_CHECKING:
    from clip_emotion.training.loop.fit import Progress, Report

    Run = Callable[[Path, list[str], Report, bool], dict[str, float]]


def train(
    arguments: list[str] = typer.Argument(..., metavar="CONFIG… [key=value …]", help="YAML files, then overrides."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the run's last checkpoint, if there is one."),
    check: bool = typer.Option(False, "--check", help="See that configurations and data are right; train nothing."),
    threads: int = typer.Option(0, "--threads", min=0, help="CPU threads (of each worker); 0 takes every core."),
    engine: str = typer.Option("local", "--engine", help="local: in this process; ray: in several, with Ray Train."),
    workers: int = typer.Option(1, "--workers", min=1, help="How many processes share each batch (--engine ray)."),
    gpus: int = typer.Option(-1, "--gpus", min=-1, max=1, help="GPUs of each worker; -1 takes one if there are any."),
) -> None:
    """Train an encoder as the configurations say; figures go to OUT/metrics.jsonl, checkpoints beside them.

    Fine-tuning (kind emotion_clip) also runs on several GPUs, or on the machines of the cluster that RAY_ADDRESS names.

    Example: clip-emotion train configs/train/mini_1_text.yaml configs/train/mini_2_image.yaml --resume

    Example: clip-emotion train configs/train/mini_faces.yaml --engine ray --workers 4
    """
    from clip_emotion.errors import UsageError

    overrides = [argument for argument in arguments if "=" in argument]
    configs = [Path(argument) for argument in arguments if "=" not in argument]
    missing = [str(path) for path in configs if not path.is_file()]
    if missing or not configs:
        raise UsageError(f"No such configuration: {', '.join(missing) or 'none given'} (see the folder configs/train).")

    run = _engine(engine, workers, gpus, threads)
    say_log("clip_emotion.training")
    if check:
        _check(configs, overrides)
        return
    try:
        _train(configs, overrides, resume, run)
    except KeyboardInterrupt:
        rest = [*arguments, *(["--engine", engine, "--workers", str(workers)] if engine != "local" else [])]
        rest += [*(["--gpus", str(gpus)] if gpus >= 0 else []), *(["--threads", str(threads)] if threads else [])]
        say(f"To go on: clip-emotion train {shlex.join(rest)} --resume")
        raise


def _engine(name: str, workers: int, gpus: int, threads: int) -> Run:
    """Return what runs one configuration; raises UsageError for an unknown engine or workers that it has none of."""
    from clip_emotion.errors import UsageError

    if name not in ENGINES:
        raise UsageError(f"Unknown engine '{name}': choose one of {', '.join(ENGINES)}.")
    if name == "local" and (workers > 1 or gpus > 0):
        raise UsageError("--workers and --gpus are those of Ray: add --engine ray, or leave them out.")
    return ENGINES[name](workers, gpus, threads)


def _local(workers: int, gpus: int, threads: int) -> Run:
    import torch

    from clip_emotion.runtime import available_cpus
    from clip_emotion.training.registry import train

    torch.set_num_threads(threads or available_cpus())
    return train


def _ray(workers: int, gpus: int, threads: int) -> Run:
    import torch

    from clip_emotion.training.parallel.ray_train import Spread, train_distributed

    each = int(torch.cuda.is_available()) if gpus < 0 else gpus
    return partial(train_distributed, spread=Spread(workers, each, threads))


ENGINES: dict[str, Callable[[int, int, int], Run]] = {"local": _local, "ray": _ray}
"""What runs a configuration, made from the workers, their GPUs and their threads."""


def _check(configs: list[Path], overrides: list[str]) -> None:
    from clip_emotion.training.checking import check

    sources = check(configs, overrides)
    found = f", and all {len(sources)} data sets that they read are there" if sources else " with their data"
    say(f"Ready: {len(configs)} configuration(s) are right{found}.")


def _train(configs: list[Path], overrides: list[str], resume: bool, run: Run) -> None:
    from clip_emotion.training.loop.run_folder import check_out
    from clip_emotion.training.registry import read_stage

    for path in configs:
        out = read_stage(path, overrides)[1].get("out")
        if isinstance(out, str):
            check_out(Path(out), resume)
    for path in configs:
        say(f"Training {path} (Ctrl-C keeps the checkpoint; --resume goes on).")
        figures = run(path, overrides, _report, resume)
        say(f"Done: {_shown(figures)}")


def _report(progress: Progress) -> None:
    left = (progress.steps - progress.step) / max(progress.rate, 1e-9)
    line = f"step {progress.step}/{progress.steps}  loss {progress.loss:.3f}"
    if progress.accuracy is not None:
        line += f"  accuracy {progress.accuracy:.3f}"
    line += f"  {progress.rate:.2f} steps/s"
    if progress.images_per_second is not None:
        line += f"  {progress.images_per_second:.0f} pictures/s"
    line += f"  {left / 60:.0f} min left"
    if progress.figures:
        line += f"  {_shown(progress.figures)}"
    stderr.print(line, soft_wrap=True, markup=False)


def _shown(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
