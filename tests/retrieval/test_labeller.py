"""Zero-shot labelling: probabilities against an independent softmax, order, faults, languages."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.special import softmax

from clip_emotion.data.faces.parts import NO_FACE, SMALL
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.label import Label
from clip_emotion.models import registry
from clip_emotion.retrieval.labelling.labeller import BROKEN, ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig, stream_batches
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder
from tests.support.pictures import GRACE_HOPPER, plain, save, two_faces

COLOURS = Vocabulary.from_words(["red", "green", "blue", "calm"])


@pytest.fixture
def labeller() -> ZeroShotLabeller:
    return ZeroShotLabeller(FakeEncoder(), COLOURS)


def test_colours_get_their_words(labeller: ZeroShotLabeller) -> None:
    found = labeller([plain("red"), plain("green"), plain("blue")], top=2)
    assert [prediction.best.key for prediction in found if prediction.best] == ["red", "green", "blue"]
    assert all(len(prediction.labels) == 2 for prediction in found)
    assert {prediction.face.note for prediction in found} == {SMALL}
    assert {prediction.model for prediction in found} == {FakeEncoder.fingerprint}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), top=st.integers(1, 6), scale=st.floats(0.1, 200))
def test_probabilities_are_a_softmax_over_the_whole_vocabulary(seed: int, top: int, scale: float) -> None:
    labeller = ZeroShotLabeller(FakeEncoder(), COLOURS)
    rows = np.random.default_rng(seed).normal(size=(3, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = softmax(scale * (rows @ labeller.index.embeddings.T).astype(np.float64), axis=1)
    for labels, row in zip(labeller.predict_features(rows, top, logit_scale=scale), expected, strict=True):
        assert len(labels) == min(top, 4)
        assert [label.probability for label in labels] == sorted((label.probability for label in labels), reverse=True)
        for label in labels:
            assert label.probability == pytest.approx(row[COLOURS.index(label.key)], abs=1e-4)


def test_one_bad_picture_never_costs_a_good_one(labeller: ZeroShotLabeller, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    good = save(plain("blue"), tmp_path / "good.png")
    images = [good, tmp_path / "bad.png", plain("red"), b"", np.asarray(plain("green")), tmp_path / "missing.png"]
    found = labeller(images)
    assert [prediction.error is None for prediction in found] == [True, False, True, False, True, False]
    assert [p.best.key for p in found if p.best] == ["blue", "red", "green"]
    assert found[1].labels == ()
    assert found[1].path == str(tmp_path / "bad.png")


def test_single_pictures_need_no_list(labeller: ZeroShotLabeller) -> None:
    for images in (plain("red"), np.asarray(plain("red"))):
        (prediction,) = labeller(images)
        assert prediction.best
        assert prediction.best.key == "red"


def test_rows_that_are_not_finite_are_errors() -> None:
    class HalfBroken(FakeEncoder):
        def encode_images(self, pixels: torch.Tensor) -> torch.Tensor:
            embedding = super().encode_images(pixels)
            embedding[pixels[:, 0].mean(dim=(1, 2)) > 0.5] = torch.nan
            return embedding

    broken, fine = ZeroShotLabeller(HalfBroken(), COLOURS)([plain("red"), plain("blue")])
    assert broken.error == BROKEN
    assert fine.best
    assert fine.best.key == "blue"


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (3, 4), (64, 2)])
def test_order_is_the_input_order_whatever_the_batches(batch_size: int, workers: int) -> None:
    class Slow(FakeEncoder):
        def preprocess(self, image: Image.Image) -> torch.Tensor:
            time.sleep(0.02 if image.getpixel((0, 0))[0] > 100 else 0.0)
            return super().preprocess(image)

    order = ["red", "blue", "green", "blue", "red", "green", "green", "blue"] * 2
    config = StreamConfig(batch_size=batch_size, workers=workers)
    found = ZeroShotLabeller(Slow(), COLOURS)([plain(colour) for colour in order], config=config)
    assert [prediction.best.key for prediction in found if prediction.best] == order


def test_reading_ahead_is_bounded() -> None:
    opened, lock = [], threading.Lock()

    def preprocess(image: Image.Image) -> torch.Tensor:
        with lock:
            opened.append(1)
        return torch.zeros(3, 4, 4)

    sources = (ImageSource(str(number), plain("red")) for number in range(10_000))
    batches = stream_batches(sources, preprocess, StreamConfig(batch_size=4, workers=2))
    next(batches)
    assert len(opened) <= 4 + 2 * 4
    batches.close()


def test_faces_are_chosen_by_mode(labeller: ZeroShotLabeller, tmp_path: Path) -> None:
    path = two_faces(tmp_path)
    (largest,) = labeller(path, face="auto")
    each = labeller([path, plain("red", (300, 200))], face="each")
    (whole,) = labeller(path, face="none")
    assert largest.face.box == each[0].face.box
    assert [prediction.face.index for prediction in each] == [0, 1, None]
    assert each[2].face.note == NO_FACE
    assert (whole.face.index, whole.face.box, whole.face.note) == (None, None, "")


def test_a_face_crop_is_used_whole(labeller: ZeroShotLabeller) -> None:
    portrait = Image.open(GRACE_HOPPER).crop((145, 95, 390, 340)).resize((128, 128))
    (prediction,) = labeller(portrait)
    assert "whole picture" in prediction.face.note


def test_strips_of_extreme_shape_are_labelled(labeller: ZeroShotLabeller) -> None:
    (prediction,) = labeller(plain("green", (1, 9000)))
    assert prediction.best
    assert prediction.best.key == "green"


def test_a_thousand_words_cost_the_pictures_nothing() -> None:
    encoder = FakeEncoder()
    labeller = ZeroShotLabeller(encoder, Vocabulary.from_words([f"word {i}" for i in range(1000)] + ["red"]))
    labeller([plain("red")] * 5)
    (prediction,) = labeller(plain("red"))
    assert (encoder.text_calls, encoder.image_calls) == (1, 2)
    assert prediction.best
    assert prediction.best.key == "red"


def test_texts_use_their_own_temperature() -> None:
    encoder = FakeEncoder()
    encoder.text_logit_scale = 1.0
    labeller = ZeroShotLabeller(encoder, COLOURS)
    (labels,) = labeller.label_texts(["a red sky"])
    assert labels[0].key == "red"
    similarities = [label.similarity for label in labels]
    assert np.allclose([label.probability for label in labels], softmax(similarities), atol=1e-6)
    assert labeller.label_texts([]) == []


@pytest.mark.parametrize(
    ("reads", "names", "asked", "shown", "warned"),
    [
        (("ko", "en"), {"ko": "기쁨", "en": "joy"}, "auto", "기쁨", False),
        (("en",), {"ko": "기쁨", "en": "joy"}, "auto", "joy", False),
        (("ko", "en"), {"en": "joy"}, "auto", "joy", False),
        (("en",), {"ko": "기쁨"}, "auto", "기쁨", True),
        (("en",), {"ko": "기쁨", "en": "joy"}, "ko", "기쁨", True),
        (("ko", "en"), {"ko": "기쁨", "en": "joy"}, "en", "joy", False),
    ],
)
def test_language_follows_encoder_words_and_wish(
    reads: tuple[str, ...], names: dict[str, str], asked: str, shown: str, warned: bool
) -> None:
    encoder = FakeEncoder()
    encoder.languages = reads
    labeller = ZeroShotLabeller(encoder, Vocabulary("v", (Label("joy", names), Label("other", names))), asked)
    (prediction,) = labeller(plain("red"))
    assert prediction.labels[0].name == shown
    assert bool(labeller.notices) is warned


def test_misuse_is_told() -> None:
    with pytest.raises(UsageError, match="Unknown language"):
        ZeroShotLabeller(FakeEncoder(), COLOURS, "fr")
    labeller = ZeroShotLabeller(FakeEncoder(), COLOURS)
    with pytest.raises(UsageError, match="at least 1"):
        labeller(plain("red"), top=0)
    with pytest.raises(UsageError, match="face mode"):
        labeller(plain("red"), face="all")


def test_an_exhausted_device_is_told() -> None:
    class Greedy(FakeEncoder):
        def encode_images(self, pixels: torch.Tensor) -> torch.Tensor:
            raise torch.cuda.OutOfMemoryError

    with pytest.raises(ModelError, match="batch-size"):
        ZeroShotLabeller(Greedy(), COLOURS)(plain("red"))


def test_load_takes_names_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load_encoder", lambda spec, device: FakeEncoder())
    assert len(ZeroShotLabeller.load("mini", vocabulary="kote44").vocabulary) == 44
    assert ZeroShotLabeller.load("mini", vocabulary=["red", "설렘"], lang="en").vocabulary.keys == ("red", "설렘")
