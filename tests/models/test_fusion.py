"""Fusions: heads, features, and the fused model behind the contract of encoders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from clip_emotion.config import validate
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.captioning.config import Blip2CaptionerConfig, WordsCaptionerConfig
from clip_emotion.models.captioning.making import make_captioner
from clip_emotion.models.classifiers.config import ClassifierConfig
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.models.fusion.config import (
    ClassifierFeatureConfig,
    EncoderFeatureConfig,
    HeadConfig,
    ImageFeatureConfig,
    TimmFeatureConfig,
)
from clip_emotion.models.fusion.encoder import FusionEncoder, Parts
from clip_emotion.models.fusion.features import NetworkFeature, make_image_feature
from clip_emotion.models.fusion.heads import HEADS
from clip_emotion.models.fusion.heads.base import Sizes
from clip_emotion.models.fusion.loading import load_fusion
from clip_emotion.models.fusion.model import FusionModel, joined
from clip_emotion.models.fusion.saving import files_of, save_fusion
from clip_emotion.models.registry import load_encoder
from clip_emotion.vocabulary import Vocabulary
from tests.support.classifiers import saved
from tests.support.minis import tiny_mini
from tests.support.pictures import noise
from tests.support.tiny_blip2 import tiny_blip2

SIZES = Sizes(5, 3, 4)
WORDS = "행복,슬픔,분노"


def model(sizes: Sizes = SIZES, **settings: object) -> FusionModel:
    torch.manual_seed(0)
    config = HeadConfig.model_validate({"width": 8, "tokens": 2, "attention_heads": 2, **settings})
    made = FusionModel(config, sizes)
    made.standardise(joined(torch.randn(20, sizes.image), torch.randn(20, sizes.text)))
    return made.eval()


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_reads_both_features_or_the_one_that_it_is_shown(kind: str) -> None:
    image, text, other = torch.randn(6, 5), torch.randn(6, 3), torch.randn(6, 3)
    both = model(kind=kind)
    first = both(joined(image, text))
    assert first.shape == (6, 4)
    assert not torch.allclose(first, both(joined(image, other)))
    alone = model(kind=kind, inputs="image")
    assert torch.allclose(alone(joined(image, text)), alone(joined(image, other)), atol=1e-5)
    assert sum(map(torch.numel, alone.parameters())) == sum(map(torch.numel, both.parameters()))
    first.sum().backward()
    assert all(weights.grad is not None for weights in both.parameters())


def test_features_are_joined_at_unit_length_and_standardised() -> None:
    image, text = torch.randn(50, 5) * 100, torch.randn(50, 3)
    both = joined(image, text)
    torch.testing.assert_close(both.norm(dim=1), torch.ones(50))
    torch.testing.assert_close(both[:, :5], F.normalize(image) / 2**0.5)
    made = FusionModel(HeadConfig(width=8), SIZES)
    made.standardise(both)
    standard = (both - made.mean) / made.deviation
    torch.testing.assert_close(standard.mean(dim=0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard.std(dim=0, correction=0), torch.ones(8))


def test_an_attention_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(UsageError, match="make it a multiple"):
        model(kind="self_attention", width=9)


def test_a_networks_feature_is_what_its_last_layer_reads(tmp_path: Path) -> None:
    folder = tmp_path / "classifier"
    saved(folder)
    feature = make_image_feature(ClassifierFeatureConfig(kind="classifier", model=folder), load_encoder, "cpu")
    assert isinstance(feature, NetworkFeature)
    pixels = torch.stack([feature.preprocess(noise((30, 40), seed)) for seed in range(2)])
    network = feature.model.network
    last = network.get_classifier()
    with torch.inference_mode():
        torch.testing.assert_close(last(feature.model.penultimate(pixels)), feature.model(pixels))
    torch.testing.assert_close(feature.encode_images(pixels), feature.encode_images(pixels.flip(3)))
    with pytest.raises(UsageError, match="is no trained classifier"):
        make_image_feature(ClassifierFeatureConfig(kind="classifier", model=tmp_path), load_encoder, "cpu")


def test_the_last_layer_is_no_part_of_a_features_fingerprint() -> None:
    config = ClassifierConfig(architecture="resnet18", image_size=32, arguments={"channels": [4, 4, 8, 8]})
    network = Classifier(config, 3)
    first = NetworkFeature(network).fingerprint
    torch.nn.init.ones_(network.network.get_classifier().weight)
    assert NetworkFeature(network).fingerprint == first
    torch.nn.init.ones_(network.network.conv1.weight)
    assert NetworkFeature(network).fingerprint != first


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini")
    tiny_mini(3).save(folder)
    return folder


def fusion(
    image: ImageFeatureConfig, captions: WordsCaptionerConfig | Blip2CaptionerConfig, text: Path
) -> FusionEncoder:
    parts = Parts(
        make_image_feature(image, load_encoder, "cpu"),
        make_captioner(captions, load_encoder, "cpu"),
        load_encoder(str(text), "cpu"),
    )
    pixels = torch.as_tensor(parts.image.preprocess(noise((20, 20))))[None]
    width = np.asarray(parts.image.encode_images(pixels)).shape[1]
    sizes = Sizes(width, np.asarray(parts.text.encode_texts(["a"])).shape[1], 3)
    return FusionEncoder("fused", Vocabulary.from_list(WORDS), parts, model(sizes), 2.0)


def embedded(encoder: FusionEncoder) -> torch.Tensor:
    return encoder.encode_images(torch.stack([encoder.preprocess(noise((30, 26), seed)) for seed in range(3)]))


def test_a_fusion_answers_as_its_parts_do_one_after_the_other(mini: Path) -> None:
    image, captions = EncoderFeatureConfig(kind="encoder", model=str(mini)), words(mini)
    made = fusion(image, captions, mini)
    encoder, captioner = load_encoder(str(mini), "cpu"), make_captioner(captions, load_encoder, "cpu")
    pixels = torch.stack([torch.as_tensor(encoder.preprocess(noise((30, 26), seed))) for seed in range(3)])
    seen, said = torch.as_tensor(encoder.encode_images(pixels)), encoder.encode_texts(captioner.caption(pixels))
    with torch.inference_mode():
        logits = made.model(joined(seen, torch.as_tensor(said)))
    cosines = embedded(made) @ made.encode_labels(made.classes).T
    torch.testing.assert_close((made.logit_scale * cosines).softmax(1), (logits / 2).softmax(1), atol=1e-4, rtol=0)


def words(mini: Path) -> WordsCaptionerConfig:
    return WordsCaptionerConfig(kind="words", model=str(mini), vocabulary="기쁨,걱정,공포", top=1)


def test_a_saved_fusion_is_the_same_without_what_it_was_made_of(mini: Path, tmp_path: Path) -> None:
    gone, out = tmp_path / "gone", tmp_path / "out"
    shutil.copytree(mini, gone)
    image, captions = EncoderFeatureConfig(kind="encoder", model=str(gone)), words(gone)
    made = fusion(image, captions, gone)
    save_fusion(made, out, (image, captions, str(gone)), {"metrics": {"accuracy": 0.5}})
    shutil.rmtree(gone)
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == files_of(out)
    assert [path.name for path in out.iterdir() if path.is_dir()] == ["part_1"]
    again = load_encoder(str(out), "cpu")
    assert again.fingerprint == made.fingerprint
    assert isinstance(again, FusionEncoder)
    torch.testing.assert_close(embedded(again), embedded(made))
    (out / "part_1").rename(tmp_path / "away")
    with pytest.raises(ModelError, match="lacks its folder part_1"):
        load_fusion(out, load_encoder, "cpu")
    weights = out / "fusion.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(ModelError, match="damaged or of another run"):
        load_fusion(out, load_encoder, "cpu")


def test_a_network_and_blip2_are_fused_and_another_captioner_is_refused(mini: Path, tmp_path: Path) -> None:
    network = {"architecture": "resnet18", "image_size": 32, "arguments": {"channels": [4, 4, 8, 8]}}
    image = validate(TimmFeatureConfig, {"kind": "timm", "network": network}, "here")
    captions = Blip2CaptionerConfig(kind="blip2", model=str(tiny_blip2(tmp_path / "blip2")), most_tokens=3)
    made, out = fusion(image, captions, mini), tmp_path / "out"
    save_fusion(made, out, (image, captions, str(mini)), {})
    again = load_fusion(out, load_encoder, "cpu")
    torch.testing.assert_close(embedded(again), embedded(made))
    tiny_blip2(tmp_path / "blip2", seed=5)
    with pytest.raises(ModelError, match="captions otherwise than"):
        load_fusion(out, load_encoder, "cpu")
