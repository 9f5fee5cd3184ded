"""``clip-emotion evaluate-similarity``: how well an embedder's cosines agree with people's judgements."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli import options
from clip_emotion.cli.common import progress_bar, say, stdout
from clip_emotion.cli.tables import uncut
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from scoring.conversation import Fault
    from scoring.evaluation.similarity import Correlation, CosineSpread, SimilarityEvaluation

MINI = "mini"
SHOWN_FAULTS = 5
WIDTH = 120
"""What the table needs; a narrower terminal wraps the lines instead of cutting the numbers."""


class SimilarityFormat(StrEnum):
    """How the result is printed."""

    table = "table"
    json = "json"


def evaluate_similarity(
    table: Path | None = typer.Argument(None, metavar="DATA", help="The same as --data."),
    data: Path | None = typer.Option(
        None, "--data", help="Table with sentence1, sentence2 and score, such as KorSTS (.tsv[.gz])."
    ),
    embedder: str | None = options.embedder(MINI),
    fit: Path | None = typer.Option(
        None, "--fit", help="Sentences to fit centring and whitening on [default: DATA's own]."
    ),
    dimensions: int | None = typer.Option(
        None, "--dimensions", min=1, help="Directions that whitening keeps [default: all]."
    ),
    output: SimilarityFormat = typer.Option(SimilarityFormat.table, "--format", help="How to print the result."),
    device: options.Device = options.DEVICE,
    seed: int = options.seed("the bootstrap intervals"),
) -> None:
    """Correlate an embedder's cosines with people's scores, for raw, centred and whitened vectors."""
    from scoring.config import BootstrapConfig
    from scoring.embedders import load_embedder
    from scoring.evaluation import similarity as evaluating

    data = _one_of(data, table)
    pairs = evaluating.read_pairs(data)
    corpus = None if fit is None else (fit.name, evaluating.read_sentences(fit))
    fitted_on = pairs.sentences if corpus is None else corpus[1]
    _tell_faults(pairs.faults)
    if corpus is None:
        say(f"Centring and whitening are fitted on the sentences of {data.name} themselves; no score is looked at.")
    chosen = load_embedder(embedder or MINI, device)
    total = len({*fitted_on, *pairs.sentences})
    say(f"Embedding {total:,} sentences with {chosen.name}.")
    with progress_bar("Embedding", total) as advance:
        wanted = evaluating.SimilarityOptions(dimensions, BootstrapConfig.model_validate({"seed": seed}), advance)
        result = evaluating.evaluate_similarity(chosen, pairs, corpus, wanted)
    if output is SimilarityFormat.json:
        print(json.dumps(result.to_dict(), ensure_ascii=False, indent=2, allow_nan=False))
        return
    console = stdout()
    console.width = max(console.width, WIDTH)
    console.print(uncut(_table(result)))
    fitted = f"{result.fitted_sentences:,} sentences of {result.fitted_on}"
    console.print(f"Centred and whitened by {fitted}; in square brackets 95 % bootstrap intervals.", soft_wrap=True)


def _one_of(data: Path | None, table: Path | None) -> Path:
    """Return the data, however it was named; raises UsageError where it was not, or twice."""
    named = [path for path in (data, table) if path is not None]
    if len(named) != 1:
        raise UsageError("Name one table of pairs: --data FILE, such as KorSTS's.")
    return named[0]


def _tell_faults(faults: Sequence[Fault]) -> None:
    for fault in faults[:SHOWN_FAULTS]:
        say(f"Line {fault.line} {fault.reason}{f' ({fault.excerpt})' if fault.excerpt else ''}.")
    if faults:
        more = len(faults) - SHOWN_FAULTS
        say(f"{len(faults)} line(s) left out" + (f", {more} of them not shown." if more > 0 else "."))


def _table(result: SimilarityEvaluation) -> Table:
    from rich.table import Table

    table = Table(title=f"{result.data} · {result.pairs:,} pairs · {result.embedder}", title_justify="left", box=None)
    table.add_column("vectors")
    for column in ("dim", "Spearman", "Pearson", "cosines: the pairs", "unrelated (5 to 95 %)"):
        table.add_column(column, justify="right")
    for kind, found in result.vectors.items():
        correlations = (_correlation(found.spearman), _correlation(found.pearson))
        table.add_row(kind, str(found.dimensions), *correlations, _spread(found.pairs), _spread(found.unrelated))
    return table


def _correlation(found: Correlation) -> str:
    if found.value is None:
        return "–"
    interval = f" [{found.ci95[0]:.3f}, {found.ci95[1]:.3f}]" if found.ci95 else ""
    return f"{found.value:.3f}{interval}"


def _spread(spread: CosineSpread) -> str:
    return f"{spread.mean:.2f} ± {spread.std:.2f} ({spread.p5:.2f} to {spread.p95:.2f})"
