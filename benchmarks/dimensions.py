"""What valence and arousal of ``--dimensions`` say of labelled faces: ``python benchmarks/dimensions.py --data DIR``.

1. Mean valence and arousal of each class of FER-2013's validation split (DIR/fer2013.zip, each picture once as it is).
2. Spearman's correlation of each face's values with an order of the classes that was set down beforehand, with a
   bootstrap interval; beside it the best that values without ties could reach, and what the seven classes' own words
   reach with the order as their ratings, for which no rated word is needed.
3. The same with the two other thirds of the rated words from which the shipped ones were taken, which are put as they
   were rated: how much hangs on the words.
4. Smiles against neutral faces of the London set (DIR/london_dev.zip): area under the curve.
5. Rated words that are not in the vocabulary (DIR/korean_emotion_words_dev.tsv), read as texts: Spearman's correlation
   of their values with people's ratings.
"""

from __future__ import annotations

import argparse
import csv
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.images import ImageSource
from clip_emotion.evaluation.bootstrap import Resampling, draws_interval, row_draws
from clip_emotion.label import Label
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.embedding import embed_pixels
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.labelling.dimensions import RATED, RatedWords
from clip_emotion.retrieval.labelling.stream import StreamConfig, stream_batches
from clip_emotion.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[1]
AXES = ("valence", "arousal")
ORDERS: dict[str, dict[str, float]] = {
    "valence": {"happy": 1, "surprise": 0, "neutral": 0, "sad": -1, "fear": -1, "angry": -1, "disgust": -1},
    "arousal": {"surprise": 1, "fear": 1, "angry": 1, "happy": 0, "disgust": 0, "sad": -1, "neutral": -1},
}
"""The known order of the classes, by the circumplex of Russell (1980): equal numbers are of one rank."""
SHIPPED = 1
"""Which of every three well-known words, in order of valence, the vocabulary took, counted from 0."""
RESAMPLES = 200
UNSEEN_STEMS = ("격분", "겁먹", "신나", "우울")
"""Stems of synonyms7's words, which stand in no other vocabulary."""

Array = NDArray[np.float64]


def embeddings(encoder: ImageTextEncoder, sources: Iterable[ImageSource], faces: str) -> NDArray[np.float32]:
    """Embed pictures, [N, D]."""
    rows = []
    for batch in stream_batches(sources, encoder.preprocess, StreamConfig(FaceOptions(faces))):
        pixels = [region.pixels for region in batch if region.pixels is not None]
        rows.append(embed_pixels(encoder, pixels))
    return np.concatenate(rows)


def pictures(archive: Path, split: str | None = None) -> tuple[list[ImageSource], list[str]]:
    """Return an archive's pictures, of a split where there are several, and their classes."""
    with zipfile.ZipFile(archive) as source:
        names = [name for name in sorted(source.namelist()) if name.lower().endswith((".jpg", ".png"))]
        if split is not None:
            names = [name for name in names if Path(name).parts[-3:-2] == (split,)]
        return [ImageSource(name, source.read(name)) for name in names], [Path(name).parts[-2] for name in names]


def with_interval(values: Array, order: Array) -> str:
    """Return Spearman's correlation with its 95 % percentile bootstrap interval over faces."""
    draws = row_draws(len(values), Resampling(RESAMPLES))
    low, high = draws_interval(lambda rows: float(spearmanr(values[rows], order[rows]).statistic), draws)
    return f"{spearmanr(values, order).statistic:.3f} [{low:.3f}, {high:.3f}]"


def best_possible(order: Array) -> float:
    """Return the correlation of an order that has ties with values that sort it perfectly and have none."""
    return float(spearmanr(np.argsort(np.argsort(order, kind="stable")), order).statistic)


def in_languages(encoder: ImageTextEncoder) -> Iterator[tuple[str, RatedWords]]:
    """Yield the shipped words in each language that the encoder reads."""
    shipped = Vocabulary.load(RATED)
    for language in encoder.languages:
        labels = tuple(replace(label, names={language: label.name(language)}) for label in shipped.labels)
        yield language, RatedWords(encoder, replace(shipped, labels=labels))


def class_table(vectors: NDArray[np.float32], classes: Sequence[str], words: Mapping[str, RatedWords]) -> None:
    """Print the means of each class."""
    placed = {language: rated.dimensions(vectors) for language, rated in words.items()}
    heads = [f"{axis}, {language}" for language in placed for axis in AXES]
    print(f"| class | faces | {' | '.join(heads)} |\n|---|---{'|---' * len(heads)}|")
    chosen = np.array(classes)
    for name in sorted(ORDERS["valence"], key=lambda name: -ORDERS["valence"][name]):
        here = chosen == name
        cells = [f"{mean:+.3f}" for values in placed.values() for mean in values[here].mean(axis=0)]
        print(f"| {name} | {here.sum()} | {' | '.join(cells)} |")
    spans = [f"{values[:, at].min():+.2f} to {values[:, at].max():+.2f}" for values in placed.values() for at in (0, 1)]
    print(f"| all | {len(chosen)} | {' | '.join(spans)} |\n")


