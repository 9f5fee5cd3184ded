"""The configuration of a search."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from clip_emotion.config import Config
from clip_emotion.dotted import flattened
from tuning.space import Axis, flattened_axes, keys_of


def _dotted(group: Any) -> Any:
    return flattened(group) if isinstance(group, dict) else group


Settings = Annotated[dict[str, Any], BeforeValidator(_dotted)]


class SearcherConfig(Config):
    """How values are proposed: at random, or after ``startup`` random trials by Optuna's TPE."""

    kind: Literal["random", "tpe"] = "tpe"
    startup: int = Field(6, ge=1)


class SchedulerConfig(Config):
    """When a trial is stopped early.

    ``asha`` compares at ``grace``, ``grace · reduction``, ``grace · reduction²`` … validations and lets about the best
    1 / ``reduction`` go on; ``none`` lets every trial end.
    """

    kind: Literal["asha", "none"] = "asha"
    grace: int = Field(1, ge=1)
    reduction: int = Field(3, ge=2)


class ResourcesConfig(Config):
    """What one trial is given, and how many run at once; 0 ``concurrent`` is as many as the processors allow.

    ``gpus`` may be a fraction, so that trials share one. ``object_store_mb`` is Ray's shared memory, of which a search
    needs next to nothing.
    """

    cpus: int = Field(1, ge=1)
    gpus: float = Field(0.0, ge=0)
    concurrent: int = Field(0, ge=0)
    object_store_mb: int = Field(100, ge=80)


class FinalConfig(Config):
    """Runs that compare the winner with the base configuration, each once per seed.

    ``settings`` replace those of the trials; without them the comparison is as long as a trial. The seeds are better
    others than the base configuration's, with which the winner was chosen.
    """

    seeds: tuple[int, ...] = (1, 2, 3)
    settings: Settings | None = None


class SearchConfig(Config):
    """A search: the training configuration it varies, the axes, the figure to improve, and how many trials.

    ``settings`` hold for every trial (a shorter run, say) and are not part of what is found.
    """

    base: Path
    out: Path
    settings: Settings = Field(default_factory=dict)
    metric: str
    mode: Literal["max", "min"] = "max"
    trials: int = Field(ge=1)
    seed: int = Field(0, ge=0)
    engine: Literal["ray", "local"] = "ray"
    searcher: SearcherConfig = SearcherConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    resources: ResourcesConfig = ResourcesConfig()
    space: Annotated[dict[str, Axis], BeforeValidator(flattened_axes), Field(min_length=1)]
    final: FinalConfig = FinalConfig()
    keep_weights: bool = False

    @model_validator(mode="after")
    def _each_is_set_once(self) -> SearchConfig:
        keys = Counter(key for name, axis in self.space.items() for key in keys_of(name, axis))
        twice = [key for key, count in keys.items() if count > 1]
        if twice:
            raise ValueError(f"several axes set {', '.join(twice)}: leave one of them")
        return self

    @property
    def sign(self) -> int:
        """+1 where larger metrics are better, -1 where smaller ones are."""
        return 1 if self.mode == "max" else -1

    @property
    def trials_folder(self) -> Path:
        """Where the trials lie, a folder each."""
        return self.out / "trials"

    @property
    def final_folder(self) -> Path:
        """Where the runs of the final comparison lie."""
        return self.out / "final"
