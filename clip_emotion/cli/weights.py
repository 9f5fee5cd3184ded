"""``clip-emotion weights``: how warm each label counts in a score, and by which similarities."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli import options
from clip_emotion.cli.common import chosen_words, say, stdout, write_atomic
from clip_emotion.cli.tables import uncut
from clip_emotion.errors import UsageError
from clip_emotion.outputs import WriteOptions, claim_file

if TYPE_CHECKING:
    from rich.table import Table

    from clip_emotion.vocabulary import Vocabulary
    from scoring.affection.weights import AffectionWeights, Spread

BAR = 10
"""Characters that a weight of 1 is long, on either side of zero."""

WIDTH = 100
"""Columns below which a terminal would break the labels' names."""


class WeightsFormat(StrEnum):
    """How the weights are printed."""

    table = "table"
    json = "json"
    csv = "csv"


def weights(
    vocab: str = options.vocab("the configuration's"),
    labels: str = options.LABELS,
    embedder: str = options.embedder("the configuration's"),
    config: Path = options.CONFIG,
    lang: options.Language = options.LANG,
    show: bool = typer.Option(False, "--show", help="Also the spread of the similarities before and after centring."),
    output: WeightsFormat = typer.Option(WeightsFormat.table, "--format", help="How to print the weights on stdout."),
    plot: Path = options.plot("the weights"),
    overwrite: bool = options.OVERWRITE,
    device: options.Device = options.DEVICE,
) -> None:
    """Show each label's weight in a turn's score: how near it lies to the anchors, from -1 (cold) to 1 (warm)."""
    from clip_emotion.vocabulary import Vocabulary
    from scoring.affection.weights import affection_weights
    from scoring.config import load_settings
    from scoring.embedders import load_embedder

    if plot is not None:
        if plot.suffix.lower() != ".png":
            raise UsageError(f"--plot draws a PNG: give it a name such as {plot.with_suffix('.png')}.")
        claim_file(plot, WriteOptions(overwrite), inputs=[] if config is None else [config])
    settings = load_settings(config, embedder)
    vocabulary = chosen_words(labels, vocab) or Vocabulary.load(settings.vocabulary)
    found = affection_weights(vocabulary, load_embedder(settings.weights.embedder, device), settings.weights, lang)
    if plot is not None:
        _draw(found, vocabulary, plot)
    _PRINTERS[output](found, vocabulary, show)


def _rows(found: AffectionWeights, vocabulary: Vocabulary) -> list[dict[str, object]]:
    """Return a row per label, warmest first; what was not computed is None."""
    columns = {"weight": found.values, "raw": found.raw, "centred": found.centred, "aversion": found.aversion}
    return [
        {
            "key": label.key,
            "ko": label.names.get("ko"),
            "en": label.names.get("en"),
            **{name: None if values is None else float(values[at]) for name, values in columns.items()},
            "overridden": label.key in found.overridden,
        }
        for at, label in sorted(enumerate(vocabulary.labels), key=lambda pair: -found.values[pair[0]])
    ]


def _spreads(found: AffectionWeights) -> dict[str, Spread]:
    from scoring.affection.weights import spread

    columns = {"raw": found.raw, "centred": found.centred, "weight": found.values}
    return {name: spread(values) for name, values in columns.items() if values is not None}


def _print_json(found: AffectionWeights, vocabulary: Vocabulary, show: bool) -> None:
    from dataclasses import asdict

    content: dict[str, object] = {"vocabulary": vocabulary.name, "source": found.source}
    if show:
        content["spread"] = {name: asdict(values) for name, values in _spreads(found).items()}
    print(json.dumps({**content, "labels": _rows(found, vocabulary)}, ensure_ascii=False, indent=2))


def _print_csv(found: AffectionWeights, vocabulary: Vocabulary, show: bool) -> None:
    from clip_emotion.csv_text import csv_text

    rows = _rows(found, vocabulary)
    print(csv_text(list(rows[0]), (list(row.values()) for row in rows)), end="")
    if show:
        for name, values in _spreads(found).items():
            say(f"Spread of {name}: {values.minimum:+.3f} to {values.maximum:+.3f}, std {values.std:.3f}.")


def _print_table(found: AffectionWeights, vocabulary: Vocabulary, show: bool) -> None:
    console = stdout()
    console.width = max(console.width, WIDTH)
    console.print(uncut(_weights_table(found, vocabulary)))
    if show:
        console.print(uncut(_spread_table(found)))
    say(f"Weights from {found.source}.")


def _weights_table(found: AffectionWeights, vocabulary: Vocabulary) -> Table:
    from rich.table import Table

    shown = ["raw", "centred"] if found.raw is not None else []
    shown += ["aversion"] if found.aversion is not None else []
    table = Table("label", box=None, title=f"{vocabulary.name}: cosine similarity to the anchors, and the weight of it")
    table.add_column("weight", justify="right")
    table.add_column("cold · warm", justify="left", no_wrap=True)
    for name in shown:
        table.add_column(name, justify="right")
    for row in _rows(found, vocabulary):
        # A key may be written unlike the name, and the names tell it in both languages.
        names = dict.fromkeys(str(row[name]) for name in ("ko", "en") if row[name])
        weight = float(str(row["weight"]))
        mark = "*" if row["overridden"] else ""
        cells = [f"{float(str(row[name])):+.3f}" for name in shown]
        table.add_row(" · ".join(names) or str(row["key"]), f"{mark}{weight:+.2f}", _bar(weight), *cells)
    if found.overridden:
        table.caption = "* set by hand"
    return table


def _bar(weight: float) -> str:
    length = round(abs(weight) * BAR)
    cold, warm = ("█" * length, "") if weight < 0 else ("", "█" * length)
    return f"{cold:>{BAR}}│{warm:<{BAR}}"


def _spread_table(found: AffectionWeights) -> Table:
    from rich.table import Table

    table = Table("spread over the labels", box=None, title="Before and after centring")
    for name in ("min", "max", "std", "range"):
        table.add_column(name, justify="right")
    told = {"raw": "raw cosine", "centred": "centred cosine", "weight": "weight"}
    for name, values in _spreads(found).items():
        numbers = (values.minimum, values.maximum, values.std, values.range)
        table.add_row(told[name], *(f"{number:.3f}" for number in numbers))
    return table


def _draw(found: AffectionWeights, vocabulary: Vocabulary, path: Path) -> None:
    from clip_emotion.plotting import figure_png
    from scoring.output.plots.weights import weights_figure

    write_atomic(path, figure_png(weights_figure(found, vocabulary.names("ko"))))
    say(f"Plot: {path}")


_PRINTERS = {
    WeightsFormat.table: _print_table,
    WeightsFormat.json: _print_json,
    WeightsFormat.csv: _print_csv,
}
