"""Fine-tuning: pictures against the words of their classes, with heads, classifier or whole towers trained."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clip_emotion.config import validate
from clip_emotion.data.batches import Batch, DecodedImages, ImageBatches, Prefetcher, row_labels
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.calibration import fit_temperature
from clip_emotion.files import write_atomic
from clip_emotion.models.emotion_clip.checkpoint import CheckpointCard, TrainedVocabulary, save_checkpoint
from clip_emotion.models.emotion_clip.lora import plain_name
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.loading import open_backbone
from clip_emotion.models.mini.backbone import MiniBackbone
from clip_emotion.runtime import resolve_device
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.data import VALIDATION, ImageSplits, load_images
from clip_emotion.training.finetune.distillation import Keeper
from clip_emotion.training.finetune.metrics import class_figures, embed_images
from clip_emotion.training.finetune.sampling import make_sampler
from clip_emotion.training.finetune.text import (
    ClassWords,
    TextCache,
    choose_templates,
    class_prototypes,
    class_words,
)
from clip_emotion.training.loop.fit import Report, RunResult, fit
from clip_emotion.training.losses import (
    class_weighted_cross_entropy,
    class_weights,
    combined,
    multi_positive_contrast,
    supervised_contrast,
)
from clip_emotion.training.parallel.process_group import ALONE, Team
from clip_emotion.training.parallel.sync_batch_norm import share_batch_norm
from clip_emotion.vocabulary import Vocabulary

VOCABULARY_FILE = "vocabulary.yaml"
"""The run's vocabulary where its templates were chosen; every verb's --vocab takes it."""
UNCOMPARED: dict[str, Any] = {
    **dict.fromkeys(("fit", "out", "device", "workers", "cache"), True),
    "data": {"folder", "prepared", "merged"},
}
"""Settings that a resumed run compares otherwise, or that only say where things lie and how fast they are read."""
HEADS = "heads"


class FinetuneObjective:
    """Pictures against prompts of their classes, as ``LossConfig`` weighs the parts.

    A step's pictures and prompts follow from the seed and the step alone. While nothing of the text side is trained its
    embeddings are made once. Of a team each member embeds its share of a step's pictures, and all compute the loss of
    the whole; the first alone can validate. Close it, to end the threads that make batches ahead.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        model: EmotionClip,
        splits: ImageSplits,
        words: ClassWords,
        team: Team = ALONE,
    ) -> None:
        self.config, self.model, self.splits, self.words, self.team = config, model, splits, words, team
        self.vocabulary = words.vocabulary
        self.batches = _batches(config, splits, model, team)
        self.sampler = self.batches.sampler
        self.prefetcher: Prefetcher[Batch] = Prefetcher(self.batches.get, workers=config.workers)
        self.validation = {
            name: (_images(rows, model, config), row_labels(rows))
            for name, rows in (_checked(config, splits) if team.first else [])
        }
        labels = row_labels(splits.training)
        counts = torch.bincount(labels, minlength=len(self.vocabulary))
        self.class_weights = class_weights(counts, config.losses.class_weights, config.losses.beta)
        self.keeper = Keeper(config, model, team) if config.keep.words or config.keep.pictures else None
        self.batch_accuracy: float | None = None
        self._cache: TextCache | None = None
        self._open(model)
        share_batch_norm(model, team)

    def _open(self, model: EmotionClip) -> None:
        """Make trainable what is ever trained, and note which of it is trained from the start."""
        mode, model_config = self.config.model.train, self.config.model
        frozen = _frozen_names(model, self.config.freeze)
        if model_config.train == "lora":
            model.set_trainable("lora")  # the adapters must be there before their names are asked for
        model.set_trainable(HEADS if self.config.unfreeze_at else mode)
        self.first = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        if self.config.unfreeze_at:
            model.set_trainable(mode)
        for name, parameter in model.named_parameters():
            if plain_name(name) in frozen:
                parameter.requires_grad_(False)
        self.rate = model.learning_rates(self.config.layer_decay)

    @property
    def batch_size(self) -> int:
        """How many pictures a step looks at."""
        return self.config.batch

    def trainable(self, name: str, progress: float) -> bool:
        """Tell whether a parameter is trained now: at first the heads alone (LP-FT, 2202.10054)."""
        return progress >= self.config.unfreeze_at or name in self.first

    def close(self) -> None:
        """End the threads that make batches ahead."""
        self.prefetcher.close()

    def loss(self, step: int, progress: float) -> Tensor:
        """Embed the step's pictures and prompts, and add up the parts of the loss."""
        batch = self.prefetcher.get(step).to(self.model.device)
        rows = self.sampler.whole(step)
        targets = self.splits.targets[rows].to(self.model.device)
        labels = self.batches.labels[rows].to(self.model.device)
        pixels = self.model.backbone.normalise(batch.pixels)
        images = self.team.gather(self.model.embed_images(pixels))
        rng = random.Random(f"{self.config.seed}:{step}")
        losses = self.config.losses
        makers: dict[str, Callable[[], Tensor]] = {
            "contrast": lambda: self._contrast(images, targets, rng),
            "classify": lambda: self._classify(images, labels),
            "supcon": lambda: supervised_contrast(images, labels, losses.temperature),
        }
        total = combined({name: makers[name]() for name in losses.weights()}, losses)
        if self.keeper is None:
            return total
        return total + self.keeper.loss(self.model, pixels, images, rng)

    def _contrast(self, images: Tensor, targets: Tensor, rng: random.Random) -> Tensor:
        """Contrast the pictures with one prompt a class, in each language; all pictures of a class are positives."""
        smoothed = _smoothed(targets, self.config.losses.label_smoothing)
        total, hits = images.new_zeros(()), images.new_zeros(())
        for language in self.config.languages:
            texts = self._embed(self.words.draw(language, rng, self.config.own_names))
            # Cosines that are multiplied by a large scale want all their digits.
            with torch.autocast(images.device.type, enabled=False):
                similarities = self.model.logit_scale * images @ texts.T
            total = total + multi_positive_contrast(similarities, smoothed)
            hits = hits + (similarities.argmax(dim=1) == targets.argmax(dim=1)).float().mean()
        self.batch_accuracy = float(hits.detach()) / len(self.config.languages)
        return total / len(self.config.languages)

    def _embed(self, prompts: Sequence[str]) -> Tensor:
        if not self.model.text_frozen:
            self._cache = None
            return self.model.embed_texts(prompts)
        if self._cache is None:
            self._cache = TextCache(self.model, self.words.every_prompt())
        return self._cache.embed(prompts)

    def _classify(self, images: Tensor, labels: Tensor) -> Tensor:
        logits = self.model.classify(images)
        self.batch_accuracy = float((logits.argmax(dim=1) == labels).float().mean())
        return class_weighted_cross_entropy(logits, labels, self.class_weights, self.config.losses.label_smoothing)

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return accuracy, macro recall, macro F1 and loss of each split, on average over the languages.

        Figures of the main validation split bear no prefix. Accuracy is also given for each language.
        """
        assert isinstance(model, EmotionClip)
        prototypes = {name: class_prototypes(model, self.vocabulary, name) for name in self.config.languages}
        figures: dict[str, float] = {}
        for name, (pictures, labels) in self.validation.items():
            images = embed_images(model, pictures, self.config.batch)
            found = self._figures(model, images, labels, prototypes)
            figures.update({key if name == self._main else f"{name}_{key}": value for key, value in found.items()})
        return figures

    @cached_property
    def _main(self) -> str:
        return next(iter(self.validation))

    def _figures(
        self, model: EmotionClip, images: Tensor, labels: Tensor, prototypes: dict[str, Tensor]
    ) -> dict[str, float]:
        truth = labels.to(images.device)
        of = {name: class_figures(model.logit_scale * images @ own.T, truth) for name, own in prototypes.items()}
        figures = {name: float(np.mean([own[name] for own in of.values()])) for name in next(iter(of.values()))}
        if len(of) > 1:
            figures.update({f"accuracy_{language}": own["accuracy"] for language, own in of.items()})
        if model.classifier is not None and self.config.losses.classify:
            found = class_figures(model.classify(images), truth)
            figures.update({f"classifier_{name}": found[name] for name in ("accuracy", "macro_recall", "macro_f1")})
        return figures


def _smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Blur targets [N, C] over the classes that the batch has; a class without pictures is nobody's positive."""
    there = (targets.sum(dim=0) > 0).float()
    return targets * (1 - smoothing) + smoothing * there / there.sum()