def order_table(vectors: NDArray[np.float32], classes: Sequence[str], words: Mapping[str, RatedWords]) -> None:
    """Print the correlations with the known orders."""
    orders = [np.array([ORDERS[axis][name] for name in classes]) for axis in AXES]
    print("| words | valence | arousal |\n|---|---|---|")
    for name, rated in words.items():
        values = rated.dimensions(vectors)
        cells = [with_interval(values[:, at], order) for at, order in enumerate(orders)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print(f"| best possible | {' | '.join(f'{best_possible(order):.3f}' for order in orders)} |\n")


def ordered_classes(encoder: ImageTextEncoder) -> RatedWords:
    """Return the seven classes' own words, with the known orders as their ratings."""
    basic = Vocabulary.load("basic7")
    labels = [
        replace(label, valence=ORDERS["valence"][label.key], arousal=ORDERS["arousal"][label.key])
        for label in basic.labels
    ]
    return RatedWords(encoder, replace(basic, labels=tuple(labels)))


def read_ratings(path: Path) -> list[dict[str, str]]:
    """Read the table of rated words."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def label_of(row: Mapping[str, str]) -> Label:
    """Return a rated word as it was rated."""
    valence, arousal = ((float(row[axis]) - 2) / 2 for axis in AXES)
    return Label(row["word"], {"ko": row["word"]}, valence=valence, arousal=arousal)


def thirds(encoder: ImageTextEncoder, ratings: Sequence[dict[str, str]]) -> Iterator[tuple[str, RatedWords]]:
    """Yield each third of the well-known words; the shipped one checks that the vocabulary is what its file says."""
    shipped = Vocabulary.load(RATED)
    known = [row for row in ratings if min(float(row["familiarity"]), float(row["prototypicality"])) >= 2]
    known = [row for row in known if not any(stem in row["word"] for stem in UNSEEN_STEMS)]
    known.sort(key=lambda row: (float(row["valence"]), row["word"]))
    assert [row["word"] for row in known[SHIPPED::3]] == list(shipped.keys)
    for at in range(3):
        labels = tuple(label_of(row) for row in known[at::3])
        name = f"third {at + 1}, as rated" + (" (shipped)" if at == SHIPPED else "")
        yield name, RatedWords(encoder, replace(shipped, name=name, labels=labels))


def london(encoder: ImageTextEncoder, archive: Path, words: Mapping[str, RatedWords]) -> None:
    """Print how well smiles are told from neutral faces."""
    sources, classes = pictures(archive)
    vectors, smiles = embeddings(encoder, sources, "auto"), [name == "happy" for name in classes]
    print("| London, smiles against neutral: AUC | valence | arousal |\n|---|---|---|")
    for name, rated in words.items():
        values = rated.dimensions(vectors)
        print(f"| {name} | {' | '.join(f'{roc_auc_score(smiles, values[:, at]):.3f}' for at in (0, 1))} |")
    print()


def other_words(encoder: ImageTextEncoder, ratings: Sequence[dict[str, str]], words: RatedWords) -> None:
    """Print how values of words that are not in the vocabulary agree with people's ratings."""
    kept = [row for row in ratings if row["word"] not in Vocabulary.load(RATED).keys]
    words.logit_scale = encoder.text_logit_scale
    values = words.dimensions(np.asarray(encoder.encode_texts([row["word"] for row in kept])))
    cells = [with_interval(values[:, at], np.array([float(row[axis]) for row in kept])) for at, axis in enumerate(AXES)]
    print("| rated words outside the vocabulary | valence | arousal |\n|---|---|---|")
    print(f"| {len(kept)} | {' | '.join(cells)} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    encoder = load_encoder(options.model, "cpu")
    sources, classes = pictures(options.data / "fer2013.zip", "validation")
    vectors = embeddings(encoder, sources, "none")
    words = dict(in_languages(encoder))
    class_table(vectors, classes, words)
    named = {f"{RATED}, {language}": rated for language, rated in words.items()}
    ratings = read_ratings(options.data / "korean_emotion_words_dev.tsv")
    more = dict(thirds(encoder, ratings)) if "ko" in encoder.languages else {}
    order_table(vectors, classes, {**named, "basic7, rated by the order": ordered_classes(encoder), **more})
    london(encoder, options.data / "london_dev.zip", named)
    if "ko" in encoder.languages:
        other_words(encoder, ratings, words["ko"])


if __name__ == "__main__":
    main()
