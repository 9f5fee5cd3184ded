"""The classes of labelled data, as its files spell them, found among a vocabulary's labels."""

from __future__ import annotations

from clip_emotion.errors import UsageError
from clip_emotion.vocabulary import Vocabulary


def match_classes(names: set[str], vocabulary: Vocabulary, *, families: bool = False) -> dict[str, str]:
    """Return the vocabulary's key for each class name of the data, matched by alias.

    Raises UsageError that names the classes the vocabulary does not know; with ``families`` the answer is then empty,
    since the true classes need not be among the words.
    """
    found = {name: label.key for name in names if (label := vocabulary.match(name))}
    unknown = sorted(names - set(found))
    if unknown and families:
        return {}
    if unknown:
        hint = ", or judge by --families" if any(label.families for label in vocabulary.labels) else ""
        raise UsageError(
            f"Vocabulary '{vocabulary.name}' does not know the class {', '.join(map(repr, unknown))}: it has "
            f"{', '.join(vocabulary.keys)}; rename the class, choose another --vocab{hint}."
        )
    return found


class LabelPositions:
    """Looks up where a label as a data file writes it stands in a vocabulary: by alias, or by number."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._known: dict[str, int] = {}

    def of(self, label: str) -> int:
        """Return the label's position; raises UsageError when the vocabulary has no such label or number."""
        if label not in self._known:
            self._known[label] = self._find(label)
        return self._known[label]

    def _find(self, label: str) -> int:
        match = self.vocabulary.match(label)
        if match is not None:
            return self.vocabulary.index(match.key)
        if label.isdecimal() and int(label) < len(self.vocabulary):
            return int(label)
        raise UsageError(
            f"Vocabulary '{self.vocabulary.name}' has no label '{label}' (it has {len(self.vocabulary)}, numbered from "
            "0): choose the --vocab that the data was labelled with."
        )
