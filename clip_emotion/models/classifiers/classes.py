"""What encoders of fixed classes share: they are asked by the names of their classes and read no other word."""

from __future__ import annotations

import torch
from torch import Tensor

from clip_emotion.errors import UsageError
from clip_emotion.models.classifiers.sphere import axes
from clip_emotion.vocabulary import Vocabulary


class FixedClasses:
    """The side of words of an encoder whose embeddings are logits on the sphere; words stand for a class by any alias.

    ``kind`` says what it is ("a classifier"), ``logit_scale`` turns cosines into logits.
    """

    def __init__(self, name: str, kind: str, vocabulary: Vocabulary, logit_scale: float) -> None:
        self.name, self.kind = name, kind
        self.classes = vocabulary
        # Declared as the contract of trained encoders has it.
        self.vocabulary: Vocabulary | None = vocabulary
        self.languages: tuple[str, ...] = tuple(dict.fromkeys(lang for one in vocabulary.labels for lang in one.names))
        self.logit_scale = self.text_logit_scale = logit_scale

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Raise UsageError: fixed classes read no texts."""
        raise UsageError(
            f"{self.name} is {self.kind} and reads no texts: use it for its classes, {', '.join(self.classes.keys)}."
        )

    def encode_labels(self, vocabulary: Vocabulary) -> Tensor:
        """Return the embedding of the class that each label stands for [L, C + 1].

        Raises UsageError for a label that is no class.
        """
        own = self.classes
        found = [next(filter(None, map(own.match, label.aliases())), None) for label in vocabulary.labels]
        unknown = [label.key for label, one in zip(vocabulary.labels, found, strict=True) if one is None]
        if unknown:
            raise UsageError(
                f"{self.name} is {self.kind} and does not know {', '.join(unknown[:5])}: its classes are "
                f"{', '.join(self.classes.keys)}, while an image–text model, such as mini, takes any words."
            )
        places = [own.index(label.key) for label in found if label is not None]
        return axes(torch.tensor(places), len(own))
