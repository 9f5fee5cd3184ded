"""Between a model and what fine-tuning made of it: weights that keep the old words and have learned the new ones."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor

from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.models.emotion_clip.checkpoint import (
    DESCRIPTION,
    CheckpointCard,
    EmotionClipEncoder,
    completed,
    load_checkpoint_encoder,
)
from clip_emotion.models.emotion_clip.config import EmotionClipConfig, HeadConfig
from clip_emotion.models.emotion_clip.heads import ResidualHead
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.models.loading import open_backbone
from clip_emotion.training.averaging import average_tensors, fading_names

ALPHAS = tuple(step / 10 for step in range(11))
"""The shares that are tried when the best is looked for."""
HEADS = ("image_head.", "text_head.")


@dataclass(frozen=True)
class BlendPoint:
    """What validation says of one share: the scores of ``trained`` and ``unseen`` words, and what they consist of."""

    alpha: float
    trained: float
    unseen: float
    parts: Mapping[str, float]

    @property
    def score(self) -> float:
        """The mean of trained and unseen words."""
        return (self.trained + self.unseen) / 2


def open_base(spec: str, device: torch.device) -> EmotionClipEncoder:
    """Open what a model was fine-tuned from: a checkpoint's folder, or a backbone, whose heads count as the identity.

    Raises UsageError for an unknown name, ModelError where weights are missing or broken.
    """
    folder = expanded(spec)
    if (folder / DESCRIPTION).is_file():
        return load_checkpoint_encoder(folder, device)
    model = EmotionClip(open_backbone(spec, device), EmotionClipConfig(image_head=None))
    return EmotionClipEncoder(model, CheckpointCard(name=spec))


def blended(base: EmotionClipEncoder, tuned: EmotionClipEncoder, alpha: float) -> EmotionClipEncoder:
    """Return θ = (1 - α) · θ_base + α · θ_tuned, over all weights (WiSE-FT: Wortsman et al., 2109.01903).

    Batch normalisation's running means and variances are blended like weights, without another pass over data. Of
    blocks that only the tuned model has, the last layer (zero at first) is scaled by α and the inner weights are taken
    as they are, so that the block fades in; a new projection starts from the one it was given. The calibrated scales
    are blended in their logarithm. At α = 0 every logit is the base's, at α = 1 the tuned model's; a classifier is the
    tuned model's throughout. Raises UsageError for a share outside 0 to 1 and for models of different kinds.
    """
    if not 0 <= alpha <= 1:
        raise UsageError(f"A blend's share must lie between 0 (the base) and 1 (the tuned model), not {alpha}.")
    model = copy.deepcopy(tuned.model)
    old, new = base.model.plain_state_dict(), tuned.model.plain_state_dict()
    model.load_state_dict(
        blend_state({**_first_projections(tuned.model), **old}, new, alpha, fading_names(tuned.model))
    )
    card = tuned.card.model_copy(
        update={
            "logit_scale": _between(base.logit_scale, tuned.logit_scale, alpha),
            "text_logit_scale": _between(base.text_logit_scale, tuned.text_logit_scale, alpha),
        }
    )
    return EmotionClipEncoder(model, completed(card, model))


def blend_state(
    base: Mapping[str, Tensor], tuned: Mapping[str, Tensor], alpha: float, fading: Set[str]
) -> dict[str, Tensor]:
    """Blend two models' states, in the tuned one's names; raises UsageError where they are not of one kind."""
    unlike = [
        name
        for name, tensor in tuned.items()
        if name.startswith("backbone.") and (name not in base or base[name].shape != tensor.shape)
    ]
    if unlike:
        raise UsageError(f"The two models differ in {unlike[0]}: blend a tuned model with the base it came from.")
    return average_tensors(base, tuned, alpha, fading)


def _first_projections(model: EmotionClip) -> dict[str, Tensor]:
    """Return the projections that a model's heads began with, which are the same for all of the same sizes."""
    if model.dim == model.backbone.dim:
        return {}
    first = ResidualHead(model.backbone.dim, HeadConfig(depth=0, dim=model.dim)).projection.state_dict()["weight"]
    names = [f"{head}projection.weight" for head in HEADS]
    return {name: first for name in names if name in model.state_dict()}


def _between(base: float, tuned: float, alpha: float) -> float:
    return base ** (1 - alpha) * tuned**alpha if 0 < alpha < 1 else (tuned if alpha else base)


def curve(
    base: EmotionClipEncoder,
    tuned: EmotionClipEncoder,
    score: Callable[[EmotionClipEncoder], Mapping[str, float]],
    alphas: Iterable[float] = ALPHAS,
    seen: Callable[[int], object] = lambda count: None,
) -> list[BlendPoint]:
    """Score a blend at each share; ``score`` gives ``trained`` and ``unseen``, and whatever they consist of."""
    points = []
    for alpha in sorted(set(alphas)):
        found = dict(score(blended(base, tuned, alpha)))
        points.append(BlendPoint(alpha, found.pop("trained"), found.pop("unseen"), found))
        seen(1)
    return points


def best_point(points: Sequence[BlendPoint]) -> BlendPoint:
    """Return the point of the highest score; of equals the one nearest to the base."""
    return max(points, key=lambda point: (point.score if math.isfinite(point.score) else -math.inf, -point.alpha))


def curve_csv(points: Sequence[BlendPoint]) -> str:
    """Return the curve as CSV: alpha, trained, unseen, score, then the parts."""
    names = ["alpha", "trained", "unseen", "score", *points[0].parts]
    rows = [[p.alpha, p.trained, p.unseen, p.score, *p.parts.values()] for p in points]
    lines = [",".join(names), *(",".join(f"{value:.6g}" for value in row) for row in rows)]
    return "".join(f"{line}\n" for line in lines)
