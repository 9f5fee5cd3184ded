"""Third stage of the mini: a text tower for chat messages, trained against the words of the finished text tower."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from clip_emotion.config import Config, validate
from clip_emotion.data.held_out import text_held_out
from clip_emotion.data.lexicon import load_lexicon
from clip_emotion.data.tables import read_column
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.calibration import fit_temperature
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.mini.text_tower import TextTower, pad_ids, tokenize
from clip_emotion.models.prototypes import prototypes
from clip_emotion.text import fold
from clip_emotion.training.corpora import SourcesConfig, TextRows, load_corpora, load_labelled
from clip_emotion.training.loop.fit import FitConfig, Report, fit
from clip_emotion.training.losses import soft_cross_entropy
from clip_emotion.training.mini.text import NoiseConfig, lexicon_entries, token_halves
from clip_emotion.training.sources import RawSource
from clip_emotion.vocabulary import LANGUAGES, Vocabulary

HELD_OUT = 5
"""One chat text in this many, by a hash of the text, is never trained on."""


class ChatSourcesConfig(SourcesConfig):
    """Where the chats lie, beside the comments; no row whose text stands in one of ``exclude``'s tables is used."""

    emocontext: str = "emocontext_train.tsv.gz"
    emorynlp: str = "emorynlp_train.tsv.gz"
    chatbot: str = "chatbot.tsv.gz"
    exclude: tuple[str, ...] = ()

    def chats(self) -> dict[str, RawSource]:
        """Return the raw chat sets by the names of their cards."""
        files = {"emocontext": self.emocontext, "emorynlp": self.emorynlp, "chatbot": self.chatbot}
        return {card: RawSource(card, self.folder / file, self.prepared) for card, file in files.items()}


class TaskConfig(Config):
    """One kind of supervision: ``batch`` texts of a corpus a step, against the words of its classes.

    With ``sentiment`` the corpus's labels are taken together as ``positive``, ``neutral`` and ``negative``, and rows
    with both or with unlisted ones are left out; a label may stand in one of the three lists.
    """

    corpus: Literal["kote", "goemotions_en", "goemotions_ko", "nsmc", "emocontext", "emorynlp", "chatbot"]
    batch: int = Field(ge=1)
    weight: float = Field(1.0, gt=0)
    sentiment: dict[Literal["positive", "neutral", "negative"], tuple[str, ...]] | None = None
    leave_out: tuple[str, ...] = ()


class MiniChatsConfig(Config):
    """Configuration of the chat stage.

    ``base`` is the finished mini whose text tower is where the chat tower starts from and whose words it is trained
    against. ``keep`` weighs how near lexicon words must stay to where the text tower has them. A class is called by
    its own name with probability ``own_names``, else by a synonym.
    """

    kind: Literal["mini_chats"]
    seed: int = 0
    base: Path
    out: Path = Path("runs/mini_chats")
    sources: ChatSourcesConfig
    tasks: tuple[TaskConfig, ...] = Field(min_length=1)
    keep: float = Field(1.0, ge=0)
    keep_batch: int = Field(48, ge=1)
    own_names: float = Field(0.6, ge=0, le=1)
    noise: NoiseConfig = Field(default_factory=NoiseConfig)
    fit: FitConfig


Words = tuple[dict[str, Tensor], ...]
"""For each class and language the embeddings [k, D] of its words; the first is its own name."""


@dataclass(frozen=True)
class Task:
    """A corpus ready to train on: sub-word ids, target distributions [N, C], and the classes' words."""

    name: str
    ids: list[list[int]]
    targets: Tensor
    words: Words
    batch: int
    weight: float


