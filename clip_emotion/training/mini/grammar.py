"""Chat messages by rule: a small grammar whose messages carry what they mean, in many registers, spacings and slips."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from clip_emotion.config import Config, validate
from clip_emotion.errors import DataError
from clip_emotion.resources import datasets_dir
from clip_emotion.text import fold, read_text
from clip_emotion.training.mini.slips import slipped
from clip_emotion.vocabulary import Vocabulary
from clip_emotion.yaml_text import parse_yaml

CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{([a-z_]+)(-?)\}")
DEPTH = 8
"""How often slots are filled in again in what other slots gave."""
TRIES = 20
SPLIT = 0.5
"""Share of the verbs on 하다 that are denied between noun and verb."""
NEGATED = (
    "{not_plain}", "{not_plain}", "{not_written}", "{stem}지 않아", "{stem}지 않아요", "{stem}지 않네",
    "{stem}지가 않아", "{stem}지 않다", "{stem}지 않습니다", "{stem}지도 않아", "{stem}진 않아", "{stem}지 않더라",
    "{stem}지 않은데",
)  # fmt: skip
"""A Korean predicate denied, in the ways in which people deny."""
AFFIRMED = (
    "{plain}",
    "{plain}",
    "{plain}",
    "{plain}요",
    "{written}",
    "{stem}네",
    "{stem}네요",
    "{stem}긴 하다",
    "{stem}거든",
)


class Family(Config):
    """Templates in one or both languages whose messages share a meaning; ``times`` as often as others."""

    meaning: str
    times: int = Field(1, ge=1)
    ko: tuple[str, ...] = ()
    en: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Family:
        if not self.ko and not self.en:
            raise ValueError(f"the family '{self.meaning}' has no template")
        return self


class GrammarFile(Config):
    """A grammar as its file writes it."""

    meanings: Mapping[str, Mapping[str, float]]
    predicates: Mapping[str, tuple[tuple[str, str, str], ...]]
    slots: Mapping[str, tuple[str, ...]]
    families: tuple[Family, ...] = Field(min_length=1)

    @field_validator("meanings")
    @classmethod
    def _weights_sum_to_one(cls, meanings: Mapping[str, Mapping[str, float]]) -> Mapping[str, Mapping[str, float]]:
        wrong = [name for name, labels in meanings.items() if abs(sum(labels.values()) - 1) > 1e-6]
        if wrong:
            raise ValueError(f"the labels of {', '.join(wrong)} do not sum to 1")
        return meanings

    @model_validator(mode="after")
    def _all_is_defined(self) -> GrammarFile:
        for family in self.families:
            if family.meaning not in self.meanings:
                raise ValueError(f"a family means '{family.meaning}', which is not among the meanings")
        texts = [text for family in self.families for text in (*family.ko, *family.en)]
        for name, denied in SLOT.findall(" ".join([*texts, *(text for some in self.slots.values() for text in some)])):
            if name not in self.predicates and (denied or name not in self.slots):
                raise ValueError(f"'{{{name}{denied}}}' is neither a slot nor a predicate")
        return self


@dataclass(frozen=True)
class Grammar:
    """Draws messages and what they mean; ``targets`` [meanings, labels] are over a vocabulary's labels.

    No message whose folded text is in ``forbidden`` is drawn.
    """

    file: GrammarFile
    targets: Tensor
    slips: float = 0.35
    forbidden: frozenset[str] = field(default=frozenset())

    @classmethod
    def load(
        cls, vocabulary: Vocabulary, slips: float = 0.35, forbidden: Sequence[str] = (), path: Path | None = None
    ) -> Grammar:
        """Read a grammar, the shipped one by default, for a vocabulary that has all its labels.

        Raises UsageError for a malformed file, DataError for a label that the vocabulary lacks.
        """
        source = path or datasets_dir() / "lexicon" / "messages.yaml"
        file = validate(GrammarFile, parse_yaml(read_text(source), str(source)), str(source))
        targets = torch.zeros(len(file.meanings), len(vocabulary))
        for row, labels in zip(targets, file.meanings.values(), strict=True):
            for key, weight in labels.items():
                if key not in vocabulary.keys:
                    raise DataError(f"{source}: '{key}' is no label of {vocabulary.name}.")
                row[vocabulary.index(key)] = weight
        return cls(file, targets, slips, frozenset(map(fold, forbidden)))

    def draw(self, count: int, rng: random.Random) -> tuple[list[str], Tensor]:
        """Return ``count`` messages and the distribution over the labels that each means, [count, labels]."""
        families = rng.choices(self.file.families, [family.times for family in self.file.families], k=count)
        names = list(self.file.meanings)
        return [self._message(family, rng) for family in families], self.targets[
            [names.index(family.meaning) for family in families]
        ]

    def _message(self, family: Family, rng: random.Random) -> str:
        for _ in range(TRIES):
            templates = rng.choice([some for some in (family.ko, family.en) if some])
            text = " ".join(self._filled(rng.choice(templates), rng).split())
            if rng.random() < self.slips:
                text = slipped(text, rng)
            if text and fold(text) not in self.forbidden:
                return text
        raise DataError(f"The grammar's family '{family.meaning}' gives nothing but forbidden messages.")

    def _filled(self, text: str, rng: random.Random) -> str:
        for _ in range(DEPTH):
            before = text
            text = CHOICE.sub(lambda found: rng.choice(found[1].split("|")), text)
            text = SLOT.sub(lambda found: self._slot(found[1], bool(found[2]), rng), text)
            if text == before:
                return text
        return text

    def _slot(self, name: str, denied: bool, rng: random.Random) -> str:
        if name in self.file.slots:
            return rng.choice(self.file.slots[name])
        stem, plain, written = rng.choice(self.file.predicates[name])
        forms = {"stem": stem, "plain": plain, "written": written}
        if denied:
            split = rng.random() < SPLIT
            forms |= {"not_plain": deny(stem, plain, split), "not_written": deny(stem, written, split)}
        return rng.choice(NEGATED if denied else AFFIRMED).format(**forms)


def deny(stem: str, form: str, split: bool) -> str:
    """Put 안 where Korean puts it: before the last word of several (마음에 안 들어), but not within 보고 싶어.

    A verb that 하다 makes of a noun is also split at it (사랑 안 해), where ``split`` says so.
    """
    before, _, last = form.rpartition(" ")
    if before and not last.startswith("싶"):
        return f"{before} 안 {last}"
    noun = stem.removesuffix("하")
    if split and noun != stem and len(noun) >= 2 and form.startswith(noun):
        return f"{noun} 안 {form.removeprefix(noun)}"
    return f"안 {form}"
