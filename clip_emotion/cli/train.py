"""``clip-emotion train``: run one or more training configurations, one after the other."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import say, say_log, stderr
from clip_emotion.cli.options import OVERWRITE
from clip_emotion.errors import UsageError
from clip_emotion.outputs import WriteOptions

if TYPE_CHECKING:
    from clip_emotion.training.loop.objective import Progress, ProgressCallback
    from clip_emotion.training.registry import PlannedRun
    from clip_emotion.training.stage import Outcome

    Engine = Callable[[PlannedRun, ProgressCallback, bool], Outcome]


def train(
    arguments: list[str] = typer.Argument(None, metavar="CONFIG… [key=value …]", help="YAML files, then overrides."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the run's last checkpoint, if there is one."),
    overwrite: bool = OVERWRITE,
    check: bool = typer.Option(False, "--check", help="See that configurations and data are right; train nothing."),
    threads: int = typer.Option(0, "--threads", min=0, help="CPU threads (of each worker); 0 takes every core."),
    engine: str = typer.Option("local", "--engine", help="local: in this process; ray: in several, with Ray Train."),
    workers: int = typer.Option(1, "--workers", min=1, help="How many processes share each batch (--engine ray)."),
    gpus: int = typer.Option(-1, "--gpus", min=-1, max=1, help="GPUs of each worker; -1 takes one if there are any."),
    kinds: bool = typer.Option(False, "--list", help="Print the kinds of training and leave."),
    schema: str | None = typer.Option(
        None, "--schema", metavar="KIND", help="Print every setting of a kind and leave."
    ),
) -> None:
    """Train an encoder as the configurations say; metrics go to OUT/metrics.jsonl, checkpoints beside them.

    Fine-tuning (kind emotion_clip) also runs on several GPUs, or on the machines of the cluster that RAY_ADDRESS names.

    Example: clip-emotion train configs/train/mini_1_text.yaml configs/train/mini_2_image.yaml --resume

    Example: clip-emotion train configs/train/mini_faces.yaml --engine ray --workers 4
    """
    if kinds or schema is not None:
        _describe(schema)
        return
    if resume and overwrite:
        raise UsageError("--resume goes on with a run, --overwrite begins it again: give one of them.")
    overrides = [argument for argument in arguments or [] if "=" in argument]
    configs = [Path(argument) for argument in arguments or [] if "=" not in argument]
    missing = [str(path) for path in configs if not path.is_file()]
    if missing or not configs:
        raise UsageError(f"No such configuration: {', '.join(missing) or 'none given'} (see the folder configs/train).")

    _check_engine(engine, workers, gpus)
    say_log("clip_emotion.training")
    runs = _planned(configs, overrides)
    run = ENGINES[engine](workers, gpus, threads)
    if check:
        _check(runs)
        return
    try:
        _train(runs, WriteOptions(overwrite, resume), run)
    except KeyboardInterrupt:
        rest = [*arguments, *(["--engine", engine, "--workers", str(workers)] if engine != "local" else [])]
        rest += [*(["--gpus", str(gpus)] if gpus >= 0 else []), *(["--threads", str(threads)] if threads else [])]
        say(f"To go on: clip-emotion train {shlex.join(rest)} --resume")
        raise


def _planned(configs: Sequence[Path], overrides: Sequence[str]) -> list[PlannedRun]:
    """Return what the configurations describe; a faulty one is told before the stages, and torch, are imported."""
    from clip_emotion.training.kinds import read_config

    read = [read_config(path, overrides) for path in configs]
    from clip_emotion.training.registry import planned

    return [planned(one) for one in read]


def _describe(kind: str | None) -> None:
    from clip_emotion.training.schema import kinds_table, settings_table

    print(kinds_table() if kind is None else settings_table(kind))


def _check_engine(name: str, workers: int, gpus: int) -> None:
    """Raise UsageError for an unknown engine, and for workers that it has none of."""
    if name not in ENGINES:
        raise UsageError(f"Unknown engine '{name}': choose one of {', '.join(ENGINES)}.")
    if name == "local" and (workers > 1 or gpus > 0):
        raise UsageError("--workers and --gpus are those of Ray: add --engine ray, or leave them out.")


def _local(workers: int, gpus: int, threads: int) -> Engine:
    import torch

    from clip_emotion.runtime import available_cpus
    from clip_emotion.training.registry import PlannedRun

    torch.set_num_threads(threads or available_cpus())
    return PlannedRun.run


def _ray(workers: int, gpus: int, threads: int) -> Engine:
    import torch

    from clip_emotion.training.parallel.ray_train import Spread, train_distributed

    each = int(torch.cuda.is_available()) if gpus < 0 else gpus
    return partial(train_distributed, spread=Spread(workers, each, threads))


ENGINES: dict[str, Callable[[int, int, int], Engine]] = {"local": _local, "ray": _ray}
"""What runs a configuration, made from the workers, their GPUs and their threads."""


def _check(runs: Sequence[PlannedRun]) -> None:
    from clip_emotion.training.registry import check

    sources = check(runs)
    found = f", and all {len(sources)} data sets that they read are there" if sources else " with their data"
    say(f"Ready: {len(runs)} configuration(s) are right{found}.")


def _train(runs: Sequence[PlannedRun], options: WriteOptions, run: Engine) -> None:
    from clip_emotion.training.loop.run_folder import has_checkpoint
    from clip_emotion.training.registry import check_folders

    check_folders(runs, options)
    for one in runs:
        say(f"Training {one.source} into {one.out} (Ctrl-C keeps the checkpoint; --resume goes on).")
        if options.resume and not has_checkpoint(one.out):
            say(f"There is no checkpoint in {one.out} yet: the run begins anew, with the settings given now.")
        _finish(run(one, report, options.resume))


def _finish(outcome: Outcome) -> None:
    for note in outcome.notes:
        say(note)
    # rich and scikit-learn, which the tables need, are not waited for by --help.
    from clip_emotion.cli.tables import class_table

    for table in outcome.tables:
        stderr.print(class_table(table))
    say(f"Done: {_shown(outcome.metrics)}")
    written = outcome.folder / "metrics.jsonl"
    also = f"; all its metrics are in {written}" if written.is_file() else ""
    say(f"The result is in {outcome.folder}{also}. Next:")
    for command in outcome.next_commands:
        say(f"  {command}")


def report(progress: Progress) -> None:
    """Tell people how far a run has come."""
    if not progress.step:
        say(f"Before training  {_shown(progress.metrics.headline())}" if progress.metrics else "Reading …")
        return
    left = (progress.steps - progress.step) / max(progress.steps_per_second, 1e-9)
    line = f"step {progress.step}/{progress.steps}"
    if not math.isnan(progress.loss):  # what is fitted in closed parts tells none
        line += f"  loss {progress.loss:.3f}"
    if progress.accuracy is not None:
        line += f"  accuracy {progress.accuracy:.3f}"
    line += f"  {progress.steps_per_second:.2f} steps/s"
    if progress.images_per_second is not None:
        line += f"  {progress.images_per_second:.0f} images/s"
    line += f"  {math.ceil(left / 60)} min left"
    if progress.metrics:
        line += f"  validation: {_shown(progress.metrics.headline())}"
    say(line)


def _shown(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in metrics.items())
