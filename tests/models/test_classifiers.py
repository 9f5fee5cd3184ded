"""Classifiers: networks by name, logits as embeddings, and the folder that holds one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision.transforms.v2 import functional as V

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.base import ClassEncoder, ImageTextEncoder
from clip_emotion.models.classifiers.checkpoint import load_classifier
from clip_emotion.models.classifiers.encoder import ClassifierEncoder
from clip_emotion.models.classifiers.network import Classifier, facts
from clip_emotion.models.classifiers.sphere import RADIUS, axes, on_sphere
from clip_emotion.models.registry import load_encoder
from clip_emotion.vocabulary import Vocabulary
from tests.support.classifiers import saved, tiny

CPU = torch.device("cpu")
BASIC = Vocabulary.load("basic7")


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("resnet18", {"channels": [4, 4, 8, 8]}),
        ("densenet121", {"block_config": [1, 1, 1, 1], "growth_rate": 4}),
        ("vit_tiny_patch16_224", {"depth": 1, "patch_size": 8}),
        ("mixer_s32_224", {}),
    ],
)
def test_networks_by_name_read_small_faces(architecture: str, arguments: dict[str, Any]) -> None:
    model = Classifier(tiny(architecture=architecture, arguments=arguments), 7).eval()
    logits = model(torch.rand(2, 3, 32, 32))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()
    heads = model.head_names()
    assert heads
    assert {parameter.shape[0] for name, parameter in model.named_parameters() if name in heads} == {7}


def test_small_faces_are_not_shrunk_before_they_are_looked_at() -> None:
    fitted, plain = (Classifier(tiny(small_faces=small), 7).network for small in (True, False))
    assert isinstance(fitted.maxpool, nn.Identity)
    assert isinstance(plain.maxpool, nn.MaxPool2d)
    assert (fitted.get_submodule("conv1").stride, plain.get_submodule("conv1").stride) == ((1, 1), (2, 2))
    kept = Classifier(tiny(first_stride=2), 7).network
    assert kept.get_submodule("conv1").stride == (2, 2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"architecture": "resnt18"}, "perhaps resnet18"),
        ({"arguments": {"no_such": 1}}, "timm cannot build resnet18 like this"),
    ],
)
def test_what_timm_cannot_build_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Classifier(tiny(**changes), 7)


def test_weights_of_a_file_start_all_but_the_last_layer(tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = Classifier(tiny(), 3).network
    save_file({name: value.contiguous() for name, value in before.state_dict().items()}, tmp_path / "start.safetensors")
    torch.manual_seed(2)
    after = Classifier(tiny(weights=tmp_path / "start.safetensors"), 7).network
    assert torch.equal(after.state_dict()["layer1.0.conv1.weight"], before.state_dict()["layer1.0.conv1.weight"])
    assert after.state_dict()["fc.weight"].shape[0] == 7
    with pytest.raises(ModelError, match="do not fit"):
        Classifier(tiny(weights=tmp_path / "start.safetensors", arguments={"channels": [4, 4, 8, 12]}), 7)
    with pytest.raises(ModelError, match="cannot be read"):
        Classifier(tiny(weights=tmp_path / "gone.safetensors"), 7)


@given(st.lists(st.lists(st.floats(-20, 20), min_size=5, max_size=5), min_size=1, max_size=4), st.floats(0.3, 5))
@settings(deadline=None)
def test_cosines_on_the_sphere_give_the_softmax_of_the_logits(rows: list[list[float]], temperature: float) -> None:
    logits = torch.tensor(rows, dtype=torch.float64)
    embedded = on_sphere(logits)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(len(rows), dtype=torch.float64))
    cosines = embedded @ axes(torch.arange(5), 5).double().T
    expected = np.exp(logits.numpy() / temperature)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose((RADIUS / temperature * cosines).softmax(dim=1), expected, atol=1e-9)


def test_logits_beyond_the_sphere_keep_their_order() -> None:
    embedded = on_sphere(torch.tensor([[500.0, -100.0, 0.0, 80.0]]))
    assert float(embedded.norm()) == pytest.approx(1)
    assert (embedded @ axes(torch.arange(4), 4).T)[0].argsort(descending=True).tolist() == [0, 3, 2, 1]


def test_a_folder_comes_back_as_the_same_encoder(tmp_path: Path) -> None:
    model = saved(tmp_path / "tiny")
    encoder = load_encoder(str(tmp_path / "tiny"), "cpu")
    assert isinstance(encoder, ClassifierEncoder)
    assert isinstance(encoder, ImageTextEncoder)
    assert isinstance(encoder, ClassEncoder)
    assert encoder.logit_scale == RADIUS / 2
    image = Image.effect_noise((48, 48), 90).convert("RGB")
    pixels = encoder.preprocess(image)[None]
    logits = (model(pixels) + model(pixels.flip(3))) / 2
    cosines = encoder.encode_images(pixels) @ encoder.encode_labels(BASIC).T
    torch.testing.assert_close((encoder.logit_scale * cosines).softmax(1), (logits / 2).softmax(1), atol=1e-5, rtol=0)
    assert load_encoder(str(tmp_path / "tiny"), "cpu").fingerprint == encoder.fingerprint


def test_words_are_those_of_the_classes_in_any_language(tmp_path: Path) -> None:
    saved(tmp_path / "tiny")
    encoder = load_classifier(tmp_path / "tiny", CPU)
    words = Vocabulary.from_list("행복,happiness,슬픔")
    places = encoder.encode_labels(words).argmax(dim=1).tolist()
    assert places == [BASIC.index("happy"), BASIC.index("happy"), BASIC.index("sad")]
    with pytest.raises(UsageError, match="does not know 비장함: its classes are angry"):
        encoder.encode_labels(Vocabulary.from_list("행복,비장함"))
    with pytest.raises(UsageError, match="reads no texts"):
        encoder.encode_texts(["행복"])


def test_a_damaged_folder_is_one_sentence(tmp_path: Path) -> None:
    saved(tmp_path / "tiny")
    weights = tmp_path / "tiny" / "classifier.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(ModelError, match="is damaged or of another run"):
        load_classifier(tmp_path / "tiny", CPU)
    (tmp_path / "tiny" / "classifier.yaml").write_text("name: [", "utf-8")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_classifier(tmp_path / "tiny", CPU)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("resnet18", {"channels": [4, 4, 8, 8]}),
        ("densenet121", {"block_config": [1, 1, 1, 1], "growth_rate": 4}),
        ("vgg11", {"mlp_ratio": 0.001}),
        ("vit_tiny_patch16_224", {"depth": 1, "patch_size": 8}),
        ("mixer_s32_224", {}),
    ],
)
def test_features_and_last_layers_are_the_whole_network(architecture: str, arguments: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = Classifier(tiny(architecture=architecture, arguments=arguments, hidden=[6, 5], dropout=0.5), 7).eval()
    pixels = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(model.classify(model.penultimate(pixels)), model(pixels))
    widths = [parameter.shape[0] for parameter in model.head.parameters()]
    assert widths == [6, 6, 5, 5, 7, 7]
    assert {name.rpartition(".")[0].rpartition(".")[0] for name in model.head_names()} == {
        f"network.{facts(model.network)['classifier']}"
    }


def test_units_are_dropped_in_training_alone() -> None:
    model, features = Classifier(tiny(dropout=0.5), 7).eval(), torch.rand(1, 8)
    assert torch.equal(model.classify(features), model.classify(features))
    model.head.train()
    torch.manual_seed(0)
    assert not torch.equal(model.classify(features), model.classify(features))


@pytest.mark.parametrize(("crop", "resized"), [(1.0, 32), (0.64, 40), (0.5, 45)])
def test_a_crop_is_the_same_middle_in_training_and_after_it(crop: float, resized: int, tmp_path: Path) -> None:
    model = saved(tmp_path / "tiny", crop=crop)
    assert model.config.resized == resized
    encoder = load_classifier(tmp_path / "tiny", CPU)
    image = Image.effect_noise((resized, resized), 90).convert("RGB")
    whole = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
    seen = encoder.preprocess(image)[None]
    torch.testing.assert_close(seen, V.center_crop(whole, [32, 32]))
    torch.testing.assert_close(model(whole), model(seen))


def test_a_network_of_several_heads_takes_no_hidden_layers() -> None:
    several = {"architecture": "deit_tiny_distilled_patch16_224", "arguments": {"depth": 1}}
    with pytest.raises(UsageError, match="does not end in one linear layer"):
        Classifier(tiny(**several, hidden=[4]), 7)
    with pytest.raises(UsageError, match="has several last layers"):
        _ = Classifier(tiny(**several), 7).head