class ChatModel(nn.Module):
    """The chat tower and one learned logit scale a task; only the tower is kept."""

    def __init__(self, tower: TextTower, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tower = tower
        self.log_scales = nn.ParameterDict({name: nn.Parameter(torch.tensor(2.3)) for name in tasks})

    def embed(self, ids: list[list[int]]) -> Tensor:
        """Embed tokenised texts [N] as [N, D]."""
        embedded: Tensor = self.tower(pad_ids(ids, self.tower.config.max_tokens))
        return embedded


class MiniChatsObjective:
    """Messages against the words of their classes, whose embeddings the finished text tower gave once for all."""

    def __init__(self, config: MiniChatsConfig, encoder: MiniEncoder, tasks: list[Task], checks: list[Task]) -> None:
        self.config, self.tasks, self.checks = config, tasks, checks
        tower = TextTower(encoder.config.text.model_copy(update={"dropout": config.noise.dropout}))
        tower.load_state_dict(encoder.text_tower.state_dict())
        self.model = ChatModel(tower.train(), [task.name for task in tasks])
        self.halves = token_halves(encoder.tokenizer)
        words = [word for word, _ in lexicon_entries(load_lexicon(), kept_out=False)]
        self.kept_ids = tokenize(encoder.tokenizer, words)
        self.kept = encoder.encode_texts(words)

    def loss(self, step: int, progress: float) -> Tensor:
        """Draw each task's messages, embed them, and add up the tasks' cross-entropies."""
        rng = random.Random(f"{self.config.seed}:{step}")
        total = torch.zeros(())
        for task in self.tasks:
            rows = rng.sample(range(len(task.ids)), task.batch)
            messages = self.model.embed([self._thinned(task.ids[row], rng) for row in rows])
            scale = self.model.log_scales[task.name].exp().clamp(max=100.0)
            logits = scale * messages @ self._draw(task.words, rng).T
            total = total + task.weight * soft_cross_entropy(logits, task.targets[rows])
        rows = rng.sample(range(len(self.kept_ids)), min(self.config.keep_batch, len(self.kept_ids)))
        now = self.model.embed([self._cut(self.kept_ids[row], self.config.noise.cut_words, rng) for row in rows])
        return total + self.config.keep * (1 - (now * self.kept[rows]).sum(dim=1)).mean()

    def _draw(self, words: Words, rng: random.Random) -> Tensor:
        language, own = rng.choice(LANGUAGES), self.config.own_names
        pools = [pool[language] for pool in words]
        return torch.stack([pool[0 if rng.random() < own else rng.randrange(len(pool))] for pool in pools])

    def _thinned(self, ids: list[int], rng: random.Random) -> list[int]:
        keep = 1 - self.config.noise.word_dropout
        thinned = [token for token in ids if rng.random() < keep] if len(ids) > 3 else ids
        return self._cut(thinned or ids, self.config.noise.cut_comments, rng)

    def _cut(self, ids: list[int], share: float, rng: random.Random) -> list[int]:
        cut: list[int] = []
        for token in ids:
            halves = self.halves[token]
            cut.extend(rng.choice(halves) if halves and rng.random() < share else (token,))
        return cut

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the hit rate of each corpus's held-out rows, over its classes' own names in Korean."""
        assert isinstance(model, ChatModel)
        figures = {}
        for task in self.checks:
            names = torch.stack([pool["ko"][0] for pool in task.words])
            chunks = [task.ids[start : start + 512] for start in range(0, len(task.ids), 512)]
            best = torch.cat([(model.embed(chunk).float() @ names.T).argmax(dim=1) for chunk in chunks])
            hits = task.targets.gather(1, best.unsqueeze(1)) > 0
            figures[f"{task.name}_hit1"] = float(hits.float().mean())
        return figures


def load_tasks(config: MiniChatsConfig, encoder: MiniEncoder) -> tuple[list[Task], list[Task]]:
    """Read all corpora and return the tasks to train on and those to validate with.

    Raises DataError where a source is missing, UsageError for a batch larger than its corpus.
    """
    training, validation = _rows(config)
    tasks = [_task(task, training[task.corpus], encoder) for task in config.tasks]
    for task in tasks:
        if task.batch > len(task.ids):
            raise UsageError(f"{task.name}: batch is {task.batch}, but it has {len(task.ids)} texts: lower it.")
    checked = {task.corpus: task for task in config.tasks if not task.sentiment and task.corpus in validation}
    checks = [_task(task, validation[corpus], encoder) for corpus, task in checked.items()]
    return tasks, checks


def _rows(config: MiniChatsConfig) -> tuple[dict[str, TextRows], dict[str, TextRows]]:
    comments = load_corpora(config.sources)
    training, validation = dict(comments.training), dict(comments.validation)
    excluded = {
        fold(text) for name in config.sources.exclude for text in read_column(config.sources.folder / name, "text")
    }
    for name, source in config.sources.chats().items():
        rows = load_labelled(source)
        fresh = [fold(text) not in excluded for text in rows.texts]
        # A television dialogue repeats itself too little for a hash to matter; its own dev file validates it.
        kept_out = [name != "emorynlp" and text_held_out(text, HELD_OUT) for text in rows.texts]
        training[name] = _chosen(rows, [new and not out for new, out in zip(fresh, kept_out, strict=True)])
        if any(kept_out):
            validation[name] = _chosen(rows, kept_out)
    return training, validation


def _chosen(rows: TextRows, mask: Sequence[bool]) -> TextRows:
    places = [at for at, chosen in enumerate(mask) if chosen]
    return TextRows(tuple(rows.texts[at] for at in places), rows.targets[places])


VOCABULARIES = {
    "kote": "kote44",
    "goemotions_en": "goemotions28",
    "goemotions_ko": "goemotions28",
    "nsmc": "sentiment3",
    "emocontext": "emocontext4",
    "emorynlp": "emorynlp7",
    "chatbot": "chatbot3",
}


def _task(config: TaskConfig, rows: TextRows, encoder: MiniEncoder) -> Task:
    vocabulary, targets, name = Vocabulary.load(VOCABULARIES[config.corpus]), rows.targets, str(config.corpus)
    if config.corpus == "nsmc":
        # Ratings are positive or negative, never neutral.
        targets = torch.stack([targets[:, 0], torch.zeros(len(targets)), targets[:, 1]], dim=1)
    if config.sentiment:
        name, sentiment = f"{name}_sentiment", Vocabulary.load("sentiment3")
        targets, vocabulary = _as_sentiment(targets, vocabulary, sentiment, config.sentiment), sentiment
    for key in config.leave_out:
        # A class that is left out has no rows and no word in the task.
        targets = torch.where((targets[:, vocabulary.index(key)] > 0)[:, None], torch.zeros(()), targets)
    classes = [at for at, key in enumerate(vocabulary.keys) if key not in config.leave_out]
    targets = targets[:, classes]
    used = (targets.sum(dim=1) > 0).nonzero().flatten().tolist()
    targets = targets[used] / targets[used].sum(dim=1, keepdim=True)
    words = _words(vocabulary.subset([vocabulary.keys[at] for at in classes]), encoder)
    ids = tokenize(encoder.tokenizer, [rows.texts[at] for at in used])
    return Task(name, ids, targets, words, config.batch, config.weight)


def _as_sentiment(targets: Tensor, vocabulary: Vocabulary, sentiment: Vocabulary, lists: dict[Any, Any]) -> Tensor:
    matrix = torch.zeros(len(vocabulary), len(sentiment))
    for pole, keys in lists.items():
        for key in keys:
            matrix[vocabulary.index(key), sentiment.index(pole)] = 1
    poles = (targets @ matrix > 0).float()
    mixed = (poles[:, sentiment.index("positive")] > 0) & (poles[:, sentiment.index("negative")] > 0)
    # Beside a feeling, a neutral label says that annotators did not agree: the feeling counts.
    neutral = sentiment.index("neutral")
    poles[:, neutral] *= poles.sum(dim=1) == poles[:, neutral]
    return torch.where(mixed[:, None], torch.zeros(()), poles)


def _words(vocabulary: Vocabulary, encoder: MiniEncoder) -> Words:
    return tuple(
        {
            language: encoder.encode_texts([label.name(language), *label.synonyms.get(language, ())])
            for language in LANGUAGES
        }
        for label in vocabulary.labels
    )


def train_chats(values: dict[str, Any], source: str, report: Report, resume: bool) -> dict[str, float]:
    """Train the chat tower beside a finished mini; ``out`` receives the mini with the chat tower in it."""
    config = validate(MiniChatsConfig, values, source)
    encoder = load_mini(config.base, torch.device("cpu"))
    tasks, checks = load_tasks(config, encoder)
    torch.manual_seed(config.seed)
    objective = MiniChatsObjective(config, encoder, tasks, checks)
    settings = config.model_dump(mode="json", exclude={"fit": True, "out": True, "base": True, "sources": True})
    settings["mini"] = encoder.fingerprint
    result = fit(objective, config.fit, config.out, report, resume, settings)
    assert isinstance(result.model, ChatModel)
    tuning = load_corpora(config.sources).tuning["kote"]
    finish(encoder, result.model.tower, config, tuning).save(config.out)
    return result.figures


def finish(encoder: MiniEncoder, tower: TextTower, config: MiniChatsConfig, tuning: TextRows) -> MiniEncoder:
    """Return the mini with the trained chat tower, whose scale is fitted on KOTE comments kept out of training."""
    record = {**encoder.config.trained_with, "chats": config.model_dump(mode="json")}
    draft = replace(encoder, chat_tower=tower)
    labels = prototypes(map(encoder.encode_texts, Vocabulary.load("kote44").prompts("ko")))
    similarities = draft.encode_messages(list(tuning.texts)) @ labels.T
    # A comment with several labels counts once with each of them.
    pairs = tuning.targets.nonzero()
    scale = 1 / fit_temperature(similarities[pairs[:, 0]].numpy(), pairs[:, 1].numpy())
    described = encoder.config.model_copy(update={"chat_logit_scale": scale, "trained_with": record})
    return replace(draft, config=described)
