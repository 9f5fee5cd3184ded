"""From the prompts of a label to the one embedding that stands for it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import normalize


def prototypes(prompts: Iterable[Tensor]) -> Tensor:
    """Return each label's embedding, [L, D]: the mean of its prompts' unit embeddings [P, D], of unit length again.

    Radford et al., "Learning transferable visual models from natural language supervision" (2021), section 3.1.4.
    """
    return torch.stack([normalize(of_label.mean(dim=0), dim=-1) for of_label in prompts])
