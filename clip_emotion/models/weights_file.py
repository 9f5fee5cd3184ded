"""Safetensors files whose bytes follow from their content alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from clip_emotion.files import open_up

LENGTH = 8
"""The file begins with the header's length in so many bytes, little-endian."""


def weights_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return a safetensors file with its metadata in order."""
    raw = save(dict(tensors), dict(metadata))
    end = LENGTH + int.from_bytes(raw[:LENGTH], "little")
    return raw[:LENGTH] + _sorted(raw[LENGTH:end]) + raw[end:]


def settle(path: Path) -> None:
    """Put the metadata of a safetensors file in order, in place, and make it as readable as other files.

    The library writes metadata in a random order, into a file for its owner alone. The header keeps its length. Raises
    OSError where the file cannot be read or written.
    """
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(LENGTH), "little")
        header = _sorted(file.read(length))
        file.seek(LENGTH)
        file.write(header)
    open_up(path)


def _sorted(header: bytes) -> bytes:
    values = json.loads(header)
    values["__metadata__"] = dict(sorted(values.get("__metadata__", {}).items()))
    ordered = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    # Another writer's longer escapes are left as they are: such a header stays valid, only not in order.
    return ordered.ljust(len(header)) if len(ordered) <= len(header) else header
