"""What examples, a temperature and prior correction are worth: ``python benchmarks/adapt.py --data DIR [--seeds 10]``.

DIR holds fer2013.zip, muxspace96.zip and london_dev.zip. Pictures are embedded once, into a store in a temporary
folder; then every setting takes seconds. Evaluated are FER-2013's validation part, muxspace's held-out fifth (put
together by ``clip-emotion data merge``) and London's faces. Examples come from FER-2013's training part and muxspace's
rest, for London from FER-2013; none has the pixels of a picture that is evaluated. The mini was trained on both parts,
so words that it knows are taught what it knows. Therefore other words too: code words, which mean nothing to it.

A gain is the mean over draws of examples. Its interval (95 %) holds what comes from the draw and from the rows.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from clip_emotion.arrays import FloatArray, FloatingArray, IntArray
from clip_emotion.data.content_keys import pixel_key
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import find_images
from clip_emotion.evaluation.calibration import Confidence, smoothed_temperature
from clip_emotion.evaluation.priors import CORRECTIONS, prior_shift
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.adapting.examples import LabelledFaces, Reading, labelled_faces
from clip_emotion.retrieval.adapting.pseudo import Unlabelled, with_pseudo_examples
from clip_emotion.retrieval.adapting.tip_adapter import FewShot, FitOptions, fit_few_shot
from clip_emotion.retrieval.evaluation.labelled import ImageRow, open_labelled
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.retrieval.labelling.index import VocabularyIndex
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding import Embedding
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.evaluation import StoredRows
from clip_emotion.retrieval.store.records import StoreCard
from clip_emotion.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[1]
SHOTS = (1, 4, 16)
POOL = 120
"""Pictures of each class from which examples are drawn."""
ROWS = 500
"""Rows that a temperature is fitted on."""
CODES = ("zek", "pol", "mub", "tir", "fwo", "gax", "lun", "vip")
NEW = "surprise"
"""The class whose word is replaced by a code word, to be taught as a new word beside the others."""


@dataclass(frozen=True)
class Words:
    """Words in an encoder's space: prototypes [L, D] and logit scale."""

    prototypes: FloatingArray
    scale: float

    def logits(self, faces: LabelledFaces) -> FloatArray:
        """Return the zero-shot logits of faces, [N, L]."""
        return np.asarray(self.scale * (faces.vectors @ self.prototypes.T), dtype=np.float64)


@dataclass(frozen=True)
class Case:
    """A row of the table; ``taught`` None means that all words have examples, which come from ``pool``."""

    title: str
    words: Words
    faces: LabelledFaces
    pool: LabelledFaces
    taught: int | None = None
    stand_ins: bool = False


def write_rows(rows: Sequence[ImageRow], folder: Path, most: int | None, without: set[str]) -> set[str]:
    """Write pictures into class folders and return the keys of their pixels.

    With ``most``, so many of each class, drawn at random, none of whose pixels are in ``without``.
    """
    order = np.random.default_rng(0).permutation(len(rows)) if most else np.arange(len(rows))
    counts: dict[str, int] = {}
    keys = set()
    for at in order.tolist():
        row = rows[at]
        if most is not None and counts.get(row.label, 0) >= most:
            continue
        content = row.read()
        key = pixel_key(content)[0]
        if key in without:
            continue
        keys.add(key)
        counts[row.label] = counts.get(row.label, 0) + 1
        place = folder / row.label / f"{at:05}{Path(row.name).suffix or '.jpg'}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return keys


def write_pictures(data: Path, work: Path) -> None:
    """Write all pictures that are needed: a folder for each part, and in it one for each class."""
    merge = ["data", "merge", f"muxspace={data / 'muxspace96.zip'}", "--hold-out", "muxspace=5", "--to", "held_out"]
    subprocess.run([sys.executable, str(ROOT / "cli.py"), *merge], cwd=work, check=True, capture_output=True)
    evaluated: set[str] = set()
    parts = (
        ("fer_validation", data / "fer2013.zip", "validation", None),
        ("london", data / "london_dev.zip", None, None),
        ("muxspace_fifth", work / "held_out", "test", None),
        ("fer_examples", data / "fer2013.zip", "train", POOL),
        ("muxspace_examples", work / "held_out", "train", POOL),
    )
    for name, source, split, most in parts:
        with open_labelled(str(source), RowSelection(split)) as rows:
            keys = write_rows(rows.images, work / "pictures" / name, most, evaluated if most else set())
        evaluated |= set() if most else keys


