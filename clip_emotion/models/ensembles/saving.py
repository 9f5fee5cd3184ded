"""An ensemble as a folder: its description, and copies of the members that are folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from clip_emotion.errors import ModelError
from clip_emotion.models.checkpoint_copies import copied_files, copy_checkpoint
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary, all_aliases
from clip_emotion.models.ensembles.card import DESCRIPTION, EnsembleCard, MemberCard
from clip_emotion.models.ensembles.encoder import EnsembleEncoder, Member
from clip_emotion.models.faults import short


def save_ensemble(
    ensemble: EnsembleEncoder, folder: Path, metrics: dict[str, float], made_with: dict[str, Any]
) -> EnsembleCard:
    """Write an ensemble into a new folder, the description last, and return the description.

    Members that are folders are copied, without what else lies in them; others stay names. Raises ModelError where it
    cannot be written.
    """
    words = ensemble.classes
    try:
        folder.mkdir(parents=True)
        members = [
            _saved(member, float(weight), folder / f"member_{place}")
            for place, (member, weight) in enumerate(zip(ensemble.members, ensemble.weights, strict=True), start=1)
        ]
        card = EnsembleCard(
            name=ensemble.name,
            method=ensemble.method,
            vocabulary=TrainedVocabulary.of(words),
            aliases=all_aliases(words),
            members=tuple(members),
            metrics=metrics,
            made_with=made_with,
        )
        text = yaml.safe_dump(card.model_dump(mode="json", exclude_none=True), allow_unicode=True, sort_keys=False)
        (folder / DESCRIPTION).write_text(text, "utf-8")
    except OSError as error:
        raise ModelError(f"The ensemble {folder} cannot be written: {short(error)}.") from error
    return card


def _saved(member: Member, weight: float, place: Path) -> MemberCard:
    copied = copy_checkpoint(member.spec, place)
    return MemberCard.model_validate(
        {
            "name": member.name,
            "fingerprint": member.encoder.fingerprint,
            "language": member.language,
            **({"folder": place.name} if copied else {"model": member.spec}),
            "weight": weight,
        }
    )


def files_of(folder: Path) -> set[str]:
    """Return the relative paths of what ``save_ensemble`` wrote into a folder."""
    return {DESCRIPTION, *copied_files(folder, "member_*")}
