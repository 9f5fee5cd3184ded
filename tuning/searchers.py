"""Which values to try next: pure functions of the seed, the trial's number and the trials so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from clip_emotion.errors import MissingExtraError
from tuning.config import SearchConfig
from tuning.journal import TrialRecord
from tuning.space import Axis, Choice, IntRange, LogUniform, Range, Values, sample


def propose(config: SearchConfig, number: int, records: Sequence[TrialRecord]) -> Values:
    """Return the values of a trial, given those before it; raises MissingExtraError for TPE without Optuna."""
    return SEARCHERS[config.searcher.kind](config, number, records)


def require_searcher(config: SearchConfig) -> None:
    """Raise MissingExtraError, before any trial begins, where the searcher's package is not installed."""
    if config.searcher.kind == "tpe":
        _optuna()


def propose_at_random(config: SearchConfig, number: int, records: Sequence[TrialRecord]) -> Values:
    """Draw each axis on its own; the same seed and number give the same values, whatever happened before."""
    return sample(config.space, np.random.default_rng([config.seed, number]))


def propose_by_tpe(config: SearchConfig, number: int, records: Sequence[TrialRecord]) -> Values:
    """Let Optuna's tree-structured Parzen estimator choose (Bergstra et al., NeurIPS 2011), after some random trials.

    Trials that still run count as bad ones, so that two at once do not try the same.
    """
    optuna = _optuna()
    if sum(record.status in ("done", "stopped") for record in records) < config.searcher.startup:
        return propose_at_random(config, number, records)
    seed = int(np.random.default_rng([config.seed, number]).integers(2**31))
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, constant_liar=True)
    study = study_of(config, records, sampler)
    asked = study.ask(distributions_of(config.space)).params
    return {key: _value(axis, asked[key]) for key, axis in config.space.items()}


SEARCHERS: dict[str, Callable[[SearchConfig, int, Sequence[TrialRecord]], Values]] = {
    "random": propose_at_random,
    "tpe": propose_by_tpe,
}


def study_of(config: SearchConfig, records: Sequence[TrialRecord], sampler: Any = None) -> Any:
    """Return the trials as an Optuna study in memory; failed ones are left out."""
    optuna = _optuna()
    direction = "maximize" if config.mode == "max" else "minimize"
    study = optuna.create_study(direction=direction, sampler=sampler)
    distributions = distributions_of(config.space)
    states = optuna.trial.TrialState
    for record in records:
        if record.status == "failed":
            continue
        params = {key: _param(axis, record.values[key]) for key, axis in config.space.items()}
        state, value = (states.COMPLETE, record.value) if record.ended else (states.RUNNING, None)
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, state=state, value=value))
    return study


def distributions_of(space: Mapping[str, Axis]) -> dict[str, Any]:
    """Return the axes as Optuna's distributions; a choice is the place of its value, for any kind of value."""
    kinds = _optuna().distributions
    found: dict[str, Any] = {}
    for key, axis in space.items():
        if isinstance(axis, Choice):
            found[key] = kinds.CategoricalDistribution(range(len(axis.values)))
        elif isinstance(axis, IntRange):
            found[key] = kinds.IntDistribution(axis.low, axis.high)
        else:
            found[key] = kinds.FloatDistribution(axis.low, axis.high, log=isinstance(axis, LogUniform))
    return found


def _param(axis: Axis, value: Any) -> Any:
    return axis.values.index(value) if isinstance(axis, Choice) else value


def _value(axis: Axis, param: Any) -> Any:
    if isinstance(axis, Choice):
        return axis.values[param]
    assert isinstance(axis, Range)
    return int(param) if isinstance(axis, IntRange) else axis.tidy(param)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("The searcher 'tpe'", "optuna", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
