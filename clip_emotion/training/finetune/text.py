"""The words of a fine-tuning run: what is said of each class, drawn by step, embedded, and chosen on validation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import torch
from torch import Tensor

from clip_emotion.data.lexicon import load_lexicon
from clip_emotion.errors import UsageError
from clip_emotion.label import Label
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.models.prototypes import prototypes
from clip_emotion.text import has_hangul
from clip_emotion.training.finetune.config import FinetuneConfig, TemplatesConfig
from clip_emotion.training.finetune.metrics import class_metrics
from clip_emotion.training.prompts import PromptBank, is_kept_out
from clip_emotion.vocabulary import Vocabulary

TEXT_BATCH = 256
MOST_SUBSETS = 5
"""With more templates than this only single ones and all together are tried for a class."""
PASSES = 2


@dataclass(frozen=True)
class ClassPrompts:
    """The words that stand for each class in training, and the vocabulary that says which sentences they come in."""

    vocabulary: Vocabulary
    bank: PromptBank
    languages: tuple[str, ...]

    def draw(self, language: str, rng: random.Random, own_names: float) -> list[str]:
        """Draw one prompt a class: its own name with probability ``own_names``, else any word; in any template."""
        drawn = []
        for label, words in zip(self.vocabulary.labels, self.bank.words, strict=True):
            word = label.name(language) if rng.random() < own_names else rng.choice(words[language])
            drawn.append(rng.choice(self.vocabulary.templates_for(label, word)).format(word))
        return drawn

    def every_prompt(self) -> list[str]:
        """Return all that ``draw`` may ever draw, in a fixed order."""
        prompts = {
            template.format(word): None
            for label, words in zip(self.vocabulary.labels, self.bank.words, strict=True)
            for language in self.languages
            for word in (label.name(language), *words[language])
            for template in self.vocabulary.templates_for(label, word)
        }
        return list(prompts)


def class_prompts(config: FinetuneConfig, vocabulary: Vocabulary) -> ClassPrompts:
    """Gather each class's name, synonyms and lexicon words, less every word of the vocabularies to stay unseen."""
    unseen = [label for name in config.unseen for label in Vocabulary.load(name).labels]
    keys = {label.key for label in unseen}
    # A concept that stands for an unseen label lends no word at all.
    concepts = [concept for concept in load_lexicon() if not keys.intersection(concept.kote)]
    bank = PromptBank.of(vocabulary, concepts, "basic").without(_spoken(unseen))
    return ClassPrompts(with_templates(vocabulary, config.templates), bank, config.languages)


def _spoken(labels: Sequence[Label]) -> set[str]:
    """Return all by which labels are called: a key is not, it may well be a basic emotion's own."""
    return {alias for label in labels for alias in replace(label, key="").aliases() if alias}


def with_templates(vocabulary: Vocabulary, config: TemplatesConfig) -> Vocabulary:
    """Return the vocabulary with the configuration's templates where it names some."""
    own = {language: lines for language, lines in (("ko", config.ko), ("en", config.en)) if lines}
    return replace(vocabulary, templates={**vocabulary.templates, **own})


def anchor_words(unseen: Sequence[str]) -> list[str]:
    """Return the lexicon's words whose embeddings are held: none that is kept out of training or must stay unseen."""
    aliases = _spoken([label for name in unseen for label in Vocabulary.load(name).labels])
    words = [word for concept in load_lexicon() for own in concept.words.values() for word in own]
    return [word for word in dict.fromkeys(words) if word not in aliases and not is_kept_out(word)]


@torch.no_grad()
def embed_all(model: EmotionClip, texts: Sequence[str]) -> Tensor:
    """Embed texts [M, D] in batches, in full precision and without gradients."""
    parts = []
    with torch.autocast(model.device.type, enabled=False):
        for start in range(0, len(texts), TEXT_BATCH):
            parts.append(model.embed_texts(list(texts[start : start + TEXT_BATCH])))
    return torch.cat(parts)


def class_prototypes(model: EmotionClip, vocabulary: Vocabulary, language: str) -> Tensor:
    """Return one embedding a class [C, D]: the mean over its name in every template."""
    prompts = vocabulary.prompts(language)
    embedded = embed_all(model, [prompt for own in prompts for prompt in own])
    return prototypes(torch.split(embedded, [len(own) for own in prompts]))


class TextCache:
    """Embeddings of all prompts of a run, made once while the text side is frozen."""

    def __init__(self, model: EmotionClip, prompts: Sequence[str]) -> None:
        self._rows = {prompt: row for row, prompt in enumerate(prompts)}
        was_training = model.training
        self._embeddings = embed_all(model.eval(), prompts)
        model.train(was_training)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return the embeddings [M, D] of prompts that were embedded before."""
        return self._embeddings[[self._rows[text] for text in texts]]


def choose_templates(
    model: EmotionClip, images: Tensor, truth: Tensor, vocabulary: Vocabulary, languages: Sequence[str]
) -> Vocabulary:
    """Give each label the templates, per language, that name its pictures best.

    ``images`` [N, D] are embeddings of validation pictures with classes ``truth`` [N]. From all templates for every
    class, the classes are gone through twice, and each takes the set of templates with the highest macro F1 of all
    classes; a set is only changed for a better one. Raises UsageError where ``images`` is empty.
    """
    if not len(images):
        raise UsageError("Templates cannot be chosen without validation pictures.")
    chosen = vocabulary
    for language in languages:
        chosen = _choose(model, images, truth, chosen, language)
    return chosen


def _choose(model: EmotionClip, images: Tensor, truth: Tensor, vocabulary: Vocabulary, language: str) -> Vocabulary:
    prompts = vocabulary.prompts(language)
    embedded = [embed_all(model, own) for own in prompts]
    columns = images @ prototypes(embedded).T
    sets = [tuple(range(len(own))) for own in prompts]
    best = class_metrics(columns, truth)["macro_f1"]
    for _ in range(PASSES):
        for at, own in enumerate(embedded):
            for subset in _subsets(len(own)):
                tried = columns.clone()
                tried[:, at] = images @ prototypes([own[list(subset)]])[0]
                score = class_metrics(tried, truth)["macro_f1"]
                if score > best:
                    best, columns, sets[at] = score, tried, subset
    return _with_sets(vocabulary, language, sets)


def _subsets(count: int) -> list[tuple[int, ...]]:
    whole = tuple(range(count))
    if count > MOST_SUBSETS:
        return [*((at,) for at in whole), whole]
    return [subset for size in range(1, count + 1) for subset in combinations(whole, size)]


def _with_sets(vocabulary: Vocabulary, language: str, sets: Sequence[tuple[int, ...]]) -> Vocabulary:
    labels = []
    for label, subset in zip(vocabulary.labels, sets, strict=True):
        name = label.name(language)
        lines = vocabulary.templates_for(label, name)
        own = {"ko" if has_hangul(name) else "en": tuple(lines[at] for at in subset)}
        changed = len(subset) < len(lines)
        labels.append(replace(label, templates={**label.templates, **own}) if changed else label)
    return replace(vocabulary, labels=tuple(labels))
