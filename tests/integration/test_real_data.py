"""Published facts about the real data sets; the files lie in ``CLIP_EMOTION_REAL_DATA`` or ``shared/data``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clip_emotion.data.cards import load_card
from clip_emotion.data.prepare import PrepareOptions, prepare
from clip_emotion.data.prepared import load_record
from clip_emotion.data.quality import check
from clip_emotion.data.stats import class_counts

DATA = Path(os.environ.get("CLIP_EMOTION_REAL_DATA") or Path(__file__).parents[3] / "shared" / "data")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not (DATA / "fer2013.zip").is_file(), reason="the real data sets are not here"),
]


@pytest.fixture(scope="module")
def fer2013(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fer2013") / "out"
    prepared = prepare("fer2013", DATA / "fer2013.zip", folder)
    return prepared, check(prepared, load_card("fer2013"), load_record(folder))


def test_fer2013_counts(fer2013):
    prepared, report = fer2013
    counts = class_counts(prepared)
    assert counts == {split: load_card("fer2013").counts[split] for split in ("train", "validation")}
    assert report.counts == []
    assert report.unreadable == []


def test_fer2013_repeats_itself(fer2013):
    _, report = fer2013
    (overlap,) = report.overlaps
    assert (overlap.first, overlap.second) == ("train", "validation")
    assert overlap.rows == 280
    assert overlap.other_label == 10
    # The whole set has 13 blank pictures and 57 groups; its test split is not among these files.
    assert 0 < len(report.blank) <= 13
    assert 0 < len(report.conflicts) <= 57


def test_fer2013_cleaned_shares_nothing_with_evaluation(tmp_path):
    prepared = prepare("fer2013", DATA / "fer2013.zip", tmp_path / "out", PrepareOptions(drop_duplicates=True))
    record = load_record(tmp_path / "out")
    train = prepared["train"]["sha"][:]
    assert prepared["validation"].num_rows == 3589
    assert len(train) == 28709 - record.dropped.total == len(set(train))
    assert not set(train) & set(prepared["validation"]["sha"])


def test_text_counts(tmp_path):
    kote = prepare("kote", DATA / "kote.tsv.gz", tmp_path / "kote")
    goemotions = prepare("goemotions", DATA, tmp_path / "goemotions")
    assert kote["train"].num_rows == 5000
    assert {split: data.num_rows for split, data in goemotions.items()} == {"train": 43410, "validation": 5426}
    assert check(goemotions, load_card("goemotions")).counts == []


def test_votes_and_muxspace_counts(tmp_path):
    votes = prepare("ferplus", DATA / "ferplus_votes.csv", tmp_path / "votes")
    assert sum(data.num_rows for data in votes.values()) == 27213
    muxspace = prepare("muxspace", DATA / "muxspace96.zip", tmp_path / "muxspace")
    assert class_counts(muxspace)["train"]["contempt"] == 8
    assert muxspace["train"].num_rows == 10877