def _batches(config: FinetuneConfig, splits: ImageSplits, model: EmotionClip, team: Team) -> ImageBatches:
    rows = splits.training
    device = model.device if model.device.type == "cuda" else None
    return ImageBatches(
        rows,
        make_sampler(config, rows["label"], rows["source"], team),
        model.backbone.image_size,
        config.transform,
        seed=config.seed,
        cache=config.cache,
        device=device,
    )


def _images(rows: Any, model: EmotionClip, config: FinetuneConfig) -> DecodedImages:
    return DecodedImages(rows, model.backbone.image_size, config.cache)


def _checked(config: FinetuneConfig, splits: ImageSplits) -> list[tuple[str, Any]]:
    """Return what is looked at in validation, the main split first, and training pictures where they are asked for."""
    named = [*splits.validation.items(), *splits.held_out.items()]
    if config.validate_on_training:
        count = min(config.validate_on_training, len(splits.training))
        named.append(("training", splits.training.select(range(count))))
    return named


def _frozen_names(model: EmotionClip, side: str) -> set[str]:
    """Return the names of all parameters of a side that is kept as it is, its head's too."""
    if side == "none":
        return set()
    groups = model.backbone.text_blocks() if side == "text" else model.backbone.image_blocks()
    head = f"{side}_head."
    own = {name for name, _ in model.named_parameters() if name.startswith(head)}
    return own | {f"backbone.{name}" for group in groups for name in group}


