"""Rows from a store are those of labelling the pictures themselves, and an evaluation from it is the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions, evaluate
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.rows import JsonLines, RunCard, to_row
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.evaluation import StoredRows
from clip_emotion.retrieval.store.labelling import label_store
from clip_emotion.types import FaceBox, Prediction
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder
from tests.support.pictures import noise, plain, save
from tests.support.stores import embed

WORDS = Vocabulary.from_words(["red", "green", 'a "quoted" word', "설렘", "비장함"])
FACES = FaceOptions("each", no_face="skip", boxes={"2.png": (FaceBox(0, 0, 20, 20), FaceBox(9, 9, 9, 9))})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two faces, a picture without one, a bad file, and a name that JSON must escape."""
    folder = tmp_path / "pictures"
    for number, name in enumerate(("1.png", "2.png", 'so "odd" \\ 한글.png')):
        save(noise((64, 64), number), folder / name)
    (folder / "3.png").write_bytes(b"no picture")
    return folder


def stored(store: Path, labeller: ZeroShotLabeller, top: int = 3) -> tuple[list[Prediction], bytes]:
    """Label a store's faces: as predictions, and as lines."""
    card = RunCard(labeller.encoder.fingerprint, labeller.vocabulary.name, top, {"lang": labeller.language})
    with EmbeddingStore.open(store) as opened:
        blocks = list(label_store(opened, labeller, top))
    rows = [row for block in blocks for row in block.predictions()]
    return rows, b"".join(block.json_lines(card) for block in blocks)


def test_rows_are_those_of_labelling_the_pictures(folder: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", folder, faces=FACES)
    labeller = ZeroShotLabeller(FakeEncoder(), WORDS)
    rows, _ = stored(tmp_path / "faces.db", labeller)
    direct = labeller(sorted(folder.iterdir()), 3, config=StreamConfig(FACES))
    assert [(row.path, row.face, row.error, row.model) for row in rows] == [
        (row.path, row.face, row.error, row.model) for row in direct
    ]
    assert [len(row.labels) for row in rows] == [0, 3, 3, 0, 0]
    for row, other in zip(rows, direct, strict=True):
        assert [label.key for label in row.labels] == [label.key for label in other.labels]
        for one, two in zip(row.labels, other.labels, strict=True):
            assert one.probability == pytest.approx(two.probability, abs=1e-3)
            assert one.similarity == pytest.approx(two.similarity, abs=1e-3)


@pytest.mark.parametrize("top", [1, 4, 99])
def test_lines_written_at_once_are_those_written_one_by_one(folder: Path, tmp_path: Path, top: int) -> None:
    embed(tmp_path / "faces.db", folder, faces=FACES)
    labeller = ZeroShotLabeller(FakeEncoder(), WORDS, "en")
    rows, lines = stored(tmp_path / "faces.db", labeller, top)
    card = RunCard(labeller.encoder.fingerprint, labeller.vocabulary.name, top, {"lang": "en"})
    assert lines == b"".join(JsonLines().encode(to_row(row, card), card) for row in rows)
    assert len([json.loads(line) for line in lines.splitlines()]) == 5


def test_a_store_of_nothing_but_faults_has_rows_too(folder: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", folder / "3.png")
    rows, lines = stored(tmp_path / "faces.db", ZeroShotLabeller(FakeEncoder(), WORDS))
    assert [bool(row.error) for row in rows] == [True]
    assert json.loads(lines)["labels"] == []


def test_words_of_another_encoder_are_refused(folder: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", folder, faces=FACES)
    other = FakeEncoder()
    other.fingerprint = "other-1"
    with pytest.raises(UsageError, match="use --model fake"):
        stored(tmp_path / "faces.db", ZeroShotLabeller(other, WORDS))


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    for at, colour in enumerate(("red", "green", "blue") * 2):
        picture = plain(colour)
        picture.putpixel((at, 0), (at, 9, 99))
        save(picture, tmp_path / "classes" / colour / f"{at}.png")
    return tmp_path / "classes"


def test_an_evaluation_from_a_store_is_the_same(classes: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", classes)
    words, encoder = Vocabulary.from_words(["red", "green", "blue"]), FakeEncoder()
    direct = evaluate(classes, words, encoder, options=EvaluationOptions(stream=StreamConfig(FaceOptions("none"))))
    calls = encoder.image_calls
    with EmbeddingStore.open(tmp_path / "faces.db") as opened:
        result = evaluate(classes, words, encoder, options=EvaluationOptions(embed_rows=StoredRows(opened)))
    assert encoder.image_calls == calls
    assert result.metrics is not None
    assert direct.metrics is not None
    assert (result.n, result.metrics.accuracy) == (6, direct.metrics.accuracy)
    assert result.metrics.ece == pytest.approx(direct.metrics.ece, abs=1e-3)


def test_pictures_that_a_store_does_not_have_are_told(classes: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", classes / "red", classes / "green")
    with EmbeddingStore.open(tmp_path / "faces.db") as opened:
        options = EvaluationOptions(embed_rows=StoredRows(opened))
        result = evaluate(classes, ["red", "green", "blue"], FakeEncoder(), options=options)
        assert (result.n, len(result.errors)) == (4, 2)
        assert all("is not in" in error for error in result.errors)
        save(plain("red", (9, 9)), tmp_path / "others" / "red" / "1.png")
        with pytest.raises(DataError, match="None of the 1 pictures"):
            evaluate(tmp_path / "others", ["red", "green"], FakeEncoder(), options=options)


def test_a_store_of_every_face_is_not_evaluated(folder: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", folder, faces=FACES)
    with EmbeddingStore.open(tmp_path / "faces.db") as opened, pytest.raises(UsageError, match="each of its faces"):
        StoredRows(opened)


def test_ranks_of_very_many_rows_are_those_of_a_few() -> None:
    labeller = ZeroShotLabeller(FakeEncoder(), WORDS)
    random = np.random.default_rng(0)
    vectors = random.standard_normal((50, FakeEncoder.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7] = np.nan
    ranked = labeller.rank_features(vectors, 2)
    assert labeller.labels_of(ranked) == labeller.predict_features(vectors, 2)
    assert ranked.finite.sum() == 49
