"""A search from its configuration to its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_emotion.config import apply_override, read_yaml
from clip_emotion.dotted import look_up
from clip_emotion.errors import ClipEmotionError, MissingExtraError, UsageError
from clip_emotion.files import write_atomic
from clip_emotion.outputs import NEW, WriteOptions
from clip_emotion.plotting import figure_png
from clip_emotion.training.registry import check, plan, stage_of
from tuning.claim import claim_search
from tuning.comparison import Comparison, compare
from tuning.config import SearchConfig
from tuning.importance import importance
from tuning.journal import Journal, Tell, TrialRecord, best_of
from tuning.objective import Objective, as_overrides, run_trial
from tuning.plan import Engine, Plan, overrides_of
from tuning.plots import importance_figure, parallel_figure
from tuning.report import BEST, IMPORTANCE, PARALLEL, SUMMARY, TRIALS, best_yaml, summary_json, trials_csv
from tuning.searchers import require_searcher
from tuning.space import Values, corners, defaults, settings_at

SEEDS = ("seed", "fit.seed")
"""Where a training configuration keeps its seeds."""


@dataclass(frozen=True)
class SearchResult:
    """The end of a search: its trials, the best, the comparison with the base configuration, and what mattered."""

    records: tuple[TrialRecord, ...]
    best: TrialRecord
    finals: tuple[TrialRecord, ...]
    comparison: Comparison | None
    verdict: str
    importance: dict[str, float]


def tune(
    config: SearchConfig, tell: Tell, writing: WriteOptions = NEW, objective: Objective = run_trial
) -> SearchResult:
    """Search, compare the winner with the base configuration over several seeds, and write the results into ``out``.

    ``tell`` hears when a trial begins and ends. With ``writing.resume`` trials that have ended are not run again; with
    ``writing.overwrite`` an earlier search is deleted. Raises UsageError for a faulty configuration and for a folder
    that may not be written, MissingExtraError before anything is written, ClipEmotionError when no trial ran to its
    end, KeyboardInterrupt when it was interrupted.
    """
    base = read_base(config)
    engine = ENGINES[config.engine]()
    require_searcher(config)
    claim_search(config, base, writing)
    plan = Plan(config, Journal(config.trials_folder.resolve(), config.metric), objective, tell)
    engine.search(plan)
    records = _ended_records(plan, config.trials)
    best = best_of(records, config.sign)
    if best is None:
        failed = next((record.error for record in records if record.error), "all were stopped early")
        raise ClipEmotionError(f"None of the {len(records)} trials ran to its end; the first to fail said: {failed}")
    write_atomic(config.out / BEST, best_yaml(config, base, best))
    write_atomic(config.out / TRIALS, trials_csv(config, records))
    important = importance(config, records)
    _draw(config, records, best, important)
    finals = _finals(engine, plan, base, best)
    comparison, verdict = _judge(config, finals)
    write_atomic(config.out / SUMMARY, summary_json(best, base_values(config), comparison, verdict, important))
    return SearchResult(tuple(records), best, tuple(finals), comparison, verdict, important)


def read_base(config: SearchConfig) -> dict[str, Any]:
    """Return the base training configuration; raises UsageError where it, an axis or a seed in it is missing."""
    if not config.base.is_file():
        raise UsageError(f"There is no base configuration {config.base} (paths start from the working directory).")
    values = read_yaml(config.base)
    # The base may leave to ``settings`` what it lacks itself: here its kind is enough.
    stage_of(str(values.get("kind")), str(config.base))
    base_values(config)
    if config.final.seeds and not _seed_keys(values):
        raise UsageError(f"{config.base} has neither 'seed' nor 'fit.seed': write one there, or final.seeds=[].")
    return values


def base_values(config: SearchConfig) -> Values:
    """Return what the axes' settings are in the base configuration, or in ``settings`` where these have them.

    Raises UsageError that names every setting which is in neither.
    """
    values = read_yaml(config.base)
    for line in as_overrides(config.settings):
        apply_override(values, line)
    return defaults(config.space, values, str(config.base))


def check_search(config: SearchConfig) -> list[Path]:
    """See, without a search, that trials can run at the ends of every axis; returns where their data lies.

    Raises what ``train --check`` raises, and MissingExtraError where the engine is not installed.
    """
    read_base(config)
    ENGINES[config.engine]()
    require_searcher(config)
    found: dict[Path, None] = {}
    for values in corners(config.space):
        lines = as_overrides(overrides_of(config, values))
        found.update(dict.fromkeys(check([plan(config.base, lines)])))
    return list(found)


def _ended_records(plan: Plan, count: int) -> list[TrialRecord]:
    records = [record for record in plan.journal.records() if record.ended][:count]
    if not plan.config.keep_weights:
        plan.journal.tidy(record.name for record in records)
    return records


def _draw(config: SearchConfig, records: Sequence[TrialRecord], best: TrialRecord, important: dict[str, float]) -> None:
    write_atomic(config.out / PARALLEL, figure_png(parallel_figure(config, records, best)))
    if important:
        figure = importance_figure(important, config.metric, len(records))
        write_atomic(config.out / IMPORTANCE, figure_png(figure))


def _finals(engine: Engine, plan: Plan, base: dict[str, Any], best: TrialRecord) -> list[TrialRecord]:
    config = plan.config
    journal = Journal(config.final_folder.resolve(), config.metric)
    settings = config.settings if config.final.settings is None else config.final.settings
    records = []
    for seed in config.final.seeds:
        seeds = dict.fromkeys(_seed_keys(base), seed)
        for who, values in (("default", {}), ("best", best.values)):
            wanted = TrialRecord(
                f"{who}_seed{seed}", values, {**settings, **settings_at(config.space, values), **seeds}
            )
            known = journal.read(wanted.name)
            # Another winner, or other settings, than when a search was cut off: that run is of no use.
            same = known is not None and known.overrides == wanted.overrides
            records.append(known if known and same else _afresh(journal, wanted))
    engine.run(plan, journal, records)
    ended = [journal.read(record.name) or record for record in records]
    if not config.keep_weights:
        journal.tidy(record.name for record in ended if record.ended)
    return ended


def _afresh(journal: Journal, record: TrialRecord) -> TrialRecord:
    journal.tidy([record.name])
    return journal.write(record)


def _judge(config: SearchConfig, finals: Sequence[TrialRecord]) -> tuple[Comparison | None, str]:
    if not config.final.seeds:
        return None, "The winner was not compared with the default: final.seeds is empty."
    done = [record for record in finals if record.status == "done"]
    default, best = (
        [record.value for record in done if record.name.startswith(who) and record.value is not None]
        for who in ("default_", "best_")
    )
    comparison = compare(default, best, config.sign)
    if comparison is None:
        faults = next((record.error for record in finals if record.error), "give at least two seeds under final.seeds.")
        return None, f"The winner cannot be compared with the default: {faults}"
    return comparison, comparison.verdict


def _seed_keys(base: Values) -> list[str]:
    found = []
    for key in SEEDS:
        try:
            look_up(base, key)
        except KeyError:
            continue
        found.append(key)
    return found


def _local() -> Engine:
    from tuning.local_engine import LocalEngine

    return LocalEngine()


def _ray() -> Engine:
    try:
        from tuning.ray_engine import RayEngine
    except ImportError as error:
        raise MissingExtraError("Search with Ray", "ray", "tune") from error
    return RayEngine()


ENGINES: dict[str, Callable[[], Engine]] = {"ray": _ray, "local": _local}
