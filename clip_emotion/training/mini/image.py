"""Second stage of the mini: the image tower, trained contrastively against the finished text tower."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from clip_emotion.data.lexicon import load_lexicon
from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.label import LANGUAGES
from clip_emotion.models.logit_scale import bounded_scale
from clip_emotion.models.mini.image_tower import ImageTower, standardise
from clip_emotion.training.losses import multi_positive_contrast, one_way_contrast, soft_cross_entropy
from clip_emotion.training.mini.augment import augment
from clip_emotion.training.mini.faces import FaceSplits
from clip_emotion.training.mini.image_classifiers import Classifiers
from clip_emotion.training.mini.image_config import EaseConfig, MiniImageConfig
from clip_emotion.training.mini.photographs import photograph
from clip_emotion.training.mini.smiles import find_mouths, smile
from clip_emotion.training.mixup import mix
from clip_emotion.training.prompts import PromptBank
from clip_emotion.vocabulary import Vocabulary


@dataclass(frozen=True)
class TextSide:
    """What the finished text tower says of each basic emotion: embeddings of prompts per language and of comments."""

    prototypes: dict[str, Tensor]
    prompts: dict[str, tuple[Tensor, ...]]
    comments: tuple[Tensor, ...]

    def draw(self, language: str, rng: random.Random, own_names: float) -> Tensor:
        """Return one embedding a class [C, D]: the class's mean prompt, or any prompt of any of its words."""
        drawn = [
            self.prototypes[language][at] if rng.random() < own_names else choices[rng.randrange(len(choices))]
            for at, choices in enumerate(self.prompts[language])
        ]
        return torch.stack(drawn)

    def draw_comments(self, per_class: int, rng: random.Random) -> tuple[Tensor, Tensor]:
        """Return embeddings of comments [K, D] and the class of each [K]."""
        rows, classes = [], []
        for at, pool in enumerate(self.comments):
            for _ in range(per_class if len(pool) else 0):
                rows.append(pool[rng.randrange(len(pool))])
                classes.append(at)
        return torch.stack(rows), torch.tensor(classes)


def face_prompts(basic: Vocabulary, unseen: Vocabulary) -> PromptBank:
    """Return the words that stand for a class in front of a face.

    Concepts that stand for an unseen label lend no word, and no name or synonym of an unseen label is taken, so that
    such a label's score is a score on words that no face was ever trained with.
    """
    keys = set(unseen.keys)
    seen = [concept for concept in load_lexicon() if not keys.intersection(concept.kote)]
    aliases = {alias for label in unseen.labels for alias in label.aliases()}
    return PromptBank.of(basic, seen, "basic").without(aliases)


