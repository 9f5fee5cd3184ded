"""The emotion of a turn by its words, read by an image–text encoder's side for texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from clip_emotion.arrays import FloatArray
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from scoring.conversation import Turn
from scoring.emotions.base import Judgement
from scoring.emotions.normalising import ExpressionNormaliser

NO_FEELING = "only a link or a name"
NOT_FINITE = "the model gives no finite numbers for this text"


class TextEmotion:
    """Judges a turn by its words: p = softmax(scale · cos(message, label)) over the vocabulary.

    The encoder's side for messages reads them, where it has one, with that side's scale; else its side for texts.
    Expressions (ㅋㅋ, ㅠㅠ, emoji …) are first brought into the spelling that the encoder knows.
    """

    def __init__(self, labeller: ZeroShotLabeller) -> None:
        self.name = f"text: {labeller.encoder.name}"
        self.vocabulary = labeller.vocabulary
        self.notices = labeller.notices
        self._normalise = ExpressionNormaliser.of(labeller.encoder)
        self._probabilities = labeller.message_probabilities

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        """Judge T turns; a turn without words is a row of NaN. Each different text is encoded once."""
        rows, reasons = judge_texts(turns, self._normalise, self._probabilities, len(self.vocabulary))
        return Judgement(rows, reasons, (self.name,))


def judge_texts(
    turns: Sequence[Turn], normalise: Callable[[str], str], judge: Callable[[list[str]], FloatArray], labels: int
) -> tuple[FloatArray, dict[int, str]]:
    """Return ``judge``'s probabilities of the turns' normalised texts, [T, labels], and reasons for rows of NaN.

    ``judge`` sees each different text once, and no empty one.
    """
    settled = {text: normalise(text) for text in {turn.text for turn in turns}}
    texts = [settled[turn.text] for turn in turns]
    place = {text: at for at, text in enumerate(dict.fromkeys(filter(None, texts)))}
    judged = np.full((len(place) + 1, labels), np.nan)
    if place:
        judged[:-1] = judge(list(place))
    rows = judged[[place.get(text, -1) for text in texts]]
    silent = np.flatnonzero(np.isnan(rows).any(axis=1)).tolist()
    rows[silent] = np.nan
    reasons = {turns[at].index: NOT_FINITE if texts[at] else NO_FEELING for at in silent if turns[at].text.strip()}
    return rows, reasons
