"""Fine-tuning in several processes, on several GPUs or machines, through Ray Train; the only training file with Ray."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from clip_emotion.config import validate
from clip_emotion.errors import ClipEmotionError, MissingExtraError, UsageError
from clip_emotion.ray_session import AS_NICE, on_this_machine, ray_session
from clip_emotion.runtime import available_cpus
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.objective import train_emotion_clip
from clip_emotion.training.loop.fit import Progress, Report, hold_interrupt
from clip_emotion.training.parallel.process_group import Team
from clip_emotion.training.parallel.progress_actor import Mailbox
from clip_emotion.training.registry import read_stage

try:
    import ray
    import ray.train.torch
except ImportError as error:
    raise MissingExtraError("Training with Ray", "ray", "tune") from error

KIND = "emotion_clip"
ADDRESS = "RAY_ADDRESS"
"""Ray's own variable: where it is set, the run goes to the cluster that it names."""
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


def train_distributed(
    path: Path, overrides: list[str], report: Report, resume: bool, spread: Spread
) -> dict[str, float]:
    """Run a fine-tuning configuration in several processes and return its last validation figures.

    The result is that of a single process within rounding; checkpoints are the same files, and a run may go on with
    another number of workers. Where ``RAY_ADDRESS`` is set Ray's cluster there is used, otherwise one is started on
    this machine; every machine must see the configuration's paths. Raises UsageError for a kind of run or a batch
    that cannot be shared and for more CPUs or GPUs than there are, what a worker raised as one sentence, and
    KeyboardInterrupt once an interrupted run has kept its checkpoint.
    """
    kind, values = read_stage(path, overrides)
    if kind != KIND:
        raise UsageError(f"{path} has kind '{kind}', and only {KIND} runs in several processes: leave out --engine.")
    config = validate(FinetuneConfig, values, str(path))
    _check(config, spread)
    values["device"] = "cuda" if spread.gpus else "cpu"
    with _cluster(spread):
        _check_resources(spread)
        mailbox = ray.remote(num_cpus=0)(Mailbox).remote()
        job = {
            "values": values,
            "source": str(path),
            "resume": resume,
            "home": str(Path.cwd()),
            "threads": spread.cpus,
            "mailbox": mailbox,
        }
        return _follow(_trainer(job, config, spread), mailbox, report)


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
    mailbox, context = job["mailbox"], ray.train.get_context()
    # Ray gives each worker another working directory; the configuration's paths start from the user's.
    os.chdir(job["home"])
    torch.set_num_threads(job["threads"])
    rank = context.get_world_rank()
    asked = StopSign(mailbox) if rank == 0 else _never
    team = Team(rank, context.get_world_size(), ray.train.torch.get_device(), asked)

    def report(progress: Progress) -> None:
        if team.first:
            mailbox.tell.remote(asdict(progress))

    try:
        figures = train_emotion_clip(job["values"], job["source"], report, job["resume"], team)
    except KeyboardInterrupt:
        ray.get(mailbox.end.remote(None))
    except Exception as error:
        code = error.exit_code if isinstance(error, ClipEmotionError) else None
        ray.get(mailbox.fail.remote(code, str(error) if code else f"{type(error).__name__}: {error}"))
        raise
    else:
        if team.first:
            ray.get(mailbox.end.remote(figures))


def _never() -> bool:
    return False


class StopSign:
    """Tells whether the run was asked to stop, from the last answer that came: a step never waits for one."""

    def __init__(self, mailbox: Any) -> None:
        self._mailbox, self._seen = mailbox, False
        self._answer = mailbox.is_stopping.remote()

    def __call__(self) -> bool:
        """Return True from the first such answer on."""
        if not self._seen and ray.wait([self._answer], timeout=0)[0]:
            self._seen = ray.get(self._answer)
            self._answer = self._mailbox.is_stopping.remote()
        return self._seen


def _follow(trainer: Any, mailbox: Any, report: Report) -> dict[str, float]:
    """Let the trainer run and pass on what its workers report; the first Ctrl-C asks them to stop."""
    with hold_interrupt() as interrupted:
        ended = _in_background(trainer.fit)
        asked, over = False, False
        while not over:
            over = ended.wait(POLL_SECONDS)
            for told in ray.get(mailbox.take.remote()):
                report(Progress(**told))
            if interrupted() and not asked:
                mailbox.stop.remote()
                asked = True
    figures, faults, stopped = ray.get(mailbox.outcome.remote())
    if faults or ended.error:
        raise _fault(faults) from ended.error
    if stopped or interrupted():
        raise KeyboardInterrupt
    return dict(figures)


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


def _cluster(spread: Spread) -> contextlib.AbstractContextManager[None]:
    """Join the cluster that the environment names, or start one here; a session that is there is used."""
    if os.environ.get(ADDRESS):
        return ray_session({})
    return ray_session(on_this_machine(spread.workers * spread.cpus, gpus=bool(spread.gpus)), AS_NICE)