def read_faces(work: Path, name: str, encoder: ImageTextEncoder, vocabulary: Vocabulary) -> LabelledFaces:
    """Return the faces of a part, in a vocabulary's classes."""
    pictures = str(work / "pictures" / name)
    with EmbeddingStore.open(work / "faces.db") as store, open_labelled(pictures, RowSelection()) as rows:
        return labelled_faces(encoder, rows, vocabulary, Reading(StoredRows(store)))


def embed(work: Path, encoder: ImageTextEncoder) -> None:
    """Embed all pictures into a store."""
    faces = FaceOptions()
    with EmbeddingStore.open_for(work / "faces.db", StoreCard.of(encoder, "mini", faces)) as store:
        counts = Embedding(store, encoder, StreamConfig(faces, 64)).run(find_images([str(work / "pictures")]).sources)
    print(f"{counts.pictures:,} pictures embedded", file=sys.stderr, flush=True)


def draw(case: Case, shots: int, seed: int) -> LabelledFaces:
    """Draw so many examples of each word, or of the one word that is taught."""
    random = np.random.default_rng(seed)
    words = np.unique(case.pool.words) if case.taught is None else [case.taught]
    rows = [np.flatnonzero(case.pool.words == word) for word in words]
    return case.pool.only(np.concatenate([random.permutation(own)[:shots] for own in rows]))


def measure(case: Case, shots: int, seeds: int) -> str:
    """Return a row of the table: accuracy with so many examples a word, and the gain over zero-shot."""
    truth, alone = case.faces.words, case.words.logits(case.faces)
    before = alone.argmax(axis=1) == truth
    gains, spreads, recalls, unchanged = [], [], [], 0
    for seed in range(seeds):
        examples = draw(case, shots, seed)
        few = FewShot(examples.vectors, examples.words, case.words.logits(examples))
        if case.stand_ins:
            few, _ = with_pseudo_examples(few, Unlabelled(case.pool.vectors, case.words.logits(case.pool)), seed)
        fitted = fit_few_shot(few, FitOptions(seed=seed))
        unchanged += fitted.cache is None
        logits = alone if fitted.cache is None else alone + fitted.cache.logits(case.faces.vectors, alone.shape[1])
        difference = (logits.argmax(axis=1) == truth).astype(float) - before
        gains.append(difference.mean())
        spreads.append(difference.std() / np.sqrt(len(difference)))
        recalls.append(recall(logits, truth) - recall(alone, truth))
    gain = float(np.mean(gains))
    of_draws = float(student.ppf(0.975, seeds - 1)) * float(np.std(gains, ddof=1)) / np.sqrt(seeds)
    noise = float(np.hypot(of_draws, 1.96 * np.mean(spreads)))
    verdict = "inside the noise" if abs(gain) <= noise else "better" if gain > 0 else "worse"
    return (
        f"| {case.title} | {shots} | {before.mean():.3f} | {before.mean() + gain:.3f} | {gain:+.3f} ± {noise:.3f} | "
        f"{np.mean(recalls):+.3f} | {unchanged} of {seeds} | {verdict} |"
    )


def recall(logits: FloatArray, truth: FloatingArray | IntArray) -> float:
    """Return the mean recall over the classes that there are."""
    hits = logits.argmax(axis=1) == truth
    return float(np.mean([hits[truth == word].mean() for word in np.unique(truth)]))


def calibration_row(title: str, words: Words, fit_on: LabelledFaces, faces: LabelledFaces) -> str:
    """Return a row of the table: calibration error and likelihood before and after a temperature."""
    temperature = smoothed_temperature(words.logits(fit_on), fit_on.words)
    before = Confidence.of(words.logits(faces), faces.words)
    after = Confidence.of(words.logits(faces) / temperature, faces.words)
    return (
        f"| {title} | {len(fit_on.words)} | {temperature:.2f} | {before.ece:.3f} → {after.ece:.3f} | "
        f"{before.nll:.3f} → {after.nll:.3f} |"
    )


