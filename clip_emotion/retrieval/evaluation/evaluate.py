"""How well an encoder names what people named: pictures or texts in, an Evaluation out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

from clip_emotion.data.images import ImageSource
from clip_emotion.data.recipes.images import pixel_key
from clip_emotion.errors import DataError, ImageError, ModelError, UsageError
from clip_emotion.evaluation.families import FamilyMetrics, family_metrics
from clip_emotion.evaluation.metrics import FloatArray, Metrics, classification_metrics, multilabel_metrics, rank
from clip_emotion.evaluation.result import Evaluation, Part
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.evaluation.labelled import ImageRow, Labelled, TextRow
from clip_emotion.retrieval.labelling.index import VocabularyIndex
from clip_emotion.retrieval.labelling.stream import StreamConfig, stream_batches
from clip_emotion.vocabulary import Vocabulary

TEXT_THRESHOLD = 0.06
"""The probability from which a text is said to carry a label, for encoders that do not state their own."""
BASIC = "basic8"
"""The vocabulary whose keys the families speak of."""
TEXT_BATCH = 1024
"""Texts are small and encoders sort a call's texts by length: larger calls waste less on padding than picture-sized."""
Progress = Callable[[int], object]


@dataclass(frozen=True)
class Options:
    """How to evaluate: ``stream`` reads pictures, ``threshold`` None means the encoder's own.

    ``language`` is that of the label words; ``progress`` is told the number of rows done.
    """

    language: str
    families: bool = False
    threshold: float | None = None
    seed: int = 0
    stream: StreamConfig = field(default_factory=lambda: StreamConfig(face="none", batch_size=64))
    progress: Progress = lambda rows: None

    def __post_init__(self) -> None:
        if self.stream.face == "each":
            raise UsageError("A picture has one true class: evaluate with --face none or auto, not each.")


@dataclass(frozen=True)
class Encoded:
    """Embeddings [N, D] of the rows that could be read, their places among all rows, and the faults of the others."""

    embeddings: Tensor
    kept: list[int]
    errors: tuple[str, ...]


def evaluate(
    encoder: ImageTextEncoder,
    rows: Labelled,
    vocabulary: Vocabulary,
    options: Options,
    training: Iterable[ImageRow] | None = None,
) -> Evaluation:
    """Evaluate an encoder on labelled pictures or texts.

    ``training`` are pictures that it may have been trained on: the accuracy is then reported apart for those rows
    whose pixels stand among them. Rows that cannot be read become ``errors``. Raises UsageError where the data's
    classes are not in the vocabulary, and for --families or ``training`` where they do not apply, DataError where no
    row can be read.
    """
    about = Evaluation(
        data=rows.data,
        split=rows.split,
        model=encoder.name,
        fingerprint=encoder.fingerprint,
        vocabulary=vocabulary.name,
        language=options.language,
        n=0,
        names=shown_names(vocabulary, options.language),
    )
    if rows.images:
        return _evaluate_images(encoder, rows.images, vocabulary, options, about, training)
    if options.families or training is not None:
        raise UsageError("--families and --train-data are for pictures: leave them out for texts.")
    return _evaluate_texts(encoder, rows.texts, vocabulary, options, about)


def shown_names(vocabulary: Vocabulary, language: str) -> dict[str, str]:
    """Return the name to show for each key of the vocabulary and of the basic emotions."""
    basic = {label.key: label.name(language) for label in Vocabulary.load(BASIC).labels}
    return basic | {label.key: label.name(language) for label in vocabulary.labels}


