"""``clip-emotion blend``: a model between a base and what fine-tuning made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli import options
from clip_emotion.cli.common import progress_bar, say, say_log, write_atomic
from clip_emotion.errors import DataError, UsageError
from clip_emotion.files import is_taken
from clip_emotion.outputs import WriteOptions, claim_file, held

if TYPE_CHECKING:
    from clip_emotion.models.emotion_clip.checkpoint import EmotionClipEncoder
    from clip_emotion.retrieval.evaluation.labelled import ImageRow
    from clip_emotion.retrieval.evaluation.selection import RowSelection
    from clip_emotion.retrieval.labelling.stream import StreamConfig
    from clip_emotion.training.wise_ft import BlendPoint

AUTO = "auto"
CURVE, FIGURE = "blend.csv", "blend.png"
CONFIGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Blend:
    """What one call blends: the two models, what they are called, and the share."""

    base: EmotionClipEncoder
    tuned: EmotionClipEncoder
    names: tuple[str, str]
    alpha: float | None
    data: list[str]


def blend(
    base: str = typer.Argument(..., help="What it was fine-tuned from: mini, an open_clip name/tag, or a checkpoint."),
    tuned: Path = typer.Argument(..., help="The fine-tuned checkpoint."),
    out: Path = options.out_folder("the blended checkpoint"),
    alpha: str = typer.Option(AUTO, help="Share of the tuned model, 0 to 1; auto picks it on --data."),
    data: list[str] = typer.Option([], help="Validation pictures: as evaluate takes them, or a fine-tuning .yaml."),
    split: str | None = typer.Option(None, help="Split of --data; validation, test or the only one by default."),
    plot: Path | None = typer.Option(
        None, "--plot", "--figure", "--report", help="Also draw the curve into this PNG file."
    ),
    overwrite: bool = options.OVERWRITE,
    limit: int | None = typer.Option(None, min=1, help="Draw so many pictures of each data set at random."),
    batch_size: int = options.batch_size(64),
    workers: int = options.WORKERS,
    device: options.Device = options.DEVICE,
    seed: int = options.seed("the images of --limit"),
) -> None:
    """Blend a base and a tuned model (WiSE-FT), with the share that is best for trained and unseen words together.

    Example: clip-emotion blend mini runs/mini_faces --data configs/train/mini_faces.yaml --to runs/mini_faces_blend
    """
    share = _share(alpha)
    if share is None and not data:
        raise UsageError("--alpha auto picks the share on validation pictures: name them with --data.")
    if plot is not None and not data:
        raise UsageError("--plot draws the curve over validation pictures: name them with --data.")

    written = WriteOptions(overwrite)
    _check_out(out, written, base, tuned)
    if plot is not None:
        claim_file(plot, written)
    say_log("clip_emotion.training")

    from clip_emotion.data.faces.options import FaceOptions
    from clip_emotion.models.emotion_clip.checkpoint import load_checkpoint_encoder
    from clip_emotion.retrieval.evaluation.selection import RowSelection
    from clip_emotion.retrieval.labelling.stream import StreamConfig
    from clip_emotion.runtime import resolve_device
    from clip_emotion.training.wise_ft import open_base

    place = resolve_device(device.value)
    models = Blend(open_base(base, place), load_checkpoint_encoder(tuned, place), (base, str(tuned)), share, data)
    stream = StreamConfig(FaceOptions("none"), batch_size, workers)
    with contextlib.ExitStack() as stack:
        selection = RowSelection(split, None, limit, seed)
        sets = [rows for name in data for rows in _rows(name, selection, stack)]
        points = _curve(models, sets, stream) if sets else []
    with held(out):
        _finish(models, points, out, plot)


def _check_out(out: Path, written: WriteOptions, base: str, tuned: Path) -> None:
    """Raise UsageError unless the folder is free, or holds an earlier blend of other models that may be replaced."""
    from clip_emotion.models.emotion_clip.checkpoint import DESCRIPTION, read_card

    if out.exists() and any(out.resolve() == Path(model).resolve() for model in (base, tuned)):
        raise UsageError(f"--out {out} is one of the models to be blended, which stay as they are: name a new folder.")
    if (out / DESCRIPTION).is_file() and "blend" in read_card(out).trained_with:
        if not written.overwrite:
            raise UsageError(f"--out {out} holds an earlier blend: name a new folder, or add --overwrite.")
    elif is_taken(out):
        raise UsageError(f"--out {out} holds other things than an earlier blend: name a new folder.")


def _share(text: str) -> float | None:
    if text == AUTO:
        return None
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"--alpha {text} is neither auto nor a number from 0 (the base) to 1 (the tuned model).")
    return share


def _rows(name: str, selection: RowSelection, stack: contextlib.ExitStack) -> list[list[ImageRow]]:
    """Return the pictures of each set that a --data names; they can be read until the stack is closed."""
    from clip_emotion.retrieval.evaluation.labelled import open_labelled

    if Path(name).suffix.lower() in CONFIGS:
        return _rows_of_run(Path(name), selection)
    rows = stack.enter_context(open_labelled(name, selection)).images
    if not rows:
        raise DataError(f"{name} holds no pictures: a blend is chosen on labelled pictures.")
    return [list(rows)]


def _rows_of_run(path: Path, selection: RowSelection) -> list[list[ImageRow]]:
    """Return what a fine-tuning run validates on, without what it holds out to the end."""
    from clip_emotion.retrieval.evaluation.labelled import prepared_images
    from clip_emotion.retrieval.evaluation.selection import sample_rows
    from clip_emotion.training.finetune.config import FinetuneConfig
    from clip_emotion.training.finetune.data import load_images
    from clip_emotion.training.registry import plan
    from clip_emotion.vocabulary import Vocabulary

    if not path.is_file():
        raise UsageError(f"No such configuration: {path}.")
    config = plan(path).config
    if not isinstance(config, FinetuneConfig):
        raise UsageError(f"--data {path} is no fine-tuning configuration: name one of kind emotion_clip.")
    vocabulary = Vocabulary.load(config.vocabulary)
    splits = load_images(config.data, vocabulary, config.seed).validation
    return [sample_rows(prepared_images(rows, vocabulary.keys), selection) for rows in splits.values()]


def _curve(models: Blend, sets: list[list[ImageRow]], stream: StreamConfig) -> list[BlendPoint]:
    from clip_emotion.retrieval.evaluation.word_scores import mean_scores, word_scores
    from clip_emotion.training.wise_ft import ALPHAS, curve

    alphas = [*ALPHAS, *([] if models.alpha is None else [models.alpha])]

    def score(encoder: EmotionClipEncoder) -> dict[str, float]:
        return mean_scores([word_scores(encoder, rows, stream) for rows in sets])

    with progress_bar("blending", total=len(set(alphas))) as advance:
        return curve(models.base, models.tuned, score, alphas, advance)


def _finish(models: Blend, points: list[BlendPoint], to: Path, plot: Path | None) -> None:
    from clip_emotion.models.emotion_clip.checkpoint import save_checkpoint
    from clip_emotion.training.wise_ft import best_point, blended, curve_csv

    chosen = next((point for point in points if point.alpha == models.alpha), None)
    if models.alpha is None:
        chosen = best_point(points)
    alpha = chosen.alpha if chosen else models.alpha
    assert alpha is not None
    encoder = blended(models.base, models.tuned, alpha)
    base, tuned = models.names
    record = {"base": base, "tuned": tuned, "alpha": alpha, "auto": models.alpha is None, "data": models.data}
    metrics = {"trained": chosen.trained, "unseen": chosen.unseen, **chosen.parts} if chosen else {}
    card = encoder.card.model_copy(
        update={
            "name": to.name,
            "about": f"{models.tuned.card.about} Blended with {base}: {alpha:g} of the tuned weights (WiSE-FT).",
            "metrics": metrics,
            "trained_with": {**models.tuned.card.trained_with, "blend": record},
        }
    )
    save_checkpoint(encoder.model, to, card)
    if points:
        write_atomic(to / CURVE, curve_csv(points))
        drawn = _figure(points, alpha, tuned)
        for path in (to / FIGURE, *([plot] if plot else [])):
            write_atomic(path, drawn)
    else:
        for name in (CURVE, FIGURE):  # those of an earlier blend are not of this one
            (to / name).unlink(missing_ok=True)
    _tell(points, chosen, alpha, to)


def _figure(points: list[BlendPoint], alpha: float, name: str) -> bytes:
    from clip_emotion.evaluation.plots.wise_ft import blend_figure
    from clip_emotion.plotting import figure_png

    series: dict[str, Callable[[BlendPoint], float]] = {
        "trained words": lambda point: point.trained,
        "unseen words": lambda point: point.unseen,
        "mean of both": lambda point: point.score,
    }
    values = {label: [of(point) for point in points] for label, of in series.items()}
    values.update({part: [point.parts[part] for point in points] for part in points[0].parts})
    return figure_png(blend_figure([point.alpha for point in points], values, alpha, name))


def _tell(points: list[BlendPoint], chosen: BlendPoint | None, alpha: float, to: Path) -> None:
    for point in points:
        scores = f"trained {point.trained:.3f}  unseen {point.unseen:.3f}  mean {point.score:.3f}"
        say(f"alpha {point.alpha:<4g} {scores}{'  <-' if point is chosen else ''}")
    if not alpha and chosen:
        say(f"The tuned model gained nothing on these pictures: {to} is the base as it was.")
    say(f"Blended with alpha {alpha:g}: use it with --model {to}")