def prepare_finetune(config: FinetuneConfig, source: str, team: Team = ALONE) -> FinetuneObjective:
    """Open model, pictures and words as a configuration says; of a team the first member prepares the pictures.

    Raises UsageError for settings that do not fit together, DataError and ModelError where data or weights are missing.
    """
    vocabulary = Vocabulary.load(config.vocabulary)
    splits = team.first_then_rest(lambda: load_images(config.data, vocabulary, config.seed))
    return objective_of(config, splits, vocabulary, source, team)


def objective_of(
    config: FinetuneConfig, splits: ImageSplits, vocabulary: Vocabulary, source: str, team: Team = ALONE
) -> FinetuneObjective:
    """Open the model and gather the words for pictures that are there already; raises as ``prepare_finetune`` does."""
    words = class_words(config, vocabulary)
    model = open_model(config, vocabulary, source)
    if config.templates.choose:
        rows = splits.validation[next(iter(splits.validation))]
        images = embed_images(model, _images(rows, model, config), config.batch)
        labels = row_labels(rows).to(images.device)
        chosen = choose_templates(model, images, labels, words.vocabulary, config.languages)
        words = ClassWords(chosen, words.bank, words.languages)
    if model.classifier is not None:
        model.start_classifier(class_prototypes(model, words.vocabulary, config.languages[0]))
    return FinetuneObjective(config, model, splits, words, team)


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
    backbone = open_backbone(config.base, resolve_device(config.device))
    unread = [language for language in config.languages if language not in backbone.languages]
    if unread:
        raise UsageError(
            f"{source}: {config.base} does not read {', '.join(unread)}: set languages to "
            f"[{', '.join(backbone.languages)}] or choose a multilingual base."
        )
    return EmotionClip(backbone, settings)


def run_settings(config: FinetuneConfig, objective: FinetuneObjective) -> dict[str, Any]:
    """Return what a run must have in common with the one that resumes it, besides ``fit``."""
    model = objective.model
    weights = fingerprint({}, model.plain_state_dict())
    return {
        **config.model_dump(mode="json", exclude=UNCOMPARED),
        "weights": weights[:16],
        "pictures": objective.splits.fingerprints,
    }


def train_emotion_clip(
    values: dict[str, Any], source: str, report: Report, resume: bool, team: Team = ALONE
) -> dict[str, float]:
    """Fine-tune a model; ``out`` receives a checkpoint that ``--model`` takes, beside the run's own files.

    Every member of a team calls this, and the first writes.
    """
    config = validate(FinetuneConfig, values, source)
    objective = prepare_finetune(config, source, team)
    try:
        result = fit(objective, config.fit, config.out, report, resume, run_settings(config, objective), team)
    finally:
        objective.close()
    if team.first:
        finish(objective, result, config.out)
    return result.figures


def finish(objective: FinetuneObjective, result: RunResult, folder: Path) -> CheckpointCard:
    """Calibrate the trained model on kept-out training pictures and write its checkpoint."""
    config, model = objective.config, result.model.eval()
    assert isinstance(model, EmotionClip)
    backbone = model.backbone
    threshold = backbone.sizes.text_threshold if isinstance(backbone, MiniBackbone) else None
    card = CheckpointCard(
        name=folder.name,
        about=f"{backbone.name} fine-tuned on {', '.join(objective.splits.fingerprints) or 'pictures'}.",
        languages=config.languages,
        logit_scale=1 / temperature(objective, model),
        text_threshold=threshold,
        vocabulary=TrainedVocabulary.of(objective.vocabulary),
        metrics=result.figures,
        data=objective.splits.fingerprints,
        trained_with={**config.model_dump(mode="json"), "seconds": round(result.seconds)},
    )
    if config.templates.choose:
        write_atomic(folder / VOCABULARY_FILE, objective.vocabulary.to_yaml())
    return save_checkpoint(model, folder, card)


def temperature(objective: FinetuneObjective, model: EmotionClip) -> float:
    """Fit the one temperature on kept-out training pictures, over their classes' names in every language."""
    rows = objective.splits.tuning
    images = embed_images(model, _images(rows, model, objective.config), objective.config.batch)
    there, targets = torch.unique(row_labels(rows), return_inverse=True)
    languages = objective.config.languages
    names = [class_prototypes(model, objective.vocabulary, language)[there] for language in languages]
    similarities = torch.cat([images @ own.T for own in names])
    return fit_temperature(similarities.cpu().numpy(), targets.repeat(len(languages)).numpy())


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


__all__ = ["VALIDATION", "FinetuneObjective", "prepare_finetune", "train_emotion_clip"]
