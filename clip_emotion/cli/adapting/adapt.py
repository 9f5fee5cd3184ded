"""``clip-emotion adapt``: words of one's own, taught by a few examples each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion import outputs
from clip_emotion.cli import options
from clip_emotion.cli.adapting.inputs import Inputs, opened, say_errors
from clip_emotion.cli.common import chosen_words, say
from clip_emotion.cli.store.beside import model_beside_store

if TYPE_CHECKING:
    from clip_emotion.retrieval.adapting.adapt import Adapted

SHOWN_WORDS = 6


def adapt(
    context: typer.Context,
    examples: str = options.EXAMPLES,
    store: Path | None = options.STORE_INSTEAD,
    out: Path = options.out_folder("the adapter"),
    vocab: str | None = options.vocab("the examples' words alone"),
    labels: str | None = options.LABELS,
    model: str = options.MODEL,
    lang: options.Language = options.LANG,
    shots: int = typer.Option(16, "--shots", min=1, help="Examples a word that are taken at most."),
    split: str | None = typer.Option(None, "--split", help="The examples' split; train or the only one by default."),
    overwrite: bool = options.OVERWRITE,
    device: options.Device = options.DEVICE,
    seed: int = options.seed("which examples are taken, and the folds"),
) -> None:
    """Teach words by a few examples each; label and evaluate take the result with --adapter.

    Exit code: 0 all examples used, 1 some could not be used, 2 misuse.
    """
    from clip_emotion.retrieval.adapting import adapt as adapting
    from clip_emotion.retrieval.adapting.folder import MADE, save_adapter
    from clip_emotion.retrieval.adapting.tip_adapter import FitOptions

    words = chosen_words(labels, vocab)
    chosen = model if store is None else model_beside_store(context, model)
    inputs = Inputs(examples, split, store, chosen, device)
    outputs.claim_folder(out, MADE, outputs.WriteOptions(overwrite), inputs=inputs.files(vocab))
    started = time.perf_counter()
    with opened(inputs) as found:
        wanted = adapting.AdaptOptions(lang, shots, FitOptions(seed), found.reading, found.unlabelled())
        adapted = adapting.adapt(found.encoder, found.rows, words, wanted)
    save_adapter(adapted.adapter, out)
    say_errors(adapted.errors)
    _tell(adapted, time.perf_counter() - started)
    say(f"{out}: label and evaluate take it with --adapter {out}.")
    if adapted.errors:
        raise typer.Exit(1)


def _tell(adapted: Adapted, seconds: float) -> None:
    counts = adapted.adapter.examples
    left = f", {adapted.unused} more than --shots left out" if adapted.unused else ""
    say(f"{sum(counts.values())} examples of {len(counts)} words in {seconds:.1f} s{left}.")
    if adapted.new:
        say(f"New words: {_few(adapted.new)}.")
    if adapted.without:
        what = f"{len(adapted.without)} words have no example ({_few(adapted.without)})"
        if adapted.pseudo:
            say(f"{what}: {adapted.pseudo} faces of the store stand in, which the words name surely.")
        else:
            say(f"Note: {what}: faces may be called by the others too often, so give each a few.")
    say(_how(adapted))


def _how(adapted: Adapted) -> str:
    fitted, cache = adapted.fitted, adapted.fitted.cache
    if cache is None:
        why = "are no clear gain in cross-validation" if fitted.crossed else "are named rightly by the words already"
        return f"The examples {why}: the words rank as they did."
    numbers = f"alpha {cache.alpha:.3g}, beta {cache.beta:g}"
    if fitted.before is None or fitted.after is None:
        return f"Too few examples to cross-validate: {numbers} by rule. Three or more a word would do better."
    keys = "fine-tuned" if fitted.tuned else "as the examples are"
    return (
        f"Held out by folds, the negative log-likelihood falls from {fitted.before:.3f} to {fitted.after:.3f}: "
        f"{numbers}, keys {keys}, temperature {fitted.temperature:.3g}."
    )


def _few(words: tuple[str, ...]) -> str:
    return ", ".join(words[:SHOWN_WORDS]) + (" …" if len(words) > SHOWN_WORDS else "")
