"""What the bundled mini measures on real data, as a Markdown table: ``python benchmarks/mini.py --data DIR``.

DIR holds fer2013.zip, london_dev.zip, muxspace96.zip, kote.tsv.gz and goemotions_dev.tsv.gz. Every line is one
``clip-emotion evaluate`` command, which the table names; ``--model`` measures another encoder in the same way,
``--only`` the lines whose title holds a word. muxspace's held-out fifth is first put together by ``clip-emotion data
merge``, into the folder ``held_out``. A second table has London's faces by what people said of themselves.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from london import by_group

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Line:
    """One command and the figures of its JSON that go into the table, with the bar that each should reach."""

    title: str
    arguments: str
    figures: tuple[tuple[str, str], ...]


HELD_OUT = "held_out"
"""The folder that muxspace's fifth is put into."""
FACES = "fer2013.zip --split validation"
LINES = (
    Line(
        "FER-2013 validation, English words",
        f"--data {FACES} --vocab basic7 --lang en --train-data fer2013.zip",
        (("accuracy", "≥ 0.71"), ("macro_recall", "≥ 0.68"), ("macro_f1", ""), ("ece", "≤ 0.04"), ("majority", "")),
    ),
    Line("FER-2013 validation, Korean words", f"--data {FACES} --vocab basic7 --lang ko", (("accuracy", "en ± 0.01"),)),
    Line("never-trained synonyms, English", f"--data {FACES} --vocab synonyms7 --lang en", (("accuracy", "≥ 0.62"),)),
    Line("never-trained synonyms, Korean", f"--data {FACES} --vocab synonyms7 --lang ko", (("accuracy", "≥ 0.66"),)),
    Line(
        "London, posed photographs as they come",
        "--data london_dev.zip --vocab basic7 --lang en",
        (("per_class.happy.recall", "≥ 0.92"), ("per_class.neutral.recall", "≥ 0.92"), ("ece", "≤ 0.08")),
    ),
    Line(
        "muxspace, the fifth never trained on",
        "--data held_out --split test --vocab basic8 --lang en",
        (("accuracy", "≥ 0.80"), ("macro_recall", ""), ("ece", ""), ("majority", "")),
    ),
    Line(
        "36 unseen Korean words, by family",
        f"--data {FACES} --vocab kote36 --lang ko --families",
        (
            ("family_hit1", "≥ 0.70"),
            ("chance_family_hit1", ""),
            ("family_precision5", ""),
            ("chance_family_precision5", ""),
        ),
    ),
    Line(
        "KOTE, last 1,000 comments",
        "--data kote.tsv.gz --rows -1000: --vocab kote44 --lang ko",
        (("accuracy", "≥ 0.63"), ("top5", "≥ 0.92"), ("macro_f1", "≥ 0.45"), ("majority", ""), ("chance_top1", "")),
    ),
    Line(
        "GoEmotions dev, English",
        "--data goemotions_dev.tsv.gz --vocab goemotions28 --lang en",
        (("accuracy", "≥ 0.58"), ("majority", "")),
    ),
    Line(
        "GoEmotions dev, Korean translation",
        "--data goemotions_dev.tsv.gz --vocab goemotions28 --lang ko",
        (("accuracy", "≥ 0.54"), ("majority", "")),
    ),
)


def main() -> None:
    """Run every line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    data = options.data.resolve()
    lines = [line for line in LINES if options.only.casefold() in line.title.casefold()]
    print("| what | figure | measured | bar | `clip-emotion evaluate …` |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        if any(HELD_OUT in line.arguments for line in lines):
            run(
                "data",
                "merge",
                f"muxspace={data / 'muxspace96.zip'}",
                "--hold-out",
                "muxspace=5",
                "--to",
                HELD_OUT,
                at=work,
            )
        for line in lines:
            print_line(
                line, evaluate(line.arguments.replace(HELD_OUT, str(Path(work) / HELD_OUT)), data, options.model)
            )
    if any("london" in line.arguments for line in lines):
        by_group(data / "london_dev.zip", options.model)


def print_line(line: Line, values: dict[str, Any]) -> None:
    """Print a row of the table for each figure of a line."""
    for name, bar in line.figures:
        print(f"| {line.title} | {name} | {figure(values, name):.3f} | {bar} | `{line.arguments}` |", flush=True)
    for part in ("unseen", "seen_in_training"):
        if part in values:
            rows, accuracy = values[part]["n"], values[part]["accuracy"]
            print(f"| {line.title} | accuracy, {part} ({rows}) | {accuracy:.3f} | | `{line.arguments}` |")
    if values.get("families_left_out"):
        print(f"| {line.title} | classes left out | {', '.join(values['families_left_out'])} | | |")


def figure(values: dict[str, Any], name: str) -> float:
    """Return a figure of the JSON by its path, such as ``per_class.happy.recall``."""
    value: Any = values
    for key in name.split("."):
        value = value[key]
    return float(value)


def evaluate(arguments: str, data: Path, model: str) -> dict[str, Any]:
    """Run one command in the data's folder and return its JSON; ends the program where the command fails."""
    values: dict[str, Any] = json.loads(
        run("evaluate", *arguments.split(), "--format", "json", "--model", model, at=data)
    )
    return values


def run(*arguments: str, at: str | Path) -> str:
    """Run ``clip-emotion`` in a folder and return what it prints; ends the program where it fails."""
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    result = subprocess.run(command, cwd=at, capture_output=True, text=True, encoding="utf-8", check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {result.stderr.strip()}")
    return result.stdout


if __name__ == "__main__":
    main()
