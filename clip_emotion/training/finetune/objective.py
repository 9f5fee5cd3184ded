"""What fine-tuning trains: images against the words of their classes, with heads, classifier or whole towers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from clip_emotion.data.batches import Batch, DecodedImages, Decoding, ImageBatches, Prefetcher, row_labels
from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.models.emotion_clip.lora import plain_name
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.data import ImageSplits
from clip_emotion.training.finetune.distillation import Distillation
from clip_emotion.training.finetune.metrics import class_metrics, embed_images
from clip_emotion.training.finetune.sampling import make_sampler
from clip_emotion.training.finetune.text import ClassPrompts, TextCache, class_prototypes
from clip_emotion.training.losses import (
    class_weighted_cross_entropy,
    class_weights,
    combined,
    multi_positive_contrast,
    supervised_contrast,
)
from clip_emotion.training.parallel.process_group import ALONE, ProcessGroup
from clip_emotion.training.parallel.sync_batch_norm import convert_batch_norm

HEADS = "heads"


class FinetuneObjective:
    """Images against prompts of their classes, as ``LossConfig`` weighs the parts.

    A step's images and prompts follow from the seed and the step alone. While nothing of the text side is trained its
    embeddings are made once. In a process group each process embeds its share of a step's images, and all compute the
    loss of the whole; the main one alone can validate. Close it, to end the threads that make batches ahead.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        model: EmotionClip,
        splits: ImageSplits,
        prompts: ClassPrompts,
        processes: ProcessGroup = ALONE,
    ) -> None:
        self.config, self.model, self.splits, self.prompts, self.processes = config, model, splits, prompts, processes
        self.vocabulary = prompts.vocabulary
        self.batches = _batches(config, splits, model, processes)
        self.sampler = self.batches.sampler
        self.prefetcher: Prefetcher[Batch] = Prefetcher(self.batches.get, workers=config.workers)
        self.validation = {
            name: (decoded(rows, model, config), row_labels(rows))
            for name, rows in (_checked(config, splits) if processes.is_main else [])
        }
        labels = row_labels(splits.training)
        counts = torch.bincount(labels, minlength=len(self.vocabulary))
        self.class_weights = class_weights(counts, config.losses.class_weights, config.losses.beta)
        self.distillation = (
            Distillation(config, model, processes) if config.distillation.words or config.distillation.images else None
        )
        self.batch_accuracy: float | None = None
        self._cache: TextCache | None = None
        self._open(model)
        convert_batch_norm(model, processes)

    def _open(self, model: EmotionClip) -> None:
        """Make trainable what is ever trained, and note which of it is trained from the start."""
        mode, model_config = self.config.model.train, self.config.model
        frozen = _frozen_names(model, self.config.freeze)
        if model_config.train == "lora":
            model.set_trainable("lora")  # the adapters must be there before their names are asked for
        model.set_trainable(HEADS if self.config.unfreeze_at else mode)
        self.trained_first = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        if self.config.unfreeze_at:
            model.set_trainable(mode)
        for name, parameter in model.named_parameters():
            if plain_name(name) in frozen:
                parameter.requires_grad_(False)
        self.lr_scale = model.lr_scales(self.config.layer_decay)

    @property
    def batch_size(self) -> int:
        """How many images a step looks at."""
        return self.config.batch

    def trainable(self, name: str, progress: float) -> bool:
        """Tell whether a parameter is trained now: at first the heads alone (LP-FT, 2202.10054)."""
        return progress >= self.config.unfreeze_at or name in self.trained_first

    def close(self) -> None:
        """End the threads that make batches ahead."""
        self.prefetcher.close()

    def loss(self, step: int, progress: float) -> Tensor:
        """Embed the step's images and prompts, and add up the parts of the loss."""
        batch = self.prefetcher.get(step).to(self.model.device)
        rows = self.sampler.whole(step)
        targets = self.splits.targets[rows].to(self.model.device)
        labels = self.batches.labels[rows].to(self.model.device)
        pixels = self.model.backbone.normalise(batch.pixels)
        images = self.processes.gather(self.model.embed_images(pixels))
        rng = random.Random(f"{self.config.seed}:{step}")
        losses = self.config.losses
        makers: dict[str, Callable[[], Tensor]] = {
            "contrast": lambda: self._contrast(images, targets, rng),
            "classify": lambda: self._classify(images, labels),
            "supcon": lambda: supervised_contrast(images, labels, losses.temperature),
        }
        total = combined({name: makers[name]() for name in losses.weights()}, losses)
        if self.distillation is None:
            return total
        return total + self.distillation.loss(self.model, pixels, images, rng)

    def _contrast(self, images: Tensor, targets: Tensor, rng: random.Random) -> Tensor:
        """Contrast the images with one prompt a class, in each language; all images of a class are positives."""
        smoothed = _smoothed(targets, self.config.losses.label_smoothing)
        total, hits = images.new_zeros(()), images.new_zeros(())
        for language in self.config.languages:
            texts = self._embed(self.prompts.draw(language, rng, self.config.own_names))
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
            self._cache = TextCache(self.model, self.prompts.every_prompt())
        return self._cache.embed(prompts)

    def _classify(self, images: Tensor, labels: Tensor) -> Tensor:
        logits = self.model.classify(images)
        self.batch_accuracy = float((logits.argmax(dim=1) == labels).float().mean())
        return class_weighted_cross_entropy(logits, labels, self.class_weights, self.config.losses.label_smoothing)

    @torch.inference_mode()
    def validate(self, model: EmotionClip) -> Measurements:
        """Return accuracy, macro recall, macro F1 and loss of each split, on average over the languages.

        The main validation split has no name of its own. Accuracy is also given for each language.
        """
        prototypes = {name: class_prototypes(model, self.vocabulary, name) for name in self.config.languages}
        found: list[Measurement] = []
        for name, (images, labels) in self.validation.items():
            embedded = embed_images(model, images, self.config.batch)
            found += self._of_split("" if name == self.main_split else name, model, embedded, labels, prototypes)
        return Measurements(found)

    @cached_property
    def main_split(self) -> str:
        """The name of the validation split that is looked at first."""
        return next(iter(self.validation))

    def _of_split(
        self, split: str, model: EmotionClip, images: Tensor, labels: Tensor, prototypes: dict[str, Tensor]
    ) -> list[Measurement]:
        truth = labels.to(images.device)
        of = {name: class_metrics(model.logit_scale * images @ own.T, truth) for name, own in prototypes.items()}
        metrics = next(iter(of.values()))
        found = [Measurement(name, float(np.mean([own[name] for own in of.values()])), split) for name in metrics]
        if len(of) > 1:
            found += [Measurement("accuracy", own["accuracy"], split, language) for language, own in of.items()]
        if model.classifier is not None and self.config.losses.classify:
            own = class_metrics(model.classify(images), truth)
            part = f"{split}_classifier" if split else "classifier"
            found += [Measurement(name, own[name], part) for name in ("accuracy", "macro_recall", "macro_f1")]
        return found


def _smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Blur targets [N, C] over the classes that the batch has; a class without images is nobody's positive."""
    there = (targets.sum(dim=0) > 0).float()
    return targets * (1 - smoothing) + smoothing * there / there.sum()


def _batches(config: FinetuneConfig, splits: ImageSplits, model: EmotionClip, processes: ProcessGroup) -> ImageBatches:
    rows = splits.training
    device = model.device if model.device.type == "cuda" else None
    return ImageBatches(
        rows,
        make_sampler(config, rows["label"], rows["source"], processes),
        model.backbone.image_size,
        config.transform,
        seed=config.seed,
        decoding=Decoding(config.cache),
        device=device,
    )


def decoded(rows: Dataset, model: EmotionClip, config: FinetuneConfig) -> DecodedImages:
    """Return the images of a split as the model reads them."""
    return DecodedImages(rows, model.backbone.image_size, Decoding(config.cache))


def _checked(config: FinetuneConfig, splits: ImageSplits) -> list[tuple[str, Dataset]]:
    """Return what is looked at in validation, the main split first, and training images where they are asked for."""
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
