"""First stage of the mini: the bilingual text tower, trained on comments, label words and translation pairs."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn

from clip_emotion.config import Config
from clip_emotion.data.lexicon import Concept, load_lexicon
from clip_emotion.errors import UsageError
from clip_emotion.models.mini.encoder import load_tokenizer
from clip_emotion.models.mini.text_tower import PAD, TextTower, TextTowerConfig, pad_ids, tokenize
from clip_emotion.models.prototypes import prototypes
from clip_emotion.text import fold
from clip_emotion.training.corpora import Corpora, SourcesConfig, load_corpora
from clip_emotion.training.loop.fit import FitConfig
from clip_emotion.training.losses import paired_contrast, soft_cross_entropy
from clip_emotion.training.prompts import WordBank, in_template, is_kept_out
from clip_emotion.vocabulary import LANGUAGES, Vocabulary

SENTIMENT = {
    "ko": (
        ("좋음, 만족, 즐거운 마음", "긍정적인 감정", "기분 좋은"),
        ("싫음, 불만, 실망한 마음", "부정적인 감정", "기분 나쁜"),
    ),
    "en": (("a good, pleasant feeling", "positive emotion"), ("a bad, unpleasant feeling", "negative emotion")),
}


class BatchConfig(Config):
    """How many texts of each kind a step sees; of the GoEmotions ones ``pairs`` come with their translation."""

    goemotions: int = Field(80, ge=1)
    pairs: int = Field(32, ge=2)
    kote: int = Field(32, ge=1)
    nsmc: int = Field(48, ge=1)
    lexicon: int = Field(64, ge=1)
    korean_share: float = Field(0.5, ge=0, le=1)


class LossWeights(Config):
    """The weight of each part of the loss."""

    goemotions: float = 1.0
    kote: float = 1.0
    families: float = 0.3
    lexicon: float = 0.5
    nsmc: float = 0.3
    pairs: float = 0.3


class NoiseConfig(Config):
    """What is done to the texts and inside the tower to keep it from learning comments by heart.

    A sub-word is dropped from a comment with probability ``word_dropout``. A sub-word is cut in two with probability
    ``cut_comments`` or, in label words and the lexicon, ``cut_words``, so that unseen words mean what their parts do
    (sub-word regularisation, 1804.10959).
    """

    dropout: float = Field(0.25, ge=0, lt=1)
    word_dropout: float = Field(0.15, ge=0, lt=1)
    cut_comments: float = Field(0.1, ge=0, lt=1)
    cut_words: float = Field(0.25, ge=0, lt=1)


class DeepenConfig(Config):
    """The second run of the text stage, with the tower's blocks.

    What is kept is the average of the weights before and after it, the latter with the share ``blend``: as in WiSE-FT
    (2109.01903) it does better than either, on comments and on new words.
    """

    blend: float = Field(0.5, ge=0, le=1)
    noise: NoiseConfig = Field(default_factory=NoiseConfig)
    fit: FitConfig


class MiniTextConfig(Config):
    """Configuration of the text stage.

    ``fit`` trains the words alone (a tower without its blocks), which is quick; ``deepen`` then adds the blocks, which
    start as the identity, and trains everything at a lower rate. A label is called by its own name with probability
    ``own_names``, else by any of its words.
    """

    kind: Literal["mini_text"]
    seed: int = 0
    sources: SourcesConfig
    out: Path = Path("runs/mini_text")
    tower: TextTowerConfig = Field(default_factory=TextTowerConfig)
    batch: BatchConfig = Field(default_factory=BatchConfig)
    weights: LossWeights = Field(default_factory=LossWeights)
    own_names: float = Field(0.8, ge=0, le=1)
    noise: NoiseConfig = Field(default_factory=NoiseConfig)
    fit: FitConfig
    deepen: DeepenConfig | None = None

    def stage(self, deep: bool) -> MiniTextConfig:
        """Return the settings of one of the two runs: without the blocks, or with them and ``deepen``'s noise."""
        noise = self.deepen.noise if deep and self.deepen else self.noise
        change = {"dropout": noise.dropout} | ({} if deep else {"layers": 0})
        return self.model_copy(update={"noise": noise, "tower": self.tower.model_copy(update=change)})


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """Train a Unigram tokenizer (1804.10959), NFKC and lower-cased, with id 0 for padding and 1 for the unknown."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Digits(True)])
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=["<pad>", "<unk>"], unk_token="<unk>", max_piece_length=12, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def token_halves(tokenizer: Tokenizer) -> list[list[tuple[int, int]]]:
    """For each sub-word, list the pairs of sub-words that it can be cut into."""
    pieces = tokenizer.get_vocab()
    halves: list[list[tuple[int, int]]] = [[] for _ in range(max(pieces.values()) + 1)]
    for piece, number in pieces.items():
        for at in range(1, len(piece)):
            left, right = pieces.get(piece[:at]), pieces.get(piece[at:])
            # A lone word mark carries no meaning.
            if left is not None and right is not None and piece[:at] != "▁":
                halves[number].append((left, right))
    return halves


class TextModel(nn.Module):
    """The tower and one learned logit scale for each label set; only the tower is kept."""

    SETS = ("kote", "goemotions", "basic", "sentiment", "pairs")

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.tower = tower
        self.log_scales = nn.ParameterDict({name: nn.Parameter(torch.tensor(2.7)) for name in self.SETS})

    def logits(self, texts: Tensor, prototypes: Tensor, label_set: str) -> Tensor:
        """Return scaled cosines [N, C]; the scale stays at or below 100, as in CLIP."""
        scale: Tensor = self.log_scales[label_set].exp().clamp(max=100.0)
        return scale * texts @ prototypes.T

    def embed(self, ids: list[list[int]]) -> Tensor:
        """Embed tokenised texts [N] as [N, D], in three groups of like length to spare padding."""
        order = sorted(range(len(ids)), key=lambda position: len(ids[position]))
        size = -(-len(order) // 3)
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        parts = [self.tower(pad_ids([ids[row] for row in group], self.tower.config.max_tokens)) for group in groups]
        inverse = torch.empty(len(ids), dtype=torch.long)
        inverse[torch.tensor(order)] = torch.arange(len(ids))
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
            "kote": WordBank.of(self.vocabularies["kote44"], self.lexicon, "kote"),
            "goemotions": WordBank.of(self.vocabularies["goemotions28"], self.lexicon, "goemotions"),
            "basic": WordBank.of(self.vocabularies["basic8"], self.lexicon, "basic"),
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
            targets = self.corpora.training[self._corpus(name)].targets[rows]
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
        scale = model.log_scales["pairs"].exp().clamp(max=100.0)
        paired = paired_contrast(parts["goemotions"][: len(parts["pairs"])], parts["pairs"], scale)
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

    @staticmethod
    def _corpus(name: str) -> str:
        return {"goemotions": "goemotions_en", "kote": "kote"}[name]

    def _rows(self, corpus: str, rows: Sequence[int], rng: random.Random) -> list[list[int]]:
        keep = 1 - self.config.noise.word_dropout
        drawn = []
        for row in rows:
            ids = self.ids[corpus][row]
            thinned = [token for token in ids if rng.random() < keep] if len(ids) > 3 else ids
            drawn.append(self._cut(thinned or ids, self.config.noise.cut_comments, rng))
        return drawn

    def _words(self, texts: list[str], rng: random.Random) -> list[list[int]]:
        share = self.config.noise.cut_words
        return [self._cut(ids, share, rng) for ids in tokenize(self.tokenizer, texts)]

    def _cut(self, ids: list[int], share: float, rng: random.Random) -> list[int]:
        cut: list[int] = []
        for token in ids:
            halves = self.halves[token]
            cut.extend(rng.choice(halves) if halves and rng.random() < share else (token,))
        return cut

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return hit rates on the kept-out comments and the share of kept-out lexicon words in the right family."""
        assert isinstance(model, TextModel)
        figures = {}
        for name, rows in self.corpora.validation.items():
            vocabulary = self.vocabularies["kote44" if name == "kote" else "goemotions28"]
            language = "en" if name.endswith("_en") else "ko"
            labels = self._label_embeddings(model, vocabulary, language)
            ranked = (self._embed_all(model, list(rows.texts)) @ labels.T).topk(5).indices
            hits = rows.targets.gather(1, ranked) > 0
            figures[f"{name}_hit1"] = float(hits[:, 0].float().mean())
            figures[f"{name}_hit5"] = float(hits.any(dim=1).float().mean())
        for language in LANGUAGES:
            figures[f"new_words_{language}"] = self._new_words(model, language)
        return figures

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


