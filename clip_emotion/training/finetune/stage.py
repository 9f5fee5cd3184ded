"""The kind ``emotion_clip``: from a configuration to a fine-tuned checkpoint."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from clip_emotion.data.batches import row_labels
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.calibration import fit_temperature
from clip_emotion.evaluation.result import ClassTable
from clip_emotion.files import expanded, write_atomic
from clip_emotion.models.backbone import RANDOM_PREFIX
from clip_emotion.models.emotion_clip.checkpoint import (
    DESCRIPTION,
    CheckpointCard,
    load_checkpoint,
    save_checkpoint,
)
from clip_emotion.models.emotion_clip.config import EmotionClipConfig, HeadConfig
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.loading import open_backbone
from clip_emotion.runtime import resolve_device
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.data import ImageSplits, load_images
from clip_emotion.training.finetune.metrics import embed_images
from clip_emotion.training.finetune.objective import FinetuneObjective, decoded
from clip_emotion.training.finetune.summary import write_summary
from clip_emotion.training.finetune.text import ClassPrompts, choose_templates, class_prompts, class_prototypes
from clip_emotion.training.loop.fit import RunResult, fit
from clip_emotion.training.loop.settings import RunSettings
from clip_emotion.training.parallel.process_group import ALONE, ProcessGroup
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage
from clip_emotion.vocabulary import Vocabulary

VOCABULARY_FILE = "vocabulary.yaml"
"""The run's vocabulary where its templates were chosen; every verb's --vocab takes it."""


def prepare_finetune(config: FinetuneConfig, source: str, processes: ProcessGroup = ALONE) -> FinetuneObjective:
    """Open model, images and prompts as a configuration says; in a process group the main process prepares the images.

    Raises UsageError for settings that do not fit together, DataError and ModelError where data or weights are missing.
    """
    vocabulary = Vocabulary.load(config.vocabulary)
    splits = processes.main_first(lambda: load_images(config.data, vocabulary, config.seed))
    return objective_of(config, splits, vocabulary, source, processes)


def objective_of(
    config: FinetuneConfig, splits: ImageSplits, vocabulary: Vocabulary, source: str, processes: ProcessGroup = ALONE
) -> FinetuneObjective:
    """Open the model and gather the prompts for images that are there already; raises as ``prepare_finetune`` does."""
    prompts = class_prompts(config, vocabulary)
    model = open_model(config, vocabulary, source)
    if config.templates.choose:
        rows = splits.validation[next(iter(splits.validation))]
        images = embed_images(model, decoded(rows, model, config), config.batch)
        labels = row_labels(rows).to(images.device)
        chosen = choose_templates(model, images, labels, prompts.vocabulary, config.languages)
        prompts = ClassPrompts(chosen, prompts.bank, prompts.languages)
    if model.classifier is not None:
        model.start_classifier(class_prototypes(model, prompts.vocabulary, config.languages[0]))
    return FinetuneObjective(config, model, splits, prompts, processes)


def open_model(config: FinetuneConfig, vocabulary: Vocabulary, source: str) -> EmotionClip:
    """Open the base and put the heads on it; its random parts follow from the seed.

    Raises UsageError where the base does not read a language or the classifier has another number of classes.
    """
    settings = config.model
    if config.losses.classify and settings.classes is None:
        settings = settings.model_copy(update={"classes": len(vocabulary)})
    if settings.classes not in (None, len(vocabulary)):
        raise UsageError(f"{source}: model.classes is {settings.classes}, but {vocabulary.name} has {len(vocabulary)}.")
    torch.manual_seed(config.seed)
    model = _opened(config.base, settings, resolve_device(config.device), source)
    readable = model.backbone.languages
    unread = [language for language in config.languages if language not in readable]
    if unread:
        raise UsageError(
            f"{source}: {config.base} does not read {', '.join(unread)}: set languages to "
            f"[{', '.join(readable)}] or choose a multilingual base."
        )
    return model


def _opened(base: str, settings: EmotionClipConfig, device: torch.device, source: str) -> EmotionClip:
    """Open a backbone and put heads on it, or go on from the weights of a finished run with the same heads."""
    folder = expanded(base)
    if not (folder / DESCRIPTION).is_file():
        return EmotionClip(open_backbone(base, device), settings)
    before = load_checkpoint(folder, device)
    for side in ("image_head", "text_head"):
        mine, theirs = _sizes(getattr(settings, side)), _sizes(getattr(before.config, side))
        if mine != theirs:
            raise UsageError(f"{source}: model.{side} is {mine}, but the run in {base} has {theirs}: give the same.")
    model = EmotionClip(before.backbone, settings)
    # A classifier is a new one, as its classes may be others; a scale that is asked for is the one that counts.
    left_out = ("classifier.", *(("log_scale",) if settings.logit_scale else ()))
    weights = {name: value for name, value in before.plain_state_dict().items() if not name.startswith(left_out)}
    model.load_state_dict(weights, strict=False)
    return model


def _sizes(head: HeadConfig | None) -> dict[str, float | None] | None:
    return head.model_dump(exclude={"dropout"}) if head else None


def run_settings(config: FinetuneConfig, objective: FinetuneObjective) -> RunSettings:
    """Return what a run must have in common with the one that resumes it, besides ``fit``."""
    weights = _weights_read(config.base, objective.model)
    settings = EMOTION_CLIP.compared(config, base_weights=weights, pictures=objective.splits.fingerprints)
    # Up to release 0.1 the hash of all weights was compared, and it cannot be told anew on another processor.
    return replace(settings, defaults={**settings.defaults, "base_weights": weights}, retired=frozenset({"weights"}))


def _weights_read(base: str, model: EmotionClip) -> str:
    """Return a hash of the weights that came from files.

    Weights drawn at random follow from the seed, which is compared, and differ in their last bits between processors.
    """
    if base.startswith(RANDOM_PREFIX):
        return "random"
    from_run = (expanded(base) / DESCRIPTION).is_file()
    read = ("backbone.", "image_head.", "text_head.") if from_run else ("backbone.",)
    weights = {name: value for name, value in model.plain_state_dict().items() if name.startswith(read)}
    return fingerprint({}, weights)[:16]


def train_emotion_clip(config: FinetuneConfig, options: RunOptions) -> Outcome:
    """Fine-tune a model; ``out`` receives a checkpoint that ``--model`` takes, beside the run's own files.

    Every process of a group calls this, and the main one writes.
    """
    processes = options.processes
    objective = prepare_finetune(config, options.source, processes)
    try:
        settings = run_settings(config, objective)
        result = fit(objective, config.fit, config.out, options.report, options.resume, settings, processes)
        tables = finish(objective, result, config.out) if processes.is_main else ()
    finally:
        objective.close()
    return Outcome(result.metrics, config.out, result.notes, next_commands(config, options.source), tables)


def next_commands(config: FinetuneConfig, source: str) -> tuple[str, ...]:
    """Return what to type once a run has ended: use the checkpoint, and blend it with its base."""
    out = shlex.quote(str(config.out))
    return (
        f"clip-emotion label IMAGES --model {out}",
        f"clip-emotion blend {shlex.quote(config.base)} {out} --data {shlex.quote(source)} --to {out}_blend",
    )


def finish(objective: FinetuneObjective, result: RunResult[EmotionClip], folder: Path) -> tuple[ClassTable, ...]:
    """Calibrate the trained model on kept-out training images, write its checkpoint and what its classes came to."""
    config, model = objective.config, result.model.eval()
    backbone = model.backbone
    card = CheckpointCard(
        name=folder.name,
        about=f"{backbone.name} fine-tuned on {', '.join(objective.splits.fingerprints) or 'images'}.",
        languages=config.languages,
        logit_scale=1 / temperature(objective, model),
        text_threshold=backbone.initial_text_threshold,
        vocabulary=TrainedVocabulary.of(objective.vocabulary),
        metrics=dict(result.metrics),
        data=objective.splits.fingerprints,
        trained_with={**config.model_dump(mode="json"), "seconds": round(result.seconds)},
    )
    if config.templates.choose:
        write_atomic(folder / VOCABULARY_FILE, objective.vocabulary.to_yaml())
    save_checkpoint(model, folder, card)
    return write_summary(objective, model, folder)


def temperature(objective: FinetuneObjective, model: EmotionClip) -> float:
    """Fit the one temperature on kept-out training images, over their classes' names in every language."""
    rows = objective.splits.tuning
    images = embed_images(model, decoded(rows, model, objective.config), objective.config.batch)
    there, targets = torch.unique(row_labels(rows), return_inverse=True)
    languages = objective.config.languages
    names = [class_prototypes(model, objective.vocabulary, language)[there] for language in languages]
    similarities = torch.cat([images @ own.T for own in names])
    return fit_temperature(similarities.cpu().numpy(), targets.repeat(len(languages)).numpy())


def check_finetuning(config: FinetuneConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that a run reads, after trying two of its batches where all of it is there."""
    sources = [*config.data.raw().values(), *filter(None, [config.data.raw_votes()])]
    # With a source missing the batches would tell of that one alone; the caller names them all.
    if not any(raw.fault() for raw in sources):
        check_batches(config, source)
    return sources


def check_batches(config: FinetuneConfig, source: str) -> None:
    """See that a run would start: open all that it needs, and take a forward and a backward step on two batches.

    Raises what the run would raise.
    """
    objective = prepare_finetune(config, source)
    try:
        objective.model.train()
        for step in range(2):
            objective.loss(step, 0.0).backward()
    finally:
        objective.close()


EMOTION_CLIP = Stage(
    "emotion_clip",
    FinetuneConfig,
    check_finetuning,
    train_emotion_clip,
    uncompared={
        **dict.fromkeys(("fit", "out", "device", "workers", "cache"), True),
        "data": {"folder", "prepared", "merged"},
    },
    inputs=lambda config: (Path(config.base),),
)
