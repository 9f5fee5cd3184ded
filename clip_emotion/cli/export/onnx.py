"""``clip-emotion export onnx``: a model's towers as ONNX files, which run without what trained them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion import outputs
from clip_emotion.cli import options
from clip_emotion.cli.common import chosen_words, progress_bar, say
from clip_emotion.errors import UsageError
from clip_emotion.files import draft_of, expanded, publish

if TYPE_CHECKING:
    from clip_emotion.models.base import ImageTextEncoder
    from clip_emotion.models.onnx.card import OnnxCard
    from clip_emotion.retrieval.evaluation.int8 import Checks
    from clip_emotion.retrieval.evaluation.selection import RowSelection

EXPORT = "ONNX export"
SHIPPED = "basic7"


class Bits(StrEnum):
    """How exactly the exported tower computes."""

    fp32 = "fp32"
    int8 = "int8"


def onnx(
    model: str = options.MODEL,
    out: Path = options.out_folder("the export, which --model takes"),
    precision: Bits = typer.Option(Bits.fp32, "--precision", help="fp32, or int8, which --check-data has to allow."),
    check_data: str | None = typer.Option(
        None, help="Labelled pictures, as evaluate takes them: int8 is checked on them."
    ),
    split: str | None = options.SPLIT,
    vocab: str | None = options.vocab(f"the model's own, else {SHIPPED}"),
    limit: int | None = options.limit("pictures to check on"),
    workers: int = options.WORKERS,
    seed: int = options.seed("the pictures of --limit"),
    overwrite: bool = options.OVERWRITE,
) -> None:
    """Export a model to ONNX, and tell how far its embeddings are from the model's own.

    The image tower is exported, and the mini's text towers; words of other models are embedded by the model itself.
    int8 is refused where it costs more than 0.3 points of top-1 accuracy on --check-data.
    """
    if (precision is Bits.int8) != (check_data is not None):
        raise UsageError(
            "--precision int8 and --check-data go together: int8 is kept only where labelled data allow it."
        )
    out = expanded(out)
    inputs = [Path(name) for name in (model, check_data) if name is not None and Path(name).exists()]
    outputs.claim_folder(out, EXPORT, outputs.WriteOptions(overwrite), inputs=inputs)
    from clip_emotion.models import registry
    from clip_emotion.models.onnx.card import CARD, is_export
    from clip_emotion.models.onnx.export import export_encoder, require_onnx
    from clip_emotion.runtime import Running

    require_onnx()
    if is_export(expanded(model)):
        raise UsageError(f"{model} is an export already: name the model that it was made of.")
    encoder = registry.load_encoder(model, "cpu", Running("torch"))
    place = str(expanded(model).absolute()) if model not in registry.BUNDLED and expanded(model).exists() else model
    with draft_of(out) as draft:
        card = export_encoder(encoder, place, draft)
        if check_data is not None:
            from clip_emotion.retrieval.evaluation.selection import RowSelection

            chosen = RowSelection(split, limit=limit, seed=seed)
            card = _in_int8(encoder, draft, card, _checks(encoder, check_data, vocab, chosen, workers))
        publish(draft, out, [*card.files, CARD])
    outputs.mark_folder(out, EXPORT)
    _tell(card, out)


def _checks(encoder: ImageTextEncoder, data: str, vocab: str | None, selection: RowSelection, workers: int) -> Checks:
    from clip_emotion.models.registry import own_vocabulary
    from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions
    from clip_emotion.retrieval.evaluation.int8 import Checks
    from clip_emotion.retrieval.labelling.stream import StreamConfig
    from clip_emotion.vocabulary import Vocabulary

    words = chosen_words(None, vocab) or own_vocabulary(encoder) or Vocabulary.load(SHIPPED)
    return Checks(data, words, selection, EvaluationOptions(stream=StreamConfig(batch_size=32, workers=workers)))


def _in_int8(encoder: ImageTextEncoder, draft: Path, card: OnnxCard, checks: Checks) -> OnnxCard:
    from dataclasses import replace

    from clip_emotion.models.onnx.encoder import load_export
    from clip_emotion.retrieval.evaluation.int8 import to_int8

    with progress_bar("Checking int8") as advance:
        checks = replace(checks, options=replace(checks.options, progress=advance))
        return to_int8(load_export(draft, lambda model: encoder), draft, card, checks)


def _tell(card: OnnxCard, out: Path) -> None:
    for name in ("pictures", "texts", "messages"):
        if f"{name}_apart" in card.measured:
            say(f"fp32 embeddings of {name}: at most {float(card.measured[f'{name}_apart']):.1e} from the model's own.")
    if card.precision == "int8":
        before, after = float(card.measured["top1_fp32"]), float(card.measured["top1_int8"])
        say(f"int8 ({card.measured['how']}): top-1 {after:.4f}, fp32 {before:.4f}, on {card.measured['checked_on']}.")
    size = sum((out / name).stat().st_size for name in card.files)
    say(f"{out}: {card.name} in {card.precision}, {size / 1e6:.1f} MB, {card.fingerprint}. Use it as --model {out}.")
