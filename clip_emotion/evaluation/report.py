"""An evaluation as files for people: one self-contained page, its plots, and the numbers as JSON."""

from __future__ import annotations

import json

from matplotlib.figure import Figure

from clip_emotion.evaluation.plots.classification import confusion_figure, per_class_figure, reliability_figure
from clip_emotion.evaluation.result import Evaluation, finite
from clip_emotion.html import data_uri, environment
from clip_emotion.plotting import figure_png

CAPTIONS = {
    "confusion.png": (
        "Confusion: percent of each true class (rows) that was given each answer (columns).",
        "혼동 행렬: 각 실제 클래스(행)가 어떤 답(열)을 받았는지의 백분율.",
    ),
    "reliability.png": (
        "Reliability: accuracy at each level of confidence; calibrated bars meet the dashed line.",
        "신뢰도: 확신 구간마다의 정확도; 보정이 잘 되면 막대가 점선에 닿습니다.",
    ),
    "per_class.png": ("Precision, recall and F1 of each class.", "클래스별 정밀도, 재현율, F1."),
    "families.png": (
        "Share of each true class whose best word, and best five words, belong to its family.",
        "각 실제 클래스에서 첫 단어와 상위 다섯 단어가 같은 감정 가족에 속한 비율.",
    ),
}


def report_files(evaluation: Evaluation) -> dict[str, bytes]:
    """Return the report's files by name: index.html with its plots inside, each plot as PNG, and metrics.json."""
    plots = {name: figure_png(figure) for name, figure in _plots(evaluation).items()}
    values = json.dumps(finite(evaluation.to_dict()), ensure_ascii=False, indent=2)
    return {
        "index.html": _page(evaluation, plots).encode("utf-8"),
        "metrics.json": f"{values}\n".encode(),
        **plots,
    }


def _plots(evaluation: Evaluation) -> dict[str, Figure]:
    title = f"{evaluation.data} · {evaluation.split} · {evaluation.vocabulary}"
    plots: dict[str, Figure] = {}
    metrics, families = evaluation.metrics, evaluation.families
    if metrics:
        names = [evaluation.name(key) for key in metrics.labels]
        if metrics.confusion is not None:
            plots["confusion.png"] = confusion_figure(metrics.confusion, names, title)
        plots["reliability.png"] = reliability_figure(metrics.reliability, title)
        classes = metrics.per_class.values()
        series = {rate: [float(getattr(one, rate)) for one in classes] for rate in ("precision", "recall", "f1")}
        plots["per_class.png"] = per_class_figure(series, names, title)
    if families:
        hits = families.per_class.values()
        plots["families.png"] = per_class_figure(
            {"hit@1": [one.hit1 for one in hits], "precision@5": [one.precision5 for one in hits]},
            [evaluation.name(key) for key in families.per_class],
            title,
            marks=[one.chance for one in hits],
        )
    return plots


def _page(evaluation: Evaluation, plots: dict[str, bytes]) -> str:
    uris = {name: data_uri(png) for name, png in plots.items()}
    return (
        environment("clip_emotion.evaluation")
        .get_template("evaluation.html.j2")
        .render(
            e=evaluation,
            plots=uris,
            captions=CAPTIONS,
            languages={"ko": "Korean", "en": "English"},
        )
    )
