"""An ensemble from its folder, with every member proved to be the one that it was made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clip_emotion.config import read_yaml, validate
from clip_emotion.errors import ClipEmotionError, DataError, ModelError, UsageError
from clip_emotion.files import expanded
from clip_emotion.models.base import LoadEncoder
from clip_emotion.models.ensembles.card import DESCRIPTION, EnsembleCard, MemberCard
from clip_emotion.models.ensembles.encoder import EnsembleEncoder, Member
from clip_emotion.models.faults import short
from clip_emotion.vocabulary import Vocabulary

AGAIN = "copy the whole folder again, or make it with clip-emotion ensemble"


def is_ensemble(spec: str) -> bool:
    """Tell whether a model's spec is an ensemble's folder."""
    return (expanded(spec) / DESCRIPTION).is_file()


def load_ensemble(folder: Path, load_member: LoadEncoder, device: str) -> EnsembleEncoder:
    """Load an ensemble that ``save_ensemble`` wrote; ``load_member`` loads each of its members.

    Raises ModelError with one sentence where the description is damaged, and where a member is missing, damaged or
    another than the one that the ensemble was made of.
    """
    try:
        card = validate(EnsembleCard, read_yaml(folder / DESCRIPTION), str(folder / DESCRIPTION))
        vocabulary = card.classes()
    except (UsageError, DataError, ValueError, RecursionError) as error:
        raise ModelError(f"The ensemble {folder} cannot be loaded ({short(error)}): {AGAIN}.") from error
    members = [_member(folder, one, vocabulary, load_member, device) for one in card.members]
    weights = np.array([one.weight for one in card.members])
    return EnsembleEncoder(card.name, vocabulary, members, card.method, weights)


def _member(folder: Path, card: MemberCard, vocabulary: Vocabulary, load_member: LoadEncoder, device: str) -> Member:
    spec = str(folder / card.folder) if card.folder is not None else card.model or ""
    about = f"The member {card.name} of the ensemble {folder}"
    if card.folder is not None and not Path(spec).is_dir():
        raise ModelError(f"{about} is missing, as there is no folder {spec}: {AGAIN}.")
    if is_ensemble(spec):
        raise ModelError(f"{about} is an ensemble itself, which no member may be: {AGAIN}.")
    try:
        encoder = load_member(spec, device)
        if encoder.fingerprint == card.fingerprint:
            return Member.asked(spec, encoder, vocabulary, card.language, card.name)
    except ClipEmotionError as error:
        raise ModelError(f"{about} cannot be loaded: {error}") from error
    raise ModelError(
        f"{about} is another model now than it was made of ({encoder.fingerprint[:24]}, not {card.fingerprint[:24]}): "
        f"{AGAIN}."
    )
