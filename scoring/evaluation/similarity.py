"""How well an embedder's cosines agree with people's judgements of likeness, raw, centred and whitened."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.data.sources import Source, open_source
from clip_emotion.data.tables import Table, find_table, headerless_table, is_table
from clip_emotion.errors import DataError, UsageError
from clip_emotion.evaluation.bootstrap import draws_interval, row_draws
from scoring.config import BootstrapConfig
from scoring.conversation import Fault
from scoring.embedders import TextEmbedder
from scoring.whitening import Centring, Transform, Whitening, cosines

COLUMNS = {
    "first": ("sentence1", "sentence_1", "text1", "text_a"),
    "second": ("sentence2", "sentence_2", "text2", "text_b"),
    "score": ("score", "similarity", "label"),
    "genre": ("genre",),
}
TEXT_COLUMNS = {"text": ("text", "sentence", "document", "question")}
FEWEST = 3
BLOCK = 256
EXCERPT = 60


@dataclass(frozen=True)
class SentencePairs:
    """Pairs of sentences [N] and how alike people found them [N]; ``faults`` are the lines left out."""

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    scores: FloatArray
    faults: tuple[Fault, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """The different sentences, in the order in which they first stand."""
        return tuple(dict.fromkeys((*self.first, *self.second)))


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation and its 95 % bootstrap interval; None where it is not defined, as for cosines all alike."""

    value: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class CosineSpread:
    """How far cosines lie apart: mean, (population) standard deviation, 5th and 95th percentile."""

    mean: float
    std: float
    p5: float
    p95: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """One kind of vectors: rank and linear correlation with the scores, and the spread of the cosines.

    ``pairs`` is the spread over the data's own pairs, ``unrelated`` that over each first sentence with the second one
    of a pair half the table away.
    """

    dimensions: int
    spearman: Correlation
    pearson: Correlation
    pairs: CosineSpread
    unrelated: CosineSpread


@dataclass(frozen=True)
class SimilarityEvaluation:
    """An embedder on one table of pairs; ``vectors`` holds an Agreement for raw, centred and whitened ones."""

    data: str
    embedder: str
    pairs: int
    faults: tuple[Fault, ...]
    fitted_on: str
    fitted_sentences: int
    vectors: Mapping[str, Agreement]

    def to_dict(self) -> dict[str, Any]:
        """Return the result ready for JSON: numbers, strings, lists and None."""
        return {
            "data": self.data,
            "embedder": self.embedder,
            "pairs": self.pairs,
            "skipped": [asdict(fault) for fault in self.faults],
            "fitted_on": {"name": self.fitted_on, "sentences": self.fitted_sentences},
            "vectors": {kind: asdict(agreement) for kind, agreement in self.vectors.items()},
        }


@dataclass(frozen=True)
class SimilarityOptions:
    """How to evaluate: directions that whitening keeps (None for all), the interval, and a call per text embedded."""

    dimensions: int | None = None
    bootstrap: BootstrapConfig = field(default_factory=BootstrapConfig)
    progress: Callable[[int], None] = lambda steps: None


def read_pairs(path: Path) -> SentencePairs:
    """Read a table of sentence pairs: .tsv, .csv or .txt, gzipped or not, with a header.

    It needs the columns ``sentence1``, ``sentence2`` and ``score``; KorSTS as published, with four columns more and
    without quoting, is read as well. Raises DataError for a missing file, missing columns, and where fewer than three
    pairs, or only one score, are left.
    """
    with open_source(_file(path)) as source:
        table = find_table(source, path.name, COLUMNS, ("first", "second", "score")) if is_table(path.name) else None
        if table is None:
            raise DataError(f"{path} needs a header with the columns sentence1, sentence2 and score (.tsv or .csv).")
        rows, faults = _pair_rows(_as_published(table))
    if len(rows) < FEWEST or len({score for _, _, score in rows}) < 2:
        raise DataError(
            f"{path} holds {len(rows)} usable pairs ({len(faults)} lines are not): a correlation needs "
            f"{FEWEST} at least, and scores that differ."
        )
    first, second, scores = zip(*rows, strict=True)
    return SentencePairs(path.name, first, second, np.array(scores), tuple(faults))


def read_sentences(path: Path) -> tuple[str, ...]:
    """Read the different sentences of a corpus: a table of pairs, one with a column ``text``, or a text a line.

    Raises DataError for a missing file, for a table without such columns and where no sentence is left.
    """
    with open_source(_file(path)) as source:
        cells = map(str.strip, _sentence_cells(source, path.name))
        sentences = tuple(dict.fromkeys(filter(None, cells)))
    if not sentences:
        raise DataError(f"{path} holds no sentence: give a table or a text file with one sentence a line.")
    return sentences


