"""Third stage of the mini: a text tower for chat messages, trained against the words of the finished text tower."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clip_emotion.data.lexicon import load_lexicon
from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.models.logit_scale import bounded_scale
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.mini.sub_words import tokenize
from clip_emotion.models.mini.text_tower import TextTower, pad_ids
from clip_emotion.training.losses import soft_cross_entropy
from clip_emotion.training.mini.chats_config import MiniChatsConfig
from clip_emotion.training.mini.chats_tasks import Task, draw_words, hit_rates
from clip_emotion.training.mini.lexicon import lexicon_entries
from clip_emotion.training.mini.tokenizer import cut_tokens, drop_tokens, token_halves


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
        self.anchor_ids = tokenize(encoder.tokenizer, words)
        self.anchors = encoder.encode_texts(words)

    def loss(self, step: int, progress: float) -> Tensor:
        """Draw each task's messages, embed them, and add up the tasks' cross-entropies."""
        rng = random.Random(f"{self.config.seed}:{step}")
        total = torch.zeros(())
        for task in self.tasks:
            rows = rng.sample(range(len(task.ids)), task.batch)
            messages = self.model.embed([self._thinned(task.ids[row], rng) for row in rows])
            logits = (
                bounded_scale(self.model.log_scales[task.name])
                * messages
                @ draw_words(task.words, self.config.own_names, rng).T
            )
            total = total + task.weight * soft_cross_entropy(logits, task.targets[rows])
        rows = rng.sample(range(len(self.anchor_ids)), min(self.config.anchor_batch, len(self.anchor_ids)))
        share = self.config.noise.cut_words
        now = self.model.embed([cut_tokens(self.anchor_ids[row], self.halves, share, rng) for row in rows])
        return total + self.config.anchor_weight * (1 - (now * self.anchors[rows]).sum(dim=1)).mean()

    def _thinned(self, ids: list[int], rng: random.Random) -> list[int]:
        noise = self.config.noise
        return cut_tokens(drop_tokens(ids, noise.word_dropout, rng), self.halves, noise.cut_comments, rng)

    @torch.inference_mode()
    def validate(self, model: ChatModel) -> Measurements:
        """Return the hit rate of each corpus's held-out rows, over its classes' own names in Korean."""
        return hit_rates(self.checks, model.embed)
