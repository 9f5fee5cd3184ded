"""Families from co-annotation: against counting by hand, against SciPy's exact test, and on KOTE itself."""

import gzip
import math
import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import fisher_exact
from typer.testing import CliRunner

from clip_emotion.cli.data.families import families
from clip_emotion.data.families import (
    FamilyRule,
    associate,
    basics_in,
    cooccurrence,
    derive_families,
    lift_matrix,
    read_label_lists,
)
from clip_emotion.errors import ClipEmotionError, DataError
from clip_emotion.vocabulary import Vocabulary

DATA = Path(os.environ.get("CLIP_EMOTION_REAL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
KOTE = DATA / "kote.tsv.gz"
N = 5
texts = st.lists(st.lists(st.integers(0, N - 1), max_size=4), max_size=30)


@given(texts)
def test_lift_agrees_with_counting_by_hand(labels: list[list[int]]) -> None:
    found = lift_matrix(labels, N)
    for a, b in product(range(N), repeat=2):
        with_a = [a in text for text in labels]
        with_b = [b in text for text in labels]
        if not any(with_a) or not any(with_b):
            assert math.isnan(found[a, b])
            continue
        share = sum(x and y for x, y in zip(with_a, with_b, strict=True)) / len(labels)
        assert found[a, b] == pytest.approx(share / (np.mean(with_a) * np.mean(with_b)))


@given(texts)
def test_lift_is_symmetric_and_blind_to_order(labels: list[list[int]]) -> None:
    found = lift_matrix(labels, N)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(found, lift_matrix([text[::-1] for text in reversed(labels)], N))


@given(texts)
def test_q_values_agree_with_fisher_and_a_step_up_by_hand(labels: list[list[int]]) -> None:
    basics = [0, 1]
    found = associate(labels, basics, N)
    pairs = [(a, column) for a in range(N) if a not in basics for column in range(2)]
    p = {pair: _fisher(labels, pair[0], basics[pair[1]]) for pair in pairs}
    ranked = sorted(pairs, key=p.__getitem__)
    for pair in pairs:
        # Benjamini-Hochberg: the least of p_(k) m / k over every rank k that is no better than the pair's own.
        steps = [p[other] * len(pairs) / (k + 1) for k, other in enumerate(ranked) if p[other] >= p[pair]]
        assert found.q[pair] == pytest.approx(min(steps), abs=1e-9)
    assert (found.q[basics] == 1).all()


def _fisher(labels: list[list[int]], a: int, b: int) -> float:
    cells = np.zeros((2, 2), dtype=int)
    for text in labels:
        cells[int(a not in text), int(b not in text)] += 1
    return float(fisher_exact(cells, alternative="greater").pvalue)


def _texts(**times: int) -> list[list[int]]:
    """Build texts from ``ab=3``: three texts with the labels a and b (a is 0)."""
    return [[ord(letter) - ord("a") for letter in name] for name, count in times.items() for _ in range(count)]


# a and b are basic; c goes with a, d with both, e with neither, f too rare to say, g never occurs.
CLEAR = _texts(ac=40, bd=40, ad=40, a=10, b=50, e=200, af=3)
BASICS = {"first": 0, "second": 1}


def test_families_of_clear_cases() -> None:
    found = derive_families(CLEAR, BASICS, 7)
    assert found[0] == ("first",)
    assert found[1] == ("second",)
    assert found[2] == ("first",)
    assert set(found[3]) == {"first", "second"}
    assert found[4:] == [(), (), ()]


def test_families_stand_best_first_and_at_most_so_many() -> None:
    lift = lift_matrix(CLEAR, 7)[3, :2]
    best = ("first", "second")[int(lift.argmax())]
    assert derive_families(CLEAR, BASICS, 7)[3][0] == best
    assert derive_families(CLEAR, BASICS, 7, FamilyRule(at_most=1))[3] == (best,)


def test_each_condition_alone_can_refuse() -> None:
    assert derive_families(CLEAR, BASICS, 7)[2] == ("first",)
    lift = lift_matrix(CLEAR, 7)
    assert derive_families(CLEAR, BASICS, 7, FamilyRule(min_lift=lift[2, 0] + 0.01))[2] == ()
    assert derive_families(CLEAR, BASICS, 7, FamilyRule(min_count=41))[2] == ()
    assert derive_families(CLEAR, BASICS, 7, FamilyRule(max_q=1e-60))[2] == ()
    assert len(derive_families(CLEAR, BASICS, 7, FamilyRule(near_best=1))[3]) == 1


def test_a_rare_label_has_no_family_however_high_its_lift() -> None:
    assert lift_matrix(CLEAR, 7)[5, 0] > 1.25
    assert derive_families(CLEAR, BASICS, 7, FamilyRule(min_count=1))[5] == ()


def test_no_texts_and_nothing_but_basic_labels() -> None:
    assert derive_families([], BASICS, 3) == [("first",), ("second",), ()]
    assert derive_families([[0], [1]], BASICS, 2) == [("first",), ("second",)]


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range(label: int) -> None:
    with pytest.raises(DataError, match="Row 2"):
        cooccurrence([[0], [label]], 3)


def test_rule_refuses_nonsense() -> None:
    with pytest.raises(ValidationError):
        FamilyRule(min_lift=0.5)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("kote44", ["화남/분노", "역겨움/징그러움", "공포/무서움", "행복", "없음", "슬픔", "놀람"]),
        ("goemotions28", ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]),
    ],
)
def test_basic_emotions_are_found_in_other_vocabularies(name: str, keys: list[str]) -> None:
    vocabulary = Vocabulary.load(name)
    basics = basics_in(vocabulary, Vocabulary.load("basic7"))
    assert list(basics) == list(Vocabulary.load("basic7").keys)
    assert [vocabulary.keys[index] for index in basics.values()] == keys


