"""The engine on Ray Tune; the only file of the search that imports Ray."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from clip_emotion.errors import UsageError
from clip_emotion.ray_session import on_this_machine, ray_session
from clip_emotion.runtime import available_cpus
from tuning.config import ResourcesConfig, SearchConfig
from tuning.journal import History, Journal, TrialRecord, carry_out
from tuning.plan import Plan, begin

QUIET = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "1"}
"""Ray Tune reads these from the environment: no files of its own per trial, and its state kept every second."""
ENDED = (Trial.TERMINATED, Trial.ERROR)
VALIDATION = "validation"
LAST_RUNG = 8
DIED = "The trial's process died, most likely for lack of memory: give fewer trials at once, or smaller ones."


class RayEngine:
    """Runs trials in processes of their own, several at once, on this machine."""

    def search(self, plan: Plan) -> None:
        """Run every trial of the plan that has not ended; raises KeyboardInterrupt where it was interrupted."""
        if not plan.pending():
            return
        with _ray(plan.config.resources):
            _tuner(plan).fit()
        if plan.pending():
            raise KeyboardInterrupt

    def run(self, plan: Plan, journal: Journal, records: Sequence[TrialRecord]) -> None:
        """Run other trials of the plan's configuration to their end, none stopped early."""
        if all(record.ended for record in records):
            return
        resources = plan.config.resources
        work = _Work(plan, journal)
        with _ray(resources):
            task = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=0)(_run_to_the_end)
            running = {task.remote(work, record.name): record.name for record in records if not record.ended}
            while running:
                (ready, *_), _ = ray.wait(list(running))
                with contextlib.suppress(ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                    ray.get(ready)
                plan.over(journal, journal.end(running.pop(ready), "failed", DIED))


class _Work:
    """What a worker does with a trial; it travels to the worker, so that it holds little."""

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self.base, self.objective, self.journal = plan.config.base, plan.objective, journal
        self.home = Path.cwd()

    def run(self, name: str, stop: Callable[[History], bool]) -> None:
        # Ray gives each trial another working directory; the configuration's paths start from the user's.
        os.chdir(self.home)
        record = self.journal.read(name)
        assert record is not None
        carry_out(self.journal, record, self.base, self.objective, stop)

    def run_for_tune(self, config: Mapping[str, Any]) -> None:
        def stop(history: History) -> bool:
            # Ray ends a trial that ASHA stops by ending its process.
            tune.report({VALIDATION: len(history), self.journal.metric: history[-1][1]})
            return False

        self.run(config["name"], stop)


def _run_to_the_end(work: _Work, name: str) -> None:
    work.run(name, lambda history: False)


class JournalSearcher(Searcher):
    """Hands the plan's pending trials to Ray, and gives those that Ray ends their end in the journal.

    What to propose follows from the journal alone; kept beside it is only which of Ray's trials is which of ours.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(metric=plan.config.metric, mode=plan.config.mode)
        self.plan = plan
        self.live: dict[str, str] = {}
        self.limit = _at_once(plan.config.resources)

    def suggest(self, trial_id: str) -> Any:
        """Begin the next trial, unless enough are running; tells Ray when none is left."""
        running = set(self.live.values())
        if len(running) >= self.limit:
            return None
        name = next((name for name in self.plan.pending() if name not in running), None)
        if name is None:
            return str(Searcher.FINISHED)
        self.live[trial_id] = name
        self.plan.tell(begin(self.plan, name))
        return {"name": name}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Do nothing: the trial itself keeps its metrics."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Keep how the trial ended, where it could not do so itself: stopped by ASHA, or its process died."""
        name = self.live.pop(trial_id, None)
        if name is not None:
            journal = self.plan.journal
            self.plan.over(journal, journal.end(name, *(("failed", DIED) if error else ("stopped",))))

    def save(self, checkpoint_path: str) -> None:
        """Keep which of Ray's trials is which of ours."""
        Path(checkpoint_path).write_text(json.dumps(self.live), encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Read which of Ray's trials is which of ours."""
        self.live = json.loads(Path(checkpoint_path).read_text("utf-8"))


@dataclass(frozen=True)
class _SchedulerMaker:
    """Makes a scheduler that knows the trials so far: ``Tuner.restore`` brings none of its memory back."""

    config: SearchConfig
    journal: Journal

    def __call__(self) -> TrialScheduler:
        chosen = self.config.scheduler
        if chosen.kind == "none":
            return FIFOScheduler()
        scheduler = JournalASHA(
            time_attr=VALIDATION,
            metric=self.config.metric,
            mode=self.config.mode,
            grace_period=chosen.grace,
            reduction_factor=chosen.reduction,
            max_t=chosen.grace * chosen.reduction**LAST_RUNG,
        )
        scheduler.maker = self
        scheduler.replay([record for record in self.journal.records() if record.ended])
        return scheduler


class JournalASHA(ASHAScheduler):
    """ASHA (1810.05934) that is made anew from the journal wherever Ray takes it from disk."""

    maker: _SchedulerMaker

    def __reduce__(self) -> tuple[_SchedulerMaker, tuple[()]]:
        return self.maker, ()

    def replay(self, records: Sequence[TrialRecord]) -> None:
        """Let the scheduler see the metrics of trials that have ended."""
        nobody: Any = None
        for record in records:
            trial: Any = SimpleNamespace(trial_id=f"ended-{record.name}")
            self.on_trial_add(nobody, trial)
            for at, (_, value) in enumerate(record.history, 1):
                self.on_trial_result(nobody, trial, {VALIDATION: at, self.metric: value})
            self.on_trial_remove(nobody, trial)


def _tuner(plan: Plan) -> tune.Tuner:
    config = plan.config
    # A search with more trials than before is another one for Ray; the journal carries on what was done.
    store = (config.out / "ray").resolve()
    name = f"{config.trials}_trials"
    given = {"cpu": config.resources.cpus, "gpu": config.resources.gpus}
    trainable = tune.with_resources(_Work(plan, plan.journal).run_for_tune, given)
    if tune.Tuner.can_restore(str(store / name)):
        if _is_whole(store / name, plan.journal):
            return tune.Tuner.restore(str(store / name), trainable, resume_unfinished=True)
        shutil.rmtree(store / name, ignore_errors=True)  # processes of the killed search may still be about
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=config.trials,
            search_alg=JournalSearcher(plan),
            scheduler=_SchedulerMaker(config, plan.journal)(),
        ),
        run_config=tune.RunConfig(name=name, storage_path=str(store), verbose=0),
    )


