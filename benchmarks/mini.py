"""What the bundled mini measures on real data, as a Markdown table: ``python benchmarks/mini.py --data DIR``.

DIR holds fer2013.zip, kote.tsv.gz and goemotions_dev.tsv.gz. Every line is one ``clip-emotion evaluate`` command, which
the table names; ``--model`` measures another encoder in the same way.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Line:
    """One command and the figures of its JSON that go into the table, with the bar that each should reach."""

    title: str
    arguments: str
    figures: tuple[tuple[str, str], ...]


FACES = "fer2013.zip --split validation"
LINES = (
    Line(
        "FER-2013 validation, English words",
        f"--data {FACES} --vocab basic7 --lang en --train-data fer2013.zip",
        (("accuracy", "≥ 0.69"), ("macro_recall", "≥ 0.65"), ("macro_f1", ""), ("ece", "≤ 0.05"), ("majority", "")),
    ),
    Line("FER-2013 validation, Korean words", f"--data {FACES} --vocab basic7 --lang ko", (("accuracy", "en ± 0.01"),)),
    Line("never-trained synonyms, English", f"--data {FACES} --vocab synonyms7 --lang en", (("accuracy", "≥ 0.60"),)),
    Line("never-trained synonyms, Korean", f"--data {FACES} --vocab synonyms7 --lang ko", (("accuracy", "≥ 0.60"),)),
    Line(
        "36 unseen Korean words, by family",
        f"--data {FACES} --vocab kote36 --lang ko --families",
        (
            ("family_hit1", "≥ 0.50"),
            ("chance_family_hit1", ""),
            ("family_precision5", ""),
            ("chance_family_precision5", ""),
        ),
    ),
    Line(
        "KOTE, last 1,000 comments",
        "--data kote.tsv.gz --rows -1000: --vocab kote44 --lang ko",
        (("accuracy", "≥ 0.58"), ("top5", "≥ 0.87"), ("macro_f1", "≥ 0.38"), ("majority", ""), ("chance_top1", "")),
    ),
    Line(
        "GoEmotions dev, English",
        "--data goemotions_dev.tsv.gz --vocab goemotions28 --lang en",
        (("accuracy", "≥ 0.57"), ("majority", "")),
    ),
    Line(
        "GoEmotions dev, Korean translation",
        "--data goemotions_dev.tsv.gz --vocab goemotions28 --lang ko",
        (("accuracy", "≥ 0.52"), ("majority", "")),
    ),
)


def main() -> None:
    """Run every line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    print("| what | figure | measured | bar | `clip-emotion evaluate …` |\n|---|---|---|---|---|")
    for line in LINES:
        values = evaluate(line.arguments, options.data.resolve(), options.model)
        for name, bar in line.figures:
            print(f"| {line.title} | {name} | {values[name]:.3f} | {bar} | `{line.arguments}` |", flush=True)
        for part in ("unseen", "seen_in_training"):
            if part in values:
                rows, accuracy = values[part]["n"], values[part]["accuracy"]
                print(f"| {line.title} | accuracy, {part} ({rows}) | {accuracy:.3f} | | `{line.arguments}` |")
        if values.get("families_left_out"):
            print(f"| {line.title} | classes left out | {', '.join(values['families_left_out'])} | | |")


def evaluate(arguments: str, data: Path, model: str) -> dict[str, Any]:
    """Run one command in the data's folder and return its JSON; ends the program where the command fails."""
    command = [
        sys.executable,
        str(ROOT / "cli.py"),
        "evaluate",
        *arguments.split(),
        "--format",
        "json",
        "--model",
        model,
    ]
    result = subprocess.run(command, cwd=data, capture_output=True, text=True, encoding="utf-8", check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {result.stderr.strip()}")
    values: dict[str, Any] = json.loads(result.stdout)
    return values


if __name__ == "__main__":
    main()
