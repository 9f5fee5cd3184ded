"""A fusion's worth as files for people: a page, its plots, and the numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from matplotlib.figure import Figure

from clip_emotion.evaluation.fusion import INPUTS, CaptionQuality, FusionRow
from clip_emotion.evaluation.plots.classification import NARROW, per_class_figure
from clip_emotion.evaluation.plots.fusion import fusion_figure
from clip_emotion.evaluation.report import NARROW_ENDING, SIZES
from clip_emotion.evaluation.result import ClassTable, finite
from clip_emotion.evaluation.wording import spoken
from clip_emotion.html import data_uri, environment
from clip_emotion.plotting import figure_png

PAGE, NUMBERS = "report.html", "metrics.json"
PLOTS = {
    "heads": (
        "Accuracy of each head from the text alone, the image alone and both; a point a seed.",
        "헤드마다 텍스트만, 이미지만, 둘 다 썼을 때의 정확도; 점 하나가 시드 하나.",
    ),
    "per_class": ("F1 of each class with the head that was kept.", "남긴 헤드의 클래스별 F1."),
}
FILES = frozenset({PAGE, NUMBERS, *(f"{name}.png" for name in PLOTS)})
"""The names of the report's files."""


@dataclass(frozen=True)
class FusionReport:
    """What is told of a fusion; ``facts`` are what it was made of, in words, and ``examples`` name, caption, class."""

    title: str
    facts: Mapping[str, str]
    rows: Sequence[FusionRow]
    kept: str
    quality: CaptionQuality
    examples: Sequence[tuple[str, str, str]]
    names: Mapping[str, str]
    language: str = "en"

    @property
    def best(self) -> FusionRow:
        """The row whose head was kept."""
        return next(row for row in self.rows if row.name == self.kept)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        values = {"facts": dict(self.facts), "captions": asdict(self.quality), "kept": self.kept}
        return {**values, "rows": [row.to_dict() for row in self.rows]}

    def summary(self, language: str = "en") -> list[tuple[str, str]]:
        """Return what is told before any table, as pairs of a name and a value."""
        quality, best = self.quality, self.best
        pairs = [
            *self.facts.items(),
            ("captions that name the right class", f"{quality.named:.1%}"),
            ("captions that name it before any other", f"{quality.first:.1%}"),
            ("captions that name no class", f"{quality.nothing:.1%}"),
            ("head that was kept", best.name),
            ("gain of both over the image alone", f"{best.gain('accuracy'):+.4f}"),
        ]
        return [(spoken(name, language), value) for name, value in pairs]

    def tables(self, language: str = "en") -> list[ClassTable]:
        """Return the tables: heads, classes of the head that was kept, examples of captions."""
        columns = ("head", *INPUTS, "gain", "macro recall: image", "both", "McNemar's p by seed")
        heads = [
            (
                row.name,
                *(f"{row.mean(inputs, 'accuracy'):.4f}" for inputs in INPUTS),
                f"{row.gain('accuracy'):+.4f}",
                *(f"{row.mean(inputs, 'macro_recall'):.4f}" for inputs in ("image", "both")),
                p_values(row),
            )
            for row in self.rows
        ]
        f1 = {inputs: self.best.f1(inputs) for inputs in INPUTS}
        classes = [
            (
                self.names[key],
                *(f"{f1[inputs][key]:.3f}" for inputs in INPUTS),
                f"{self.quality.by_class[key]:.3f}",
            )
            for key in f1["both"]
        ]
        shown = [(name, self.names.get(key, key), caption) for name, caption, key in self.examples]
        return [
            _table("Accuracy by head, mean of the seeds", columns, 6, heads, language),
            _table("F1 by class", ("class", *INPUTS, "captions that name it"), 4, classes, language),
            _table("Captions", ("image", "class", "caption"), 0, shown, language),
        ]


def p_values(row: FusionRow) -> str:
    """Return the p of each seed's test, in words."""
    return " · ".join(f"{test.p:.3f}" if test.p >= 0.001 else "< 0.001" for test in row.tests)


def _table(
    title: str, columns: Sequence[str], numbers: int, rows: Sequence[tuple[str, ...]], language: str
) -> ClassTable:
    return ClassTable(spoken(title, language), tuple(spoken(one, language) for one in columns), numbers, rows)


def fusion_files(report: FusionReport) -> dict[str, bytes]:
    """Return the report's files by name: the page with its plots inside, each plot as PNG, and metrics.json."""
    figures = {f"{name}{ending}": figure for ending, wide in SIZES for name, figure in _plots(report, wide).items()}
    images = {name: figure_png(figure) for name, figure in figures.items()}
    page = environment("clip_emotion.evaluation").get_template("fusion.html.j2")
    text = page.render(
        r=report,
        language=report.language,
        names=list(PLOTS),
        plots={name: data_uri(png) for name, png in images.items()},
        inches={name: round(float(figure.get_figwidth()), 2) for name, figure in figures.items()},
        captions=PLOTS,
        summary=list(zip(report.summary("en"), report.summary("ko"), strict=True)),
        tables=list(zip(report.tables("en"), report.tables("ko"), strict=True)),
    )
    values = json.dumps(finite(report.to_dict()), ensure_ascii=False, indent=2)
    return {
        PAGE: text.encode("utf-8"),
        NUMBERS: f"{values}\n".encode(),
        **{f"{name}.png": image for name, image in images.items() if not name.endswith(NARROW_ENDING)},
    }


def _plots(report: FusionReport, is_wide: bool) -> dict[str, Figure]:
    title, width = (report.title, 7.0) if is_wide else ("", NARROW)
    f1 = {inputs: report.best.f1(inputs) for inputs in INPUTS}
    series = {spoken(inputs, report.language): list(values.values()) for inputs, values in f1.items()}
    return {
        "heads": fusion_figure(report.rows, title, report.language, width),
        "per_class": per_class_figure(series, [report.names[key] for key in f1["both"]], title, width=width),
    }
