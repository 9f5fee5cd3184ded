"""The emotion of a turn by its words, read by KoBERT with KOTE's head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clip_emotion.arrays import FloatArray
from clip_emotion.errors import UsageError
from clip_emotion.vocabulary import Vocabulary
from scoring.conversation import Turn
from scoring.emotions.base import Judgement
from scoring.emotions.normalising import ExpressionNormaliser
from scoring.emotions.text import judge_texts

if TYPE_CHECKING:
    from clip_emotion.models.kobert.emotion import KobertEmotionModel


class KobertEmotion:
    """Judges a turn by KoBERT with KOTE's head: the labels' sigmoids p_l / Σ p over the vocabulary's labels.

    Raises UsageError for a vocabulary with labels that the model was not trained on.
    """

    def __init__(self, model: KobertEmotionModel, vocabulary: Vocabulary) -> None:
        strange = [key for key in vocabulary.keys if key not in model.labels]
        if strange:
            raise UsageError(
                f"KoBERT's head gives the {len(model.labels)} labels that it was trained on, and '{strange[0]}' of "
                f"vocabulary '{vocabulary.name}' is none of them: use --vocab {model.config.vocabulary} or a part of "
                "it, or --emotions text, which takes any words."
            )
        self.name = f"kobert: {model.config.name}"
        self.vocabulary = vocabulary
        self.notices: tuple[str, ...] = ()
        self._model = model
        self._columns = [model.labels.index(key) for key in vocabulary.keys]
        self._normalise = ExpressionNormaliser(self._knows, ("ko",))

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        """Judge T turns; a turn without words is a row of NaN. Each different text is read once."""
        rows, reasons = judge_texts(turns, self._normalise, self._probabilities, len(self.vocabulary))
        return Judgement(rows, reasons, (self.name,))

    def _probabilities(self, texts: Sequence[str]) -> FloatArray:
        sigmoids = self._model.predict(texts)[:, self._columns].astype(np.float64)
        return np.asarray(sigmoids / sigmoids.sum(axis=1, keepdims=True))

    def _knows(self, sign: str) -> bool:
        tokenizer = self._model.tokenizer
        pieces = [piece for piece in tokenizer.tokenize(sign) if piece != "▁"]
        return len(pieces) == 1 and tokenizer.convert_tokens_to_ids(pieces[0]) != tokenizer.unk_token_id