def prior_row(title: str, method: str, words: Words, faces: LabelledFaces) -> str:
    """Return a row of the table: accuracy, macro recall and calibration error with priors corrected."""
    logits = words.logits(faces)
    corrected = logits + prior_shift(method, logits)
    before, after = (np.asarray(rows.argmax(axis=1) == faces.words, dtype=float) for rows in (logits, corrected))
    noise = 1.96 * float((after - before).std()) / np.sqrt(len(before))
    recalls = recall(corrected, faces.words) - recall(logits, faces.words)
    errors = (Confidence.of(rows, faces.words).ece for rows in (logits, corrected))
    return (
        f"| {title} | {method} | {before.mean():.3f} | {(after - before).mean():+.3f} ± {noise:.3f} | {recalls:+.3f} | "
        f"{' → '.join(f'{error:.3f}' for error in errors)} |"
    )


def words_of(encoder: ImageTextEncoder, vocabulary: Vocabulary) -> Words:
    """Encode a vocabulary's English words."""
    return Words(VocabularyIndex.build(encoder, vocabulary, "en").embeddings, encoder.logit_scale)


def half(faces: LabelledFaces, rows: int) -> tuple[LabelledFaces, LabelledFaces]:
    """Draw so many rows, and return them and the others."""
    order = np.random.default_rng(0).permutation(len(faces.words))
    return faces.only(order[:rows]), faces.only(order[rows:])


def report(work: Path, encoder: ImageTextEncoder, seeds: int) -> None:
    """Print the three tables."""
    seven, eight = Vocabulary.load("basic7"), Vocabulary.load("basic8")
    known, known8 = words_of(encoder, seven), words_of(encoder, eight)
    codes = words_of(encoder, Vocabulary.from_words(CODES[: len(seven)]))
    fer, fer_pool, london = (
        read_faces(work, name, encoder, seven) for name in ("fer_validation", "fer_examples", "london")
    )
    mux, mux_pool = (read_faces(work, name, encoder, eight) for name in ("muxspace_fifth", "muxspace_examples"))
    new = seven.index(NEW)
    prototypes = np.array(known.prototypes)
    prototypes[new] = codes.prototypes[new]
    one = replace(known, prototypes=prototypes)
    codes8 = words_of(encoder, Vocabulary.from_words(CODES))
    cases = (
        Case("FER-2013, its seven words", known, fer, fer_pool),
        Case("muxspace, its eight words", known8, mux, mux_pool),
        Case("London, seven words, examples of FER-2013", known, london, fer_pool),
        Case("FER-2013, seven code words", codes, fer, fer_pool),
        Case("muxspace, eight code words", codes8, mux, mux_pool),
        Case(f"FER-2013, a code word for {NEW}, examples of all", one, fer, fer_pool),
        Case("the same, examples of the code word alone", one, fer, fer_pool, new),
        Case("the same, faces without a label for the other words", one, fer, fer_pool, new, stand_ins=True),
    )
    print("| set and words | examples a word | zero-shot | adapted | gain | macro recall | unchanged | |")
    print("|---|---|---|---|---|---|---|---|")
    for case in cases:
        for shots in SHOTS:
            print(measure(case, shots, seeds), flush=True)
    print("\n| calibrated on | rows | temperature | ECE | NLL |\n|---|---|---|---|---|")
    own, rest = half(fer, ROWS)
    own8, rest8 = half(mux, ROWS)
    train, train8 = half(fer_pool, ROWS)[0], half(mux_pool, ROWS)[0]
    print(calibration_row("FER-2013 training part, measured on validation", known, train, fer))
    print(calibration_row("FER-2013 validation, measured on its other rows", known, own, rest))
    print(calibration_row("muxspace's rest, measured on the fifth", known8, train8, mux))
    print(calibration_row("muxspace's fifth, measured on its other rows", known8, own8, rest8))
    print(calibration_row("FER-2013 validation, measured on London", known, own, london))
    print("\n| set | prior correction | accuracy | gain | macro recall | ECE |\n|---|---|---|---|---|---|")
    for title, words, faces in (("FER-2013", known, fer), ("muxspace", known8, mux), ("London", known, london)):
        for method in CORRECTIONS:
            print(prior_row(title, method, words, faces))


def main() -> None:
    """Write pictures, embed them once, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--work", type=Path, help="Keep pictures and store here, and use those that are there.")
    options = parser.parse_args()
    encoder = load_encoder("mini", "cpu")
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        if not (work / "pictures").exists():
            work.mkdir(parents=True, exist_ok=True)
            write_pictures(options.data.resolve(), work)
        embed(work, encoder)
        report(work, encoder, options.seeds)


if __name__ == "__main__":
    main()
