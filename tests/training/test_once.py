"""What is computed once: it is kept, and computed again where its file was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clip_emotion.training.once import computed_once


def test_a_tensor_is_computed_once_and_again_where_its_file_is_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path, calls = tmp_path / "kept" / "answers.safetensors", iter(range(9))

    def ask(name: str = "answers") -> float:
        return float(computed_once(path, name, lambda: torch.full((2, 3), float(next(calls)))).mean())

    assert [ask(), ask()] == [0.0, 0.0]
    assert caplog.messages == [f"Computing answers, once, in {path.parent} …"]  # it takes minutes: one is told why
    whole = path.read_bytes()
    for damaged in (whole[:-4], whole[:3], b""):
        path.write_bytes(damaged)
        computed = ask()
        assert computed == ask() > 0
    assert ask("others") > computed  # a file that keeps another tensor is not taken for this one
