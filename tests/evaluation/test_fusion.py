"""What a fusion is worth: McNemar's test and the names of classes in captions, against numbers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clip_emotion.evaluation.fusion import FusionRow, caption_quality, mcnemar
from clip_emotion.evaluation.fusion_report import FILES, FusionReport, fusion_files

ALIASES = {"happy": ("happy", "행복", "화"), "sad": ("sad", "슬픔"), "surprise": ("surprise", "놀람")}


def test_mcnemar_is_the_binomial_over_rows_that_one_alone_has_right() -> None:
    targets = np.zeros(20, dtype=np.int64)
    ours, theirs = targets.copy(), targets.copy()
    theirs[:8] = 1
    ours[8:10] = 1
    ours[19] = theirs[19] = 2
    test = mcnemar(ours, theirs, targets)
    assert (test.gained, test.lost) == (8, 2)
    by_hand = 2 * sum(math.comb(10, k) for k in (0, 1, 2)) / 2**10
    assert test.p == pytest.approx(by_hand)
    assert mcnemar(ours, ours, targets).p == 1.0


def test_captions_name_classes_as_whole_words_and_hangul_with_its_endings() -> None:
    captions = [
        "A HAPPY face",
        "unhappy",
        "a face that looks 슬픔, 행복",
        "행복해 보인다",
        "화려한 사람",
        "surprise, then sad",
    ]
    found = caption_quality(captions, np.array([0, 0, 0, 0, 0, 1]), ALIASES)
    assert found.named == pytest.approx(4 / 6)
    assert found.first == pytest.approx(2 / 6)
    assert found.nothing == pytest.approx(2 / 6)
    assert found.by_class["happy"] == pytest.approx(3 / 5)
    assert found.by_class["sad"] == 1
    assert math.isnan(found.by_class["surprise"])


def rows() -> FusionRow:
    targets = np.array([0, 0, 1, 1, 2, 2])
    right = np.eye(3)[targets]
    wrong = right[::-1]
    probabilities = {"both": [right, right], "image": [right, wrong], "text": [wrong, wrong]}
    return FusionRow.of("mlp", probabilities, targets, tuple(ALIASES), seconds=1.5, weights=7)


def test_a_row_compares_both_with_the_image_alone() -> None:
    row = rows()
    assert row.rates("image", "accuracy") == [1.0, pytest.approx(2 / 6)]
    assert row.gain("accuracy") == pytest.approx(1 / 3)
    assert [test.gained for test in row.tests] == [0, 4]
    values = row.to_dict()
    assert values["both"]["accuracy"]["mean"] == 1.0
    assert values["text"]["f1"] == {"happy": 0.0, "sad": 1.0, "surprise": 0.0}


def test_the_report_holds_its_figures_in_both_languages() -> None:
    quality = caption_quality(["행복"] * 6, np.array([0, 0, 1, 1, 2, 2]), ALIASES)
    names = {"happy": "happy", "sad": "sad", "surprise": "surprised"}
    examples = [("a<b>.png", "행복 & more", "sad")]
    report = FusionReport("set (validation)", {"captioner": "mini-1"}, [rows()], "mlp", quality, examples, names)
    files = fusion_files(report)
    assert set(files) == FILES
    page = files["report.html"].decode()
    for part in ("+0.3333", "매크로 재현율: 이미지만", "a&lt;b&gt;.png", "행복 &amp; more", "1.000 · 0.125", "33.3%"):
        assert part in page
