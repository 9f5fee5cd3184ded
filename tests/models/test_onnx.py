"""Exports to ONNX: the same embeddings as the encoder's own, and sentences for what cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from clip_emotion.errors import MissingExtraError, ModelError, UsageError
from clip_emotion.models import registry
from clip_emotion.models.base import ImageTextEncoder, MessageEncoder, TrainedEncoder
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.models.onnx import kept
from clip_emotion.models.onnx.card import CARD, IMAGE, MESSAGES, TEXT, read_card
from clip_emotion.models.onnx.encoder import OnnxBesideBase, OnnxMini, load_export
from clip_emotion.models.onnx.export import export_encoder
from clip_emotion.models.onnx.quantise import quantise
from clip_emotion.models.openclip.encoder import OpenClipEncoder
from clip_emotion.models.word_pieces import PieceCounter
from clip_emotion.runtime import Running
from clip_emotion.training.mini.image_stage import joined
from tests.support.minis import SENTENCES, tiny_image, tiny_mini, with_messages
from tests.support.pictures import noise
from tests.support.tiny_openclip import TINY, awake

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
CPU = torch.device("cpu")
ONNX = Running("onnx")
LOST = ("", "설렘", "a b c d e f g h i j k l m n o p q r s t u v w x y z", "😀")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini") / "mini"
    with_messages(tiny_mini(text_threshold=0.2, text_thresholds={"own": {"a": 0.3}})).save(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_mini_gives_the_same_in_either(folder: Path, cache: Path) -> None:
    ours, theirs = load_mini(folder, CPU), registry.load_encoder(str(folder), "cpu", ONNX)
    assert isinstance(theirs, OnnxMini)
    assert theirs.text_thresholds == {"own": {"a": 0.3}}
    assert isinstance(theirs, ImageTextEncoder)
    assert isinstance(theirs, MessageEncoder)
    assert isinstance(theirs, PieceCounter)
    assert not isinstance(theirs, TrainedEncoder)
    same = ("name", "fingerprint", "languages", "logit_scale", "text_logit_scale", "text_threshold", "text_thresholds")
    for value in (*same, "message_logit_scale"):
        assert getattr(ours, value) == getattr(theirs, value)
    pictures = [noise((30, 20), seed) for seed in range(3)]
    pixels = [torch.stack([ours.preprocess(one) for one in pictures]), np.stack([*map(theirs.preprocess, pictures)])]
    assert np.array_equal(pixels[0].numpy(), pixels[1])
    np.testing.assert_allclose(theirs.encode_images(pixels[1]), ours.encode_images(pixels[0]).numpy(), atol=1e-5)
    texts = [*SENTENCES, *LOST]
    np.testing.assert_allclose(theirs.encode_texts(texts), ours.encode_texts(texts).numpy(), atol=1e-5)
    np.testing.assert_allclose(theirs.encode_messages(texts), ours.encode_messages(texts).numpy(), atol=1e-5)
    assert np.abs(theirs.encode_messages(texts) - theirs.encode_texts(texts)).max() > 1e-3
    assert theirs.word_pieces(["설렘", "joy"]) == ours.word_pieces(["설렘", "joy"])


def test_auto_takes_an_export_that_is_there_and_makes_none(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "NVIDIA", cache / "none")
    assert isinstance(registry.load_encoder(str(folder)), MiniEncoder)
    registry.load_encoder(str(folder), "cpu", ONNX)
    assert isinstance(registry.load_encoder(str(folder)), OnnxMini)
    assert isinstance(registry.load_encoder(str(folder), "cpu", Running("torch")), MiniEncoder)
    graphics = cache / "graphics"
    graphics.touch()
    monkeypatch.setattr(registry, "NVIDIA", graphics)
    assert isinstance(registry.load_encoder(str(folder)), MiniEncoder)


def test_other_weights_are_another_export(folder: Path, cache: Path, tmp_path: Path) -> None:
    registry.load_encoder(str(folder), "cpu", ONNX)
    tiny_mini(seed=7).save(tmp_path / "other")
    other = registry.load_encoder(str(tmp_path / "other"), "cpu", ONNX)
    pixels = torch.rand(2, 3, 16, 16)
    expected = load_mini(tmp_path / "other", CPU).encode_images(pixels).numpy()
    np.testing.assert_allclose(np.asarray(other.encode_images(pixels.numpy())), expected, atol=1e-5)
    assert len([*(cache / "onnx").iterdir()]) == 2


def test_a_damaged_export_is_told(folder: Path, cache: Path) -> None:
    registry.load_encoder(str(folder), "cpu", ONNX)
    place = kept.place_of(kept.mini_fingerprint(folder))
    content = (place / TEXT).read_bytes()
    (place / TEXT).write_bytes(content[:-100])
    with pytest.raises(ModelError, match=r"text\.onnx is not what was exported: delete its folder"):
        registry.load_encoder(str(folder), "cpu", ONNX).encode_texts(["a"])
    (place / IMAGE).unlink()
    with pytest.raises(ModelError, match=r"lacks image\.onnx"):
        read_card(place)
    again = registry.load_encoder(str(folder), "cpu", ONNX)
    assert again.encode_images(np.zeros((1, 3, 16, 16), np.float32)).shape == (1, 6)


def test_an_export_folder_is_a_model(folder: Path, cache: Path, tmp_path: Path) -> None:
    registry.load_encoder(str(folder), "cpu", ONNX)
    export = kept.place_of(kept.mini_fingerprint(folder))
    loaded = registry.load_encoder(str(export))
    assert isinstance(loaded, OnnxMini)
    assert {*read_card(export).files} >= {IMAGE, TEXT, MESSAGES}
    for running, sentence in ((Running("torch"), "leave --runtime torch out"), (Running(precision="bf16"), "in fp32")):
        with pytest.raises(UsageError, match=sentence):
            registry.load_encoder(str(export), "cpu", running)


def test_in_8_bits_a_bounded_relu_is_within_what_they_hold(folder: Path, tmp_path: Path) -> None:
    mini = load_mini(folder, CPU)
    torch.manual_seed(0)
    first, second = (ImageTower(tiny_image(convolutions=kind)) for kind in ("separable", "residual"))
    both = joined(first, second, 0.5)
    pair = replace(mini, image_tower=both, config=mini.config.model_copy(update={"image": both.config}))
    export_encoder(pair, "pair", tmp_path)
    pictures = [np.random.default_rng(0).random((4, 3, 16, 16), dtype=np.float32)]
    assert quantise(tmp_path / IMAGE, tmp_path / "eight.onnx", pictures) == "static"
    nodes = onnx.load(tmp_path / "eight.onnx").graph.node
    clipped = [node for node in nodes if node.op_type == "Clip" and "trunk" in node.name]
    assert not clipped


def test_what_onnx_runtime_does_not_do_is_told(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="leave --device cuda"):
        registry.load_encoder(str(folder), "cuda", ONNX)
    with pytest.raises(UsageError, match="no bf16 of its own"):
        registry.load_encoder(str(folder), "cpu", Running("onnx", "bf16"))
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"clip-emotion\[onnx\]"):
        registry.load_encoder(str(folder), "cpu", ONNX)


def test_an_open_clip_tower_gives_the_same(tmp_path: Path) -> None:
    from clip_emotion.models.onnx.export import export_encoder

    model = open_clip.CLIP(**TINY)
    awake(model)
    model.visual.preprocess_cfg = {"size": 32, "mode": "RGB", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
    encoder = OpenClipEncoder(model, open_clip.get_tokenizer("ViT-B-32"), TINY, "tiny")
    card = export_encoder(encoder, "tiny", tmp_path)
    assert float(card.measured["pictures_apart"]) < 1e-5
    asked: list[str] = []

    def base(name: str) -> ImageTextEncoder:
        asked.append(name)
        return encoder

    exported = load_export(tmp_path, base)
    assert isinstance(exported, OnnxBesideBase)
    pictures = [noise((40, 60), seed) for seed in range(3)]
    pixels = torch.stack([exported.preprocess(one) for one in pictures])
    assert torch.equal(pixels, torch.stack([encoder.preprocess(one) for one in pictures]))
    np.testing.assert_allclose(exported.encode_images(pixels), encoder.encode_images(pixels).numpy(), atol=1e-5)
    assert not asked
    np.testing.assert_allclose(exported.encode_texts(["joy"]), encoder.encode_texts(["joy"]).numpy(), atol=1e-6)
    assert asked == ["tiny"]
    encoder.fingerprint = "another"
    with pytest.raises(ModelError, match="no longer the model"):
        load_export(tmp_path, base).encode_texts(["joy"])
    (tmp_path / CARD).write_text("format: 2\n", encoding="utf-8")
    with pytest.raises(UsageError, match="format"):
        load_export(tmp_path, base)
