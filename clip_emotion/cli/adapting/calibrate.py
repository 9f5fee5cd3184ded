"""``clip-emotion calibrate``: the temperature of words on one's own labelled faces."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from clip_emotion import outputs
from clip_emotion.cli import options
from clip_emotion.cli.adapting.inputs import Inputs, opened, say_errors
from clip_emotion.cli.adapting.options import adapted_words
from clip_emotion.cli.common import say, stdout
from clip_emotion.cli.store.beside import model_beside_store
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.evaluation.calibration import Calibration


class CalibrationFormat(StrEnum):
    """How the result is printed."""

    table = "table"
    json = "json"


def calibrate(
    context: typer.Context,
    examples: str = options.EXAMPLES,
    store: Path | None = options.STORE_INSTEAD,
    adapter: Path | None = options.ADAPTER,
    out: Path | None = options.out_folder("the calibrated words", required=False, default="nothing is saved"),
    vocab: str | None = options.vocab("the model's own"),
    labels: str | None = options.LABELS,
    model: str = options.MODEL,
    lang: options.Language = options.LANG,
    split: str | None = typer.Option(None, "--split", help="The rows' split; train or the only one by default."),
    folds: int = typer.Option(5, "--folds", min=2, help="Folds by which the gain is measured on rows held out."),
    output: CalibrationFormat = typer.Option(CalibrationFormat.table, "--format", help="How to print the result."),
    overwrite: bool = options.OVERWRITE,
    device: options.Device = options.DEVICE,
    seed: int = options.seed("the folds"),
) -> None:
    """Fit a temperature, so that probabilities say how often words are right; it changes no rank.

    Exit code: 0 all rows used, 1 some could not be used, 2 misuse.
    """
    from clip_emotion.models.registry import own_vocabulary
    from clip_emotion.retrieval.adapting.adapt import CalibrateOptions, calibrate_words
    from clip_emotion.retrieval.adapting.folder import MADE, save_adapter

    asked = adapted_words(adapter, labels, vocab, None)
    words = asked.adapter or asked.vocabulary
    chosen = model if store is None else model_beside_store(context, model)
    inputs = Inputs(examples, split, store, chosen, device)
    if out is not None:
        outputs.claim_folder(out, MADE, outputs.WriteOptions(overwrite), inputs=inputs.files(vocab, adapter))
    with opened(inputs) as read:
        words = words or own_vocabulary(read.encoder)
        if words is None:
            raise UsageError("Give the words with --vocab, --labels or --adapter: for example --vocab basic7.")
        wanted = CalibrateOptions(lang, seed, folds, read.reading)
        calibrated, found, errors = calibrate_words(read.encoder, read.rows, words, wanted)
    say_errors(errors)
    _show(found, output)
    _tell(found)
    if out is not None:
        save_adapter(calibrated, out)
        say(f"{out}: label and evaluate take it with --adapter {out}.")
    if errors:
        raise typer.Exit(1)


def _show(found: Calibration, output: CalibrationFormat) -> None:
    if output is CalibrationFormat.json:
        print(json.dumps(asdict(found), indent=2, allow_nan=False))
        return
    table = Table(title=f"temperature {found.temperature:.3f} · {found.n:,} rows")
    table.add_column("what")
    for column in ("before", "after, held out"):
        table.add_column(column, justify="right")
    for name, what in (("nll", "negative log-likelihood, nats"), ("ece", "calibration error (ECE)")):
        table.add_row(what, *(f"{getattr(side, name):.4f}" for side in (found.before, found.after)))
    stdout().print(table)


def _tell(found: Calibration) -> None:
    """Say where the temperature is no gain on rows held out, or a gain by one measure alone."""
    before, after = found.before, found.after
    if not found.better:
        say(
            f"A fitted temperature does not lower the held-out negative log-likelihood ({before.nll:.4f} before, "
            f"{after.nll:.4f} after): the temperature stays as it was."
        )
    elif after.ece > before.ece:
        say(
            f"Note: the held-out calibration error rises from {before.ece:.4f} to {after.ece:.4f}, although the "
            "negative log-likelihood falls: see the gain on other judged faces before you rely on it."
        )
