"""What libraries raise where weights, tokenizers or configurations cannot be read."""

from __future__ import annotations

import pickle

from safetensors import SafetensorError

LOADING_FAULTS = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)


def short(error: Exception) -> str:
    """Return an error's message as one short line."""
    return " ".join(str(error).split())[:200].rstrip(".:") or type(error).__name__