def lexicon_entries(lexicon: Sequence[Concept], kept_out: bool) -> list[tuple[str, Concept]]:
    """List (word, concept) over both languages: the words that are trained on, or those kept out; definitions train."""
    entries = [
        (word, concept)
        for concept in lexicon
        for words in concept.words.values()
        for word in words
        if is_kept_out(word) == kept_out
    ]
    if not kept_out:
        entries += [(text, concept) for concept in lexicon for text in concept.definition.values()]
    return entries


def new_words(lexicon: Sequence[Concept], vocabularies: Iterable[Vocabulary]) -> list[tuple[str, Concept]]:
    """List the (word, concept) that no step ever shows: kept out of the lexicon, and no name of any label either."""
    taught = {fold(alias) for vocabulary in vocabularies for label in vocabulary.labels for alias in label.aliases()}
    kept_out = lexicon_entries(lexicon, kept_out=True)
    return [(word, concept) for word, concept in kept_out if concept.basic and fold(word) not in taught]


def concept_targets(concepts: Sequence[Concept], vocabulary: Vocabulary, attribute: str) -> Tensor:
    """Return [N, C] with ones where a concept stands for a label of the vocabulary."""
    targets = torch.zeros(len(concepts), len(vocabulary))
    for row, concept in zip(targets, concepts, strict=True):
        stands_for = getattr(concept, attribute)
        for key in (stands_for,) if isinstance(stands_for, str) else stands_for or ():
            row[vocabulary.index(key)] = 1
    return targets


