"""Safetensors files: the same bytes for the same content, and no library reads what is on stdin."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from clip_emotion.models.quiet import quietly
from clip_emotion.models.weights_file import LENGTH, settle, weights_bytes

METADATA = {f"key {number}": "값" * number for number in range(12)}


def tensors() -> dict[str, torch.Tensor]:
    return {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor(3)}


def header(raw: bytes) -> dict[str, object]:
    return json.loads(raw[LENGTH : LENGTH + int.from_bytes(raw[:LENGTH], "little")])  # type: ignore[no-any-return]


def test_metadata_stand_in_order_and_the_weights_are_untouched(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    written = set()
    for _ in range(4):
        save_file(tensors(), path, METADATA)
        settle(path)
        written.add(path.read_bytes())
    (tmp_path / "other").write_text("")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
    assert written == {weights_bytes(tensors(), METADATA)}
    assert list(header(written.pop())["__metadata__"]) == sorted(METADATA)  # type: ignore[call-overload]
    with safe_open(str(path), "pt") as file:
        assert file.metadata() == METADATA
    found = load_file(path)
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors().items())


def test_nothing_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.StringIO("y\ny\n")
    monkeypatch.setattr(sys, "stdin", piped)
    with quietly(), pytest.raises(EOFError):
        input("Do you wish to run the custom code? [y/N] ")
    assert sys.stdin is piped
    assert piped.read() == "y\ny\n"
