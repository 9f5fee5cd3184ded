"""Figures and page: Hangul has glyphs, matplotlib's settings stay, the files are whole."""

import io
import json
import re
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import Image

from clip_emotion.evaluation.families import family_metrics
from clip_emotion.evaluation.metrics import classification_metrics
from clip_emotion.evaluation.plots.classification import NARROW, confusion_figure, per_class_figure, reliability_figure
from clip_emotion.evaluation.report import report_files
from clip_emotion.evaluation.result import Evaluation, Part, finite
from clip_emotion.plotting import figure_png, korean_font

KEYS = ["angry", "happy", "sad"]
NAMES = {"angry": "화남", "happy": "행복", "sad": "<슬픔>"}


def found(errors: tuple[str, ...] = ()) -> Evaluation:
    rng = np.random.default_rng(0)
    p, t = rng.dirichlet(np.ones(3), size=40), rng.integers(0, 3, 40)
    return Evaluation(
        data="faces",
        split="validation",
        model="fake",
        fingerprint="fake-1",
        vocabulary="basic3",
        language="ko",
        n=40,
        names=NAMES,
        metrics=classification_metrics(p, t, KEYS),
        families=family_metrics(p, [KEYS[place] for place in t], KEYS, [(key,) for key in KEYS]),
        seen=Part(0, None),
        unseen=Part(40, 0.5),
        errors=errors,
    )


def test_the_font_has_hangul_and_settings_stay() -> None:
    before = dict(matplotlib.rcParams)
    family = korean_font()
    glyphs = FT2Font(font_manager.findfont(family, fallback_to_default=False)).get_charmap()
    assert all(ord(letter) in glyphs for letter in "화남혐오뿌듯함흐뭇함귀여움")
    drawn = figure_png(confusion_figure(np.eye(2, dtype=int), ["화남", "행복"]))
    assert dict(matplotlib.rcParams) == before
    assert Image.open(io.BytesIO(drawn)).format == "PNG"


@pytest.mark.filterwarnings("error:Glyph")
def test_no_glyph_is_missing_in_forty_four_labels() -> None:
    from clip_emotion.vocabulary import Vocabulary

    names = Vocabulary.load("kote44").names("ko")
    p, t = np.eye(44), np.arange(44)
    metrics = classification_metrics(p, t, names)
    for figure in (
        confusion_figure(metrics.confusion, names, "kote44"),
        reliability_figure(metrics.reliability),
        per_class_figure({"recall": [1.0] * 44}, names, marks=[0.1] * 44),
    ):
        save = io.BytesIO()
        figure.savefig(save)
        assert Image.open(save).size[0] > 300


def test_a_confusion_cell_says_the_share_of_its_row() -> None:
    figure = confusion_figure(np.array([[3, 1], [0, 0]]), ["a", "b"])
    axes = figure.axes[0]
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {((0, 0), "75"), ((1, 0), "25")}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a (4)", "b (0)"]


def test_the_page_is_whole_and_escaped() -> None:
    files = report_files(found(errors=("a.png: <broken>",)))
    assert set(files) == {
        "index.html", "metrics.json", "confusion.png", "reliability.png", "per_class.png", "families.png",
    }  # fmt: skip
    page = files["index.html"].decode()
    # Each plot for a wide screen and for a narrow one.
    assert page.count("data:image/png;base64,") == 8
    assert "화남" in page
    assert "&lt;슬픔&gt;" in page
    assert "<슬픔>" not in page
    assert "&lt;broken&gt;" in page
    assert not any(word in page for word in ("http:", "https:", 'src="/'))


def test_the_published_keys_are_there() -> None:
    values = json.loads(report_files(found())["metrics.json"])
    keys = (
        "n accuracy top5 macro_f1 macro_recall ece chance_top1 chance_top5 majority ci95 per_class confusion "
        "family_hit1 family_precision5 chance_family_hit1 chance_family_precision5 families_left_out"
    )
    assert set(keys.split()) <= set(values)
    assert values["seen_in_training"] == {"n": 0, "accuracy": None}
    assert values["unseen"] == {"n": 40, "accuracy": 0.5}
    assert set(values["per_class"]["angry"]) == {"precision", "recall", "f1", "support"}
    assert values["confusion"]["labels"] == KEYS
    low, high = values["ci95"]["accuracy"]
    assert low <= values["accuracy"] <= high


def test_what_was_not_measured_is_null() -> None:
    only_families = replace(found(), metrics=None, seen=None, unseen=None)
    values = only_families.to_dict()
    assert values["accuracy"] is None
    assert values["confusion"] is None
    assert values["family_hit1"] is not None
    assert "unseen" not in values
    assert set(report_files(only_families)) == {"index.html", "metrics.json", "families.png"}


def test_what_json_cannot_hold_becomes_null() -> None:
    assert finite({"a": [float("nan"), (1.0, float("inf"))]}) == {"a": [None, [1.0, None]]}


def test_every_figure_and_plot_speaks_korean() -> None:
    full = replace(
        found(errors=("a.png: broken",)),
        unknown_classes={"calm": 2},
        left_out={"contempt": 1},
        faceless=3,
        metrics=replace(found().metrics, threshold=0.1, without_support=("sad",)),
        families=replace(found().families, left_out=("angry",)),
    )
    for one in (full, replace(full, skipped=3)):
        for (english, value), (korean, korean_value) in zip(one.summary(), one.summary("ko"), strict=True):
            assert re.search("[가-힣]", korean), english
            assert re.findall(r"[\d.]+", value) == re.findall(r"[\d.]+", korean_value)
    assert ("평균에서 제외 (행 없음)", "<슬픔>") in full.summary("ko")
    assert [table.title for table in full.tables("ko")] == ["클래스", "감정 가족"]
    figure = confusion_figure(np.eye(2, dtype=int), ["화남", "행복"], "", "ko")
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("예측", "실제 (행)")
    bars = reliability_figure(full.metrics.reliability, "", "ko").axes
    assert [bars[0].get_ylabel(), bars[1].get_xlabel(), bars[1].get_ylabel()] == ["정확도", "확신", "행 수"]


def test_of_many_classes_only_those_with_something_in_them_are_drawn() -> None:
    counts = np.zeros((20, 20), dtype=int)
    counts[3, 3], counts[3, 7], counts[12, 12] = 4, 1, 2
    axes = confusion_figure(counts, [f"c{at}" for at in range(20)]).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["c3 (5)", "c12 (2)"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["c3", "c7", "c12"]
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        ((0, 0), "80"), ((1, 0), "20"), ((2, 1), "100"),
    }  # fmt: skip


def test_plots_for_a_telephone_are_narrow() -> None:
    found_metrics = found().metrics
    assert confusion_figure(np.eye(3, dtype=int), KEYS, width=NARROW).get_figwidth() == NARROW
    assert reliability_figure(found_metrics.reliability, width=NARROW).get_figwidth() == NARROW
    # In a page each plot says how many inches it has, so that it is never blown up.
    page = report_files(found())["index.html"].decode()
    assert page.count(f"--narrow: {NARROW}") == page.count("<picture") == 4
