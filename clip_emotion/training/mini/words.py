"""The mini's text tower learns more words: as people type them, as English ones bridge to them, as reviews use them."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from clip_emotion.data.lexicon import HELD_OUT_VOCABULARY, Concept, load_everyday, load_lexicon
from clip_emotion.data.tables import read_column
from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.label import LANGUAGES
from clip_emotion.models.mini.sub_words import tokenize
from clip_emotion.models.mini.text_tower import TextTower
from clip_emotion.resources import datasets_dir
from clip_emotion.text import fold
from clip_emotion.training.corpora import Corpora, load_corpora
from clip_emotion.training.losses import soft_cross_entropy
from clip_emotion.training.mini.bridge import TEACHERS, Unseen, WordTeacher, bridged_words, still_words
from clip_emotion.training.mini.forms import other_form
from clip_emotion.training.mini.lexicon import concept_targets, lexicon_entries
from clip_emotion.training.mini.text import SENTIMENT, TextModel
from clip_emotion.training.mini.tokenizer import cut_tokens, token_halves
from clip_emotion.training.mini.words_config import MiniWordsConfig, ValenceConfig
from clip_emotion.training.prompts import PromptBank, in_template
from clip_emotion.vocabulary import Vocabulary

BANKS = {"kote": "kote44", "goemotions": "goemotions28", "basic": "basic8"}
COMMENTS = {"en": ("goemotions_en",), "ko": ("kote", "goemotions_ko", "nsmc")}
"""The corpora whose words and phrases each language's bridge draws from."""
UNCLEAR = 0.3
"""A word whose labels weigh less than this in all says nothing about a vocabulary."""
WORD = re.compile("[가-힣]{2,}")


@dataclass(frozen=True)
class Named:
    """Words [N] and how much of each label of each bank they carry, {bank: [N, labels]}."""

    words: list[str]
    targets: dict[str, Tensor]


