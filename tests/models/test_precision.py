"""Half precision: near the encoder's own embeddings, under a fingerprint of its own, and picked by measuring once."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import open_clip
import pytest
import torch

from clip_emotion.errors import UsageError
from clip_emotion.models import precision
from clip_emotion.models.base import ImageTextEncoder, MessageEncoder
from clip_emotion.models.openclip.encoder import OpenClipEncoder
from clip_emotion.models.precision import InPrecision, in_precision
from tests.support.minis import tiny_mini
from tests.support.tiny_openclip import TINY, awake

CPU = torch.device("cpu")


def tiny_clip() -> OpenClipEncoder:
    model = open_clip.CLIP(**TINY)
    awake(model)
    model.visual.preprocess_cfg = {"size": 32}
    return OpenClipEncoder(model, open_clip.get_tokenizer("ViT-B-32"), TINY, "tiny")


@pytest.mark.parametrize("make", [tiny_mini, tiny_clip])
def test_half_precision_is_near_and_another_encoder(make: type) -> None:
    encoder: ImageTextEncoder = make()
    pixels = torch.rand(4, 3, *([16, 16] if make is tiny_mini else [32, 32]))
    whole, words = encoder.encode_images(pixels), encoder.encode_texts(["joy"])
    half = in_precision(encoder, "bf16", CPU)
    found = half.encode_images(pixels)
    assert found.dtype == torch.float32
    assert torch.allclose(found.norm(dim=1), torch.ones(4), atol=1e-5)
    assert 0 < (found - whole).abs().max() < 0.05
    assert half.fingerprint == f"{encoder.fingerprint}+bf16"
    assert half.name == encoder.name
    assert torch.equal(half.encode_texts(["joy"]), words)
    assert isinstance(half, MessageEncoder) == isinstance(encoder, MessageEncoder)


def test_a_probe_leaves_the_weights_alone() -> None:
    encoder = tiny_clip()
    pixels = torch.rand(2, 3, 32, 32)
    before = encoder.encode_images(pixels)
    InPrecision(encoder, "bf16", CPU, apart=True).encode_images(pixels)
    assert torch.equal(encoder.encode_images(pixels), before)


@pytest.mark.parametrize(("speedup", "picked"), [(2.0, "bf16"), (1.05, "fp32")])
def test_auto_measures_once_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, speedup: float, picked: str
) -> None:
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path))
    monkeypatch.setattr(precision, "candidates", lambda device: ("bf16",))
    measured: list[object] = []

    def measure(*arguments: object) -> dict[str, float]:
        measured.append(arguments)
        return {"fp32": speedup, "bf16": 1.0}

    monkeypatch.setattr(precision, "_measure", measure)
    caplog.set_level(logging.INFO)
    encoder = tiny_mini()
    for _ in range(2):
        chosen = in_precision(encoder, "auto", CPU)
        assert chosen.fingerprint.endswith("+bf16") == (picked == "bf16")
    assert len(measured) == 1
    assert f"Precision: {picked}" in caplog.text
    assert "measured before" in caplog.text
    kept = next((tmp_path / "precision").iterdir())
    kept.write_text(json.dumps({"fp32": "?"}), encoding="utf-8")
    in_precision(encoder, "auto", CPU)
    assert len(measured) == 2
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    in_precision(encoder, "auto", CPU)
    assert len(measured) == 3


def test_the_measured_probe_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = precision._measure(tiny_mini(), ("bf16",), CPU)
    assert {*seconds} == {"fp32", "bf16"}
    assert all(0 < value < 60 for value in seconds.values())


def test_a_machine_without_half_precision_keeps_fp32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "candidates", lambda device: ())
    caplog.set_level(logging.INFO)
    encoder = tiny_mini()
    assert in_precision(encoder, "auto", CPU) is encoder
    assert "Precision: fp32" in caplog.text


def test_fp16_is_for_gpus() -> None:
    with pytest.raises(UsageError, match="fp16 is for GPUs"):
        in_precision(tiny_mini(), "fp16", CPU)
