"""Seed, device, precision and threads: the settings of a process, set only when asked."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
LIBRARIES = ("auto", "torch", "onnx")
PRECISIONS = ("fp32", "bf16", "fp16", "auto")


@dataclass(frozen=True)
class Running:
    """How an encoder runs: by which library, and how exactly it computes pictures' embeddings.

    ``library`` ``auto`` is ONNX Runtime for a mini on the processor whose export is in the cache already, which gives
    the same rows and spares importing torch; else torch. ``precision`` ``auto`` is measured once on each machine.
    """

    library: str = "auto"
    precision: str = "fp32"

    def __post_init__(self) -> None:
        for what, value, known in (("runtime", self.library, LIBRARIES), ("precision", self.precision, PRECISIONS)):
            if value not in known:
                raise UsageError(f"Unknown {what} '{value}': choose one of {', '.join(known)}.")


def resolve_device(name: str = "auto") -> torch.device:
    """Return the torch device for ``auto | cpu | cuda | mps``; ``auto`` prefers CUDA, then MPS, then the CPU.

    Raises UsageError for an unknown name and for a device that this machine does not have.
    """
    import torch

    if name not in DEVICES:
        raise UsageError(f"Unknown device '{name}': choose one of {', '.join(DEVICES)}.")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if not available[name]:
        raise UsageError(f"This machine has no usable '{name}' device: use --device auto or --device cpu.")
    return torch.device(name)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators with one number."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def available_cpus() -> int:
    """Return how many processors this process may use (its affinity mask, where the system has one)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
