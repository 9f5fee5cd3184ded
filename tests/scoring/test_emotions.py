"""The emotion of a turn by each of its sources, against softmax and fusion in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.label import Label
from clip_emotion.models import registry
from clip_emotion.models.kobert.config import KobertHeadConfig
from clip_emotion.models.kobert.emotion import KobertEmotionConfig, KobertEmotionModel, KobertEmotionNetwork
from clip_emotion.models.kobert.loading import load_kobert
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.weights import affection_weights
from scoring.config import FusionConfig, WeightsConfig
from scoring.conversation import Turn
from scoring.embedders import load_embedder
from scoring.emotions.base import Judgement, TurnEmotion, sources_in_words
from scoring.emotions.given import ALL_ZERO, NOT_GIVEN, GivenEmotion
from scoring.emotions.image import NO_IMAGE, ImageEmotion
from scoring.emotions.kobert import KobertEmotion
from scoring.emotions.loading import LOADERS, EmotionOptions, load_emotion
from scoring.emotions.pooling import AutoEmotion, FusedEmotion, fuse
from scoring.emotions.text import NO_FEELING, NOT_FINITE, TextEmotion
from tests.support.fakes import FakeEncoder
from tests.support.pictures import plain, save
from tests.support.tiny_kobert import build_tiny_kobert

COLOURS = Vocabulary.from_words(["red", "green", "blue", "calm"])
EMOTIONS = Vocabulary(
    "two",
    (
        Label("anger", {"ko": "화남", "en": "anger"}, {"ko": ("분노",), "en": ("rage",)}),
        Label("joy", {"ko": "기쁨", "en": "joy"}),
    ),
)
KOTE = Vocabulary.load("kote44")


def says(*texts: str) -> list[Turn]:
    return [Turn(index, "A", text) for index, text in enumerate(texts, start=1)]


def softmax(logits: Sequence[float]) -> list[float]:
    odds = [math.exp(logit) for logit in logits]
    return [odd / math.fsum(odds) for odd in odds]


class CountingEncoder(FakeEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        self.seen += texts
        return super().encode_texts(texts)


class Fixed:
    """A TurnEmotion that gives every turn the same row, and counts the turns that it is asked about."""

    notices = ("fixed",)

    def __init__(self, row: Sequence[float], vocabulary: Vocabulary = EMOTIONS, name: str = "fixed") -> None:
        self.row, self.vocabulary, self.name, self.asked = row, vocabulary, name, 0

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        self.asked += len(turns)
        rows = np.array([self.row] * len(turns), dtype=np.float64).reshape(len(turns), len(self.row))
        return Judgement(rows, sources=(self.name,))


def test_text_is_a_softmax_of_scaled_cosines() -> None:
    encoder = FakeEncoder()
    labeller = ZeroShotLabeller(encoder, COLOURS)
    texts = ["red", "오늘 뭐 해", "so green today"]
    found = TextEmotion(labeller).emotions(says(*texts)).probabilities
    for text, row in zip(texts, found.tolist(), strict=True):
        embedding = encoder.encode_texts([text])[0].tolist()
        cosines = [sum(a * b for a, b in zip(embedding, label, strict=True)) for label in labeller.index.embeddings]
        assert row == pytest.approx(softmax([encoder.text_logit_scale * cosine for cosine in cosines]), abs=1e-5)


def test_dense_and_ranked_probabilities_agree() -> None:
    labeller = ZeroShotLabeller(FakeEncoder(), COLOURS)
    texts = ["red", "a", "b", "blue"]
    for row, labels in zip(
        labeller.message_probabilities(texts), labeller.label_texts(texts, len(COLOURS)), strict=True
    ):
        assert {label.key: label.probability for label in labels} == pytest.approx(
            dict(zip(COLOURS.keys, row.tolist(), strict=True)), abs=1e-6
        )
    assert labeller.message_probabilities([]).shape == (0, 4)


def test_each_different_text_is_encoded_once() -> None:
    encoder = CountingEncoder()
    emotion = TextEmotion(ZeroShotLabeller(encoder, COLOURS))
    encoder.seen.clear()
    found = emotion.emotions(says("좋아", "ㅋㅋㅋㅋㅋ", "좋아", "", "ㅋㅋㅋㅋ", "좋아 ")).probabilities
    assert sorted(encoder.seen) == ["ㅋㅋㅋ", "좋아"]
    assert found[0].tolist() == found[2].tolist() == found[5].tolist()
    assert np.isnan(found[3]).all()


def test_turns_without_words_are_rows_of_nan() -> None:
    emotion = TextEmotion(ZeroShotLabeller(FakeEncoder(), COLOURS))
    judged = emotion.emotions(says("red", "", " \n", "https://example.com", "@you"))
    assert np.isnan(judged.probabilities).all(axis=1).tolist() == [False, True, True, True, True]
    assert judged.reasons == {4: NO_FEELING, 5: NO_FEELING}
    assert emotion.emotions([]).probabilities.shape == (0, 4)
    assert emotion.emotions(says("")).probabilities.shape == (1, 4)


def test_a_text_that_breaks_the_model_is_one_row_of_nan() -> None:
    class HalfBroken(FakeEncoder):
        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            embeddings = super().encode_texts(texts)
            embeddings[[at for at, text in enumerate(texts) if text == "broken"]] = torch.nan
            return embeddings

    emotion = TextEmotion(ZeroShotLabeller(HalfBroken(), COLOURS))
    judged = emotion.emotions(says("broken", "red"))
    assert np.isnan(judged.probabilities).all(axis=1).tolist() == [True, False]
    assert judged.reasons == {1: NOT_FINITE}


def test_an_encoder_that_cannot_read_the_words_says_so() -> None:
    class EnglishOnly(FakeEncoder):
        languages = ("en",)

    emotion = TextEmotion(ZeroShotLabeller(EnglishOnly(), Vocabulary.from_words(["설렘", "분노"])))
    assert len(emotion.notices) == 1
    assert "설렘" in emotion.notices[0]
    fused = FusedEmotion(emotion, emotion, FusionConfig())
    assert fused.notices == emotion.notices


def test_pictures_are_labelled_and_bad_ones_say_why(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    images = [save(plain("blue"), tmp_path / "blue.png"), None, tmp_path / "bad.png", tmp_path / "none.png"]
    turns = [Turn(index, "A", "", image=image) for index, image in enumerate(images, start=1)]
    labeller = ZeroShotLabeller(FakeEncoder(), COLOURS)
    emotion = ImageEmotion(labeller)
    judged = emotion.emotions(turns)
    found = judged.probabilities
    (prediction,) = labeller(images[0], len(COLOURS))
    assert {label.key: label.probability for label in prediction.labels} == dict(
        zip(COLOURS.keys, found[0].tolist(), strict=True)
    )
    assert np.isnan(found[1:]).all()
    assert found[0].sum() == pytest.approx(1)
    assert judged.reasons[2] == NO_IMAGE
    assert judged.reasons[3].startswith("picture: ")
    assert judged.reasons[4].startswith("picture: The file cannot be read")
    # Neither folder nor file name: either may name somebody.
    assert not any("bad" in reason or "none" in reason or str(tmp_path) in reason for reason in judged.reasons.values())
    assert emotion.emotions(turns[:1]).reasons == {}


def test_given_emotions_are_matched_and_sum_to_one() -> None:
    emotion = GivenEmotion(EMOTIONS)
    turns = [
        Turn(1, "A", "", emotions={"화남": 1.0, "rage": 2.0, "Joy": 1.0}),
        Turn(2, "A", "", emotions={"joy": 0.2}),
        Turn(3, "A", "", emotions={"joy": 0.0}),
        Turn(4, "A", ""),
    ]
    judged = emotion.emotions(turns)
    found = judged.probabilities
    assert found[:2].tolist() == [[0.75, 0.25], [0.0, 1.0]]
    assert np.isnan(found[2:]).all()
    assert judged.reasons == {3: ALL_ZERO, 4: NOT_GIVEN}


@pytest.mark.parametrize(
    ("emotions", "words"),
    [
        ({"angr": 1.0}, "Turn 7 gives the emotion 'angr'.*perhaps 'anger'"),
        ({"우주": 1.0}, "it has anger, joy"),
        ({"joy": -0.1}, "'joy' the probability -0.1"),
        ({"joy": math.nan}, "nan"),
        ({"joy": math.inf}, "inf"),
    ],
)
def test_given_emotions_that_cannot_be_are_refused(emotions: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        GivenEmotion(EMOTIONS).emotions([Turn(7, "A", "", emotions=emotions)])


ROWS = arrays(np.float64, (3, 4), elements=st.floats(0, 1)).map(
    lambda rows: (rows + 1e-9) / (rows + 1e-9).sum(1)[:, None]
)


@given(text=ROWS, picture=ROWS, weight=st.floats(0, 1))
def test_fusion_is_a_logarithmic_opinion_pool(text: np.ndarray, picture: np.ndarray, weight: float) -> None:
    for row, p, q in zip(fuse(text, picture, weight).tolist(), text.tolist(), picture.tolist(), strict=True):
        pooled = [a ** (1 - weight) * b**weight for a, b in zip(p, q, strict=True)]
        assert row == pytest.approx([value / math.fsum(pooled) for value in pooled], abs=1e-9)


def test_fusion_at_its_ends_and_with_gaps() -> None:
    text = np.array([[1.0, 0.0], [0.3, 0.7], [np.nan, np.nan], [np.nan, np.nan]])
    picture = np.array([[0.4, 0.6], [np.nan, np.nan], [0.9, 0.1], [np.nan, np.nan]])
    assert fuse(text, picture, 0.0)[0] == pytest.approx([1.0, 0.0])
    assert fuse(text, picture, 1.0)[0] == pytest.approx([0.4, 0.6])
    assert fuse(text, picture, 0.5)[1:3].tolist() == [[0.3, 0.7], [0.9, 0.1]]
    assert np.isnan(fuse(text, picture, 0.5)[3]).all()
    assert fuse(text[:0], picture[:0], 0.5).shape == (0, 2)


def test_fused_judges_by_what_there_is(tmp_path: Path) -> None:
    labeller = ZeroShotLabeller(FakeEncoder(), COLOURS)
    image = save(plain("red"), tmp_path / "red.png")
    (tmp_path / "bad.png").write_bytes(b"")
    turns = [
        Turn(1, "A", "blue", image=image),
        Turn(2, "A", "blue"),
        Turn(3, "A", "", image=image),
        Turn(4, "A", "blue", image=tmp_path / "bad.png"),
        Turn(5, "A", ""),
    ]
    text, image_side = TextEmotion(labeller), ImageEmotion(labeller)
    by_text, by_image = text.emotions(turns).probabilities, image_side.emotions(turns).probabilities
    emotion = FusedEmotion(text, image_side, FusionConfig(image=0.25))
    judged = emotion.emotions(turns)
    found = judged.probabilities
    assert found[0] == pytest.approx(fuse(by_text[:1], by_image[:1], 0.25)[0])
    assert found[1].tolist() == by_text[1].tolist()
    assert found[2].tolist() == by_image[2].tolist()
    assert found[3].tolist() == by_text[3].tolist()
    assert np.isnan(found[4]).all()
    assert list(judged.reasons) == [4]


def test_emotions_of_different_labels_are_not_fused() -> None:
    with pytest.raises(UsageError, match="one vocabulary"):
        FusedEmotion(Fixed([1, 0]), Fixed([1, 0, 0, 0], COLOURS), FusionConfig())


def test_auto_takes_what_is_given_and_loads_the_picture_side_only_for_a_picture() -> None:
    loads: list[TurnEmotion] = []

    def load_image() -> TurnEmotion:
        loads.append(Fixed([0.2, 0.8], name="image"))
        return loads[-1]

    text = Fixed([0.8, 0.2], name="text")
    emotion = AutoEmotion(GivenEmotion(EMOTIONS), text, load_image, FusionConfig())
    name, notices = emotion.name, emotion.notices
    words = emotion.emotions(says("a"))
    assert (words.probabilities.tolist(), words.sources, words.notices) == ([[0.8, 0.2]], ("text",), ())
    own = Turn(2, "A", "b", emotions={"joy": 1.0}, image=Path("x.png"))
    both = emotion.emotions([*says("a"), own])
    assert (both.probabilities.tolist(), both.sources) == ([[0.8, 0.2], [0.0, 1.0]], ("given", "text"))
    assert (text.asked, loads) == (2, [])
    for _ in range(2):
        seen = emotion.emotions([Turn(3, "A", "c", image=Path("x.png")), own])
        assert seen.probabilities[0] == pytest.approx([0.5, 0.5])
        assert (seen.sources, seen.notices) == (("given", "text", "image"), ("fixed",))
    assert len(loads) == 1
    # What was judged before shows in no later judgement, and not in the emotion itself.
    assert emotion.emotions(says("a")).sources == ("text",)
    assert (emotion.name, emotion.notices) == (name, notices) == ("given, else text", ("fixed",))


def test_sources_are_told_as_they_are_taken() -> None:
    assert sources_in_words(("text", "picture")) == "text + picture"
    assert sources_in_words(("given", "text", "picture")) == "given, else text + picture"
    assert sources_in_words(("given",)) == "given"
    assert sources_in_words(()) == ""


def test_judgements_of_stretches_join_to_that_of_all() -> None:
    parts = [
        Judgement(np.array([[1.0, 0.0]]), {1: "x"}, ("text",), ("read this",)),
        Judgement(np.array([[0.0, 1.0], [0.5, 0.5]]), {3: "y"}, ("given", "text"), ("read this",)),
    ]
    whole = Judgement.joined(parts)
    assert whole.probabilities.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    assert (whole.reasons, whole.sources, whole.notices) == ({1: "x", 3: "y"}, ("text", "given"), ("read this",))


def kobert_model(folder: Path, labels: Sequence[str] = KOTE.keys) -> KobertEmotionModel:
    kobert = load_kobert(build_tiny_kobert(folder))
    network = KobertEmotionNetwork(kobert.model, len(labels), KobertHeadConfig())
    config = KobertEmotionConfig(labels=tuple(labels), head=KobertHeadConfig(max_tokens=64))
    return KobertEmotionModel(config, network, kobert.tokenizer)


def test_kobert_gives_each_labels_share_of_the_sigmoids(tmp_path: Path) -> None:
    model = kobert_model(tmp_path)
    texts = ["나는 오늘 정말 행복해요", "너무 화가 나서", ""]
    ids = [model.tokenizer(text)["input_ids"] for text in texts[:2]]
    with torch.inference_mode():
        logits = [
            model.network({"input_ids": torch.tensor([row]), "attention_mask": torch.ones(1, len(row), dtype=int)})
            for row in ids
        ]
    for vocabulary in (KOTE, Vocabulary.load("kote36")):
        found = KobertEmotion(model, vocabulary).emotions(says(*texts)).probabilities
        for row, logit in zip(found, logits, strict=False):
            kept = [expit(float(logit[0, KOTE.index(key)])) for key in vocabulary.keys]
            assert row.tolist() == pytest.approx([value / math.fsum(kept) for value in kept], abs=1e-5)
        assert np.isnan(found[2]).all()


def test_kobert_speaks_only_its_own_labels(tmp_path: Path) -> None:
    model = kobert_model(tmp_path)
    with pytest.raises(UsageError, match="'angry' of vocabulary 'basic7'"):
        KobertEmotion(model, Vocabulary.load("basic7"))
    model.save(tmp_path / "trained")
    options = EmotionOptions(KOTE, device="cpu", kobert=tmp_path / "trained")
    turns = says("나는 오늘 정말 행복해요 🥹")
    loaded, built = (one.emotions(turns) for one in (load_emotion("kobert", options), KobertEmotion(model, KOTE)))
    assert loaded.probabilities == pytest.approx(built.probabilities)


def test_kobert_without_a_folder_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--kobert FOLDER.*configs/train/kobert_kote.yaml"):
        load_emotion("kobert", EmotionOptions(KOTE))
    with pytest.raises(ModelError, match="does not exist"):
        load_emotion("kobert", EmotionOptions(KOTE, device="cpu", kobert=tmp_path / "none"))


def test_emotions_are_loaded_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load_encoder", lambda spec, device: FakeEncoder())
    kinds = {"text": TextEmotion, "image": ImageEmotion, "given": GivenEmotion, "auto": AutoEmotion}
    for kind, expected in kinds.items():
        emotion = load_emotion(kind, EmotionOptions(COLOURS))
        assert isinstance(emotion, expected)
        assert emotion.vocabulary is COLOURS
    assert set(LOADERS) == {*kinds, "kobert"}
    with pytest.raises(UsageError, match=r"'magic'.*auto, text, kobert, image, given"):
        load_emotion("magic", EmotionOptions(COLOURS))


def test_given_emotions_alone_need_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(spec: str, device: str) -> FakeEncoder:
        raise AssertionError("no model is needed")

    monkeypatch.setattr(registry, "load_encoder", refuse)
    judged = load_emotion("given", EmotionOptions(EMOTIONS)).emotions([Turn(1, "A", "", emotions={"joy": 1})])
    assert judged.probabilities[0, 1] == 1


@settings(max_examples=25)
@given(texts=st.lists(st.text(alphabet="ㅋㅎㅠ안녕 :)a", max_size=8), max_size=6))
def test_rows_sum_to_one_or_are_nan(texts: list[str]) -> None:
    found = TextEmotion(ZeroShotLabeller(FakeEncoder(), COLOURS)).emotions(says(*texts)).probabilities
    assert found.shape == (len(texts), 4)
    for row, text in zip(found, texts, strict=True):
        if text.strip():
            assert row.sum() == pytest.approx(1)
        else:
            assert np.isnan(row).all()


def test_tears_and_smiles_have_opposite_signs_with_the_mini() -> None:
    emotion = load_emotion("text", EmotionOptions(KOTE, device="cpu"))
    weights = affection_weights(KOTE, load_embedder("mini", "cpu"), WeightsConfig())
    scores = emotion.emotions(says("ㅠㅠ", "ㅎㅎ", "T_T", "^^")).probabilities @ weights.values
    assert (scores > 0).tolist() == [False, True, False, True]


def test_the_earlier_name_of_the_images_share_is_read(caplog: pytest.LogCaptureFixture) -> None:
    assert FusionConfig.model_validate({"picture": 0.25}) == FusionConfig(image=0.25)
    assert "fusion.picture is now called fusion.image" in caplog.text
    with pytest.raises(ValueError, match="picture"):
        FusionConfig.model_validate({"picture": 0.25, "image": 0.5})
