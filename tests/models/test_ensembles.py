"""Ensembles: how answers are combined, what each member sees, and the folder that holds all of them."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_emotion.arrays import FloatArray
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.base import ClassEncoder, ImageTextEncoder
from clip_emotion.models.emotion_clip.checkpoint import save_checkpoint
from clip_emotion.models.ensembles.combining import METHODS, Method, mixture
from clip_emotion.models.ensembles.encoder import EnsembleEncoder, Member
from clip_emotion.models.ensembles.saving import save_ensemble
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.vocabulary import Vocabulary
from tests.support.checkpoints import NO_HEADS, make_model
from tests.support.classifiers import saved
from tests.support.minis import tiny_mini

BASIC = Vocabulary.load("basic7")
WEIGHTS = np.array([0.5, 0.2, 0.3])
SIDES = (16, 32, 32)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mini, a fine-tuned CLIP and a classifier, of three sizes and ways to prepare an image."""
    folder = tmp_path_factory.mktemp("members")
    tiny_mini(3).save(folder / "mini")
    save_checkpoint(make_model("clip", NO_HEADS), folder / "clip")
    saved(folder / "classifier")
    (folder / "classifier" / "checkpoint.pt").write_bytes(b"a run's own state")
    return folder


def made(
    home: Path, method: Method = "weighted", names: tuple[str, ...] = ("mini", "clip", "classifier")
) -> EnsembleEncoder:
    members = [Member.asked(str(home / name), load_encoder(str(home / name), "cpu"), BASIC, "en") for name in names]
    return EnsembleEncoder("both", BASIC, members, method, WEIGHTS if method == "weighted" else None)


def picture(seed: int = 0, size: tuple[int, int] = (61, 40)) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def alone(member: Member, images: list[Image.Image]) -> FloatArray:
    """What a member says by itself, as ``label`` asks it."""
    labeller = ZeroShotLabeller(member.encoder, BASIC, "en")
    pixels = torch.stack([member.encoder.preprocess(image) for image in images])
    rows = labeller.predict_features(member.encoder.encode_images(pixels).numpy(), top=len(BASIC))
    found = [{one.label: one.probability for one in row} for row in rows]
    keys = {label.name("en"): label.key for label in BASIC.labels}
    by_key = [{keys.get(name, name): value for name, value in row.items()} for row in found]
    return np.array([[row[key] for key in BASIC.keys] for row in by_key])


def test_every_member_sees_what_it_would_see_alone(home: Path) -> None:
    ensemble, image = made(home), picture()
    pixels = torch.stack([ensemble.preprocess(image), ensemble.preprocess(picture(1))])
    assert pixels.shape == (2, 3, sum(side**2 for side in SIDES), 1)
    for member, own, side in zip(ensemble.members, ensemble.pixels_of(pixels), SIDES, strict=True):
        assert own.shape == (2, 3, side, side)
        assert torch.equal(own[0], member.encoder.preprocess(image))


def test_the_weighted_mean_is_that_of_the_members_asked_alone(home: Path) -> None:
    ensemble, images = made(home), [picture(seed) for seed in range(4)]
    assert isinstance(ensemble, ImageTextEncoder)
    assert isinstance(ensemble, ClassEncoder)
    answers = [alone(member, images) for member in ensemble.members]
    expected = np.zeros((4, len(BASIC)))
    for row in range(4):
        for column in range(len(BASIC)):
            expected[row, column] = sum(w * own[row, column] for w, own in zip(WEIGHTS, answers, strict=True))
    embedded = ensemble.encode_images(torch.stack(list(map(ensemble.preprocess, images))))
    assert embedded.dtype == torch.float32
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(4))
    found = (ensemble.logit_scale * embedded @ ensemble.encode_labels(BASIC).T).softmax(1).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)