def _evaluate_images(
    encoder: ImageTextEncoder,
    rows: Sequence[ImageRow],
    vocabulary: Vocabulary,
    options: Options,
    about: Evaluation,
    training: Iterable[ImageRow] | None,
) -> Evaluation:
    classes = match_classes({row.label for row in rows}, vocabulary, families=options.families)
    encoded = encode_image_rows(encoder, rows, options)
    probabilities = _probabilities(encoder, vocabulary, encoded.embeddings, options.language, encoder.logit_scale)
    names = [rows[place].label for place in encoded.kept]
    result = replace(about, n=len(names), errors=encoded.errors)
    if options.families:
        basic = match_classes(set(names), Vocabulary.load(BASIC))
        result = replace(result, families=_families(probabilities, [basic[name] for name in names], vocabulary))
    if classes:
        targets = np.array([vocabulary.index(classes[name]) for name in names])
        result = replace(
            result, metrics=classification_metrics(probabilities, targets, vocabulary.keys, seed=options.seed)
        )
        if training is not None:
            answers = rank(probabilities, 1)[:, 0]
            seen = _seen([rows[place] for place in encoded.kept], training)
            parts = [Part.of(targets[rows_of], answers[rows_of]) for rows_of in (seen, ~seen)]
            result = replace(result, seen=parts[0], unseen=parts[1])
    return result


def _seen(rows: Sequence[ImageRow], training: Iterable[ImageRow]) -> NDArray[np.bool_]:
    """Tell for each row whether a picture with the same pixels stands in training."""
    known = set(pixel_keys(training))
    return np.array([key is not None and key in known for key in pixel_keys(rows)], dtype=np.bool_)


def match_classes(names: set[str], vocabulary: Vocabulary, *, families: bool = False) -> dict[str, str]:
    """Return the vocabulary's key for each class name of the data, matched by alias.

    Raises UsageError that names the classes the vocabulary does not know; with ``families`` the answer is then empty,
    since the true classes need not be among the words.
    """
    found = {name: label.key for name in names if (label := vocabulary.match(name))}
    unknown = sorted(names - set(found))
    if unknown and families:
        return {}
    if unknown:
        hint = ", or judge by --families" if any(label.families for label in vocabulary.labels) else ""
        raise UsageError(
            f"Vocabulary '{vocabulary.name}' does not know the class {', '.join(map(repr, unknown))}: it has "
            f"{', '.join(vocabulary.keys)}; rename the class, choose another --vocab{hint}."
        )
    return found


def _families(probabilities: FloatArray, targets: list[str], vocabulary: Vocabulary) -> FamilyMetrics:
    # A word that is itself a basic emotion is of its own family, whether or not its file says so.
    families = [label.families or (label.key,) for label in vocabulary.labels]
    return family_metrics(probabilities, targets, vocabulary.keys, families)


def _evaluate_texts(
    encoder: ImageTextEncoder,
    rows: Sequence[TextRow],
    vocabulary: Vocabulary,
    options: Options,
    about: Evaluation,
) -> Evaluation:
    positions = LabelPositions(vocabulary)
    errors = tuple(f"{row.name}: {fault}" for row in rows if (fault := _fault(row)))
    usable = [row for row in rows if not _fault(row)]
    if not usable:
        raise DataError(f"No row of {about.data} has a text and a label: {errors[0]}.")
    truth = np.zeros((len(usable), len(vocabulary)), dtype=np.bool_)
    for at, row in enumerate(usable):
        truth[at, [positions.of(label) for label in row.labels]] = True
    embeddings = encode_sentences(encoder, [row.text for row in usable], options)
    probabilities = _probabilities(encoder, vocabulary, embeddings, options.language, encoder.text_logit_scale)
    metrics = _text_metrics(probabilities, truth, vocabulary, text_threshold(encoder, options), options.seed)
    return replace(about, n=len(usable), metrics=metrics, errors=errors)


def _fault(row: TextRow) -> str:
    if row.error:
        return row.error
    return "no text" if not row.text.strip() else "no label" if not row.labels else ""


def _text_metrics(
    probabilities: FloatArray, truth: NDArray[np.bool_], vocabulary: Vocabulary, threshold: float, seed: int
) -> Metrics:
    if (truth.sum(axis=1) == 1).all():
        return classification_metrics(probabilities, truth.argmax(axis=1), vocabulary.keys, seed=seed)
    return multilabel_metrics(probabilities, truth, vocabulary.keys, threshold=threshold, seed=seed)


