"""The learned logit scale: what cosines are multiplied by, kept below a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # configurations read the limit, and are read before torch is imported
    from torch import Tensor

LARGEST_SCALE = 100.0
"""Where CLIP stops its learned scale (2103.00020, section 2.5)."""


def bounded_scale(log_scale: Tensor) -> Tensor:
    """Return the scale e^``log_scale``, a scalar of at most 100."""
    return log_scale.exp().clamp(max=LARGEST_SCALE)
