"""An evaluation as files for people: one self-contained page, its figures, and the numbers as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from clip_emotion.evaluation.plots.classification import confusion_figure, per_class_figure, reliability_figure
from clip_emotion.evaluation.result import Evaluation
from clip_emotion.html import data_uri, environment
from clip_emotion.plotting import figure_png

CAPTIONS = {
    "confusion.png": "Confusion: percent of each true class (rows) that was given each answer (columns).",
    "reliability.png": "Reliability: accuracy at each level of confidence; calibrated bars meet the dashed line.",
    "per_class.png": "Precision, recall and F1 of each class.",
    "families.png": "Share of each true class whose best word, and best five words, belong to its family.",
}


def report_files(evaluation: Evaluation) -> dict[str, bytes]:
    """Return the report's files by name: index.html with its figures inside, each figure as PNG, and metrics.json."""
    figures = {name: figure_png(figure) for name, figure in _figures(evaluation).items()}
    values = json.dumps(finite(evaluation.to_dict()), ensure_ascii=False, indent=2)
    return {
        "index.html": _page(evaluation, figures).encode("utf-8"),
        "metrics.json": f"{values}\n".encode(),
        **figures,
    }


def finite(value: Any) -> Any:
    """Return JSON-ready values with None in place of NaN and infinity, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _figures(evaluation: Evaluation) -> dict[str, Figure]:
    title = f"{evaluation.data} · {evaluation.split} · {evaluation.vocabulary}"
    figures: dict[str, Figure] = {}
    metrics, families = evaluation.metrics, evaluation.families
    if metrics:
        names = [evaluation.name(key) for key in metrics.labels]
        if metrics.confusion is not None:
            figures["confusion.png"] = confusion_figure(metrics.confusion, names, title)
        figures["reliability.png"] = reliability_figure(metrics.reliability, title)
        classes = metrics.per_class.values()
        series = {rate: [float(getattr(one, rate)) for one in classes] for rate in ("precision", "recall", "f1")}
        figures["per_class.png"] = per_class_figure(series, names, title)
    if families:
        hits = families.per_class.values()
        figures["families.png"] = per_class_figure(
            {"hit@1": [one.hit1 for one in hits], "precision@5": [one.precision5 for one in hits]},
            [evaluation.name(key) for key in families.per_class],
            title,
            marks=[one.chance for one in hits],
        )
    return figures


def _page(evaluation: Evaluation, figures: dict[str, bytes]) -> str:
    uris = {name: data_uri(png) for name, png in figures.items()}
    return (
        environment("clip_emotion.evaluation")
        .get_template("evaluation.html.j2")
        .render(
            e=evaluation,
            figures=uris,
            captions=CAPTIONS,
            languages={"ko": "Korean", "en": "English"},
        )
    )
