"""Fine-tuning in several processes, on several GPUs or machines, through Ray Train; the only training file with Ray."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clip_emotion.errors import ClipEmotionError, MissingExtraError, UsageError
from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.ray_session import joined_or_here
from clip_emotion.runtime import available_cpus
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.stage import EMOTION_CLIP, train_emotion_clip
from clip_emotion.training.loop.interrupt import hold_interrupt
from clip_emotion.training.loop.objective import Progress, ProgressCallback
from clip_emotion.training.parallel.process_group import ProcessGroup
from clip_emotion.training.parallel.progress_actor import ProgressActor
from clip_emotion.training.registry import PlannedRun
from clip_emotion.training.stage import Outcome, RunOptions

try:
    import ray
    import ray.train.torch
except ImportError as error:
    raise MissingExtraError("Training with Ray", "ray", "tune") from error

POLL_SECONDS = 0.2
"""How often progress is fetched from the workers."""
DIED = "A worker died, most likely for lack of memory: use fewer --workers or a smaller batch."


@dataclass(frozen=True)
class Spread:
    """Over how many workers a run is spread, and what each has: GPUs (0 or 1) and CPU threads (0 shares the cores)."""

    workers: int = 1
    gpus: int = 0
    threads: int = 0

    @property
    def cpus(self) -> int:
        """CPUs, and so threads, of each worker."""
        return self.threads or max(1, available_cpus() // self.workers)


def train_distributed(run: PlannedRun, report: ProgressCallback, resume: bool, spread: Spread) -> Outcome:
    """Run a fine-tuning configuration in several processes and return its outcome.

    The result is that of a single process within rounding; checkpoints are the same files, and a run may go on with
    another number of workers. Where ``RAY_ADDRESS`` is set Ray's cluster there is used, otherwise one is started on
    this machine; every machine must see the configuration's paths. Raises UsageError for a kind of run or a batch
    that cannot be shared and for more CPUs or GPUs than there are, what a worker raised as one sentence, and
    KeyboardInterrupt once an interrupted run has kept its checkpoint.
    """
    if run.stage is not EMOTION_CLIP:
        kinds = f"kind '{run.stage.kind}', and only {EMOTION_CLIP.kind} runs in several processes"
        raise UsageError(f"{run.source} has {kinds}: leave out --engine.")
    config: FinetuneConfig = run.config
    _check(config, spread)
    with run.claimed(), joined_or_here(spread.workers * spread.cpus, gpus=bool(spread.gpus)):
        _check_resources(spread)
        actor = ray.remote(num_cpus=0)(ProgressActor).remote()
        job = {
            "config": config.model_copy(update={"device": "cuda" if spread.gpus else "cpu"}),
            "source": run.source,
            "resume": resume,
            "home": str(Path.cwd()),
            "threads": spread.cpus,
            "actor": actor,
        }
        return _follow(_trainer(job, config, spread), actor, report)


def _check(config: FinetuneConfig, spread: Spread) -> None:
    if config.batch % spread.workers:
        raise UsageError(
            f"A batch of {config.batch} cannot be shared equally by {spread.workers} workers: set batch to a multiple."
        )
    if not spread.gpus and config.device not in ("auto", "cpu"):
        raise UsageError(f"device is {config.device}, but the workers have no GPU: give --gpus 1 or device=cpu.")
    if spread.gpus and config.device not in ("auto", "cuda"):
        raise UsageError(f"device is {config.device}, but each worker has a GPU: give --gpus 0 or device=auto.")


def _check_resources(spread: Spread) -> None:
    """Refuse what Ray would wait for without end."""
    there: Mapping[str, float] = ray.cluster_resources()
    wanted = {"CPU": spread.workers * spread.cpus, "GPU": spread.workers * spread.gpus}
    for what, count in wanted.items():
        if there.get(what, 0) < count:
            raise UsageError(
                f"{spread.workers} workers need {count} {what}s, and Ray sees {there.get(what, 0):g}: "
                f"lower --workers{' or --threads' if what == 'CPU' else ''}."
            )


def _trainer(job: dict[str, Any], config: FinetuneConfig, spread: Spread) -> Any:
    given: dict[str, float] = {"CPU": spread.cpus, **({"GPU": spread.gpus} if spread.gpus else {})}
    return ray.train.torch.TorchTrainer(
        work,
        train_loop_config=job,
        scaling_config=ray.train.ScalingConfig(
            num_workers=spread.workers, use_gpu=bool(spread.gpus), resources_per_worker=given
        ),
        run_config=ray.train.RunConfig(name="train", storage_path=str((config.out / "ray").resolve())),
    )


def work(job: dict[str, Any]) -> None:
    """Do one worker's part of a run; Ray calls this in each worker's process, after it has joined them."""
    actor, context = job["actor"], ray.train.get_context()
    # Ray gives each worker another working directory; the configuration's paths start from the user's.
    os.chdir(job["home"])
    torch.set_num_threads(job["threads"])
    rank = context.get_world_rank()
    asked = StopSign(actor) if rank == 0 else _never
    processes = ProcessGroup(rank, context.get_world_size(), ray.train.torch.get_device(), asked)

    def report(progress: Progress) -> None:
        if processes.is_main:
            metrics = None if progress.metrics is None else progress.metrics.to_list()
            actor.tell.remote({**vars(progress), "metrics": metrics})

    try:
        outcome = train_emotion_clip(job["config"], RunOptions(job["source"], report, job["resume"], processes))
    except KeyboardInterrupt:
        ray.get(actor.end.remote(None))
    except Exception as error:
        code = error.exit_code if isinstance(error, ClipEmotionError) else None
        ray.get(actor.fail.remote(code, str(error) if code else f"{type(error).__name__}: {error}"))
        raise
    else:
        if processes.is_main:
            ray.get(actor.end.remote(outcome.to_dict()))


def _never() -> bool:
    return False


class StopSign:
    """Tells whether the run was asked to stop, from the last answer that came: a step never waits for one."""

    def __init__(self, actor: Any) -> None:
        self._actor, self._seen = actor, False
        self._answer = actor.is_stopping.remote()

    def __call__(self) -> bool:
        """Return True from the first such answer on."""
        if not self._seen and ray.wait([self._answer], timeout=0)[0]:
            self._seen = ray.get(self._answer)
            self._answer = self._actor.is_stopping.remote()
        return self._seen


def _follow(trainer: Any, actor: Any, report: ProgressCallback) -> Outcome:
    """Let the trainer run and pass on what its workers report; the first Ctrl-C asks them to stop."""
    with hold_interrupt() as interrupted:
        ended = _in_background(trainer.fit)
        asked, over = False, False
        while not over:
            over = ended.wait(POLL_SECONDS)
            for told in ray.get(actor.take.remote()):
                metrics = None if told["metrics"] is None else Measurements.read(told["metrics"])
                report(Progress(**{**told, "metrics": metrics}))
            if interrupted() and not asked:
                actor.stop.remote()
                asked = True
    outcome, faults, stopped = ray.get(actor.result.remote())
    if faults or ended.error:
        raise _fault(faults) from ended.error
    if stopped or interrupted():
        raise KeyboardInterrupt
    return Outcome.read(outcome)


def _fault(faults: list[tuple[int | None, str]]) -> ClipEmotionError:
    """Return the error of the first worker that knows what went wrong: the others fail for its absence."""
    known = [(code, sentence) for code, sentence in faults if code is not None]
    code, sentence = (known or faults or [(None, DIED)])[0]
    return UsageError(sentence) if code == UsageError.exit_code else ClipEmotionError(sentence)


class _Ended(threading.Event):
    error: BaseException | None = None


def _in_background(run: Callable[[], object]) -> _Ended:
    """Call something in a thread of its own: in the main thread Ray would answer Ctrl-C by ending the workers."""
    ended = _Ended()

    def call() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            ended.error = error
        ended.set()

    threading.Thread(target=call, name="ray-train", daemon=True).start()
    return ended
