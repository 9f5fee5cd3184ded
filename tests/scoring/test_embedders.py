"""Embedders by name, centring and whitening, and ``evaluate-similarity`` end to end."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.decomposition import PCA

from clip_emotion import load_encoder
from clip_emotion.cli.main import main
from clip_emotion.errors import DataError, MissingExtraError, ModelError, UsageError
from scoring.config import BootstrapConfig
from scoring.embedders import load_embedder
from scoring.evaluation.similarity import (
    SentencePairs,
    SimilarityOptions,
    evaluate_similarity,
    read_pairs,
    read_sentences,
)
from scoring.whitening import Centring, Whitening, cosines, unit
from tests.support.minis import table
from tests.support.tiny_kobert import SENTENCES, build_tiny_kobert, need_kobert

PAIRS = [
    ("비행기가 이륙하고 있다.", "비행기가 이륙하고 있다.", 5.0),
    ("한 남자가 기타를 치고 있다.", "한 남자가 기타를 연주하고 있다.", 4.6),
    ("아이가 공원에서 뛰어논다.", "아이들이 공원에서 놀고 있다.", 3.8),
    ("나는 오늘 정말 행복하다.", "오늘은 무척 기쁜 날이다.", 3.2),
    ("여자가 양파를 썰고 있다.", "고양이가 소파에서 잔다.", 0.2),
    ("주가가 크게 떨어졌다.", "친구와 바다에 갔다.", 0.0),
]
HEADER = ("sentence1", "sentence2", "score")


def crowded(seed: int, count: int, width: int) -> np.ndarray:
    """Unit vectors in a narrow cone, of unequal variances, as BERT's are."""
    rng = np.random.default_rng(seed)
    return unit(rng.normal(size=(count, width)) * np.linspace(1, 0.1, width) + 4)


class FakeEmbedder:
    """Vectors that are known: each text is the name of a row."""

    name = "fake"

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors.astype(np.float32)
        self.blocks: list[int] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.blocks.append(len(texts))
        return self.vectors[[int(text) for text in texts]]


def test_whitened_vectors_have_mean_zero_and_covariance_one() -> None:
    vectors = crowded(0, 200, 12)
    whitened = Whitening.fit(vectors)(vectors)
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(12), atol=1e-9)


def test_whitening_is_the_mahalanobis_product() -> None:
    corpus, others = crowded(1, 80, 6), crowded(2, 5, 6)
    whitened = Whitening.fit(corpus)(others)
    centred = others - corpus.mean(axis=0)
    np.testing.assert_allclose(whitened @ whitened.T, centred @ np.linalg.inv(np.cov(corpus.T)) @ centred.T, rtol=1e-6)


@pytest.mark.parametrize("kept", [1, 4, 12])
def test_the_widest_directions_are_kept_as_in_scikit_learn(kept: int) -> None:
    vectors = crowded(3, 100, 12)
    ours = Whitening.fit(vectors, dimensions=kept)(vectors)
    theirs = PCA(kept, whiten=True, svd_solver="full").fit_transform(vectors)
    assert ours.shape == (100, kept)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-8)


def test_centring_subtracts_the_corpus_mean() -> None:
    corpus, others = crowded(4, 50, 8), crowded(5, 3, 8)
    centring = Centring.fit(corpus)
    np.testing.assert_allclose(centring(corpus).mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(centring(others), others - corpus.mean(axis=0))
    spread = cosines(corpus, np.roll(corpus, 1, axis=0))
    assert spread.min() > 0.5
    assert cosines(centring(corpus), np.roll(centring(corpus), 1, axis=0)).min() < 0


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 3), st.booleans())
def test_few_or_equal_texts_never_give_nan(count: int, width: int, seed: int, single: bool) -> None:
    vectors = unit(np.random.default_rng(seed).normal(size=(count, width)) + 1)
    vectors = np.concatenate([vectors, vectors[:2]]).astype(np.float32 if single else np.float64)
    for transform in (Centring.fit(vectors), Whitening.fit(vectors), Whitening.fit(vectors, dimensions=3)):
        mapped = transform(vectors)
        assert len(mapped) == len(vectors)
        assert mapped.shape[1] <= width
        found = cosines(mapped, mapped[::-1])
        assert np.isfinite(found).all()
        assert np.abs(found).max() <= 1 + 1e-9


