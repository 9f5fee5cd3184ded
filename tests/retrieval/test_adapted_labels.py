"""Words taught by examples in labels, stores and evaluations: the same everywhere, and texts as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.adapting.adapt import Adapted, AdaptOptions, CalibrateOptions, adapt, calibrate_words
from clip_emotion.retrieval.adapting.adapter import Adapter
from clip_emotion.retrieval.adapting.examples import Reading
from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions, evaluate
from clip_emotion.retrieval.evaluation.labelled import open_labelled
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.rows import JsonLines, RunCard, to_row
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.evaluation import StoredRows
from clip_emotion.retrieval.store.labelling import label_store
from clip_emotion.retrieval.store.priors import correct_prior
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder
from tests.support.pictures import save
from tests.support.stores import embed

CLASSES = {"red": (220, 30, 30), "green": (30, 220, 30), "노을": (220, 140, 30)}
STREAM = StreamConfig(FaceOptions("none"))


def tinted(colour: tuple[int, int, int], seed: int) -> Image.Image:
    """A picture of nearly one colour, no two alike."""
    values = np.random.default_rng(seed).normal(colour, 12, (48, 48, 3)) + np.random.default_rng(seed).normal(0, 12, 3)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of each of three colours; the third has a word that the encoder knows nothing of."""
    for name, colour in CLASSES.items():
        for number in range(6):
            save(tinted(colour, number), tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def teach(data: Path, vocabulary: Vocabulary | None, store: Path | None = None, shots: int = 16) -> Adapted:
    encoder = FakeEncoder()
    with open_labelled(str(data), RowSelection()) as rows:
        if store is None:
            return adapt(encoder, rows, vocabulary, AdaptOptions(shots=shots, reading=Reading(stream=STREAM)))
        with EmbeddingStore.open(store) as opened:
            reading = Reading(StoredRows(opened, (data.parent,)))
            return adapt(encoder, rows, vocabulary, AdaptOptions(shots=shots, reading=reading))


def accuracy(labeller: ZeroShotLabeller, folder: Path) -> float:
    rows = labeller(sorted(folder.rglob("*.png")), config=STREAM)
    return float(np.mean([row.best is not None and row.labels[0].key == Path(row.path).parent.name for row in rows]))


def test_a_new_word_is_learned_and_the_known_ones_stay(folder: Path) -> None:
    words = Vocabulary.from_words(["red", "green", "blue"])
    adapted = teach(folder, words, shots=4)
    assert adapted.new == ("노을",)
    assert adapted.adapter.vocabulary.keys == ("red", "green", "blue", "노을")
    assert adapted.adapter.examples == {"red": 4, "green": 4, "노을": 4}
    assert (adapted.without, adapted.unused) == (("blue",), 6)
    plain = ZeroShotLabeller(FakeEncoder(), adapted.adapter.vocabulary, "en")
    assert accuracy(plain, folder) == pytest.approx(2 / 3)
    assert accuracy(ZeroShotLabeller.adapted(FakeEncoder(), adapted.adapter), folder) == 1


def test_without_a_vocabulary_the_examples_are_the_words(folder: Path) -> None:
    adapted = teach(folder, None)
    assert (set(adapted.adapter.vocabulary.keys), adapted.new) == (set(CLASSES), ())


def test_labels_of_a_store_are_those_of_its_pictures(folder: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", folder)
    adapter = teach(folder, None).adapter
    labeller = ZeroShotLabeller.adapted(FakeEncoder(), adapter)
    direct = labeller(sorted(folder.rglob("*.png")), 3, config=STREAM)
    card = RunCard("fake", "own", 3, labeller.faces.settings())
    assert card.written()["settings"].startswith(f"adapter={adapter.digest[:12]}")
    with EmbeddingStore.open(tmp_path / "faces.db") as opened:
        blocks = list(label_store(opened, labeller, 3))
    stored = {row.path: row for block in blocks for row in block.predictions()}
    for row in direct:
        other = stored[row.path].labels
        assert [label.key for label in row.labels] == [label.key for label in other]
        assert [one.probability for one in row.labels] == pytest.approx([one.probability for one in other], abs=1e-3)
        assert sum(label.probability for label in row.labels) == pytest.approx(1)
    lines = b"".join(block.json_lines(card) for block in blocks)
    assert lines == b"".join(JsonLines().encode(to_row(row, card), card) for row in stored.values())


def test_probabilities_and_similarities_are_those_of_the_equation(folder: Path) -> None:
    adapter = teach(folder, None).adapter
    encoder = FakeEncoder()
    labeller = ZeroShotLabeller.adapted(encoder, adapter)
    vectors = np.eye(FakeEncoder.dim, dtype=np.float32)[:2]
    cosines = vectors @ labeller.index.embeddings.T
    logits = adapter.logits(vectors, encoder.logit_scale * cosines)
    wanted = softmax(logits, axis=1)
    for row, labels in enumerate(labeller.predict_features(vectors, 9)):
        places = [adapter.vocabulary.index(label.key) for label in labels]
        assert [label.probability for label in labels] == pytest.approx(wanted[row, places])
        assert [label.similarity for label in labels] == pytest.approx(cosines[row, places])
        assert places == np.argsort(-logits[row], kind="stable").tolist()


def test_texts_are_labelled_as_without_an_adapter(folder: Path) -> None:
    adapter = teach(folder, None).adapter
    adapted, plain = (
        ZeroShotLabeller.adapted(FakeEncoder(), adapter),
        ZeroShotLabeller(FakeEncoder(), adapter.vocabulary, adapter.language),
    )
    assert adapted.label_texts(["so red", "무엇"]) == plain.label_texts(["so red", "무엇"])


def test_examples_are_found_in_a_store_by_content_and_by_path(folder: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", folder)
    (folder / "red" / "0.png").rename(tmp_path / "moved.png")
    (folder / "green" / "0.png").unlink()
    table = tmp_path / "labels.csv"
    lines = ["path,label", "moved.png,red", "pictures/green/0.png,green", "pictures/노을/1.png,노을", "gone.png,red"]
    table.write_bytes("\r\n".join(lines).encode("cp949"))
    adapted = teach(table, None, tmp_path / "faces.db")
    assert adapted.adapter.examples == {"red": 1, "green": 1, "노을": 1}
    assert len(adapted.errors) == 1
    assert "labels.csv, line 5 (gone.png)" in adapted.errors[0]
    assert "has no picture from there" in adapted.errors[0]


def test_bad_rows_are_told_one_by_one(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = ["red/0.png,red", "red/1.png,", "red/0.png,green", "red/0.png,red", "red/2.png", "green/1.png,green"]
    lines = ["path,label", *(f"pictures/{row}" for row in rows)]
    table.write_text("\n".join(lines), encoding="utf-8-sig")
    adapted = teach(table, None)
    assert adapted.adapter.examples == {"red": 1, "green": 1}
    told = "\n".join(adapted.errors)
    for part in ("line 3 (pictures/red/1.png): no label", "too few cells", "line 4 (pictures/red/0.png): the same"):
        assert part in told
    assert "is an example of 'red' too, in labels.csv, line 2" in told


def test_no_example_at_all_is_told(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\ngone.png,red\n", "utf-8")
    with pytest.raises(DataError, match="None of the 1 pictures could be read"):
        teach(tmp_path / "labels.csv", None)
    (tmp_path / "texts.csv").write_text("text,label\nred,red\n", "utf-8")
    with pytest.raises(UsageError, match="holds texts: examples are pictures"):
        teach(tmp_path / "texts.csv", None)


def test_an_evaluation_takes_an_adapter(folder: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", folder)
    adapter = teach(folder, None).adapter
    results = [
        evaluate(folder, adapter.vocabulary, FakeEncoder(), options=replace(options, adapter=adapter))
        for options in (EvaluationOptions(stream=STREAM), stored_options(tmp_path / "faces.db"))
    ]
    for result in results:
        assert result.metrics is not None
        assert result.metrics.accuracy == 1
    plain = evaluate(folder, adapter.vocabulary, FakeEncoder(), options=EvaluationOptions(stream=STREAM))
    assert plain.metrics is not None
    assert plain.metrics.accuracy < 0.9
    (tmp_path / "texts.csv").write_text("text,label\nred,red\n", "utf-8")
    for change in ({"adapter": adapter}, {"prior": "em"}):
        with pytest.raises(UsageError, match="are for pictures"):
            evaluate(tmp_path / "texts.csv", adapter.vocabulary, FakeEncoder(), options=EvaluationOptions(**change))


def stored_options(store: Path) -> EvaluationOptions:
    return EvaluationOptions(embed_rows=StoredRows(EmbeddingStore.open(store)))


def test_a_temperature_changes_probabilities_and_no_rank(tmp_path: Path) -> None:
    for number in range(24):
        red = 100 + 2 * number
        save(tinted((red, 246 - red, 20), 0), tmp_path / "p" / ("red" if red > 123 else "green") / f"{number}.png")
    words, encoder = Vocabulary.from_words(["red", "green", "blue"]), FakeEncoder()
    with open_labelled(str(tmp_path / "p"), RowSelection()) as rows:
        options = CalibrateOptions(reading=Reading(stream=STREAM))
        adapter, found, errors = calibrate_words(encoder, rows, words, options)
        again, second, _ = calibrate_words(encoder, rows, adapter, options)
    assert (errors, adapter.cache, found.n) == ((), None, 24)
    assert found.after.nll < found.before.nll
    assert 0.005 < adapter.temperature < 0.9
    assert second.temperature == pytest.approx(1, abs=0.01)
    assert again.temperature == pytest.approx(adapter.temperature, rel=0.01)
    vector = np.array([[0.8, 0.5, 0.332, 0, 0, 0, 0, 0]], dtype=np.float32)
    calibrated, plain = (
        one.predict_features(vector)[0]
        for one in (ZeroShotLabeller.adapted(encoder, adapter), ZeroShotLabeller(encoder, words, adapter.language))
    )
    assert [label.key for label in calibrated] == [label.key for label in plain]
    assert calibrated[0].probability > plain[0].probability


def test_the_priors_of_a_store_are_corrected(folder: Path, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", folder / "red")
    labeller = ZeroShotLabeller(FakeEncoder(), Vocabulary.from_words(["red", "green"]), "en")
    with EmbeddingStore.open(tmp_path / "faces.db") as opened:
        before = [row for block in label_store(opened, labeller, 1) for row in block.predictions()]
        correct_prior(opened, labeller, "em")
        after = [row for block in label_store(opened, labeller, 1) for row in block.predictions()]
    assert labeller.faces.settings() == {"prior": "em"}
    assert all(b.labels[0].probability > a.labels[0].probability for a, b in zip(before, after, strict=True))


def test_words_of_another_adapter_are_another_run(folder: Path) -> None:
    adapter: Adapter = teach(folder, None).adapter
    assert replace(adapter, temperature=2.0).digest != adapter.digest
    assert json.dumps(ZeroShotLabeller(FakeEncoder(), adapter.vocabulary).faces.settings()) == "{}"