class MiniWordsObjective:
    """Words against the names of the labels that they stand for, while names and comments stay where they were."""

    def __init__(self, config: MiniWordsConfig, tower: TextTower, tokenizer: Tokenizer, texts: WordsTexts) -> None:
        self.config, self.tokenizer, self.texts = config, tokenizer, texts
        self.model = TextModel(tower.train())
        self.halves = token_halves(tokenizer)
        self.kept_ids = tokenize(tokenizer, texts.kept)
        with torch.inference_mode():
            tower.eval()
            parts = [self.model.embed(self.kept_ids[at : at + 512]) for at in range(0, len(self.kept_ids), 512)]
            tower.train()
        self.kept = torch.cat(parts).clone()

    def loss(self, step: int, progress: float) -> Tensor:
        """Draw the step's words, embed them in one go and add up the parts of the loss."""
        rng, config = random.Random(f"{self.config.seed}:{step}"), self.config
        drawn = {
            "lexicon": _sample(len(self.texts.lexicon.words), config.batch.lexicon, rng),
            "bridge": _sample(len(self.texts.bridge.words), config.batch.bridge, rng),
            "valence": _sample(len(self.texts.valence.words), config.batch.valence, rng),
        }
        kept = _sample(len(self.kept_ids), config.batch.kept, rng)
        kept += _sample(self.texts.names, config.batch.names, rng)
        ids: list[list[int]] = []
        places: dict[str, slice] = {}
        for part, rows in drawn.items():
            words = getattr(self.texts, part).words
            places[part] = slice(len(ids), len(ids) + len(rows))
            ids += self._cut_all([self._spoken(words[row], rng) for row in rows], rng)
        for name, bank in self.texts.banks.items():
            labels = bank.draw(rng.choice(LANGUAGES), rng, config.own_names)
            places[f"labels_{name}"] = slice(len(ids), len(ids) + len(labels))
            ids += self._cut_all(labels, rng)
        poles = [rng.choice(pole) for pole in SENTIMENT[rng.choice(LANGUAGES)]]
        places["poles"] = slice(len(ids), len(ids) + len(poles))
        ids += tokenize(self.tokenizer, poles)
        places["kept"] = slice(len(ids), len(ids) + len(kept))
        whole = self.model.embed(ids + [self.kept_ids[row] for row in kept])
        total = config.weights.kept * (1 - (whole[places["kept"]] * self.kept[kept]).sum(dim=1)).mean()
        for part in ("lexicon", "bridge"):
            total = total + getattr(config.weights, part) * self._named(part, drawn[part], whole, places)
        logits = self.model.logits(whole[places["valence"]], whole[places["poles"]], "sentiment")
        leaning = self.texts.valence.targets["sentiment"][drawn["valence"]]
        return total + config.weights.valence * soft_cross_entropy(logits, leaning)

    def _named(self, part: str, rows: list[int], whole: Tensor, places: dict[str, slice]) -> Tensor:
        named: Named = getattr(self.texts, part)
        loss = torch.zeros(())
        for name in BANKS:
            targets = named.targets[name][rows]
            told = targets.sum(dim=1) >= UNCLEAR
            if told.any():
                logits = self.model.logits(whole[places[part]][told], whole[places[f"labels_{name}"]], name)
                loss = loss + soft_cross_entropy(logits, targets[told] / targets[told].sum(dim=1, keepdim=True))
        return loss

    def _spoken(self, word: str, rng: random.Random) -> str:
        if rng.random() < self.config.forms:
            word = other_form(word, rng)
        return in_template(word, self.texts.banks["kote"].vocabulary, rng)

    def _cut_all(self, texts: list[str], rng: random.Random) -> list[list[int]]:
        return [self._cut(ids, rng) for ids in tokenize(self.tokenizer, texts)]

    def _cut(self, ids: list[int], rng: random.Random) -> list[int]:
        return cut_tokens(ids, self.halves, self.config.cut, rng)

    @torch.inference_mode()
    def validate(self, model: TextModel) -> Measurements:
        """Return how many of the lexicon's kept-out words lie nearest to an expression that shows them."""
        found = []
        labels = self.texts.banks["basic"].vocabulary
        for language in LANGUAGES:
            names = model.embed(tokenize(self.tokenizer, [label.name(language) for label in labels.labels]))
            checks = [(word, entry) for word, entry in self.texts.checks[language] if entry.shown]
            best = (model.embed(tokenize(self.tokenizer, [word for word, _ in checks])) @ names.T).argmax(dim=1)
            right = [labels.keys[at] in entry.shown for at, (_, entry) in zip(best.tolist(), checks, strict=True)]
            found.append(Measurement("new_words", sum(right) / max(1, len(right)), language=language))
        held = (model.embed(self.kept_ids) * self.kept).sum(dim=1).mean()
        return Measurements([*found, Measurement("kept_cosine", float(held))])


@dataclass(frozen=True)
class WordsTexts:
    """What the words stage is taught and checked with; the first ``names`` texts of ``kept`` are labels' names."""

    lexicon: Named
    bridge: Named
    valence: Named
    kept: list[str]
    names: int
    banks: dict[str, PromptBank]
    checks: dict[str, list[tuple[str, Concept]]]


def load_texts(config: MiniWordsConfig) -> WordsTexts:
    """Read lexicon, comments and reviews; raises DataError where a source is missing."""
    lexicon = load_lexicon()
    everyday = load_everyday(lexicon)
    shown = {entry.concept: entry.faces for entry in everyday}
    concepts = [entry.model_copy(update={"faces": shown.get(entry.concept, ())}) for entry in lexicon] + [*everyday]
    corpora = load_corpora(config.sources)
    unseen = unseen_words(config, concepts)
    vocabularies = {name: Vocabulary.load(vocabulary) for name, vocabulary in BANKS.items()}
    banks = {name: PromptBank.of(vocabulary, lexicon, name) for name, vocabulary in vocabularies.items()}
    matrices = {name: concept_matrix(concepts, vocabulary, name) for name, vocabulary in vocabularies.items()}
    entries = lexicon_entries(concepts, kept_out=False)
    names = list(dict.fromkeys(entry.concept for entry in concepts))
    places = [names.index(entry.concept) for _, entry in entries]
    bridged = [_bridge(config, teacher, concepts, corpora, unseen) for teacher in TEACHERS]
    words = [word for found, _ in bridged for word in found]
    likely = torch.cat([answers for _, answers in bridged])
    leaning = leaning_words(corpora.training["nsmc"].texts, corpora.training["nsmc"].targets, config.valence, unseen)
    named = dict.fromkeys(
        prompt for v in vocabularies.values() for lang in LANGUAGES for group in v.prompts(lang) for prompt in group
    )
    kept = [text for name in ("goemotions_en", "goemotions_ko") for text in corpora.training[name].texts[::200]]
    kept += [*corpora.training["kote"].texts[::20], *corpora.training["nsmc"].texts[::1000]]
    lexicon_words = [word for entry in concepts for said in entry.words.values() for word in said]
    taught = {fold(word) for word in [*words, *leaning.words, *lexicon_words]}
    for teacher in TEACHERS:
        kept += still_words(config.still, teacher, _comments(corpora, teacher), taught, unseen)
    checks: dict[str, list[tuple[str, Concept]]] = {language: [] for language in LANGUAGES}
    for word, entry in lexicon_entries(concepts, kept_out=True):
        checks["ko" if word in entry.words["ko"] else "en"].append((word, entry))
    return WordsTexts(
        Named([word for word, _ in entries], {name: matrix[places] for name, matrix in matrices.items()}),
        Named(words, {name: likely @ matrix for name, matrix in matrices.items()}),
        leaning,
        list(named | dict.fromkeys(kept)),
        len(named),
        banks,
        checks,
    )