def test_a_corpus_without_variety_whitens_to_nothing() -> None:
    same = np.repeat(crowded(6, 1, 9), 7, axis=0)
    for corpus in (same, same[:1], same.astype(np.float32)):
        whitening = Whitening.fit(corpus)
        assert whitening.kernel.shape == (9, 0)
        assert cosines(whitening(corpus), whitening(corpus)).tolist() == [0] * len(corpus)
        assert np.abs(cosines(Centring.fit(corpus)(corpus), corpus)).max() == 0


def test_more_dimensions_than_texts_keep_what_varies() -> None:
    vectors = crowded(7, 5, 40)
    whitened = Whitening.fit(vectors)(vectors)
    assert whitened.shape == (5, 4)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(4), atol=1e-8)


@pytest.mark.parametrize("transform", [Centring, Whitening])
def test_nothing_to_fit_on_is_told(transform: type[Centring] | type[Whitening]) -> None:
    for wrong in (np.zeros((0, 4)), np.zeros(4)):
        with pytest.raises(UsageError, match="N ≥ 1"):
            transform.fit(wrong)


def test_cosines_are_those_of_scipy() -> None:
    from scipy.spatial.distance import cosine

    first, second = np.random.default_rng(8).normal(size=(2, 6, 5))
    expected = [1 - cosine(a, b) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(cosines(first, second), expected)


def test_the_mini_embeds_with_its_text_tower() -> None:
    texts = ["사랑해", "", "I miss you"]
    embedder = load_embedder("mini", "cpu")
    vectors = embedder.embed(texts)
    assert embedder.name == "mini"
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, load_encoder("mini", "cpu").encode_texts(texts).numpy())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embedder.embed([]).shape == (0, vectors.shape[1])


def test_kobert_embeds_by_its_folder(tmp_path: Path) -> None:
    from clip_emotion.models.kobert.loading import load_kobert

    folder = build_tiny_kobert(tmp_path / "k")
    embedder = load_embedder(f"kobert:{folder}", "cpu")
    vectors = embedder.embed([*SENTENCES, ""])
    assert embedder.name == f"kobert:{folder}"
    assert vectors.dtype == np.float32
    expected = load_kobert(folder).encode([*SENTENCES, ""]).numpy()
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert embedder.embed([]).shape == (0, 32)


@pytest.mark.parametrize("name", ["", "Kobert", "bert", "kobert:", "mini:", "sentence-transformers", ":x"])
def test_an_unknown_embedder_lists_the_known(name: str) -> None:
    with pytest.raises(UsageError, match="mini, mini:FOLDER, kobert, kobert:FOLDER, sentence-transformers:NAME"):
        load_embedder(name)


def test_embedders_out_of_reach_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_kobert()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="huggingface-cli download"):
        load_embedder("kobert", "cpu")
    with pytest.raises(ModelError, match="lacks"):
        load_embedder(f"mini:{tmp_path}", "cpu")


def test_sentence_transformers_missing_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'clip-emotion\[sentence-transformers\]'"):
        load_embedder("sentence-transformers:org/model")


class FakeSentenceTransformer:
    """What of the library's class is used, with models on disk and models on the Hub."""

    on_disk = ("org/here", "org/damaged")
    on_hub = ("org/there",)

    def __init__(self, name: str, device: str, local_files_only: bool) -> None:
        if name not in self.on_disk and (local_files_only or name not in self.on_hub):
            raise OSError(f"{name} is not a local folder\nand is not a valid model identifier")
        if name == "org/damaged":
            raise RuntimeError("size mismatch")
        self.device = device

    def get_sentence_embedding_dimension(self) -> int:
        return 2

    def encode(self, texts: list[str], convert_to_numpy: bool, show_progress_bar: bool) -> np.ndarray:
        assert convert_to_numpy
        assert not show_progress_bar
        return np.array([[3.0, len(text)] for text in texts])