def _is_whole(folder: Path, journal: Journal) -> bool:
    """Tell whether Ray's state of a search fits the journal, which can carry on without it.

    Ray may be killed between its files, or in the middle of one; and where trials were deleted from the journal, Ray
    would believe them done.
    """
    try:
        state = max(folder.glob("experiment_state-*.json"))
        live = json.loads(max(folder.glob("searcher-state-*.pkl")).read_text("utf-8"))
        trials = [json.loads(trial) for trial, _ in json.loads(state.read_text("utf-8"))["trial_data"]]
        running = {trial["trial_id"] for trial in trials if trial["status"] not in ENDED}
    except (OSError, ValueError, TypeError, KeyError):
        return False
    ended = sum(record.ended for record in journal.records())
    return running == live.keys() and len(trials) - len(running) <= ended


def _at_once(resources: ResourcesConfig) -> int:
    return resources.concurrent or max(1, available_cpus() // resources.cpus)


@contextlib.contextmanager
def _ray(resources: ResourcesConfig) -> Iterator[None]:
    """Start Ray on this machine alone, quietly, and end it after the block; raises UsageError without the GPUs."""
    options = on_this_machine(resources.cpus * _at_once(resources), gpus=bool(resources.gpus))
    memory = {"object_store_memory": resources.object_store_mb * 2**20}
    with ray_session({**options, **memory}, QUIET):
        there = ray.cluster_resources().get("GPU", 0)
        if there < resources.gpus:
            raise UsageError(
                f"A trial is to have {resources.gpus:g} GPU(s), and Ray sees {there:g}: lower resources.gpus."
            )
        yield
