"""An ensemble as a folder: its description, and copies of the members that are folders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from clip_emotion.errors import ModelError
from clip_emotion.files import expanded, open_up
from clip_emotion.models.classifiers import checkpoint as classifier
from clip_emotion.models.emotion_clip import checkpoint as emotion_clip
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary, all_aliases
from clip_emotion.models.ensembles.card import DESCRIPTION, EnsembleCard, MemberCard
from clip_emotion.models.ensembles.encoder import EnsembleEncoder, Member
from clip_emotion.models.faults import short
from clip_emotion.models.mini import files as mini
from clip_emotion.models.onnx import card as onnx
from clip_emotion.models.registry import BUNDLED


def checkpoint_files(spec: str) -> list[str] | None:
    """Return the names of the files that a model is loaded from, or None where it is no folder of this project's."""
    folder = expanded(spec)
    if spec in BUNDLED:
        return None
    if onnx.is_export(folder):
        card = onnx.read_card(folder)
        # Words of another export are embedded by the model that was exported, which lies elsewhere.
        return [*card.files, onnx.CARD] if card.mini is not None else None
    if (folder / mini.PARTS[0]).is_file():
        return [name for name in (*mini.PARTS, mini.CHATS) if (folder / name).is_file()]
    if (folder / classifier.DESCRIPTION).is_file():
        return [classifier.WEIGHTS, classifier.DESCRIPTION]
    if (folder / emotion_clip.DESCRIPTION).is_file():
        names = [*emotion_clip.read_card(folder).parts, emotion_clip.MODEL_CARD, emotion_clip.DESCRIPTION]
        return [name for name in names if (folder / name).is_file()]
    return None


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
    names = checkpoint_files(member.spec)
    about = {"name": member.name, "fingerprint": member.encoder.fingerprint, "language": member.language}
    if names is None:
        return MemberCard.model_validate({**about, "model": member.spec, "weight": weight})
    place.mkdir()
    for name in names:
        shutil.copyfile(expanded(member.spec) / name, place / name)
        open_up(place / name)
    return MemberCard.model_validate({**about, "folder": place.name, "weight": weight})


def files_of(folder: Path) -> set[str]:
    """Return the relative paths of what ``save_ensemble`` wrote into a folder."""
    copies = [path for path in folder.glob("member_*/*") if path.name in (checkpoint_files(str(path.parent)) or ())]
    return {DESCRIPTION, *(path.relative_to(folder).as_posix() for path in copies)}
