"""The card of a data set that is given away: sources, licences, model, vocabulary, agreement and limits."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

import yaml

from clip_emotion.evaluation.agreement import Agreement, agreement
from clip_emotion.html import environment
from clip_emotion.retrieval.exports.run import ExportRun, Tally
from clip_emotion.text import has_hangul

README = "README.md"
LICENCES = frozenset(
    (
        "afl-3.0", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0",
        "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0",
        "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-2.0", "gpl-3.0", "mit", "odbl", "odc-by", "pddl",
    )
)  # fmt: skip
"""Licences that the Hub knows by these names; another one is ``other`` with its own name."""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def data_card(run: ExportRun, more: Mapping[str, Any]) -> str:
    """Return a ``README.md`` with the Hub's YAML before it; ``more`` goes into that YAML."""
    tally, origin = run.tally, run.options.origin
    title = origin.title or f"Faces named by {'people' if tally.people else 'a model'}"
    counts = sorted(tally.counts.items(), key=lambda item: (-item[1], item[0]))
    template = environment("clip_emotion.retrieval.exports").get_template("data_card.md.j2")
    card = template.render(
        head=yaml.safe_dump({**_head(run, title), **more}, allow_unicode=True, sort_keys=False),
        title=one_line(title),
        about=one_line(origin.about),
        sources=[one_line(source) for source in origin.sources],
        licence=one_line(origin.licence),
        models=[one_line(model) for model in tally.models],
        vocabularies=[one_line(name) for name in tally.vocabularies],
        counts=[(cell(word), cell(run.words.name(word)), count) for word, count in counts],
        tally=tally,
        agreement=measured(tally),
        number=number,
        part=run.options.part,
    )
    return card + "\n"


def measured(tally: Tally) -> Agreement | None:
    """Return how far people and model agree on the faces that both named, or None where there are none."""
    if not tally.pairs:
        return None
    paths, people, model = zip(*tally.pairs, strict=True)
    return agreement(people, model, paths)


def number(value: float) -> str:
    """Return a figure as a card shows it; one that cannot be measured as a dash."""
    return "–" if isnan(value) else f"{value:.3f}"


def one_line(text: str) -> str:
    """Return a text as one line of Markdown."""
    return " ".join(text.split())


def cell(text: str) -> str:
    """Return a text as a cell of a Markdown table."""
    return one_line(text).replace("|", "\\|")


def _head(run: ExportRun, title: str) -> dict[str, Any]:
    licence = run.options.origin.licence.strip().lower()
    names = [run.words.name(word) for word in run.tally.counts]
    languages = [*(["ko"] if any(map(has_hangul, names)) else []), *([] if all(map(has_hangul, names)) else ["en"])]
    named = {"license": licence} if licence in LICENCES else {"license": "other"}
    if licence and licence not in LICENCES:
        named["license_name"] = one_line(run.options.origin.licence)
    size = next((name for most, name in SIZES if run.tally.faces < most), "n>1M")
    return {
        "pretty_name": one_line(title),
        **named,
        "language": languages,
        "task_categories": ["image-classification"],
        "size_categories": [size],
        "tags": ["facial-expression", "emotion", "clip-emotion"],
    }