def family_matrix(vocabulary: Vocabulary, basic: Vocabulary) -> Tensor:
    """Return [labels, basic emotions]: each label's families, sharing a weight of 1."""
    matrix = torch.zeros(len(vocabulary), len(basic))
    for row, label in zip(matrix, vocabulary.labels, strict=True):
        for family in label.families:
            row[basic.index(family)] = 1 / len(label.families)
    return matrix


def _check_batch(batch: BatchConfig, corpora: Corpora) -> None:
    for name, rows in corpora.training.items():
        setting = name.split("_", 1)[0]
        wanted = getattr(batch, setting)
        if wanted > len(rows.texts):
            raise UsageError(f"batch.{setting} is {wanted}, but {name} has {len(rows.texts)} training texts: lower it.")


def prepare_text_stage(config: MiniTextConfig) -> MiniTextObjective:
    """Load the corpora and the tokenizer (trained when it is not there yet) and build the objective.

    Raises UsageError when a batch wants more texts than there are, or the tokenizer was made with other settings.
    """
    corpora = load_corpora(config.sources)
    _check_batch(config.batch, corpora)
    path = config.out / "tokenizer.json"
    if path.is_file():
        tokenizer = load_tokenizer(path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        lexicon = [word for word, _ in lexicon_entries(load_lexicon(), kept_out=False)]
        tokenizer = train_tokenizer(corpora.for_tokenizer() + lexicon, config.tower.vocabulary_size)
        tokenizer.save(str(path), pretty=False)
    if tokenizer.token_to_id("<pad>") != PAD or tokenizer.get_vocab_size() > config.tower.vocabulary_size:
        raise UsageError(f"{path} was made with other settings: use another out=FOLDER or delete it.")
    torch.manual_seed(config.seed)
    return MiniTextObjective(config, corpora, tokenizer)
