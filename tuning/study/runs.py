"""The runs of a study: a training run for each row and seed, planned and validated before any begins."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from clip_emotion.config import apply_override, read_yaml
from clip_emotion.errors import ClipEmotionError, UsageError
from clip_emotion.files import expanded
from clip_emotion.models.classifiers.checkpoint import DESCRIPTION
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.training.classifier.config import ClassifierRunConfig
from clip_emotion.training.kinds import validated
from clip_emotion.training.loop.settings import RunSettings
from clip_emotion.training.registry import PlannedRun, planned
from clip_emotion.training.stage import defaults_of
from clip_emotion.vocabulary import Vocabulary
from tuning.objective import RUN_FOLDER, as_overrides
from tuning.study.config import StudyConfig
from tuning.study.records import RunRecord

KIND = "classifier"
"""The kind of training that a study compares."""
PLACES: dict[str, Any] = {
    **dict.fromkeys(("out", "device", "workers", "cache", "start"), True),
    "data": {"folder", "prepared", "merged"},
    "fit": {"save_every", "log_every"},
}
"""Settings that change nothing of what a run comes to, or only say where things lie."""


@dataclass(frozen=True)
class StudyRun:
    """A run of a study: its row, its seed, its folder, and the settings by which a finished one is known again.

    ``parameters`` counts its network's weights.
    """

    row: str
    seed: int
    folder: Path
    planned: PlannedRun
    settings: dict[str, Any]
    parameters: int = 0

    @property
    def name(self) -> str:
        """What people are told of the run."""
        return f"{self.row}, seed {self.seed}"

    def record(self) -> RunRecord:
        """Return the record of a run that begins."""
        return RunRecord(self.row, self.seed, self.settings, parameters=self.parameters)

    def differs_from(self, settings: dict[str, Any]) -> str:
        """Return in which settings an earlier run differs, and nothing where it does not.

        What an earlier version had no setting for had its default.
        """
        return RunSettings(self.settings, defaults_of(self.planned.stage.config)).differ_from(settings)


def plan_study(config: StudyConfig, source: str) -> list[StudyRun]:
    """Return the runs of all rows in their order; raises UsageError that names every row with a fault."""
    base = _base(config, source)
    found, faults = [], []
    for row in config.rows:
        try:
            runs = [_planned(config, base, row, seed, f"{source}, row {row}") for seed in config.seeds_of(row)]
            parameters = _parameters(runs[0].planned)
            found += [replace(run, parameters=parameters) for run in runs]
        except ClipEmotionError as error:
            faults.append(str(error))
    if faults:
        raise UsageError(" ".join(faults))
    return found


def _base(config: StudyConfig, source: str) -> dict[str, Any]:
    values = read_yaml(config.base) if isinstance(config.base, Path) else copy.deepcopy(config.base)
    kind = values.get("kind")
    if kind != KIND:
        raise UsageError(f"{source}: base is of kind '{kind}': a study compares runs of kind {KIND}.")
    return values


def _planned(config: StudyConfig, base: dict[str, Any], row: str, seed: int, source: str) -> StudyRun:
    values, folder = copy.deepcopy(base), config.out / row / f"seed_{seed}"
    fixed = {"seed": seed, "fit.seed": seed, "out": str(folder / RUN_FOLDER)}
    for line in as_overrides({**config.settings, **config.rows[row].settings, **fixed}):
        apply_override(values, line)
    run = planned(validated(values, source))
    return StudyRun(row, seed, folder, run, _settings(run.config))


def _settings(config: ClassifierRunConfig) -> dict[str, Any]:
    settings = config.model_dump(mode="json", exclude=PLACES)
    if config.start is not None:
        # Another classifier in the same folder is another start.
        described = expanded(config.start) / DESCRIPTION
        raw = described.read_bytes() if described.is_file() else b""
        settings["start"] = hashlib.sha256(raw).hexdigest()
    return settings


def _parameters(run: PlannedRun) -> int:
    """Count a run's weights, and see that its network looks at its images: on torch's meta device both cost nothing.

    Raises UsageError where not, and where there is no classifier to start from.
    """
    config: ClassifierRunConfig = run.config
    if config.start is not None and not (expanded(config.start) / DESCRIPTION).is_file():
        raise UsageError(f"{run.source}: start is {config.start}, which holds no classifier: train one first.")
    bare, size = config.model.model_copy(update={"pretrained": False, "weights": None}), config.model.image_size
    try:
        with torch.device("meta"), torch.no_grad():
            model = Classifier(bare, len(Vocabulary.load(config.vocabulary))).eval()
            model(torch.empty(2, 3, size, size))
    except UsageError as error:
        raise UsageError(f"{run.source}: {error}") from error
    except (RuntimeError, ValueError, AssertionError) as error:
        why = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{run.source}: {bare.architecture} cannot look at images of {size} pixels ({why})."
        ) from error
    return sum(parameter.numel() for parameter in model.parameters())


def chosen(runs: Sequence[StudyRun], config: StudyConfig, names: str | None) -> list[StudyRun]:
    """Return the runs of the rows in a comma list, all without one; raises UsageError for a row that is not there."""
    if names is None:
        return list(runs)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in config.rows]
    if unknown or not wanted:
        raise UsageError(f"No row is called {', '.join(unknown) or repr(names)}: rows are {', '.join(config.rows)}.")
    return [run for run in runs if run.row in wanted]
