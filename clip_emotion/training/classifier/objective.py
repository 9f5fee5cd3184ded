"""What a classifier's training minimises, and what validation tells of it."""

from __future__ import annotations

import random

import torch
from datasets import Dataset
from torch import Tensor

from clip_emotion.data.batches import Batch, DecodedImages, Decoding, ImageBatches, Prefetcher, row_labels
from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.training.classifier.config import ClassifierRunConfig
from clip_emotion.training.classifier.frozen import FrozenImages, features_of
from clip_emotion.training.classifier.loss import classifier_loss, log_priors, smoothed, times_named
from clip_emotion.training.classifier.sharing import decoded, name_of
from clip_emotion.training.finetune.data import ImageSplits
from clip_emotion.training.finetune.metrics import class_metrics
from clip_emotion.training.finetune.sampling import make_sampler
from clip_emotion.training.losses import class_weights
from clip_emotion.training.mixup import mix
from clip_emotion.vocabulary import Vocabulary

VALIDATION_BATCH = 256


class ClassifierObjective:
    """Images against their classes; a step's images follow from the seed and the step alone.

    Close it, to end the threads that make batches ahead.
    """

    def __init__(self, config: ClassifierRunConfig, model: Classifier, splits: ImageSplits) -> None:
        self.config, self.model, self.splits = config, model, splits
        rows, labels = splits.training, row_labels(splits.training)
        size, self.decoding = config.model.resized, Decoding(config.cache, config.model.skin_mask)
        self.sampler = make_sampler(config, rows["label"], rows["source"])
        images = decoded(rows, size, self.decoding)
        self.batches = ImageBatches(rows, self.sampler, size, config.transform, seed=config.seed, decoding=images)
        self.prefetcher: Prefetcher[Batch] = Prefetcher(self.batches.get, workers=config.workers)
        # A frozen network sees the same of an image in each step, where nothing changes the image.
        self.still = config.head_only and config.transform is None and not config.mixup
        self.features = features_of(model, images, name_of(rows)) if self.still else None
        validation = {**splits.validation, **splits.held_out}
        self.validation = {name: (self.seen(one), row_labels(one)) for name, one in validation.items()}
        self.logits: dict[str, Tensor] = {}
        """What the last validation answered of each split [N, C]."""
        counts = torch.bincount(labels, minlength=model.classes)
        remedies = config.imbalance
        weights = class_weights(counts, remedies.class_weights, remedies.beta)
        self.weights = times_named(weights, config.weights, Vocabulary.load(config.vocabulary).keys)
        self.log_prior = log_priors(counts, remedies.logit_adjustment)
        self.batch_accuracy: float | None = None
        if config.head_only:
            trained = model.head_names()
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(name in trained)

    def seen(self, rows: Dataset) -> DecodedImages | FrozenImages:
        """Return the images of rows as the model will answer for them."""
        images = decoded(rows, self.config.model.resized, self.decoding)
        return FrozenImages(self.model, images, name_of(rows)) if self.still else images

    @property
    def batch_size(self) -> int:
        """How many images a step looks at."""
        return self.config.batch

    def close(self) -> None:
        """End the threads that make batches ahead."""
        self.prefetcher.close()

    def loss(self, step: int, progress: float) -> Tensor:
        """Classify the step's images and return the loss."""
        config, device = self.config, self.model.device
        logits, targets = self._answered(step)
        self.batch_accuracy = float((logits.argmax(dim=1) == targets.argmax(dim=1)).float().mean())
        weights = None if self.weights is None else self.weights.to(device)
        prior = None if self.log_prior is None else self.log_prior.to(device)
        return classifier_loss(logits, targets, weights, prior, config.imbalance.focal)

    def _answered(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the logits of a step's images and their targets."""
        config, model = self.config, self.model
        if config.head_only:
            # The loop has put the whole model in training; a frozen network keeps its running means too.
            model.eval()
            model.head.train()
        if self.features is not None:
            rows = torch.as_tensor(self.sampler.batch(step))
            return model.classify(self.features[rows.to(model.device)]), self._targets(rows)
        batch = self.prefetcher.get(step).to(model.device)
        draw = random.Random(f"{config.seed}:{step}")
        pixels, targets = mix(batch.pixels, self._targets(batch.rows), config.mixup, draw)
        if not config.head_only:
            return model(pixels), targets
        with torch.no_grad():
            features = model.penultimate(pixels)
        return model.classify(features), targets

    def _targets(self, rows: Tensor) -> Tensor:
        return smoothed(self.splits.targets[rows], self.config.label_smoothing).to(self.model.device)

    def validate(self, model: Classifier) -> Measurements:
        """Return accuracy, macro recall, macro F1 and loss of each split; the main one has no name of its own."""
        found: list[Measurement] = []
        self.logits = {name: answers(model, images) for name, (images, _) in self.validation.items()}
        for at, (name, (_, labels)) in enumerate(self.validation.items()):
            metrics = class_metrics(self.logits[name], labels)
            found += [Measurement(metric, value, name if at else "") for metric, value in metrics.items()]
        return Measurements(found)


def answers(model: Classifier, images: DecodedImages | FrozenImages) -> Tensor:
    """Return the logits of all images [N, C], averaged with their mirror images', on the CPU."""
    return images.logits(model) if isinstance(images, FrozenImages) else image_logits(model, images)


@torch.inference_mode()
def image_logits(model: Classifier, images: DecodedImages) -> Tensor:
    """Return the logits of all images [N, C], averaged with their mirror images', on the CPU."""
    parts = []
    for start in range(0, len(images), VALIDATION_BATCH):
        pixels = images.take(range(start, min(start + VALIDATION_BATCH, len(images)))).to(model.device)
        parts.append(((model(pixels) + model(pixels.flip(3))) / 2).cpu())
    return torch.cat(parts)
