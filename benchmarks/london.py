"""Smiles and neutral faces of the London set as ``clip-emotion evaluate --by`` measures them, by what people said.

``python benchmarks/london.py --data london_dev.zip``; benchmarks/mini.py prints the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from clip_emotion.evaluation.groups import Gap, Group, GroupBy
from clip_emotion.evaluation.shares import Share
from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions, evaluate
from clip_emotion.retrieval.evaluation.selection import RowSelection

BY = {"ethnicity": GroupBy("face_eth"), "sex": GroupBy("face_gender"), "age": GroupBy("face_age", (20, 30, 40))}
CLASSES = ("happy", "neutral")


def main() -> None:
    """Print the table for one archive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    by_group(options.data, options.model)


def by_group(archive: Path, model: str) -> None:
    """Print for each ethnicity, sex and age how many smiles and neutral faces are called so, and the largest gaps."""
    by = tuple(BY.values())
    found = evaluate(
        archive,
        "basic7",
        model,
        selection=RowSelection().knowing(by, None),
        options=EvaluationOptions("en", by=by),
    )
    print("\n| London, `--by` | smiles called happy | neutral called neutral |\n|---|---|---|")
    if found.metrics:
        print(_row("all", Group("", found.metrics, {})))
    for title, grouping in zip(BY, found.groupings, strict=True):
        for group in grouping.groups:
            print(_row(f"{title}: {group.name}", group), flush=True)
        gaps = {gap.metric: gap for gap in grouping.recall_gaps}
        print(f"| {title}: largest gap | {' | '.join(_gap(gaps[name]) for name in CLASSES)} |")


def _row(title: str, group: Group) -> str:
    return f"| {title} | {' | '.join(_share(group.recalls[name]) for name in CLASSES)} |"


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{share.hits} of {share.rows}, {share.value:.2f} [{low:.2f}, {high:.2f}]"


def _gap(gap: Gap) -> str:
    if not gap.value:
        return "none"
    low, high = gap.interval
    return f"{gap.value:.2f} [{low:.2f}, {high:.2f}] ({gap.best} − {gap.worst})"


if __name__ == "__main__":
    main()
