"""Averages of a model's weights with those it came from (WiSE-FT: Wortsman et al., 2109.01903)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import torch
from torch import Tensor, nn

from clip_emotion.models.emotion_clip.heads import ResidualBlock
from clip_emotion.models.mini.text_tower import NeighbourBlock


def average_state(base: Mapping[str, Tensor], tuned: nn.Module, share: float) -> dict[str, Tensor]:
    """Return θ = (1 - share) · θ_base + share · θ_tuned under the tuned model's names; see ``average_tensors``."""
    return average_tensors(base, tuned.state_dict(), share, fading_names(tuned))


def average_tensors(
    base: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float, fading: Set[str]
) -> dict[str, Tensor]:
    """Average two states, in the tuned one's names.

    Of blocks that only the tuned model has, the last layers, whose names are ``fading`` and which were zero at first,
    are scaled by ``share``, and the inner weights are taken as they are, so that the block fades in. Counts are the
    tuned model's.
    """

    def mixed(name: str, new: Tensor) -> Tensor:
        old = base.get(name)
        if not new.is_floating_point():
            return new.clone()
        if old is not None and old.shape == new.shape:
            return torch.lerp(old.to(new), new, share)
        return new * share if name in fading else new.clone()

    return {name: mixed(name, tensor) for name, tensor in tuned.items()}


def fading_names(model: nn.Module) -> set[str]:
    """Return the names of the weights in the last layers of blocks that start as the identity."""
    return {
        f"{name}.out.{inner}"
        for name, block in model.named_modules()
        if isinstance(block, (ResidualBlock, NeighbourBlock))
        for inner, _ in block.out.named_parameters()
    }


def mean_of_states(states: Iterable[Mapping[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """Return the mean of states of the same names and shapes (model soup: Wortsman et al., 2203.05482)."""
    mean: dict[str, Tensor] = {}
    done = 0.0
    for state, share in zip(states, shares, strict=True):
        done += share
        mean = average_tensors(mean, state, share / done, frozenset())
    return mean
