"""The emotion of a turn by the face in the image that came with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clip_emotion.data.images import ImageSource
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from scoring.conversation import Turn
from scoring.emotions.base import Judgement

NO_IMAGE = "no picture"


class ImageEmotion:
    """Judges a turn by the face in its image, as ``clip-emotion label`` would."""

    def __init__(self, labeller: ZeroShotLabeller) -> None:
        self.name = f"picture: {labeller.encoder.name}"
        self.vocabulary = labeller.vocabulary
        self.notices = labeller.notices
        self._labeller = labeller
        self._column = {key: at for at, key in enumerate(self.vocabulary.keys)}

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        """Judge T turns; a turn without an image, or with one of no use, is a row of NaN and has a reason."""
        rows = np.full((len(turns), len(self.vocabulary)), np.nan)
        reasons = {turn.index: NO_IMAGE for turn in turns if turn.image is None}
        shown = [at for at, turn in enumerate(turns) if turn.image is not None]
        sources = [ImageSource(str(turns[at].image), turns[at].image) for at in shown]
        for at, prediction in zip(shown, self._labeller.stream(sources, len(self.vocabulary)), strict=True):
            for label in prediction.labels:
                rows[at, self._column[label.key]] = label.probability
            if prediction.error is not None:
                reasons[turns[at].index] = f"picture: {prediction.error}"
        return Judgement(rows, reasons, (self.name,))
