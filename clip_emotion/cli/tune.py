"""``clip-emotion tune``: search for better settings of a training configuration."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import say, stderr, stdout
from clip_emotion.cli.options import OVERWRITE
from clip_emotion.cli.tables import uncut
from clip_emotion.outputs import WriteOptions

if TYPE_CHECKING:
    from tuning.config import SearchConfig
    from tuning.journal import TrialRecord
    from tuning.search import SearchResult


def tune(
    arguments: list[str] = typer.Argument(..., metavar="CONFIG [key=value …]", help="A YAML file, then overrides."),
    engine: str = typer.Option("", "--engine", help="ray: several trials at once; local: one after the other."),
    trials: int = typer.Option(0, "--trials", min=0, help="How many trials, instead of the configuration's number."),
    resume: bool = typer.Option(False, "--resume", help="Go on with a search that was cut off."),
    overwrite: bool = OVERWRITE,
    check: bool = typer.Option(False, "--check", help="See that trials can run at the ends of every axis; run none."),
) -> None:
    """Search for better settings of a training run; best.yaml, trials.csv and plots go to the search's OUT.

    Example: clip-emotion tune configs/tune/mini_faces.yaml --engine local --resume
    """
    config = _read(arguments, engine, trials)
    if check:
        from tuning.search import check_search

        sources = check_search(config)
        say(f"Ready: the search is right at the ends of its {len(config.space)} axes; {len(sources)} data sets there.")
        return
    try:
        _search(config, WriteOptions(overwrite, resume))
    except KeyboardInterrupt:
        rest = [*arguments, *(["--engine", engine] if engine else []), *(["--trials", str(trials)] if trials else [])]
        say(f"To go on: clip-emotion tune {shlex.join(rest)} --resume")
        raise


def _read(arguments: list[str], engine: str, trials: int) -> SearchConfig:
    from clip_emotion.config import load_config
    from clip_emotion.errors import UsageError
    from tuning.config import SearchConfig

    paths = [Path(argument) for argument in arguments if "=" not in argument]
    if len(paths) != 1 or not paths[0].is_file():
        named = ", ".join(map(str, paths)) or "none given"
        raise UsageError(f"Give one configuration that is there, not: {named} (see the folder configs/tune).")
    overrides = [argument for argument in arguments if "=" in argument]
    overrides += [f"engine={engine}"] if engine else []
    overrides += [f"trials={trials}"] if trials else []
    return load_config(SearchConfig, paths[0], overrides)


def _search(config: SearchConfig, writing: WriteOptions) -> None:
    from tuning.report import places
    from tuning.search import tune as run_search

    axes = ", ".join(config.space)
    say(f"Searching {config.base} for {config.metric} over {axes}: {config.trials} trials (Ctrl-C stops; --resume).")
    result = run_search(config, tell, writing)
    _show(config, result)
    written = [str(path) for path in places(config.out).values() if path.is_file()]
    say(f"Written: {', '.join(written)}")
    say(_advice(result, places(config.out)["best.yaml"]))


def _advice(result: SearchResult, best: Path) -> str:
    """Say what to do next; a winner that may have been luck is not recommended."""
    command = f"clip-emotion train {shlex.quote(str(best))}"
    if result.comparison is None:
        return f"The best trial was not shown to be better than the default; to train with its values: {command}"
    if result.comparison.better:
        return f"To train with the winner: {command}"
    return f"Keep the default: more trials or more final.seeds may tell them apart ({best} has the winner's values)."


def tell(record: TrialRecord) -> None:
    """Say on stderr that a trial begins or has ended."""
    from tuning.report import shown

    line = f"{record.name}  {record.status:7}"
    if record.ended:
        line += f"  {'' if record.value is None else f'{record.value:.4f}'}  {record.seconds:.0f} s"
    line += "  " + "  ".join(f"{key} {shown(value, 24)}" for key, value in record.values.items())
    stderr.print(line + (f"  {record.error}" if record.error else ""), soft_wrap=True, markup=False)


def _show(config: SearchConfig, result: SearchResult) -> None:
    from rich.table import Table

    from tuning.report import shown, sorted_for_people

    table = Table("trial", "ended", config.metric, "step", "seconds", "values")
    for record in sorted_for_people(result.records, config.sign):
        value = "" if record.value is None else f"{record.value:.4f}"
        # One column for all axes: a column each would leave none of them room on a usual screen.
        values = ", ".join(f"{key.rpartition('.')[2]} {shown(record.values[key], 24)}" for key in config.space)
        name = f"{int(record.name)}{' *' if record.name == result.best.name else ''}"
        table.add_row(name, record.status, value, str(record.step), f"{record.seconds:.0f}", values)
    console = stdout()
    console.print(uncut(table))
    if result.comparison:
        compared = Table(config.metric, "mean [95 % interval]", "by seed")
        for who, interval, by_seed in (
            ("default", result.comparison.default, result.comparison.default_values),
            ("winner", result.comparison.best, result.comparison.best_values),
        ):
            compared.add_row(who, str(interval), "  ".join(f"{one:.4f}" for one in by_seed))
        console.print(uncut(compared))
    console.print(result.verdict, soft_wrap=True)