class InNumPy:
    """An encoder that takes and gives NumPy arrays, as exports to ONNX do."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.preprocess = lambda image: encoder.preprocess(image).numpy()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_images(self, pixels: Any) -> Any:
        return np.asarray(self._encoder.encode_images(torch.as_tensor(np.asarray(pixels))))


def test_members_that_need_no_torch_answer_the_same(home: Path) -> None:
    ensemble = made(home)
    others = [replace(one, encoder=cast(ImageTextEncoder, InNumPy(one.encoder))) for one in ensemble.members]
    same = EnsembleEncoder("both", BASIC, others, "weighted", WEIGHTS)
    pixels = same.preprocess(picture())[None]
    assert torch.equal(pixels, ensemble.preprocess(picture())[None])
    assert torch.equal(same.encode_images(pixels), ensemble.encode_images(pixels))
    assert same.fingerprint == ensemble.fingerprint


def chances(models: int, rows: int, classes: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), size=(models, rows))


@given(st.integers(2, 6), st.integers(2, 5), st.integers(0, 10_000))
@settings(deadline=None)
def test_the_majority_wins_and_the_mean_breaks_ties(models: int, classes: int, seed: int) -> None:
    probabilities = chances(models, 5, classes, seed)
    shares = METHODS["vote"](probabilities, np.ones(models))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    for row in range(5):
        votes = Counter(max(range(classes), key=lambda column: one[row, column]) for one in probabilities)
        most = max(votes.values())
        tied = [column for column, count in votes.items() if count == most]
        winner = max(tied, key=lambda column: sum(one[row, column] for one in probabilities))
        assert shares[row].argmax() == winner


def test_means_by_hand() -> None:
    probabilities = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    np.testing.assert_allclose(METHODS["mean"](probabilities, np.array([1.0, 0.0])), [[0.65, 0.35]])
    np.testing.assert_allclose(METHODS["weighted"](probabilities, np.array([0.2, 0.8])), [[0.5, 0.5]])
    np.testing.assert_allclose(mixture(probabilities, np.array([[1.0], [0.0]])), [[0.9, 0.1]])
    votes = np.array([[[0.6, 0.4]], [[0.55, 0.45]], [[0.0, 1.0]]])
    assert METHODS["mean"](votes, WEIGHTS).argmax() == 1
    assert METHODS["vote"](votes, WEIGHTS).argmax() == 0
    assert np.isnan(METHODS["vote"](np.full((2, 1, 3), np.nan), WEIGHTS)).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_folder_is_whole_and_can_be_moved(home: Path, tmp_path: Path, method: Method) -> None:
    here = tmp_path / "here"
    shutil.copytree(home, here)
    before = made(here, method)
    save_ensemble(before, tmp_path / "both", {"accuracy": 0.5}, {})
    assert not list((tmp_path / "both").rglob("*.pt"))
    (tmp_path / "both").rename(tmp_path / "moved")
    shutil.rmtree(here)
    after = load_encoder(str(tmp_path / "moved"), "cpu")
    assert isinstance(after, EnsembleEncoder)
    assert (after.fingerprint, after.method) == (before.fingerprint, method)
    pixels = before.preprocess(picture())[None]
    assert torch.equal(after.encode_images(pixels), before.encode_images(pixels))
    words = Vocabulary.from_list("행복,sad")
    assert after.encode_labels(words).argmax(1).tolist() == [BASIC.index("happy"), BASIC.index("sad")]


def test_all_that_changes_an_answer_changes_the_fingerprint(home: Path) -> None:
    whole = made(home)
    fewer = made(home, "mean", ("mini", "clip"))
    other = EnsembleEncoder("both", BASIC, whole.members, "weighted", WEIGHTS[::-1].copy())
    korean = [Member.asked(one.spec, one.encoder, BASIC, "ko") for one in whole.members]
    asked = EnsembleEncoder("both", BASIC, korean, "weighted", WEIGHTS)
    named = EnsembleEncoder("another name", BASIC, whole.members, "weighted", WEIGHTS)
    prints = [one.fingerprint for one in (whole, made(home, "mean"), made(home, "vote"), fewer, other, asked)]
    assert len(set(prints)) == len(prints)
    assert named.fingerprint == whole.fingerprint


def test_what_an_ensemble_cannot_be_is_one_sentence(home: Path) -> None:
    with pytest.raises(UsageError, match="two members or more: name another model"):
        made(home, "mean", ("mini",))
    with pytest.raises(UsageError, match=r"mini and .*mini are the same model: name each member once"):
        made(home, "mean", ("mini", "clip", "mini"))
    classifier = load_encoder(str(home / "classifier"), "cpu")
    with pytest.raises(UsageError, match="does not know 비장함: its classes are angry"):
        Member.asked("classifier", classifier, Vocabulary.from_list("행복,비장함"), "ko")
    with pytest.raises(UsageError, match="both is an ensemble of fixed words and does not know 비장함"):
        made(home).encode_labels(Vocabulary.from_list("행복,비장함"))
    with pytest.raises(UsageError, match="reads no texts"):
        made(home).encode_texts(["행복"])


def edited(place: Path, changes: dict[str, object]) -> str:
    """Change what a description says of the first member."""
    values = yaml.safe_load((place / "ensemble.yaml").read_text("utf-8"))
    values["members"][0] |= changes
    (place / "ensemble.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
    return str(place)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fingerprint": "mini-0"}, "mini of the ensemble .* is another model now than it was made of"),
        ({"folder": "member_9"}, "is missing, as there is no folder"),
        ({"folder": "../mini"}, "cannot be loaded .*folder: String should match pattern"),
        ({"model": "mini"}, "a member has either a folder or a model's name"),
        ({"weight": 0.9}, "the members' weights must sum to 1"),
        ({"folder": None, "model": "no-such-model"}, "cannot be loaded: Unknown model 'no-such-model'"),
    ],
)
def test_a_damaged_ensemble_is_one_sentence(
    home: Path, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    save_ensemble(made(home), tmp_path / "both", {}, {})
    with pytest.raises(ModelError, match=sentence):
        load_encoder(edited(tmp_path / "both", changes), "cpu")


def test_a_damaged_member_and_one_that_never_ends_are_one_sentence(home: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    save_ensemble(made(home), both, {}, {})
    weights = both / "member_3" / "classifier.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(ModelError, match=r"member .*classifier of the ensemble .* cannot be loaded: .* is damaged"):
        load_encoder(str(both), "cpu")
    with pytest.raises(ModelError, match="is an ensemble itself, which no member may be"):
        load_encoder(edited(both, {"folder": None, "model": str(both)}), "cpu")
