"""What the score and the words are worth where nobody trained them: ``python benchmarks/warmth.py --data DIR``.

1. Minimal pairs of messages (DIR/warmth_pairs_dev.jsonl): how many score the warmer one higher by 0.02, by phenomenon.
2. The hundred neutral messages of datasets/checks/neutral_messages.tsv: mean and spread of their scores.
3. Korean words with people's ratings of valence (DIR/korean_emotion_words_dev.tsv): Spearman correlation with the
   weights that cosines give them, for all and for those outside the lexicon.
4. The words of datasets/checks/face_words.tsv on DIR/fer2013.zip's validation pictures: for how many the class whose
   pictures come nearest is one that the file calls sensible.

``--model`` measures another mini, ``--config`` other weights (configs/score/cosines.yaml, …), ``--only`` some parts.
"""

from __future__ import annotations

import argparse
import csv
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from clip_emotion.arrays import Float32Array
from clip_emotion.data.lexicon import load_everyday, load_lexicon
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.embedding import embed_pixels
from clip_emotion.models.registry import load_encoder
from clip_emotion.resources import datasets_dir
from clip_emotion.text import fold
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.weights import affection_weights
from scoring.config import ScoreConfig, load_settings
from scoring.conversation import Turn
from scoring.embedders import EncoderEmbedder, TextEmbedder
from scoring.emotions.loading import EmotionOptions, load_emotion

ROOT = Path(__file__).resolve().parents[1]
APART = 0.02
"""By so much the warmer message of a pair must score higher."""
BATCH = 256

Line = tuple[str, str, str]


@dataclass(frozen=True)
class Measured:
    """What all parts share: the data's folder, the encoder, its words as embedder, and a message's score."""

    data: Path
    encoder: ImageTextEncoder
    embedder: TextEmbedder
    config: ScoreConfig
    score: Callable[[Sequence[str]], NDArray[np.float64]]


def pairs(measured: Measured) -> Iterator[Line]:
    """Minimal pairs in order, in all and by phenomenon."""
    lines = (measured.data / "warmth_pairs_dev.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    gaps = measured.score([row["warmer"] for row in rows]) - measured.score([row["colder"] for row in rows])
    by_phenomenon = defaultdict(list)
    for row, gap in zip(rows, gaps, strict=True):
        by_phenomenon[row["phenomenon"]].append(gap >= APART)
    yield "minimal pairs in order", f"{np.mean(gaps >= APART):.3f} ({np.sum(gaps >= APART)} of {len(gaps)})", "≥ 0.90"
    for name, right in by_phenomenon.items():
        yield f"– {name}", f"{sum(right)} of {len(right)}", "≥ 0.75" if len(right) >= 5 else ""


def neutral(measured: Measured) -> Iterator[Line]:
    """Mean and spread of neutral messages."""
    scores = measured.score([row["text"] for row in _table(datasets_dir() / "checks" / "neutral_messages.tsv")])
    yield f"{len(scores)} neutral messages, mean", f"{scores.mean():+.3f}", "within ± 0.05"
    yield f"{len(scores)} neutral messages, spread", f"{scores.std():.3f}", "≤ 0.10"


def rated(measured: Measured) -> Iterator[Line]:
    """Weights by cosines against people's ratings of valence."""
    rows = _table(measured.data / "korean_emotion_words_dev.tsv")
    vocabulary = Vocabulary.from_words([row["word"] for row in rows])
    weights = affection_weights(vocabulary, measured.embedder, measured.config.weights).values
    valence = np.array([float(row["valence"]) for row in rows])
    lexicon = load_lexicon()
    known = {fold(word) for entry in lexicon for words in entry.words.values() for word in words}
    more = {fold(word) for entry in load_everyday(lexicon) for words in entry.words.values() for word in words}
    for name, held in (
        ("all", set[str]()),
        ("outside emotion_words.yaml", known),
        ("outside both files", known | more),
    ):
        kept = np.array([fold(row["word"]) not in held for row in rows])
        figure = spearmanr(weights[kept], valence[kept]).statistic
        yield f"weights against valence, {name} ({kept.sum()} words)", f"{figure:.3f}", "≥ 0.70" if held else ""


def faces(measured: Measured) -> Iterator[Line]:
    """Words that users type, on faces of each class."""
    means = class_means(measured)
    rows = _table(datasets_dir() / "checks" / "face_words.tsv")
    names = list(means)
    words = np.asarray(measured.encoder.encode_texts([row["word"] for row in rows]))
    best = (words @ np.stack([means[name] for name in names]).T).argmax(axis=1).tolist()
    right = [names[at] in row["classes"].split(",") for at, row in zip(best, rows, strict=True)]
    yield "users' words, best class sensible", f"{np.mean(right):.3f} ({sum(right)} of {len(right)})", "≥ 0.90"
    for language in ("ko", "en"):
        of_language = [good for good, row in zip(right, rows, strict=True) if row["lang"] == language]
        yield f"– {language}", f"{sum(of_language)} of {len(of_language)}", ""


def class_means(measured: Measured) -> dict[str, Float32Array]:
    """Return the mean embedding of each class's validation pictures."""
    found: dict[str, list[bytes]] = defaultdict(list)
    with zipfile.ZipFile(measured.data / "fer2013.zip") as archive:
        for name in sorted(archive.namelist()):
            parts = Path(name).parts
            if len(parts) >= 3 and parts[-3] == "validation":
                found[parts[-2]].append(archive.read(name))
    means = {}
    for name, images in found.items():
        batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        embedded = [
            embed_pixels(measured.encoder, [measured.encoder.preprocess(Image.open(BytesIO(image))) for image in batch])
            for batch in batches
        ]
        means[name] = np.concatenate(embedded).mean(axis=0)
    return means


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


PARTS: dict[str, Callable[[Measured], Iterator[Line]]] = {
    "pairs": pairs,
    "neutral": neutral,
    "rated": rated,
    "faces": faces,
}


def measure(data: Path, model: str, config: ScoreConfig) -> Measured:
    """Load what the parts share."""
    vocabulary = Vocabulary.load(config.vocabulary)
    encoder = load_encoder(model, "cpu")
    emotion = load_emotion("text", EmotionOptions(vocabulary=vocabulary, model=model, device="cpu"))
    embedder = EncoderEmbedder(model, encoder)
    weights = affection_weights(vocabulary, embedder, config.weights).values

    def score(texts: Sequence[str]) -> NDArray[np.float64]:
        turns = [Turn(at, "A", text) for at, text in enumerate(texts, start=1)]
        return np.asarray(emotion.emotions(turns).probabilities @ weights)

    return Measured(data, encoder, embedder, config, score)


def main() -> None:
    """Measure the parts that were asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--only", default=",".join(PARTS), help="a comma list of parts")
    options = parser.parse_args()
    measured = measure(options.data.resolve(), options.model, load_settings(options.config))
    print("| what | measured | bar |\n|---|---|---|")
    for name in options.only.split(","):
        for what, figure, bar in PARTS[name](measured):
            print(f"| {what} | {figure} | {bar} |", flush=True)


if __name__ == "__main__":
    main()
