"""First stage of the mini: the bilingual text tower, trained on comments, label words and translation pairs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from clip_emotion.data.lexicon import Concept, load_lexicon
from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.label import LANGUAGES
from clip_emotion.models.logit_scale import bounded_scale
from clip_emotion.models.mini.sub_words import tokenize
from clip_emotion.models.mini.text_tower import TextTower, pad_ids
from clip_emotion.models.prototypes import prototypes
from clip_emotion.text_batches import length_batches
from clip_emotion.training.corpora import CORPORA, Corpora
from clip_emotion.training.losses import paired_contrast, soft_cross_entropy
from clip_emotion.training.mini.lexicon import concept_targets, family_matrix, lexicon_entries, new_words
from clip_emotion.training.mini.text_config import MiniTextConfig
from clip_emotion.training.mini.tokenizer import cut_tokens, drop_tokens, token_halves
from clip_emotion.training.prompts import PromptBank, in_template
from clip_emotion.vocabulary import Vocabulary

SENTIMENT = {
    "ko": (
        ("좋음, 만족, 즐거운 마음", "긍정적인 감정", "기분 좋은"),
        ("싫음, 불만, 실망한 마음", "부정적인 감정", "기분 나쁜"),
    ),
    "en": (("a good, pleasant feeling", "positive emotion"), ("a bad, unpleasant feeling", "negative emotion")),
}


class TextModel(nn.Module):
    """The tower and one learned logit scale for each label set; only the tower is kept."""

    SETS = ("kote", "goemotions", "basic", "sentiment", "pairs")

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.tower = tower
        self.log_scales = nn.ParameterDict({name: nn.Parameter(torch.tensor(2.7)) for name in self.SETS})

    def scale(self, label_set: str) -> Tensor:
        """Return the logit scale of a label set, a scalar of at most 100."""
        return bounded_scale(self.log_scales[label_set])

    def logits(self, texts: Tensor, prototypes: Tensor, label_set: str) -> Tensor:
        """Return scaled cosines [N, C]."""
        return self.scale(label_set) * texts @ prototypes.T

    def embed(self, ids: list[list[int]]) -> Tensor:
        """Embed tokenised texts [N] as [N, D], in three groups of like length to spare padding."""
        groups = length_batches([len(row) for row in ids], -(-len(ids) // 3))
        parts = [self.tower(pad_ids([ids[row] for row in group], self.tower.config.max_tokens)) for group in groups]
        inverse = torch.empty(len(ids), dtype=torch.long)
        inverse[torch.tensor([row for group in groups for row in group])] = torch.arange(len(ids))
        return torch.cat(parts)[inverse]


@dataclass
class _Batch:
    """The texts of one step under construction: each part remembers where its rows are."""

    ids: list[list[int]] = field(default_factory=list)

    def add(self, rows: list[list[int]]) -> slice:
        start = len(self.ids)
        self.ids.extend(rows)
        return slice(start, len(self.ids))


class MiniTextObjective:
    """Comments of both label sets, lexicon words, reviews and translation pairs against the words of their labels."""

    def __init__(self, config: MiniTextConfig, corpora: Corpora, tokenizer: Tokenizer) -> None:
        self.config, self.corpora, self.tokenizer = config, corpora, tokenizer
        self.model = TextModel(TextTower(config.tower))
        self.vocabularies = {name: Vocabulary.load(name) for name in ("kote44", "goemotions28", "basic8")}
        self.lexicon = load_lexicon()
        self.banks = {
            "kote": PromptBank.of(self.vocabularies["kote44"], self.lexicon, "kote"),
            "goemotions": PromptBank.of(self.vocabularies["goemotions28"], self.lexicon, "goemotions"),
            "basic": PromptBank.of(self.vocabularies["basic8"], self.lexicon, "basic"),
        }
        self.entries = lexicon_entries(self.lexicon, kept_out=False)
        self.checks = new_words(self.lexicon, self.vocabularies.values())
        self.halves = token_halves(tokenizer)
        self.ids = {name: tokenize(tokenizer, list(rows.texts)) for name, rows in corpora.training.items()}
        self.families = {
            "kote": family_matrix(self.vocabularies["kote44"], self.vocabularies["basic8"]),
            "goemotions": family_matrix(self.vocabularies["goemotions28"], self.vocabularies["basic8"]),
        }

    def loss(self, step: int, progress: float) -> Tensor:
        """Draw the step's texts, embed them in one go and add up the parts of the loss."""
        rng = random.Random(f"{self.config.seed}:{step}")
        sizes, batch = self.config.batch, _Batch()
        korean = rng.random() < sizes.korean_share
        language, other = ("goemotions_ko", "goemotions_en") if korean else ("goemotions_en", "goemotions_ko")
        go_rows = rng.sample(range(len(self.ids[language])), sizes.goemotions)
        kote_rows = rng.sample(range(len(self.ids["kote"])), sizes.kote)
        nsmc_rows = rng.sample(range(len(self.ids["nsmc"])), sizes.nsmc)
        entries = rng.sample(self.entries, min(sizes.lexicon, len(self.entries)))
        places = {
            "goemotions": batch.add(self._rows(language, go_rows, rng)),
            "pairs": batch.add(self._rows(other, go_rows[: sizes.pairs], rng)),
            "kote": batch.add(self._rows("kote", kote_rows, rng)),
            "nsmc": batch.add(self._rows("nsmc", nsmc_rows, rng)),
            "lexicon": batch.add(
                self._words([in_template(w, self.vocabularies["kote44"], rng) for w, _ in entries], rng)
            ),
        }
        for name, bank in self.banks.items():
            places[f"labels_{name}"] = batch.add(
                self._words(bank.draw(rng.choice(LANGUAGES), rng, self.config.own_names), rng)
            )
        poles = SENTIMENT[rng.choice(LANGUAGES)]
        places["labels_sentiment"] = batch.add(self._words([rng.choice(pole) for pole in poles], rng))
        whole = self.model.embed(batch.ids)
        parts = {name: whole[place] for name, place in places.items()}
        return self._total(parts, go_rows, kote_rows, nsmc_rows, [concept for _, concept in entries])

    def _total(
        self, parts: dict[str, Tensor], go: list[int], kote: list[int], nsmc: list[int], concepts: list[Concept]
    ) -> Tensor:
        model, weights = self.model, self.config.weights
        total = torch.zeros(())
        # A comment's translation carries the comment's labels.
        both = torch.cat([parts["goemotions"], parts["pairs"]])
        parts = {**parts, "goemotions": both}
        rows_of = {"goemotions": go + go[: len(parts["pairs"])], "kote": kote}
        for name, rows in rows_of.items():
            # Both languages of GoEmotions have the same rows.
            corpus = "goemotions_en" if name == "goemotions" else name
            targets = self.corpora.training[corpus].targets[rows]
            logits = model.logits(parts[name], parts[f"labels_{name}"], name)
            total = total + getattr(weights, name) * soft_cross_entropy(logits, _normalised(targets))
            basic = targets @ self.families[name]
            kept = basic.sum(dim=1) > 0
            if weights.families and kept.any():
                logits = model.logits(parts[name][kept], parts["labels_basic"], "basic")
                total = total + weights.families * soft_cross_entropy(logits, _normalised(basic[kept]))
        total = total + weights.lexicon * self._lexicon_loss(parts, concepts)
        sentiment = self.corpora.training["nsmc"].targets[nsmc]
        logits = model.logits(parts["nsmc"], parts["labels_sentiment"], "sentiment")
        total = total + weights.nsmc * soft_cross_entropy(logits, sentiment)
        paired = paired_contrast(parts["goemotions"][: len(parts["pairs"])], parts["pairs"], model.scale("pairs"))
        return total + weights.pairs * paired

    def _lexicon_loss(self, parts: dict[str, Tensor], concepts: list[Concept]) -> Tensor:
        loss = torch.zeros(())
        for name in ("kote", "goemotions", "basic"):
            targets = concept_targets(concepts, self.banks[name].vocabulary, name)
            kept = targets.sum(dim=1) > 0
            if kept.any():
                logits = self.model.logits(parts["lexicon"][kept], parts[f"labels_{name}"], name)
                loss = loss + soft_cross_entropy(logits, _normalised(targets[kept]))
        return loss

    def _rows(self, corpus: str, rows: Sequence[int], rng: random.Random) -> list[list[int]]:
        noise = self.config.noise
        drawn = []
        for row in rows:
            ids = drop_tokens(self.ids[corpus][row], noise.word_dropout, rng)
            drawn.append(cut_tokens(ids, self.halves, noise.cut_comments, rng))
        return drawn

    def _words(self, texts: list[str], rng: random.Random) -> list[list[int]]:
        share = self.config.noise.cut_words
        return [cut_tokens(ids, self.halves, share, rng) for ids in tokenize(self.tokenizer, texts)]

    @torch.inference_mode()
    def validate(self, model: TextModel) -> Measurements:
        """Return hit rates on the kept-out comments and the share of kept-out lexicon words in the right family."""
        found: list[Measurement] = []
        for name, rows in self.corpora.validation.items():
            corpus = CORPORA[name]
            labels = self._label_embeddings(model, self.vocabularies[corpus.vocabulary], corpus.language)
            ranked = (self._embed_all(model, list(rows.texts)) @ labels.T).topk(5).indices
            hits = rows.targets.gather(1, ranked) > 0
            found.append(corpus.measured("hit1", float(hits[:, 0].float().mean())))
            found.append(corpus.measured("hit5", float(hits.any(dim=1).float().mean())))
        found += [
            Measurement("new_words", self._new_words(model, language), language=language) for language in LANGUAGES
        ]
        return Measurements(found)

    def _new_words(self, model: TextModel, language: str) -> float:
        vocabulary = self.vocabularies["basic8"]
        checks = [
            (word, concept)
            for word, concept in self.checks
            if any(spoken == language and word in words for spoken, words in concept.words.items())
        ]
        labels = self._label_embeddings(model, vocabulary, language)
        best = (self._embed_all(model, [word for word, _ in checks]) @ labels.T).argmax(dim=1)
        right = [vocabulary.keys[at] == c.basic for at, (_, c) in zip(best.tolist(), checks, strict=True)]
        return float(sum(right) / max(1, len(right)))

    def _label_embeddings(self, model: TextModel, vocabulary: Vocabulary, language: str) -> Tensor:
        prompts = vocabulary.prompts(language)
        embedded = self._embed_all(model, [prompt for group in prompts for prompt in group])
        return prototypes(torch.split(embedded, [len(group) for group in prompts]))

    def _embed_all(self, model: TextModel, texts: list[str]) -> Tensor:
        ids = tokenize(self.tokenizer, texts)
        return torch.cat([model.embed(ids[start : start + 512]) for start in range(0, len(ids), 512)])


def _normalised(targets: Tensor) -> Tensor:
    return targets / targets.sum(dim=1, keepdim=True)