def evaluate_similarity(
    embedder: TextEmbedder,
    pairs: SentencePairs,
    corpus: tuple[str, Sequence[str]] | None = None,
    options: SimilarityOptions | None = None,
) -> SimilarityEvaluation:
    """Correlate the pairs' cosines with their scores, for raw, centred and whitened vectors.

    Both transforms are fitted on the sentences of ``corpus`` (its name and sentences; no score is looked at), or on
    the pairs' own different sentences. The intervals share their resamples of pairs, so that the kinds compare.
    """
    options = options or SimilarityOptions()
    corpus_name, sentences = corpus or (pairs.name, pairs.sentences)
    place = {text: row for row, text in enumerate(dict.fromkeys((*sentences, *pairs.sentences)))}
    vectors = embed_all(embedder, list(place), options.progress)
    fitting = vectors[[place[text] for text in dict.fromkeys(sentences)]]
    first, second = (vectors[[place[text] for text in side]] for side in (pairs.first, pairs.second))
    transforms: dict[str, Transform] = {
        "raw": _as_they_are,
        "centred": Centring.fit(fitting),
        "whitened": Whitening.fit(fitting, options.dimensions),
    }
    draws = row_draws(len(pairs.scores), options.bootstrap.resampling)
    agreements = {
        kind: _agreement(transform(first), transform(second), pairs.scores, draws)
        for kind, transform in transforms.items()
    }
    return SimilarityEvaluation(
        pairs.name, embedder.name, len(pairs.scores), pairs.faults, corpus_name, len(fitting), agreements
    )


def embed_all(embedder: TextEmbedder, texts: Sequence[str], progress: Callable[[int], None]) -> FloatArray:
    """Embed at least one text, a block at a time, telling ``progress`` how many each block had: [N, D]."""
    blocks = []
    for start in range(0, len(texts), BLOCK):
        block = texts[start : start + BLOCK]
        blocks.append(np.asarray(embedder.embed(block), dtype=np.float64))
        progress(len(block))
    return np.concatenate(blocks)


def _as_they_are(vectors: NDArray[Any]) -> FloatArray:
    return np.asarray(vectors, dtype=np.float64)


def _file(path: Path) -> Path:
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the table in it.")
    return path


def _as_published(table: Table) -> Table:
    # KorSTS as its authors publish it has a genre, and quotation marks that quote nothing.
    return replace(table, quoted=False) if "genre" in table.columns else table


def _pair_rows(table: Table) -> tuple[list[tuple[str, str, float]], list[Fault]]:
    rows, faults = [], []
    for line, cells in table.rows():
        if cells is None:
            faults.append(Fault(line, "has too few columns", ""))
            continue
        first, second, score = cells["first"].strip(), cells["second"].strip(), _number(cells["score"])
        if first and second and score is not None:
            rows.append((first, second, score))
        else:
            reason = "has a sentence missing" if score is not None else f"has no number as score: '{cells['score']}'"
            faults.append(Fault(line, reason, f"{first} / {second}"[:EXCERPT]))
    return rows, faults


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _sentence_cells(source: Source, name: str) -> list[str]:
    if not is_table(name):
        raise DataError(f"{name} is no table and no text: give a .tsv, .csv or .txt file, gzipped or not.")
    for columns, needed in ((COLUMNS, ("first", "second")), (TEXT_COLUMNS, ("text",))):
        table = find_table(source, name, columns, needed)
        if table is not None:
            rows = _as_published(table).rows()
            return [cells[column] for _, cells in rows if cells is not None for column in needed]
    if Path(name.removesuffix(".gz")).suffix.lower() != ".txt":
        raise DataError(f"{name} needs the columns sentence1 and sentence2, or a column text.")
    lines = headerless_table(source, name, ("text",), quoted=False).rows()
    return [cells["text"] for _, cells in lines if cells is not None]


def _agreement(first: FloatArray, second: FloatArray, scores: FloatArray, draws: IntArray) -> Agreement:
    found = cosines(first, second)
    unrelated = cosines(first, np.roll(second, len(second) // 2, axis=0))
    return Agreement(
        dimensions=first.shape[1],
        spearman=_correlation(found, scores, draws, rankdata),
        pearson=_correlation(found, scores, draws, lambda values: values),
        pairs=_spread(found),
        unrelated=_spread(unrelated),
    )


def _correlation(
    found: FloatArray, scores: FloatArray, draws: IntArray, scale: Callable[[FloatArray], Any]
) -> Correlation:
    """Return Pearson's correlation of values put on a scale, with its percentile interval over the draws [B, N]."""
    value = _pearson(scale(found), scale(scores))
    low, high = draws_interval(lambda rows: _pearson(scale(found[rows]), scale(scores[rows])), draws)
    if math.isnan(value):
        return Correlation(None, None)
    return Correlation(value, None if math.isnan(low) else (low, high))


def _pearson(first: FloatArray, second: FloatArray) -> float:
    """Return Pearson's correlation, or NaN where one side is constant up to rounding."""
    if min(np.ptp(first), np.ptp(second)) < 1e-12:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def _spread(values: FloatArray) -> CosineSpread:
    low, high = np.percentile(values, [5, 95])
    return CosineSpread(float(values.mean()), float(values.std()), float(low), float(high))