class ImageModel(nn.Module):
    """The tower and the learned logit scale; only the tower is kept."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.tower = tower
        self.log_scale = nn.Parameter(torch.tensor(2.7))

    @property
    def scale(self) -> Tensor:
        """The logit scale, at most 100."""
        return bounded_scale(self.log_scale)


class MiniImageObjective:
    """Faces against prompts of their class in both languages and against comments that carry the same emotion."""

    def __init__(self, config: MiniImageConfig, splits: FaceSplits, text: TextSide) -> None:
        self.config, self.train, self.splits, self.text = config, splits.training, splits, text
        self.model = ImageModel(ImageTower(config.tower)).to(memory_format=torch.channels_last)
        self.frozen = self.model.tower.trunk[: config.frozen].requires_grad_(False)
        self.basic = Vocabulary.load("basic8")
        self.moves = (self.basic.index("neutral"), self.basic.index("happy"))
        self.mouths = None
        if config.smiles is not None:
            neutral = self.train.targets.argmax(dim=1) == self.moves[0]
            self.mouths = find_mouths(self.train.images, neutral, config.faces.prepared)
        self.classifiers = Classifiers(config.classifiers, self.basic) if config.classifiers else None

    def loss(self, step: int, progress: float) -> Tensor:
        """Draw and augment the step's faces, embed them and add up the parts of the loss."""
        config = self.config
        rng = random.Random(f"{config.seed}:{step}")
        generator = Generator().manual_seed(config.seed * 1_000_003 + step)
        rows = self.train.batch(step, config.batch, config.seed)
        side = [side for share, side in config.sides if progress >= share][-1]
        changes = config.ease if config.ease and progress >= config.ease.after else config
        faces, targets = self._changed(rows, side, changes, rng, generator)
        classes = targets.shape[1]
        smoothed = targets * (1 - config.label_smoothing) + config.label_smoothing / classes
        # The loop has put the whole model in training; frozen layers keep their running means too.
        self.frozen.eval()
        images = self.model.tower(faces)
        total = torch.zeros(())
        for language in LANGUAGES:
            logits = self.model.scale * images @ self.text.draw(language, rng, config.own_names).T
            total = total + soft_cross_entropy(logits, smoothed) / len(LANGUAGES)
            if config.word_weight:
                # Else a word may lie nearest to the faces of one class whatever it means.
                total = total + config.word_weight * one_way_contrast(logits.T, targets.T) / len(LANGUAGES)
        if config.comment_weight and config.comments_per_class:
            comments, classes_of = self.text.draw_comments(config.comments_per_class, rng)
            similarities = self.model.scale * images @ comments.T
            total = total + config.comment_weight * multi_positive_contrast(similarities, targets[:, classes_of])
        return total

    def _changed(
        self, rows: Tensor, side: int, changes: MiniImageConfig | EaseConfig, rng: random.Random, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the faces of the rows as the tower sees them, and what they show: after all that is drawn for them."""
        config = self.config
        grey, targets = self.train.images[rows].float(), self.train.targets[rows]
        if config.smiles is not None and self.mouths is not None:
            grey, targets = smile(grey, targets, self.mouths[rows], config.smiles, generator, self.moves)
        if config.photograph is not None:
            grey = photograph(grey, config.photograph, generator)
        faces = augment(standardise(grey), side, changes.augment, generator)
        if self.classifiers is None:
            return mix(faces, targets, changes.mixup, rng)
        # Of a smile that was drawn nobody knows but who drew it.
        drawn = (targets != self.train.targets[rows]).any(dim=1)
        shares = self.classifiers.shares(targets, config.classifier_weight).masked_fill(drawn, 0.0)
        faces, both = mix(faces, torch.cat((targets, shares[:, None]), dim=1), changes.mixup, rng)
        return faces, self.classifiers.soften(both[:, :-1], faces, both[:, -1])

    @torch.inference_mode()
    def validate(self, model: ImageModel) -> Measurements:
        """Return top-1 per language and macro recall over the classes that the validation images have.

        Of the photographs that are kept out for tuning, where there are some, top-1 among all classes too.
        """
        embeddings = embed_faces(model.tower, self.splits.validation.images)
        truth = self.splits.validation.targets.argmax(dim=1)
        there = torch.unique(truth)
        found = []
        for language in LANGUAGES:
            best = there[(embeddings @ self.text.prototypes[language][there].T).argmax(dim=1)]
            recalls = [float((best[truth == c] == c).float().mean()) for c in there.tolist()]
            found.append(Measurement("accuracy", float((best == truth).float().mean()), language=language))
            found.append(Measurement("macro_recall", sum(recalls) / len(recalls), language=language))
        if len(self.splits.photographs):
            embeddings = embed_faces(model.tower, self.splits.photographs.images)
            best = (embeddings @ self.text.prototypes["en"].T).argmax(dim=1)
            right = best == self.splits.photographs.targets.argmax(dim=1)
            share = float(right.float().mean())
            found.append(Measurement("accuracy", share, "photographs", key="accuracy_photographs"))
        return Measurements(found)


@torch.inference_mode()
def embed_faces(tower: ImageTower, images: Tensor, batch: int = 64) -> Tensor:
    """Embed grey images uint8 [N, 1, H, W] as [N, D], averaged with their mirror images."""
    parts = []
    for chunk in torch.split(images, batch):
        grey = standardise(chunk.float())
        parts.append(nn.functional.normalize(tower(grey) + tower(grey.flip(3)), dim=-1))
    return torch.cat(parts)
