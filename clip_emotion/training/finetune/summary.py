"""What fine-tuning came to, class by class."""

from __future__ import annotations

from pathlib import Path

import torch

from clip_emotion.evaluation.metrics import classification_metrics
from clip_emotion.evaluation.result import ClassTable, Evaluation
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.training.class_summary import write_classes
from clip_emotion.training.finetune.metrics import embed_images
from clip_emotion.training.finetune.objective import FinetuneObjective
from clip_emotion.training.finetune.text import class_prototypes


@torch.inference_mode()
def evaluate_classes(objective: FinetuneObjective, model: EmotionClip) -> Evaluation:
    """Evaluate the model on the main validation split, over the names that its classes have in the first language.

    Only the classes that the split has stand for choice, as in the metrics of the run.
    """
    images, labels = objective.validation[objective.main_split]
    vocabulary, language = objective.vocabulary, objective.config.languages[0]
    there, targets = torch.unique(labels, return_inverse=True)
    embedded = embed_images(model, images, objective.config.batch)
    logits = model.logit_scale * embedded @ class_prototypes(model, vocabulary, language)[there.to(embedded.device)].T
    keys = [vocabulary.keys[at] for at in there.tolist()]
    return Evaluation(
        data=", ".join(objective.splits.fingerprints),
        split=objective.main_split,
        model=str(objective.config.out),
        fingerprint="",
        vocabulary=vocabulary.name,
        language=language,
        n=len(labels),
        names={label.key: label.name(language) for label in vocabulary.labels},
        metrics=classification_metrics(logits.softmax(dim=1).cpu().numpy(), targets.numpy(), keys),
    )


def write_summary(objective: FinetuneObjective, model: EmotionClip, folder: Path) -> tuple[ClassTable, ...]:
    """Write ``validation.json`` and ``confusion.png`` into the run's folder, and return the table of the classes."""
    return write_classes(evaluate_classes(objective, model), folder)
