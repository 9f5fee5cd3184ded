"""Measure the everyday range of scores, and how sure a turn's strongest emotion has to be to be named.

    python benchmarks/everyday.py --data DATA

DATA holds chatbot.tsv.gz (everyday questions and answers, label 0 of songys/Chatbot_data) and kote.tsv.gz. Prints the
entry for datasets/references/everyday.yaml, and how often the strongest label is one that KOTE's annotators gave,
below and above each margin, on the 300 comments that neither train nor validate the bundled model.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np

from clip_emotion.arrays import FloatArray
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.equations import turn_scores
from scoring.affection.weights import affection_weights
from scoring.config import ScoreConfig
from scoring.conversation import Turn
from scoring.embedders import load_embedder
from scoring.emotions.base import sources_in_words
from scoring.emotions.loading import EmotionOptions, load_emotion

TUNING = slice(-1300, -1000)
"""KOTE's rows that fit the scales: they neither train nor validate."""


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a gzipped table."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def main() -> None:
    """Measure with the default settings, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    config = ScoreConfig()
    emotion = load_emotion("text", EmotionOptions(Vocabulary.load(config.vocabulary)))
    weights = affection_weights(emotion.vocabulary, load_embedder(config.weights.embedder), config.weights)

    daily = [row for row in rows(data / "chatbot.tsv.gz") if row["label"] == "0"]
    texts = [row[column] for row in daily for column in ("question", "answer")]
    judged = emotion.emotions([Turn(index, "", text) for index, text in enumerate(texts, start=1)])
    scores = turn_scores(judged.probabilities, weights.values)
    known = scores[np.isfinite(scores)]
    print("ranges:")
    print(f"- mean: {known.mean():.3f}\n  spread: {known.std():.3f}\n  vocabulary: {config.vocabulary}")
    print(f"  emotions_from: '{sources_in_words(judged.sources)}'\n  weights_from: '{weights.source}'")
    print(f"  messages: {len(known):,} everyday questions and answers of songys/Chatbot_data (label 0)")

    kote = rows(data / "kote.tsv.gz")[TUNING]
    turns = [Turn(index, "", row["text"]) for index, row in enumerate(kote, start=1)]
    report_margins(emotion.emotions(turns).probabilities, [row["labels"] for row in kote])


def report_margins(p: FloatArray, labels: list[str]) -> None:
    """Print how often the strongest label is a true one, below and above margins."""
    best, most = p.argmax(axis=1), p.max(axis=1)
    hits = np.array([str(place) in given.split(",") for place, given in zip(best.tolist(), labels, strict=True)])
    odds = most / (1 - most) * (p.shape[1] - 1)
    for margin in (2.0, 2.5, 3.0, 3.5, 4.0, 5.0):
        below = odds < margin
        shares = (hits[below].mean() if below.any() else float("nan"), hits[~below].mean())
        print(f"margin {margin}: {below.mean():.0%} below, right {shares[0]:.2f} below and {shares[1]:.2f} above")


if __name__ == "__main__":
    main()