def unseen_words(config: MiniWordsConfig, concepts: Sequence[Concept]) -> Unseen:
    """Return the words that no bridge and no review teaches, since they measure.

    They are the held-out synonyms, and the words typed on faces and those of the configuration's tables, but for words
    of the lexicon that train, which are taught anyway.
    """
    lexicon = {fold(word) for word, _ in lexicon_entries(concepts, kept_out=False)}
    tables = [datasets_dir() / "checks" / "face_words.tsv", *(config.sources.folder / path for path in config.unseen)]
    listed = [word for path in tables for word in read_column(path, "word") if fold(word) not in lexicon]
    synonyms = [name for label in Vocabulary.load(HELD_OUT_VOCABULARY).labels for name in label.names.values()]
    return Unseen([*listed, *synonyms])


def _bridge(
    config: MiniWordsConfig, teacher: WordTeacher, concepts: Sequence[Concept], corpora: Corpora, unseen: Unseen
) -> tuple[list[str], Tensor]:
    chosen = getattr(config.bridge, teacher.language)
    if chosen is None:
        return [], torch.zeros(0, len({entry.concept for entry in concepts}))
    return bridged_words(chosen, teacher, concepts, _comments(corpora, teacher), unseen, config.sources.prepared)


def _comments(corpora: Corpora, teacher: WordTeacher) -> list[str]:
    return [text for name in COMMENTS[teacher.language] for text in corpora.training[name].texts]


def concept_matrix(concepts: Sequence[Concept], vocabulary: Vocabulary, bank: str) -> Tensor:
    """Return [concepts, labels]: what a concept stands for, its labels sharing a weight of 1; the first entry tells."""
    entries: dict[str, Concept] = {}
    for entry in concepts:
        entries.setdefault(entry.concept, entry)
    first = list(entries.values())
    if bank != "basic":
        matrix = concept_targets(first, vocabulary, bank)
    else:
        matrix = torch.zeros(len(first), len(vocabulary))
        for row, entry in zip(matrix, first, strict=True):
            row[[vocabulary.index(key) for key in entry.shown]] = 1
    return matrix / matrix.sum(dim=1, keepdim=True).clamp_min(1)


def leaning_words(reviews: Sequence[str], poles: Tensor, config: ValenceConfig, unseen: Unseen) -> Named:
    """Return the Korean words of reviews that lean to one side, with the share of good and bad ones, [N, 2]."""
    seen, good = Counter[str](), Counter[str]()
    for text, positive in zip(reviews, poles[:, 0].tolist(), strict=True):
        for word in set(WORD.findall(text)):
            seen[word] += 1
            good[word] += int(positive)
    base = float(poles[:, 0].mean())
    words, shares = [], []
    for word, count in seen.items():
        odds = (good[word] + 1) / base, (count - good[word] + 1) / (1 - base)
        share = odds[0] / sum(odds)
        if count >= config.often and abs(share - 0.5) >= config.lean and not unseen.holds(word):
            words.append(word)
            shares.append([share, 1 - share])
    return Named(words, {"sentiment": torch.tensor(shares)})


def _sample(size: int, wanted: int, rng: random.Random) -> list[int]:
    return rng.sample(range(size), min(size, wanted))
