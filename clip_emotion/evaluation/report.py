"""An evaluation as files for people: one self-contained page, its plots, and the numbers as JSON."""

from __future__ import annotations

import json

from matplotlib.figure import Figure

from clip_emotion.evaluation.plots.classification import (
    NARROW,
    confusion_figure,
    per_class_figure,
    reliability_figure,
)
from clip_emotion.evaluation.plots.groups import groups_figure
from clip_emotion.evaluation.result import Evaluation, finite
from clip_emotion.evaluation.wording import spoken
from clip_emotion.html import data_uri, environment
from clip_emotion.plotting import figure_png

NARROW_ENDING = "-narrow"
SIZES = (("", True), (NARROW_ENDING, False))
"""How the name of a plot for wide and for narrow screens ends, and whether it is the wide one."""
CAPTIONS = {
    "confusion": (
        "Confusion: percent of each true class (rows) that was given each answer (columns).",
        "혼동 행렬: 각 실제 클래스(행)가 어떤 답(열)을 받았는지의 백분율.",
    ),
    "reliability": (
        "Reliability: accuracy at each level of confidence; calibrated bars meet the dashed line.",
        "신뢰도: 확신 구간마다의 정확도; 보정이 잘 되면 막대가 점선에 닿습니다.",
    ),
    "per_class": ("Precision, recall and F1 of each class.", "클래스별 정밀도, 재현율, F1."),
    "families": (
        "Share of each true class whose best word, and best five words, belong to its family.",
        "각 실제 클래스에서 첫 단어와 상위 다섯 단어가 같은 감정 가족에 속한 비율.",
    ),
}


def report_files(evaluation: Evaluation) -> dict[str, bytes]:
    """Return the report's files by name: index.html with its plots inside, each plot as PNG, and metrics.json.

    The page is in Korean and English, with a switch between them. It opens in the language of the words, in which the
    plots are drawn, in the page also for a telephone's screen.
    """
    figures = {f"{name}{ending}": figure for ending, wide in SIZES for name, figure in _plots(evaluation, wide).items()}
    images = {name: figure_png(figure) for name, figure in figures.items()}
    inches = {name: round(float(figure.get_figwidth()), 2) for name, figure in figures.items()}
    values = json.dumps(finite(evaluation.to_dict()), ensure_ascii=False, indent=2)
    return {
        "index.html": _page(evaluation, images, inches).encode("utf-8"),
        "metrics.json": f"{values}\n".encode(),
        **{f"{name}.png": image for name, image in images.items() if not name.endswith(NARROW_ENDING)},
    }


def _plots(evaluation: Evaluation, is_wide: bool) -> dict[str, Figure]:
    title = " · ".join((evaluation.data, evaluation.split, evaluation.vocabulary)) if is_wide else ""
    language = evaluation.language
    plots: dict[str, Figure] = {}
    metrics, families = evaluation.metrics, evaluation.families
    if metrics:
        names = [evaluation.name(key) for key in metrics.labels]
        if metrics.confusion is not None:
            plots["confusion"] = confusion_figure(
                metrics.confusion, names, title, language, None if is_wide else NARROW
            )
        plots["reliability"] = reliability_figure(metrics.reliability, title, language, 5.6 if is_wide else NARROW)
        # A class without a row has no recall to draw.
        classes = {key: one for key, one in metrics.per_class.items() if one.support} or metrics.per_class
        rates = {"precision": "precision", "recall": "recall", "F1": "f1"}
        plots["per_class"] = per_class_figure(
            {
                spoken(rate, language): [float(getattr(one, field)) for one in classes.values()]
                for rate, field in rates.items()
            },
            [evaluation.name(key) for key in classes],
            title,
            width=7.0 if is_wide else NARROW,
        )
    for number, grouping in enumerate(evaluation.groupings, 1):
        width = 7.0 if is_wide else NARROW
        plots[f"groups_{number}"] = groups_figure(grouping, title, language, width)
    if families:
        hits = families.per_class.values()
        plots["families"] = per_class_figure(
            {"hit@1": [one.hit1 for one in hits], "precision@5": [one.precision5 for one in hits]},
            [evaluation.name(key) for key in families.per_class],
            title,
            [one.chance for one in hits],
            spoken("chance", language),
            7.0 if is_wide else NARROW,
        )
    return plots


def _group_captions(evaluation: Evaluation) -> dict[str, tuple[str, str]]:
    return {
        f"groups_{number}": (
            f"Accuracy and macro recall of each group by {grouping.column}, with 95 % intervals.",
            f"{grouping.column} 집단별 정확도와 매크로 재현율, 95 % 구간 포함.",
        )
        for number, grouping in enumerate(evaluation.groupings, 1)
    }


def _page(evaluation: Evaluation, images: dict[str, bytes], inches: dict[str, float]) -> str:
    return (
        environment("clip_emotion.evaluation")
        .get_template("evaluation.html.j2")
        .render(
            e=evaluation,
            language=evaluation.language,
            names=[name for name in images if not name.endswith(NARROW_ENDING)],
            plots={name: data_uri(png) for name, png in images.items()},
            inches=inches,
            captions=CAPTIONS | _group_captions(evaluation),
            summary=list(zip(evaluation.summary("en"), evaluation.summary("ko"), strict=True)),
            tables=list(zip(evaluation.tables("en"), evaluation.tables("ko"), strict=True)),
            spoken=spoken,
        )
    )
