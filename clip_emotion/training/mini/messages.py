"""The mini's message tower: a chat tower that learns order from comments, chats, a teacher and messages by rule."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip_emotion.data.lexicon import load_lexicon
from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.models.logit_scale import bounded_scale
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.mini.message_tower import MessageTower
from clip_emotion.models.mini.sub_words import tokenize
from clip_emotion.models.mini.text_tower import TextTower, pad_ids
from clip_emotion.text_batches import length_batches
from clip_emotion.training.losses import soft_cross_entropy
from clip_emotion.training.mini.chats_tasks import Task, class_words, draw_words, hit_rates
from clip_emotion.training.mini.grammar import Grammar
from clip_emotion.training.mini.lexicon import lexicon_entries
from clip_emotion.training.mini.messages_config import MiniMessagesConfig
from clip_emotion.training.mini.tokenizer import cut_tokens, drop_tokens, token_halves
from clip_emotion.vocabulary import Vocabulary

TEACHER_DIM = 384
GROUPS = 3
RULES = "kote44"
"""The vocabulary whose labels the messages by rule mean."""


class MessageModel(nn.Module):
    """The tower with what only its training needs: a logit scale for each task and the projection to the teacher."""

    def __init__(self, tower: MessageTower, tasks: list[str]) -> None:
        super().__init__()
        self.tower = tower
        names = dict.fromkeys([*tasks, "rules"])
        self.log_scales = nn.ParameterDict({name: nn.Parameter(torch.tensor(2.5)) for name in names})
        self.taught = nn.Linear(tower.config.dim, TEACHER_DIM)

    def features(self, ids: list[list[int]]) -> Tensor:
        """Return features [N, D] of tokenised texts, read in groups of like length to spare padding."""
        groups = length_batches([len(row) for row in ids], -(-len(ids) // GROUPS))
        limit = self.tower.config.max_tokens
        parts = [self.tower.features(pad_ids([ids[row] for row in group], limit)) for group in groups]
        inverse = torch.empty(len(ids), dtype=torch.long)
        inverse[torch.tensor([row for group in groups for row in group])] = torch.arange(len(ids))
        return torch.cat(parts)[inverse]


class MiniMessagesObjective:
    """Messages of all tasks and by rule against the words of what they mean, and sentences against the teacher's."""

    def __init__(
        self,
        config: MiniMessagesConfig,
        encoder: MiniEncoder,
        start: TextTower,
        tasks: list[Task],
        checks: list[Task],
        grammar: Grammar,
        taught: dict[str, Tensor],
    ) -> None:
        self.config, self.tasks, self.checks, self.grammar, self.taught = config, tasks, checks, grammar, taught
        self.tokenizer = encoder.tokenizer
        tower = MessageTower(encoder.config.text.model_copy(update={"dropout": config.noise.dropout}), config.reading)
        given = start.state_dict()
        tower.load_state_dict(given, strict=False)
        if "positions" not in given:
            nn.init.normal_(tower.positions, std=0.02)
        self.model = MessageModel(tower.train(), [task.name for task in tasks])
        self.halves = token_halves(encoder.tokenizer)
        self.rule_words = class_words(Vocabulary.load(RULES), encoder)
        words = [word for word, _ in lexicon_entries(load_lexicon(), kept_out=False)]
        self.anchor_ids, self.anchors = tokenize(encoder.tokenizer, words), encoder.encode_texts(words)

    def loss(self, step: int, progress: float) -> Tensor:
        """Draw each task's messages, those by rule and the words to keep, read them in one go, add up the losses."""
        rng, config = random.Random(f"{self.config.seed}:{step}"), self.config
        drawn = [(task, rng.sample(range(len(task.ids)), task.batch)) for task in self.tasks]
        ids = [self._thinned(task.ids[row], rng) for task, rows in drawn for row in rows]
        messages, meant = self.grammar.draw(config.rules.batch, rng)
        ids += [self._cut(row, rng) for row in tokenize(self.tokenizer, messages)]
        kept = rng.sample(range(len(self.anchor_ids)), min(config.anchor_batch, len(self.anchor_ids)))
        features = self.model.features(ids + [self._cut(self.anchor_ids[row], rng) for row in kept])
        embedded, total, start = F.normalize(features, dim=-1), torch.zeros(()), 0
        for task, rows in drawn:
            place = slice(start, start + len(rows))
            start += len(rows)
            logits = self._logits(task.name, embedded[place], draw_words(task.words, self.config.own_names, rng))
            total = total + task.weight * soft_cross_entropy(logits, task.targets[rows])
            if config.teacher and task.name in self.taught:
                said = F.normalize(self.model.taught(features[place]), dim=-1)
                near = (said * self.taught[task.name][rows].float()).sum(dim=1)
                total = total + config.teacher * (1 - near).mean()
        if messages:
            place = slice(start, start + len(messages))
            logits = self._logits("rules", embedded[place], draw_words(self.rule_words, self.config.own_names, rng))
            total = total + config.rules.weight * soft_cross_entropy(logits, meant)
        now = embedded[start + len(messages) :]
        return total + config.anchor_weight * (1 - (now * self.anchors[kept]).sum(dim=1)).mean()

    def _logits(self, name: str, embedded: Tensor, words: Tensor) -> Tensor:
        return bounded_scale(self.model.log_scales[name]) * embedded @ words.T

    def _thinned(self, ids: list[int], rng: random.Random) -> list[int]:
        noise = self.config.noise
        return cut_tokens(drop_tokens(ids, noise.word_dropout, rng), self.halves, noise.cut_comments, rng)

    def _cut(self, ids: list[int], rng: random.Random) -> list[int]:
        return cut_tokens(ids, self.halves, self.config.noise.cut_words, rng)

    @torch.inference_mode()
    def validate(self, model: MessageModel) -> Measurements:
        """Return the hit rate of each corpus's held-out rows, over its classes' own names in Korean."""
        return hit_rates(self.checks, lambda ids: F.normalize(model.features(ids), dim=-1))