def test_a_vocabulary_without_a_basic_emotion() -> None:
    with pytest.raises(DataError, match="no word for 'contempt'"):
        basics_in(Vocabulary.load("basic7"), Vocabulary.load("basic8"))


def test_labels_are_read_as_positions_or_words(tmp_path: Path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text('text\tlabels\n"a ""b""\tc"\t0,2\nx\t화남,sad\ny\t\n', encoding="utf-8")
    basic = Vocabulary.load("basic7")
    assert read_label_lists(path, basic) == [[0, 2], [0, 5], []]
    assert read_label_lists(path, basic, rows=1) == [[0, 2]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("text\tlabel\na\t0\n", "no column 'labels'"),
        ("", "no column 'labels'"),
        ("text\tlabels\na\t7\n", "line 2: '7' is not a label"),
        ("text\tlabels\na\t-1\n", "'-1' is not a label"),
        ("text\tlabels\na\t0\nb\tsplendid\n", "line 3: 'splendid'"),
    ],
)
def test_unusable_label_file(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=says):
        read_label_lists(path, Vocabulary.load("basic7"))


def test_missing_short_and_broken_files(tmp_path: Path) -> None:
    basic = Vocabulary.load("basic7")
    for missing in ("missing.tsv", "missing.tsv.gz"):
        with pytest.raises(DataError, match="does not exist"):
            read_label_lists(tmp_path / missing, basic)
    broken = tmp_path / "broken.tsv.gz"
    for content in (b"text\tlabels\n", gzip.compress(b"text\tlabels\na\t0\n" * 100)[:-12]):
        broken.write_bytes(content)
        with pytest.raises(DataError, match=r"broken\.tsv\.gz is damaged"):
            read_label_lists(broken, basic)
    short = tmp_path / "short.tsv"
    short.write_text("text\tlabels\na\t0\n", encoding="utf-8")
    with pytest.raises(DataError, match="has 1 rows, fewer than the 2"):
        read_label_lists(short, basic, rows=2)


def _command() -> typer.Typer:
    app = typer.Typer()
    app.command()(families)
    return app


@pytest.fixture
def own_texts(tmp_path: Path) -> list[str]:
    """The clear case as files: a vocabulary in which the basic words come first, and its texts, gzipped."""
    (tmp_path / "basic.yaml").write_text("labels: [glad, low]", encoding="utf-8")
    (tmp_path / "own.yaml").write_text("labels: [glad, low, merry, torn, plain, rare, never]", encoding="utf-8")
    rows = "".join(f"x\t{','.join(map(str, text))}\n" for text in CLEAR)
    (tmp_path / "texts.tsv.gz").write_bytes(gzip.compress(f"text\tlabels\n{rows}".encode()))
    words = ["--vocab", str(tmp_path / "own.yaml"), "--basic", str(tmp_path / "basic.yaml")]
    return ["--from", str(tmp_path / "texts.tsv.gz"), *words]


def test_command_prints_yaml(own_texts: list[str]) -> None:
    result = CliRunner().invoke(_command(), [*own_texts, "--format", "yaml"])
    assert result.exit_code == 0, result.output
    printed = yaml.safe_load(result.stdout)
    expected = derive_families(CLEAR, {"glad": 0, "low": 1}, 7)
    keys = ("glad", "low", "merry", "torn", "plain", "rare", "never")
    assert printed == {key: list(names) for key, names in zip(keys, expected, strict=True)}


def test_command_prints_a_table(own_texts: list[str]) -> None:
    result = CliRunner().invoke(_command(), own_texts)
    assert result.exit_code == 0, result.output
    merry = next(line for line in result.stdout.splitlines() if "merry" in line)
    lift = lift_matrix(CLEAR, 7)
    assert merry.split() == ["merry", "40", f"{lift[2, 0]:.2f}", f"{lift[2, 1]:.2f}", "glad"]


def test_command_raises_a_sentence(own_texts: list[str]) -> None:
    result = CliRunner().invoke(_command(), [*own_texts, "--rows", "9999"])
    assert isinstance(result.exception, ClipEmotionError)
    assert "lower --rows" in str(result.exception)


def test_shipped_kote_families_are_zero_to_three_and_a_basic_labels_own() -> None:
    vocabulary = Vocabulary.load("kote44")
    for name, index in basics_in(vocabulary, Vocabulary.load("basic7")).items():
        assert vocabulary.labels[index].families == (name,)
    assert sum(not label.families for label in vocabulary.labels) <= 2


@pytest.mark.real_data
@pytest.mark.skipif(not KOTE.is_file(), reason="KOTE is not beside the checkout")
def test_shipped_kote_families_are_what_kote_says() -> None:
    vocabulary = Vocabulary.load("kote44")
    basics = basics_in(vocabulary, Vocabulary.load("basic7"))
    derived = derive_families(read_label_lists(KOTE, vocabulary, rows=4000), basics, len(vocabulary))
    assert {label.key: label.families for label in vocabulary.labels} == dict(
        zip(vocabulary.keys, derived, strict=True)
    )


@pytest.mark.real_data
@pytest.mark.skipif(not KOTE.is_file(), reason="KOTE is not beside the checkout")
def test_shipped_kote_families_hold_on_the_rows_kept_for_evaluation() -> None:
    vocabulary = Vocabulary.load("kote44")
    basics = basics_in(vocabulary, Vocabulary.load("basic7"))
    lift = lift_matrix(read_label_lists(KOTE, vocabulary)[4000:], len(vocabulary))
    pairs = [(i, basics[name]) for i, label in enumerate(vocabulary.labels) for name in label.families]
    assert all(lift[pair] > 1 for pair in pairs)
