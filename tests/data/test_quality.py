"""Checks, cleaning and counts against sets whose faults are known."""

from __future__ import annotations

from collections import Counter

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.data.cards import Card
from clip_emotion.data.cleaning import Contents, keep_for_training
from clip_emotion.data.prepare import PrepareOptions, prepare
from clip_emotion.data.prepared import load_record
from clip_emotion.data.quality import Overlap, check
from clip_emotion.data.stats import class_counts
from clip_emotion.evaluation.plots.class_counts import class_counts_figure
from clip_emotion.plotting import figure_png
from tests.support.raw_files import duplicates, write

ROWS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("xy"), st.booleans()).map(
        # Blankness is a fact of the content.
        lambda row: (row[0], row[1], row[0] == "f")
    )
)


def contents(rows) -> Contents:
    keys, labels, blank = zip(*rows, strict=True) if rows else ((), (), ())
    return Contents(list(keys), list(labels), list(blank))


@given(ROWS, ROWS)
def test_what_is_kept_for_training(train, validation):
    kept, dropped = keep_for_training({"train": contents(train), "validation": contents(validation)})
    rows = [train[row] for row in kept]
    assert len(train) - len(kept) == dropped.total
    assert kept == sorted(kept)
    assert not any(blank for *_, blank in rows)
    assert not {key for key, *_ in rows} & {key for key, *_ in validation}
    assert max(Counter(key for key, *_ in rows).values(), default=1) == 1
    told = {key: {label for other, label, _ in train if other == key} for key, *_ in train}
    expected = {
        key for key, *_, blank in train if not blank and len(told[key]) == 1 and key not in {k for k, *_ in validation}
    }
    assert {key for key, *_ in rows} == expected


def test_texts_may_carry_several_opinions():
    train = contents([("a", "x", False), ("a", "y", False), ("a", "x", False)])
    kept, dropped = keep_for_training({"train": train}, one_label=False)
    assert kept == [0, 1]
    assert dropped.repeated == 1


def test_check_finds_every_kind_of_fault(tmp_path):
    source = duplicates(tmp_path)
    write(source, {"train/happy/damaged.png": b"not a picture"})
    prepared = prepare("image_folder", source, tmp_path / "out")
    report = check(prepared, record=load_record(tmp_path / "out"))
    assert [row.path for row in report.unreadable] == ["train/happy/damaged.png"]
    assert [row.path for row in report.blank] == ["train/happy/blank.png"]
    assert report.repeated == {"train": 2, "validation": 1}
    assert report.overlaps == [Overlap(first="train", second="validation", rows=1, other_label=1)]
    groups = [sorted(row.path for row in group) for group in report.conflicts]
    assert sorted(groups) == [
        ["train/happy/conflict.png", "train/sad/conflict.png"],
        ["train/happy/in_validation.png", "validation/sad/in_training.png"],
    ]
    assert not report.clean


def test_check_finds_damage_that_came_after_preparing():
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a"])})
    rows = {"image": [{"bytes": b"junk", "path": "a.png"}] * 2, "label": [0, 0]}
    prepared = datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features=features)})
    report = check(prepared)
    assert len(report.unreadable) == 2
    assert report.repeated == {"train": 0}


def test_a_sound_set_is_clean_once_cleaned(tmp_path):
    source = duplicates(tmp_path)
    (source / "validation/sad/twice_again.png").unlink()
    prepared = prepare("image_folder", source, tmp_path / "out", PrepareOptions(drop_duplicates=True))
    assert check(prepared, record=load_record(tmp_path / "out")).clean


def test_check_compares_with_published_counts(tmp_path):
    source = write(tmp_path / "raw", {"kote_val.tsv": "id\ttext\tlabels\n1\t가\t0\n2\t가\t1\n".encode()})
    prepared = prepare("kote", source, tmp_path / "out")
    card = Card(name="kote", title="", licence="", kind="text", layouts=[], counts={"validation": 3, "train": 9})
    report = check(prepared, card)
    assert report.counts == ["validation: 2 rows, 3 published"]
    assert report.repeated == {"validation": 1}
    assert report.conflicts == [], "people may differ about a text"


def test_check_compares_with_published_counts_per_label(tmp_path):
    prepared = prepare("image_folder", duplicates(tmp_path), tmp_path / "out")
    counts = {"validation": {"sad": 2, "happy": 1}}
    card = Card(name="c", title="", licence="", kind="image", layouts=[], counts=counts)
    assert check(prepared, card).counts == [
        "validation/sad: 3 rows, 2 published",
        "validation/happy: 0 rows, 1 published",
    ]


def test_class_counts_of_pictures_and_texts(tmp_path):
    prepared = prepare("image_folder", duplicates(tmp_path), tmp_path / "out")
    counts = class_counts(prepared)
    assert {label: count for label, count in counts["train"].items() if count} == {"happy": 5, "sad": 2}
    source = write(tmp_path / "text", {"kote.tsv": "id\ttext\tlabels\n1\t가\t0,1\n2\t나\t1\n".encode()})
    texts = class_counts(prepare("kote", source, tmp_path / "out2"))
    assert texts["train"]["불평/불만"] == 1
    assert texts["train"]["환영/호의"] == 2
    assert len(texts["train"]) == 44


@pytest.mark.filterwarnings("error")
def test_figure_draws_hangul_without_missing_glyphs():
    figure = class_counts_figure({"train": {"화남": 3, "happy": 1}, "validation": {"화남": 0}})
    assert figure_png(figure).startswith(b"\x89PNG")
    bars = [patch.get_width() for patch in figure.axes[0].patches]
    np.testing.assert_array_equal(bars, [3, 1])
