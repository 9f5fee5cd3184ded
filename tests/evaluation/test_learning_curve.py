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

from clip_emotion.evaluation.measurement import Measurement
from clip_emotion.evaluation.plots.learning_curve import MARKS, MOST_LINES, Curve, learning_curve_figure
from clip_emotion.training.corpora import CORPORA


def measured(metric: str, split: str = "", language: str = "") -> Measurement:
    return Measurement(metric, 0.5, split, language)


SPLITS = ("", "validation_mux", "heldout_mux")
FACES = (
    *(measured(name, split) for split in SPLITS for name in ("accuracy", "macro_recall", "macro_f1", "cross_entropy")),
    *(measured("accuracy", split, language) for split in SPLITS for language in ("ko", "en")),
)
CLASSIFIED = (
    *FACES,
    *(measured("accuracy", f"{split}_classifier" if split else "classifier") for split in (*SPLITS, "training")),
)
TEXT = tuple(CORPORA[name].measured(f"hit{k}", 0.5) for name in ("kote", "goemotions_en", "chatbot") for k in (1, 5))
KOBERT = tuple(map(measured, ("macro_f1", "micro_f1", "hit1", "hit5", "log_loss", "threshold")))
MANY = (
    *(measured("hit1", f"corpus{number}", language) for number in range(21) for language in ("", "ko", "en")),
    *(measured("recall", f"corpus{number}") for number in range(0, 21, 4)),
)
KINDS = {"faces": FACES, "classified": CLASSIFIED, "text": TEXT, "kobert": KOBERT, "corpora": MANY}


def figure_of(known: Sequence[Measurement], steps: Sequence[int], best_step: int | None = None) -> Figure:
    """Draw random values of these metrics, and the loop's own; every value is below 1, as no size tells a loss."""
    names = ("train_accuracy", *(one.name for one in known))
    values = np.random.default_rng(0).uniform(0.2, 0.9, (len(steps), len(names) + 1))
    rows = [
        {"step": step, "seconds": 1.0, **dict(zip(("loss", *names), row.tolist(), strict=True))}
        for step, row in zip(steps, values, strict=True)
    ]
    return learning_curve_figure(rows, {one.name: one for one in known}, best_step)


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
    records = (measured("accuracy"), measured("perplexity"), measured("macro_f1", "fer", "ko"))
    assert drawn(learning_curve_figure(rows, {one.name: one for one in records}, best_step=10)) == {
        ("loss", "training batches"): [[5, 2.0], [10, 1.0]],
        ("perplexity", "validation"): [[5, 30.0], [10, 3.0]],
        ("accuracy", "validation"): [[5, 0.2], [10, 0.6]],
        ("macro F1", "fer, ko"): [[10, 0.5]],
    }


@pytest.mark.parametrize(
    ("record", "name", "label"),
    [
        (measured("accuracy", "", "ko"), "accuracy_ko", "validation, ko"),
        (measured("accuracy", "training"), "training_accuracy", "training"),
        (measured("macro_recall", "heldout_muxspace"), "heldout_muxspace_macro_recall", "heldout muxspace"),
        (CORPORA["goemotions_en"].measured("hit5", 0.1), "goemotions_en_hit5", "goemotions, en"),
        (CORPORA["kote"].measured("hit1", 0.1), "kote_hit1", "kote"),
    ],
)
def test_a_record_has_its_published_name_and_its_words(record: Measurement, name: str, label: str) -> None:
    assert (record.name, Curve(record, ()).label) == (name, label)


def test_an_unknown_name_is_a_metric_of_its_own_and_says_no_direction() -> None:
    """No meaning is read out of a name, such as that of a run of an earlier release."""
    rows = [{"step": 2, "seconds": 1.0, "loss": 1.0, "heldout_mux_accuracy": 0.5}]
    figure = learning_curve_figure(rows, {})
    assert ("heldout mux accuracy", "validation") in drawn(figure)
    assert [axes.get_ylabel() for axes in figure.axes if "heldout" in axes.get_title(loc="left")] == [""]


@pytest.mark.parametrize("known", KINDS.values(), ids=KINDS)
def test_no_two_lines_of_a_panel_look_alike(known: tuple[Measurement, ...]) -> None:
    figure = figure_of(known, [2, 4, 6], best_step=4)
    panels = [lines_of(axes) for axes in figure.axes]
    assert sum(map(len, panels)) == len(known) + 2
    for lines in panels:
        assert 0 < len(lines) <= MOST_LINES
        assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == len(lines)
        assert len({line.get_label() for line in lines}) == len(lines)


@pytest.mark.parametrize("known", KINDS.values(), ids=KINDS)
def test_a_panel_holds_one_metric_and_says_which_way_is_good(known: tuple[Measurement, ...]) -> None:
    directions = {}
    for axes in figure_of(known, [2, 4]).axes:
        title = axes.get_title(loc="left").removesuffix(" by language")
        directions[title] = re.sub(r" ?\$.*?\$ ?", "", axes.get_ylabel())
        assert axes.get_xlabel() == "step"
    metrics = {
        re.sub("f1$", "F1", name.replace("_", " ")) for name in ("loss", "accuracy", *(one.metric for one in known))
    }
    assert set(directions) == metrics
    lower = {"loss", "log loss", "cross entropy"}
    assert {name for name, way in directions.items() if way == "lower is better"} == metrics & lower
    assert {name for name, way in directions.items() if not way} == metrics & {"threshold"}


def test_many_lines_of_a_metric_are_parted_by_language_and_keep_their_colours() -> None:
    panels = {axes.get_title(loc="left"): lines_of(axes) for axes in figure_of(FACES, [2]).axes}
    assert [len(panels[name]) for name in ("accuracy", "accuracy by language", "macro recall")] == [4, 6, 3]
    colours: dict[str, set[object]] = {}
    for line in (line for lines in panels.values() for line in lines):
        colours.setdefault(str(line.get_label()).split(",")[0], set()).add(line.get_color())
    assert all(len(found) == 1 for found in colours.values())
    styles = {str(line.get_label())[-2:]: line.get_linestyle() for line in panels["accuracy by language"]}
    assert styles == {"ko": "--", "en": ":"}


def test_one_validation_is_seen_and_hundreds_are_not_crowded() -> None:
    for count in (1, MARKS, 500):
        for axes in figure_of(FACES, range(10, 10 * count + 1, 10)).axes:
            for line in lines_of(axes):
                assert line.get_marker() in ("o", "s", "^")
                markers = len(range(0, count, int(str(line.get_markevery()))))
                assert min(count, MARKS) / 2 <= markers <= MARKS
            assert axes.get_xlim()[0] == 0


def test_legends_hide_no_line_and_the_best_step_is_in_every_panel() -> None:
    figure = figure_of(FACES, [2, 4, 6], best_step=4)
    FigureCanvasAgg(figure).draw()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    legends = [legend for axes in figure.axes if (legend := axes.get_legend())] + figure.legends
    assert len(legends) == len(figure.axes) + 1
    assert not any(legend.get_window_extent().overlaps(box) for legend in legends for box in boxes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["best, step 4"]
    assert all(np.asarray(axes.lines[-1].get_xdata()).tolist() == [4, 4] for axes in figure.axes)
    assert not figure_of(FACES, [2]).legends
