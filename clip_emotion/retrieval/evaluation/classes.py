"""The classes of labelled data, as its files spell them, found among a vocabulary's labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from clip_emotion.config import read_yaml
from clip_emotion.errors import UsageError
from clip_emotion.retrieval.evaluation.labelled import ImageRow, TextRow
from clip_emotion.suggestion import label_hint
from clip_emotion.text import fold
from clip_emotion.vocabulary import Vocabulary

SYNONYMS = "synonyms7"
"""Words for the basic emotions that no other vocabulary may hold, so that no training sees them; data may say them."""
CALM = {"평온": "calm"}
"""What data calls a neutral face, although as a word it comforts, and the lexicon teaches it so."""
Row = TypeVar("Row", ImageRow, TextRow)
_DRESSING = re.compile(r"^(?:class )?\d+[ .:)]+| (?:faces?|expressions?|emotions?|images?|표정|얼굴|감정)$")
"""What folders say beside a class, in folded text: ``0_angry``, ``angry_face``."""


@dataclass(frozen=True)
class ClassRules:
    """What a caller says of the data's classes.

    ``renamed`` maps a class of the data to the label that it means; the rows of classes in ``left_out`` do not count.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, left_out: Sequence[str] = ()) -> ClassRules:
        """Read a YAML mapping of the data's classes to labels; raises UsageError for another file."""
        values = read_yaml(path)
        if not all(isinstance(label, str) for label in values.values()):
            raise UsageError(f"{path} must map each class of the data to a label, one a line, such as 'joyful: happy'.")
        return cls({str(name): label for name, label in values.items()}, tuple(left_out))


class ClassMatcher:
    """Finds the label that a class of the data means: by the caller's rules, by alias, without a folder's dressing.

    With ``numbers`` a whole number is the label at that place, as KOTE and GoEmotions number theirs.
    """

    def __init__(self, vocabulary: Vocabulary, rules: ClassRules | None = None, *, numbers: bool = False) -> None:
        self.vocabulary = vocabulary
        self.numbers = numbers
        self._renamed = {fold(name): label for name, label in (rules or ClassRules()).renamed.items()}
        self._known: dict[str, str | None] = {}

    def key(self, name: str) -> str | None:
        """Return the label's key, or None where the vocabulary has none for this class."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def position(self, name: str) -> int | None:
        """Return the label's place in the vocabulary, or None where the vocabulary has none for this class."""
        key = self.key(name)
        if key is None and self.numbers and name.isdecimal() and int(name) < len(self.vocabulary):
            return int(name)
        return None if key is None else self.vocabulary.index(key)

    def _find(self, name: str) -> str | None:
        meant = self._renamed.get(fold(name), name)
        bare = _DRESSING.sub("", fold(meant))
        for spelling in (meant, bare, CALM.get(bare, bare)):
            label = self.vocabulary.match(spelling)
            synonym = None if label else Vocabulary.load(SYNONYMS).match(spelling)
            label = label or (self.vocabulary.match(synonym.key) if synonym else None)
            if label:
                return label.key
        return None


def match_classes(names: Set[str], vocabulary: Vocabulary) -> dict[str, str]:
    """Return the vocabulary's key for each class of the data; raises UsageError that names the unknown classes."""
    matcher = ClassMatcher(vocabulary)
    found = {name: key for name in names if (key := matcher.key(name)) is not None}
    unknown = {*names} - {*found}
    if unknown:
        raise UsageError(unknown_classes(unknown, vocabulary))
    return found


def unknown_classes(names: Iterable[str], vocabulary: Vocabulary) -> str:
    """Return a sentence on classes that a vocabulary does not know, with what to do."""
    hint = ", or judge by --families" if any(label.families for label in vocabulary.labels) else ""
    return (
        f"Vocabulary '{vocabulary.name}' does not know the class {', '.join(map(repr, sorted(set(names))))}: it has "
        f"{', '.join(vocabulary.keys)}; rename the class with --map, choose another --vocab{hint}."
    )


@dataclass(frozen=True)
class Judged:
    """Rows told apart: those that count, a sentence for each that cannot, and how many of a class do not.

    ``unknown`` counts the rows of each class that the vocabulary does not have, ``left_out`` those that the caller
    leaves out; rows of the latter are no faults.
    """

    errors: tuple[str, ...]
    unknown: dict[str, int]
    left_out: dict[str, int]


def judge_rows(rows: Sequence[Row], matchers: Sequence[ClassMatcher], rules: ClassRules) -> tuple[list[Row], Judged]:
    """Return the rows whose classes one of the matchers knows, and what became of the others."""
    _check_rules(rules, [matcher.vocabulary for matcher in matchers])
    dropped = {fold(name) for name in rules.left_out}
    usable: list[Row] = []
    errors: list[str] = []
    unknown: dict[str, int] = {}
    left_out: dict[str, int] = {}
    for row in rows:
        names = row.classes
        outside = [one for one in names if all(matcher.position(one) is None for matcher in matchers)]
        asked = [one for one in names if dropped & ({fold(one)} | _keys(one, matchers))]
        if row.fault:
            errors.append(f"{row.where}: {row.fault}")
        elif asked:
            left_out[asked[0]] = left_out.get(asked[0], 0) + 1
        elif outside:
            unknown[outside[0]] = unknown.get(outside[0], 0) + 1
            errors.append(f"{row.where}: the vocabulary '{matchers[0].vocabulary.name}' has no label '{outside[0]}'")
        else:
            usable.append(row)
    return usable, Judged(tuple(errors), unknown, left_out)


def _keys(name: str, matchers: Sequence[ClassMatcher]) -> set[str]:
    return {fold(key) for matcher in matchers if (key := matcher.key(name)) is not None}


def _check_rules(rules: ClassRules, vocabularies: Sequence[Vocabulary]) -> None:
    for name, label in rules.renamed.items():
        if not any(vocabulary.match(label) for vocabulary in vocabularies):
            words = vocabularies[0]
            raise UsageError(
                f"--map says that '{name}' means '{label}', which is no label of '{words.name}': "
                f"{label_hint(words, label)}."
            )
