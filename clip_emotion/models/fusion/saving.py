"""A fusion as a folder: its description, its weights, and copies of the encoders that are folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from clip_emotion.errors import ModelError
from clip_emotion.files import sha256_of
from clip_emotion.models.captioning.config import CaptionerConfig
from clip_emotion.models.captioning.words import WordsCaptioner
from clip_emotion.models.checkpoint_copies import copied_files, copy_checkpoint
from clip_emotion.models.classifiers.sphere import RADIUS
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary, all_aliases
from clip_emotion.models.faults import short
from clip_emotion.models.fusion.card import DESCRIPTION, HEAD, IMAGE, WEIGHTS, FusionCard, PartCard
from clip_emotion.models.fusion.config import EncoderFeatureConfig, ImageFeatureConfig
from clip_emotion.models.fusion.encoder import FusionEncoder
from clip_emotion.models.fusion.features import NetworkFeature
from clip_emotion.models.weights_file import weights_bytes


def save_fusion(
    fusion: FusionEncoder,
    folder: Path,
    made_of: tuple[ImageFeatureConfig, CaptionerConfig, str],
    about: dict[str, Any],
) -> FusionCard:
    """Write a fusion into a new folder, the description last, and return the description.

    ``made_of`` says where image feature, captioner and text encoder came from, ``about`` holds the card's ``metrics``,
    ``data`` and ``trained_with``. Raises ModelError where it cannot be written.
    """
    parts, words, copies = fusion.parts, fusion.classes, _Copies(folder)
    image, captions, text = made_of
    tensors = {f"{HEAD}{name}": value for name, value in fusion.model.state_dict().items()}
    network = parts.image if isinstance(parts.image, NetworkFeature) else None
    if network is not None:
        tensors |= {f"{IMAGE}{name}": value for name, value in network.tensors().items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        (folder / WEIGHTS).write_bytes(weights_bytes(held, {"format": "pt"}))
        card = FusionCard(
            name=fusion.name,
            vocabulary=TrainedVocabulary.of(words),
            aliases=all_aliases(words),
            head=fusion.model.config,
            sizes=(fusion.model.sizes.image, fusion.model.sizes.text),
            temperature=RADIUS / fusion.logit_scale,
            image=copies.part(image.model, parts.image.fingerprint)
            if isinstance(image, EncoderFeatureConfig)
            else None,
            network=network and network.model.config.model_copy(update={"pretrained": False, "weights": None}),
            captions=captions,
            captioner=parts.captioner.model,
            words=copies.part(captions.model, parts.captioner.encoder.fingerprint)
            if isinstance(parts.captioner, WordsCaptioner)
            else None,
            text=copies.part(text, parts.text.fingerprint),
            weights=sha256_of(folder / WEIGHTS),
            **about,
        )
        written = yaml.safe_dump(card.model_dump(mode="json", exclude_none=True), allow_unicode=True, sort_keys=False)
        (folder / DESCRIPTION).write_text(written, "utf-8")
    except OSError as error:
        raise ModelError(f"The fusion {folder} cannot be written: {short(error)}.") from error
    return card


class _Copies:
    """The encoders of a fusion in its folder, each copied once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._made = folder, dict[str, PartCard]()

    def part(self, spec: str, fingerprint: str) -> PartCard:
        """Copy an encoder that is a folder, and say where it is."""
        if spec not in self._made:
            self._made[spec] = self._copied(spec, fingerprint, f"part_{len(self._made) + 1}")
        return self._made[spec]

    def _copied(self, spec: str, fingerprint: str, name: str) -> PartCard:
        if copy_checkpoint(spec, self.folder / name):
            return PartCard(folder=name, fingerprint=fingerprint)
        return PartCard(model=spec, fingerprint=fingerprint)


def files_of(folder: Path) -> set[str]:
    """Return the relative paths of what ``save_fusion`` wrote into a folder."""
    return {DESCRIPTION, WEIGHTS, *copied_files(folder, "part_*")}
