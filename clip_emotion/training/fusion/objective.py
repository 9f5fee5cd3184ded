"""What the training of a fusion's head minimises: joined features against their classes."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.models.fusion.heads.base import Sizes
from clip_emotion.models.fusion.model import FusionModel
from clip_emotion.training.classifier.loss import classifier_loss, log_priors, smoothed
from clip_emotion.training.finetune.metrics import class_metrics
from clip_emotion.training.finetune.sampling import make_sampler
from clip_emotion.training.fusion.config import HeadTrainingConfig
from clip_emotion.training.losses import class_weights
from clip_emotion.training.mixup import mix


@dataclass(frozen=True)
class FusionRows:
    """Rows of a split: joined features [N, I + T], classes [N], and the source of each."""

    features: Tensor
    labels: Tensor
    sources: list[str]


class FusionObjective:
    """Features against their classes; a step's rows follow from the seed and the step alone."""

    def __init__(
        self, config: HeadTrainingConfig, sizes: Sizes, training: FusionRows, targets: Tensor, tuning: FusionRows
    ) -> None:
        self.config, self.training, self.targets, self.tuning = config, training, targets, tuning
        torch.manual_seed(config.seed)
        self.model = FusionModel(config.head, sizes)
        self.model.standardise(training.features)
        self.sampler = make_sampler(config, training.labels.tolist(), training.sources)
        counts = torch.bincount(training.labels, minlength=sizes.classes)
        remedies = config.imbalance
        self.weights = class_weights(counts, remedies.class_weights, remedies.beta)
        self.log_prior = log_priors(counts, remedies.logit_adjustment)

    def loss(self, step: int, progress: float) -> Tensor:
        """Classify the step's rows and return the loss."""
        config, rows = self.config, self.sampler.batch(step)
        targets = smoothed(self.targets[rows], config.label_smoothing)
        rng = random.Random(f"{config.seed}:{step}")
        features, targets = mix(self.training.features[rows], targets, config.mixup, rng)
        return classifier_loss(self.model(features), targets, self.weights, self.log_prior, config.imbalance.focal)

    def validate(self, model: FusionModel) -> Measurements:
        """Return accuracy, macro recall, macro F1 and loss on the images kept for tuning."""
        metrics = class_metrics(fused_logits(model, self.tuning.features), self.tuning.labels)
        return Measurements([Measurement(name, value, "") for name, value in metrics.items()])


@torch.inference_mode()
def fused_logits(model: FusionModel, features: Tensor) -> Tensor:
    """Return the logits [N, C] of joined features [N, I + T]."""
    logits: Tensor = model.eval()(features)
    return logits