@pytest.fixture
def hub_is_there(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A fake library, and a Hub that is reached while the list holds True; it counts the calls."""
    reached = [True]

    def knock() -> None:
        if not reached[0]:
            raise ConnectionError("no network")

    monkeypatch.setattr("clip_emotion.models.hub.knock", knock)
    monkeypatch.setitem(
        sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=FakeSentenceTransformer)
    )
    return reached


def test_sentence_transformers_by_name(hub_is_there: list[bool]) -> None:
    for name in ("org/here", "org/there"):
        embedder = load_embedder(f"sentence-transformers:{name}", "cpu")
        assert embedder.name == f"sentence-transformers:{name}"
        np.testing.assert_allclose(embedder.embed(["abcd"]), [[0.6, 0.8]], rtol=1e-6)
        assert embedder.embed([]).shape == (0, 2)
    hub_is_there[0] = False
    assert load_embedder("sentence-transformers:org/here", "cpu").embed(["a"]).dtype == np.float32
    for name in ("org/there", "org/nowhere", "org/damaged"):
        with pytest.raises(ModelError, match="go online once") as caught:
            load_embedder(f"sentence-transformers:{name}", "cpu")
        assert "\n" not in str(caught.value)


def test_korsts_is_read_as_it_comes(tmp_path: Path) -> None:
    quoted = table(tmp_path / "a.tsv.gz", ("score", "sentence1", "sentence2"), [(2.5, 'say "a"\tb', "c"), *FILL])
    assert read_pairs(quoted).first[0] == 'say "a"\tb'
    header = "genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2"
    rows = [
        'news\tf\t2012\t1\t1.0\t"열린 따옴표\t둘',
        "news\tf\t2012\t2\t5.000\t셋\t넷",
        "news\tf\t2012\t3\t3\t하나\t여섯",
    ]
    published = tmp_path / "sts-dev.tsv"
    published.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    pairs = read_pairs(published)
    assert pairs.first == ('"열린 따옴표', "셋", "하나")
    assert pairs.second == ("둘", "넷", "여섯")
    assert pairs.scores.tolist() == [1.0, 5.0, 3.0]
    assert not pairs.faults
    assert read_pairs(table(tmp_path / "a.csv", HEADER, PAIRS)).scores.tolist() == [score for _, _, score in PAIRS]


FILL = [(1.0, "가", "나"), (2.0, "다", "라"), (3.0, "가", "라")]


def test_unusable_lines_are_kept_as_faults(tmp_path: Path) -> None:
    wrong = [("", "나", "1"), ("가", "나", "nan"), ("가", "나", "five"), ("가", " ", "2")]
    pairs = read_pairs(table(tmp_path / "a.tsv", HEADER, [*PAIRS, *wrong, ("short",)]))
    assert len(pairs.scores) == len(PAIRS)
    assert [fault.line for fault in pairs.faults] == [8, 9, 10, 11, 12]
    assert "no number as score: 'five'" in pairs.faults[2].reason


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("a.tsv", "a\tb\n1\t2\n", DataError, "sentence1, sentence2 and score"),
        ("a.parquet", "x", DataError, "sentence1, sentence2 and score"),
        ("a.tsv", "", DataError, "sentence1, sentence2 and score"),
        ("a.tsv", "sentence1\tsentence2\tscore\n가\t나\t1\n", DataError, "1 usable pairs"),
        ("a.tsv", "sentence1\tsentence2\tscore\n" + "가\t나\t1\n" * 5, DataError, "scores that differ"),
        ("a.tsv.gz", "not gzip", DataError, "a.tsv.gz"),
        ("folder/", "", UsageError, "is a folder"),
        ("missing.tsv", None, DataError, "does not exist"),
    ],
)
def test_tables_that_cannot_be_used(
    tmp_path: Path, name: str, content: str | None, error: type[Exception], words: str
) -> None:
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    elif content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(error, match=words):
        read_pairs(path)


def test_sentences_to_fit_on_come_from_any_table_or_text(tmp_path: Path) -> None:
    pairs = table(tmp_path / "a.tsv", HEADER, [("가", "나", 1), ("다", "가", 2)])
    assert read_sentences(pairs) == ("가", "나", "다")
    assert read_sentences(table(tmp_path / "b.csv", ("id", "text"), [(1, "가, 나"), (2, "")])) == ("가, 나",)
    lines = tmp_path / "c.txt.gz"
    lines.write_bytes(gzip.compress('하나 "둘"\n\n셋\n하나 "둘"\n'.encode()))
    assert read_sentences(lines) == ('하나 "둘"', "셋")
    with pytest.raises(DataError, match="or a column text"):
        read_sentences(table(tmp_path / "d.csv", ("id", "words"), [(1, "가")]))
    with pytest.raises(DataError, match="holds no sentence"):
        read_sentences(table(tmp_path / "e.csv", ("id", "text"), [(1, " ")]))


def known_pairs(count: int = 40) -> tuple[FakeEmbedder, SentencePairs, np.ndarray]:
    """Pairs of rows of known vectors with scores that follow their cosines, with noise and ties."""
    vectors = crowded(9, 2 * count, 6)
    found = cosines(vectors[:count], vectors[count:])
    scores = np.round(5 * (found + np.random.default_rng(0).normal(size=count) * found.std()), 1)
    first, second = (tuple(map(str, range(start, start + count))) for start in (0, count))
    return FakeEmbedder(vectors), SentencePairs("known", first, second, scores), found


def test_correlations_are_those_of_scipy() -> None:
    embedder, pairs, found = known_pairs()
    result = evaluate_similarity(embedder, pairs)
    raw = result.vectors["raw"]
    assert raw.spearman.value == pytest.approx(spearmanr(found, pairs.scores).statistic, abs=1e-6)
    assert raw.pearson.value == pytest.approx(pearsonr(found, pairs.scores).statistic, abs=1e-5)
    assert raw.pairs.mean == pytest.approx(found.mean(), abs=1e-6)
    assert (raw.pairs.p5, raw.pairs.p95) == pytest.approx(tuple(np.percentile(found, [5, 95])), abs=1e-6)
    whitening = Whitening.fit(embedder.vectors)
    first, second = np.split(whitening(embedder.vectors), 2)
    assert result.vectors["whitened"].spearman.value == pytest.approx(
        spearmanr(cosines(first, second), pairs.scores).statistic, abs=1e-6
    )
    assert result.vectors["centred"].unrelated.mean < raw.unrelated.mean - 0.3
    assert (result.fitted_on, result.fitted_sentences) == ("known", 80)


def test_the_interval_is_that_of_resampled_pairs() -> None:
    embedder, pairs, found = known_pairs()
    config = BootstrapConfig(resamples=200, seed=3)
    result = evaluate_similarity(embedder, pairs, options=SimilarityOptions(bootstrap=config))
    draws = np.random.default_rng(3).integers(0, 40, size=(200, 40))
    expected = np.percentile([spearmanr(found[draw], pairs.scores[draw]).statistic for draw in draws], [2.5, 97.5])
    assert result.vectors["raw"].spearman.ci95 == pytest.approx(tuple(expected), abs=1e-3)


def test_the_fitting_corpus_alone_decides_the_transforms() -> None:
    embedder, pairs, _ = known_pairs()
    steps: list[int] = []
    rows = tuple(map(str, range(10, 30)))
    options = SimilarityOptions(dimensions=3, progress=steps.append)
    result = evaluate_similarity(embedder, pairs, ("some", (*rows, *rows)), options)
    assert sum(steps) == sum(embedder.blocks) == 80
    assert (result.fitted_on, result.fitted_sentences) == ("some", 20)
    assert result.vectors["whitened"].dimensions == 3
    whitening = Whitening.fit(embedder.vectors[10:30], 3)
    first, second = np.split(whitening(embedder.vectors), 2)
    assert result.vectors["whitened"].pairs.mean == pytest.approx(cosines(first, second).mean(), abs=1e-6)


def test_an_embedder_that_tells_nothing_apart_has_no_correlation() -> None:
    pairs = SentencePairs("known", ("0", "1", "2"), ("1", "2", "0"), np.array([1.0, 2.0, 3.0]))
    result = evaluate_similarity(FakeEmbedder(np.repeat(crowded(0, 1, 4), 3, axis=0)), pairs)
    for agreement in result.vectors.values():
        assert (agreement.spearman.value, agreement.spearman.ci95) == (None, None)
    json.dumps(result.to_dict(), allow_nan=False)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["evaluate-similarity", *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_mini_end_to_end(run: Run, tmp_path: Path) -> None:
    data = table(tmp_path / "pairs.tsv.gz", HEADER, [*PAIRS, ("하나", "둘", "?")])
    code, out, err = run(data, "--format", "json", "--device", "cpu")
    result = json.loads(out)
    assert code == 0
    assert (result["embedder"], result["pairs"]) == ("mini", 6)
    assert result["skipped"][0]["line"] == 8
    assert list(result["vectors"]) == ["raw", "centred", "whitened"]
    raw = result["vectors"]["raw"]
    assert raw["spearman"]["value"] > 0.5
    assert raw["spearman"]["ci95"][0] <= raw["spearman"]["value"] <= raw["spearman"]["ci95"][1]
    assert result["vectors"]["whitened"]["dimensions"] == 10  # eleven different sentences
    assert "Line 8 has no number as score: '?'" in err
    assert "pairs.tsv.gz themselves; no score is looked at" in err
    assert "Embedding 11 sentences with mini" in err


def test_kobert_end_to_end(run: Run, tmp_path: Path) -> None:
    data = table(tmp_path / "pairs.tsv", HEADER, PAIRS)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(SENTENCES), "utf-8")
    folder = build_tiny_kobert(tmp_path / "k")
    code, out, err = run("--data", data, "--embedder", f"kobert:{folder}", "--fit", corpus, "--dimensions", 5)
    assert code == 0
    assert [
        line.split()[:2] for line in out.splitlines() if line.split()[:1] in (["raw"], ["centred"], ["whitened"])
    ] == [
        ["raw", "32"],
        ["centred", "32"],
        ["whitened", "5"],
    ]
    assert f"{len(SENTENCES)} sentences of corpus.txt" in out
    assert "Spearman" in out
    assert err.splitlines() == [f"Embedding 19 sentences with kobert:{folder}."]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere.tsv",), 1, "does not exist"),
        (("{pairs}", "--embedder", "bert"), 2, "Unknown embedder 'bert': choose one of mini"),
        (("{pairs}", "--embedder", "kobert:nowhere"), 1, "huggingface-cli download"),
        (("{pairs}", "--fit", "nowhere.tsv"), 1, "does not exist"),
        (("{pairs}", "--device", "tpu"), 2, "Invalid value for '--device'"),
        (("{pairs}", "--data", "{pairs}"), 2, "Name one table of pairs"),
        ((), 2, "Name one table of pairs: --data FILE"),
    ],
)
def test_errors_are_one_sentence(run: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    if "kobert:nowhere" in arguments:
        need_kobert()
    pairs = table(tmp_path / "pairs.tsv", HEADER, PAIRS)
    got, out, err = run(*(argument.format(pairs=pairs) for argument in arguments))
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
    assert err.count("Error") == 1
