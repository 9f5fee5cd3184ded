"""How much each axis mattered."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuning.journal import Record
from tuning.searchers import study_of
from tuning.settings import SearchConfig

FEWEST = 4
"""With fewer trials nothing can be said of what mattered."""


@dataclass(frozen=True)
class Importance:
    """Each axis's share of what was explained, the largest first, adding up to 1, and how it was measured."""

    shares: dict[str, float]
    method: str


def importance(config: SearchConfig, records: Sequence[Record]) -> Importance | None:
    """Measure how much each axis mattered; None with too few trials, or where all came out alike.

    It is fANOVA (Hutter et al., ICML 2014) where Optuna is installed, else the permutation importance of a random
    forest. Trials that were stopped count with their last figure.
    """
    scored = [record for record in records if record.ended and record.value is not None and record.status != "failed"]
    if len(scored) < FEWEST or len({record.value for record in scored}) == 1:
        return None
    if importlib.util.find_spec("optuna"):
        return Importance(_ordered(by_fanova(config, scored)), "fANOVA")
    return Importance(_ordered(by_permutation(config, scored)), "permutation of a random forest")


def by_fanova(config: SearchConfig, records: Sequence[Record]) -> dict[str, float]:
    """Return the share of the variance that each axis alone explains, by Optuna."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    evaluator = FanovaImportanceEvaluator(seed=config.seed)
    return {key: float(s) for key, s in get_param_importances(study_of(config, records), evaluator=evaluator).items()}


def by_permutation(config: SearchConfig, records: Sequence[Record]) -> dict[str, float]:
    """Return how much worse a random forest predicts when an axis is shuffled, as shares."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    x = np.array([[axis.position(record.values[key]) for key, axis in config.space.items()] for record in records])
    y = np.array([record.value for record in records])
    forest = RandomForestRegressor(200, random_state=config.seed).fit(x, y)
    found = permutation_importance(forest, x, y, n_repeats=30, random_state=config.seed).importances_mean
    return {key: max(0.0, float(share)) for key, share in zip(config.space, found, strict=True)}


def _ordered(shares: dict[str, float]) -> dict[str, float]:
    total = sum(shares.values()) or 1.0
    return {key: share / total for key, share in sorted(shares.items(), key=lambda item: -item[1])}
