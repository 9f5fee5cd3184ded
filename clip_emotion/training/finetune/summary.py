"""What fine-tuning came to, class by class: a table for people, the numbers as JSON and the confusion matrix."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from clip_emotion.evaluation.metrics import classification_metrics
from clip_emotion.evaluation.plots.classification import confusion_figure
from clip_emotion.evaluation.result import ClassTable, Evaluation, finite
from clip_emotion.files import write_atomic
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.plotting import figure_png
from clip_emotion.training.finetune.metrics import embed_images
from clip_emotion.training.finetune.objective import FinetuneObjective
from clip_emotion.training.finetune.text import class_prototypes

CLASSES_FILE, CONFUSION_FILE = "validation.json", "confusion.png"


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
    found = evaluate_classes(objective, model)
    assert found.metrics is not None
    assert found.metrics.confusion is not None
    values = json.dumps(finite(found.to_dict()), ensure_ascii=False, indent=2)
    write_atomic(folder / CLASSES_FILE, f"{values}\n")
    names = [found.name(key) for key in found.metrics.labels]
    title = f"{found.split} · {found.vocabulary} ({found.language})"
    write_atomic(folder / CONFUSION_FILE, figure_png(confusion_figure(found.metrics.confusion, names, title)))
    return tuple(found.tables())
