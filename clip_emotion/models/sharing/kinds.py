"""Which models go to the Hub: by the description in their folder, with the files that belong to each and its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined

from clip_emotion.config import read_yaml, validate
from clip_emotion.errors import ClipEmotionError, ModelError
from clip_emotion.files import expanded
from clip_emotion.models.classifiers import checkpoint as classifiers
from clip_emotion.models.emotion_clip import checkpoint as emotion_clip
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary
from clip_emotion.models.ensembles import card as ensembles
from clip_emotion.models.ensembles.loading import load_ensemble
from clip_emotion.models.ensembles.saving import files_of

README = emotion_clip.MODEL_CARD
MEMBER_FILES = ("*.safetensors", "*.yaml", "*.json", "*.txt", "*.model", README)
"""What is fetched of an ensemble's member; what does not belong to it is let go afterwards."""


@dataclass(frozen=True)
class SharedKind:
    """One kind of folder: the file that describes it, and what is to be known before it travels.

    ``load`` proves the folder and raises ModelError; ``patterns`` are the files to fetch, by the description alone,
    ``files`` those that belong to a whole folder; ``title`` says what a commit holds; ``card`` is a README for those
    that have none, or None where the folder always has one.
    """

    description: str
    load: Callable[[Path], object]
    patterns: Callable[[Path], list[str]]
    files: Callable[[Path], list[str]]
    title: Callable[[Path], str]
    card: Callable[[Path], str | None] = lambda _: None


def kind_of(folder: Path) -> SharedKind:
    """Return the kind of a folder; that of fine-tuned checkpoints where it has no description."""
    return next((kind for kind in KINDS if (folder / kind.description).is_file()), KINDS[0])


def _checkpoint_files(folder: Path) -> list[str]:
    return [*emotion_clip.read_card(folder).parts, README, emotion_clip.DESCRIPTION]


def _checkpoint_title(folder: Path) -> str:
    card = emotion_clip.read_card(folder)
    return f"{card.name} by clip-emotion {card.code.get('clip-emotion', '')}".rstrip()


def _classifier(folder: Path) -> classifiers.ClassifierCard:
    place = folder / classifiers.DESCRIPTION
    return validate(classifiers.ClassifierCard, read_yaml(place), str(place))


def _ensemble(folder: Path) -> ensembles.EnsembleCard:
    place = folder / ensembles.DESCRIPTION
    try:
        return validate(ensembles.EnsembleCard, read_yaml(place), str(place))
    except (ClipEmotionError, ValueError, RecursionError) as error:
        raise ModelError(f"The ensemble {folder} cannot be loaded: its description is damaged.") from error


def _load_ensemble(folder: Path) -> object:
    from clip_emotion.models.registry import load_encoder

    local = [member.model for member in _ensemble(folder).members if member.model and expanded(member.model).exists()]
    if local:
        raise ModelError(f"The ensemble {folder} needs {', '.join(local)} of this machine, which others do not have.")
    return load_ensemble(folder, load_encoder, "cpu")


def _ensemble_patterns(folder: Path) -> list[str]:
    members = [member.folder for member in _ensemble(folder).members if member.folder]
    return [f"{member}/{files}" for member in members for files in MEMBER_FILES]


def _classifier_card(folder: Path) -> str:
    card = _classifier(folder)
    about = f"A {card.model.architecture} for faces of {card.model.image_size} pixels, by timm's name."
    return _readme(card.name, "classifier", about, card.vocabulary, card.metrics, card.data)


def _ensemble_card(folder: Path) -> str:
    card = _ensemble(folder)
    members = ", ".join(f"{member.name} ({member.weight:.3f})" for member in card.members)
    return _readme(card.name, "ensemble", f"Combined by {card.method}: {members}.", card.vocabulary, card.metrics, {})


def _readme(
    name: str,
    kind: str,
    about: str,
    vocabulary: TrainedVocabulary,
    metrics: Mapping[str, float],
    data: Mapping[str, str],
) -> str:
    # Markdown, not HTML; what may end a line or a cell is a name's own, and names come from training.
    environment = Environment(
        loader=PackageLoader("clip_emotion.models.sharing"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("fixed_classes.md.j2")
    return template.render(name=name, kind=kind, about=about, vocabulary=vocabulary, metrics=metrics, data=data)


KINDS = (
    SharedKind(
        emotion_clip.DESCRIPTION,
        emotion_clip.load_checkpoint,
        lambda folder: [*emotion_clip.read_card(folder).parts],
        _checkpoint_files,
        _checkpoint_title,
    ),
    SharedKind(
        classifiers.DESCRIPTION,
        lambda folder: classifiers.load_classifier(folder, torch.device("cpu")),
        lambda folder: [classifiers.WEIGHTS],
        lambda folder: [classifiers.WEIGHTS, README, classifiers.DESCRIPTION],
        lambda folder: f"{_classifier(folder).name}, a classifier by clip-emotion",
        _classifier_card,
    ),
    SharedKind(
        ensembles.DESCRIPTION,
        _load_ensemble,
        _ensemble_patterns,
        lambda folder: [*sorted(files_of(folder) - {ensembles.DESCRIPTION}), README, ensembles.DESCRIPTION],
        lambda folder: f"{_ensemble(folder).name}, an ensemble by clip-emotion",
        _ensemble_card,
    ),
)
