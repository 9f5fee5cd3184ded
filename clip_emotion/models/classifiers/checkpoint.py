"""A classifier on disk: one folder of safetensors and YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import ConfigDict, Field, FiniteFloat
from safetensors import SafetensorError
from safetensors.torch import load_file

from clip_emotion.config import Config, read_yaml, validate
from clip_emotion.errors import DataError, ModelError, UsageError
from clip_emotion.files import draft_of, publish, sha256_of
from clip_emotion.models.classifiers.config import ClassifierConfig
from clip_emotion.models.classifiers.encoder import ClassifierEncoder
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary, known_by
from clip_emotion.models.faults import LOADING_FAULTS, short
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.weights_file import weights_bytes
from clip_emotion.vocabulary import Vocabulary

DESCRIPTION, WEIGHTS = "classifier.yaml", "classifier.safetensors"
AGAIN = "copy the whole folder again"


class ClassifierCard(Config):
    """What ``classifier.yaml`` says beside the weights, whose SHA-256 it holds."""

    # A metric that is not defined is NaN.
    model_config = ConfigDict(allow_inf_nan=True)

    format: int = 1
    name: str
    model: ClassifierConfig
    vocabulary: TrainedVocabulary
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    temperature: FiniteFloat = Field(gt=0)
    metrics: dict[str, float] = Field(default_factory=dict)
    data: dict[str, str] = Field(default_factory=dict)
    trained_with: dict[str, Any] = Field(default_factory=dict)
    weights: str = ""

    def classes(self) -> Vocabulary:
        """Return the classes, each recognised by the aliases that it had in training."""
        return known_by(self.vocabulary.vocabulary(), self.aliases)


def save_classifier(model: Classifier, folder: Path, card: ClassifierCard) -> None:
    """Write a classifier's folder, the description last; raises ModelError where it cannot be written."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    try:
        with draft_of(folder) as draft:
            (draft / WEIGHTS).write_bytes(weights_bytes(tensors, {"format": "pt"}))
            # What the network started from is in its weights now.
            built = card.model.model_copy(update={"pretrained": False, "weights": None})
            whole = card.model_copy(update={"weights": sha256_of(draft / WEIGHTS), "model": built})
            text = yaml.safe_dump(whole.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
            (draft / DESCRIPTION).write_text(text, "utf-8")
            publish(draft, folder, [WEIGHTS, DESCRIPTION])
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The classifier {folder} cannot be written: {short(error)}.") from error


def load_classifier(folder: Path, device: torch.device) -> ClassifierEncoder:
    """Load a classifier that ``save_classifier`` wrote; raises ModelError where a part is missing or damaged."""
    try:
        card = validate(ClassifierCard, read_yaml(folder / DESCRIPTION), str(folder / DESCRIPTION))
        if sha256_of(folder / WEIGHTS) != card.weights:
            raise ModelError(f"{folder / WEIGHTS} is damaged or of another run than {DESCRIPTION} beside it: {AGAIN}.")
        vocabulary = card.classes()
        model = Classifier(card.model, len(vocabulary))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (UsageError, DataError, *LOADING_FAULTS) as error:
        raise ModelError(f"The classifier {folder} cannot be loaded ({short(error)}): {AGAIN}.") from error
    settings = {"temperature": card.temperature, "model": card.model.model_dump(mode="json"), "keys": vocabulary.keys}
    name = f"classifier-{fingerprint(settings, model.state_dict())[:16]}"
    return ClassifierEncoder(model.to(device), card.name, vocabulary, card.temperature, name)
