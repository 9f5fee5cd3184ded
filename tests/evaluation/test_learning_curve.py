"""The learning curves' picture: every figure once, in a panel of its kind, and no two lines alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clip_emotion.evaluation.plots.learning_curve import MARKS, MOST_LINES, Curve, learning_curve_figure

OF_A_SPLIT = ("accuracy", "macro_recall", "macro_f1", "cross_entropy", "accuracy_ko", "accuracy_en")
FACES = (
    "train_accuracy",
    *(f"{split}{name}" for split in ("", "validation_mux_", "heldout_mux_") for name in OF_A_SPLIT),
)
CLASSIFIED = (
    *FACES,
    *(f"{split}classifier_accuracy" for split in ("", "validation_mux_", "heldout_mux_", "training_")),
)
TEXT = tuple(f"{corpus}_hit{k}" for corpus in ("kote", "goemotions_en", "goemotions_ko", "chatbot") for k in (1, 5))
KOBERT = ("macro_f1", "micro_f1", "hit1", "hit5", "log_loss", "threshold")
CORPORA = (
    *(f"corpus{number}_{name}" for number in range(21) for name in ("hit1", "hit1_ko", "hit1_en")),
    *(f"corpus{number}_recall" for number in range(0, 21, 4)),
)
KINDS = {"faces": FACES, "classified": CLASSIFIED, "text": TEXT, "kobert": KOBERT, "corpora": CORPORA}


def rows_of(names: Sequence[str], steps: Sequence[int]) -> list[dict[str, float]]:
    """Every figure is below 1, so that no size tells a loss from a share."""
    values = np.random.default_rng(0).uniform(0.2, 0.9, (len(steps), len(names) + 1))
    return [
        {"step": step, "seconds": 1.0, **dict(zip(("loss", *names), row.tolist(), strict=True))}
        for step, row in zip(steps, values, strict=True)
    ]


def lines_of(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if not str(line.get_label()).startswith("best")]


def drawn(figure: Figure) -> dict[tuple[str, str], list[list[float]]]:
    return {
        (axes.get_title(loc="left"), str(line.get_label())): np.asarray(line.get_xydata()).tolist()
        for axes in figure.axes
        for line in lines_of(axes)
    }


def test_every_figure_of_every_validation_is_drawn() -> None:
    rows = [
        {"step": 5, "seconds": 1.0, "loss": 2.0, "accuracy": 0.2, "perplexity": 30.0},
        {"step": 10, "seconds": 2.0, "loss": 1.0, "accuracy": 0.6, "perplexity": 3.0, "fer_macro_f1_ko": 0.5},
    ]
    assert drawn(learning_curve_figure(rows, best_step=10)) == {
        ("loss", "training batches"): [[5, 2.0], [10, 1.0]],
        ("perplexity", "validation"): [[5, 30.0], [10, 3.0]],
        ("accuracy", "validation"): [[5, 0.2], [10, 0.6]],
        ("macro F1", "fer, ko"): [[10, 0.5]],
    }


@pytest.mark.parametrize(
    ("name", "metric", "label"),
    [
        ("loss", "loss", "training batches"),
        ("train_accuracy", "accuracy", "training batches"),
        ("training_accuracy", "accuracy", "training"),
        ("accuracy_ko", "accuracy", "validation, ko"),
        ("heldout_muxspace_macro_recall", "macro_recall", "heldout muxspace"),
        ("validation_muxspace_classifier_accuracy", "accuracy", "validation muxspace classifier"),
        ("goemotions_en_hit5", "hit5", "goemotions, en"),
        ("new_words_en", "new_words", "validation, en"),
        ("log_loss", "log_loss", "validation"),
        ("accuracy_fer_ko", "accuracy", "fer, ko"),
        ("some_thing", "some_thing", "validation"),
        ("lossless", "lossless", "validation"),
    ],
)
def test_a_name_tells_metric_rows_and_language(name: str, metric: str, label: str) -> None:
    curve = Curve.of(name, [(1, 0.5)])
    assert (curve.metric, curve.label) == (metric, label)


@pytest.mark.parametrize("names", KINDS.values(), ids=KINDS)
def test_no_two_lines_of_a_panel_look_alike(names: tuple[str, ...]) -> None:
    figure = learning_curve_figure(rows_of(names, [2, 4, 6]), best_step=4)
    panels = [lines_of(axes) for axes in figure.axes]
    assert sum(map(len, panels)) == len(names) + 1
    for lines in panels:
        assert 0 < len(lines) <= MOST_LINES
        assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == len(lines)
        assert len({line.get_label() for line in lines}) == len(lines)


@pytest.mark.parametrize("names", KINDS.values(), ids=KINDS)
def test_a_panel_holds_one_metric_and_says_which_way_is_good(names: tuple[str, ...]) -> None:
    directions = {}
    for axes in learning_curve_figure(rows_of(names, [2, 4])).axes:
        title = axes.get_title(loc="left").removesuffix(" by language")
        directions[title] = re.sub(r" ?\$.*?\$ ?", "", axes.get_ylabel())
        assert axes.get_xlabel() == "step"
    metrics = {re.sub("f1$", "F1", Curve.of(name, []).metric.replace("_", " ")) for name in ("loss", *names)}
    assert set(directions) == metrics
    lower = {"loss", "log loss", "cross entropy"}
    assert {name for name, way in directions.items() if way == "lower is better"} == metrics & lower
    assert {name for name, way in directions.items() if not way} == metrics & {"threshold"}


def test_many_lines_of_a_metric_are_parted_by_language_and_keep_their_colours() -> None:
    panels = {axes.get_title(loc="left"): lines_of(axes) for axes in learning_curve_figure(rows_of(FACES, [2])).axes}
    assert [len(panels[name]) for name in ("accuracy", "accuracy by language", "macro recall")] == [4, 6, 3]
    colours: dict[str, set[object]] = {}
    for line in (line for lines in panels.values() for line in lines):
        colours.setdefault(str(line.get_label()).split(",")[0], set()).add(line.get_color())
    assert all(len(found) == 1 for found in colours.values())
    styles = {str(line.get_label())[-2:]: line.get_linestyle() for line in panels["accuracy by language"]}
    assert styles == {"ko": "--", "en": ":"}


def test_one_validation_is_seen_and_hundreds_are_not_crowded() -> None:
    for count in (1, MARKS, 500):
        for axes in learning_curve_figure(rows_of(FACES, range(10, 10 * count + 1, 10))).axes:
            for line in lines_of(axes):
                assert line.get_marker() in ("o", "s", "^")
                markers = len(range(0, count, int(str(line.get_markevery()))))
                assert min(count, MARKS) / 2 <= markers <= MARKS
            assert axes.get_xlim()[0] == 0


def test_legends_hide_no_line_and_the_best_step_is_in_every_panel() -> None:
    figure = learning_curve_figure(rows_of(FACES, [2, 4, 6]), best_step=4)
    FigureCanvasAgg(figure).draw()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    legends = [legend for axes in figure.axes if (legend := axes.get_legend())] + figure.legends
    assert len(legends) == len(figure.axes) + 1
    assert not any(legend.get_window_extent().overlaps(box) for legend in legends for box in boxes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["best, step 4"]
    assert all(np.asarray(axes.lines[-1].get_xdata()).tolist() == [4, 4] for axes in figure.axes)
    assert not learning_curve_figure(rows_of(FACES, [2])).legends