def text_threshold(encoder: ImageTextEncoder, options: Options) -> float:
    """Return the probability from which a text carries a label: the option, else the encoder's own, else 0.06."""
    if options.threshold is not None:
        return options.threshold
    return float(getattr(encoder, "text_threshold", TEXT_THRESHOLD))


class LabelPositions:
    """Looks up where a label as a data file writes it stands in a vocabulary: by alias, or by number."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._known: dict[str, int] = {}

    def of(self, label: str) -> int:
        """Return the label's position; raises UsageError when the vocabulary has no such label or number."""
        if label not in self._known:
            self._known[label] = self._find(label)
        return self._known[label]

    def _find(self, label: str) -> int:
        match = self.vocabulary.match(label)
        if match is not None:
            return self.vocabulary.index(match.key)
        if label.isdecimal() and int(label) < len(self.vocabulary):
            return int(label)
        raise UsageError(
            f"Vocabulary '{self.vocabulary.name}' has no label '{label}' (it has {len(self.vocabulary)}, numbered from "
            "0): choose the --vocab that the data was labelled with."
        )


def _probabilities(
    encoder: ImageTextEncoder, vocabulary: Vocabulary, embeddings: Tensor, language: str, scale: float
) -> FloatArray:
    """Return softmax(scale · cosine) over the vocabulary, [N, C], from the index that ``label`` asks too."""
    if not torch.isfinite(embeddings).all():
        raise ModelError(f"Model {encoder.name} gives no finite embedding for some rows: its weights are damaged.")
    similarities, positions = VocabularyIndex.build(encoder, vocabulary, language).search(embeddings.numpy())
    in_order = np.empty(similarities.shape, dtype=np.float64)
    np.put_along_axis(in_order, positions, similarities.astype(np.float64), axis=1)
    probabilities: FloatArray = softmax(scale * in_order, axis=1)
    return probabilities


def encode_sentences(encoder: ImageTextEncoder, texts: list[str], options: Options) -> Tensor:
    """Embed texts in batches: M strings → [M, D]."""
    size = max(options.stream.batch_size, TEXT_BATCH)
    parts = []
    for start in range(0, len(texts), size):
        parts.append(encoder.encode_texts(texts[start : start + size]))
        options.progress(len(parts[-1]))
    return torch.cat(parts)


def encode_image_rows(encoder: ImageTextEncoder, rows: Sequence[ImageRow], options: Options) -> Encoded:
    """Read, crop and embed pictures in batches, keeping those that can be read; raises DataError where none can."""
    embeddings: list[Tensor] = []
    kept: list[int] = []
    errors: list[str] = []
    places = count()
    # Without ``each`` there is one region a picture, in the order of the rows.
    for batch in stream_batches(map(_source, rows), encoder.preprocess, options.stream):
        readable = []
        for place, region in zip(islice(places, len(batch)), batch, strict=True):
            if region.pixels is None:
                errors.append(f"{region.name}: {region.error}")
            else:
                readable.append(region.pixels)
                kept.append(place)
        if readable:
            embeddings.append(encoder.encode_images(torch.stack(readable)))
        options.progress(len(batch))
    if not kept:
        raise DataError(f"None of the {len(rows)} pictures could be read, the first is {errors[0]}")
    return Encoded(torch.cat(embeddings), kept, tuple(errors))


def _source(row: ImageRow) -> ImageSource:
    try:
        return ImageSource(row.name, row.read())
    except ImageError as error:
        return ImageSource(row.name, None, str(error))


def pixel_keys(rows: Iterable[ImageRow]) -> list[str | None]:
    """Return each picture's key, the same for identical pixels whatever the file; None where it cannot be read."""
    keys: list[str | None] = []
    for row in rows:
        try:
            keys.append(row.sha or pixel_key(row.read())[0])
        except ImageError:
            keys.append(None)
    return keys
