"""``clip-emotion data families``: which basic emotions each label goes with, from texts with several labels."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import stdout
from clip_emotion.cli.tables import uncut

if TYPE_CHECKING:
    from clip_emotion.data.families import Association
    from clip_emotion.vocabulary import Vocabulary


class FamiliesFormat(StrEnum):
    """How the families are printed."""

    table = "table"
    yaml = "yaml"


def families(
    source: Path = typer.Option(..., "--from", help="Table (.tsv, .csv, .gz too) with a column 'labels'."),
    vocab: str = typer.Option("kote44", help="Vocabulary whose positions or words the labels are."),
    basic: str = typer.Option("basic7", help="Vocabulary of the basic emotions, the families."),
    rows: int | None = typer.Option(None, min=1, help="Use only the first rows, and keep the rest for evaluation."),
    min_lift: float = typer.Option(1.25, min=1, help="Least lift (1 = chance) of a label with its family."),
    near_best: float = typer.Option(2 / 3, min=0, max=1, show_default="2/3", help="Least share of its best lift."),
    format: FamiliesFormat = typer.Option(FamiliesFormat.table, help="A table of lifts, or YAML of families."),
) -> None:
    """Derive each label's families among the basic emotions from which labels annotators give together."""
    from clip_emotion.data.families import FamilyRule, associate, basics_in, families_of, read_label_lists
    from clip_emotion.vocabulary import Vocabulary

    vocabulary = Vocabulary.load(vocab)
    basics = basics_in(vocabulary, Vocabulary.load(basic))
    found = associate(read_label_lists(source, vocabulary, rows), list(basics.values()), len(vocabulary))
    derived = families_of(found, basics, FamilyRule(min_lift=min_lift, near_best=near_best))
    if format is FamiliesFormat.yaml:
        _print_yaml(vocabulary, derived)
    else:
        _print_table(vocabulary, list(basics), found, derived)


def _print_yaml(vocabulary: Vocabulary, derived: list[tuple[str, ...]]) -> None:
    import yaml

    families_by_key = {key: list(names) for key, names in zip(vocabulary.keys, derived, strict=True)}
    print(
        yaml.safe_dump(families_by_key, allow_unicode=True, sort_keys=False, default_flow_style=None, width=1000),
        end="",
    )


def _print_table(vocabulary: Vocabulary, basics: list[str], found: Association, derived: list[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("label", title="lift: how much oftener together than by chance", box=None)
    for column in ("texts", *basics):
        table.add_column(column, justify="right")
    table.add_column("families")
    for key, count, lifts, names in zip(vocabulary.keys, found.counts, found.lift, derived, strict=True):
        cells = [
            Text(f"{lift:.2f}", style="bold" if name in names else "") for name, lift in zip(basics, lifts, strict=True)
        ]
        table.add_row(key, str(count), *cells, " ".join(names) or "–")
    console = stdout()
    console.width = max(console.width, 130)
    console.print(uncut(table))
