"""How well an encoder names what people named: labelled images or texts in, an Evaluation out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.special import softmax

from clip_emotion.arrays import BoolArray, Float32Array, FloatingArray, IntegerArray
from clip_emotion.errors import DataError, ModelError, UsageError
from clip_emotion.evaluation.bootstrap import Resampling
from clip_emotion.evaluation.families import FamilyMetrics, family_metrics
from clip_emotion.evaluation.groups import GroupBy, group_metrics
from clip_emotion.evaluation.metrics import classification_metrics, multilabel_metrics, rank
from clip_emotion.evaluation.result import Evaluation, Part
from clip_emotion.models.base import ImageTextEncoder, text_reader
from clip_emotion.retrieval.adapting.adapter import Adapter
from clip_emotion.retrieval.adapting.logits import FaceLogits
from clip_emotion.retrieval.evaluation.classes import ClassMatcher, ClassRules, Judged, judge_rows, unknown_classes
from clip_emotion.retrieval.evaluation.encoding import (
    EmbedRows,
    Progress,
    encode_image_rows,
    encode_text_rows,
    no_progress,
    pixel_keys,
)
from clip_emotion.retrieval.evaluation.labelled import ImageRow, Labelled, TextRow, open_labelled, open_training
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.retrieval.labelling.index import VocabularyIndex
from clip_emotion.retrieval.labelling.labeller import as_vocabulary
from clip_emotion.retrieval.labelling.languages import choose_language
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.vocabulary import Vocabulary

TEXT_THRESHOLD = 0.06
"""The probability from which a text is said to carry a label, for encoders that do not state their own."""
GROUP_RESAMPLES = 1000
"""How often the rows of a group are redrawn for its intervals."""
BASIC = "basic8"
"""The vocabulary whose keys the families speak of."""


@dataclass(frozen=True)
class EvaluationOptions:
    """How to evaluate: ``stream`` reads images, ``threshold`` None means the encoder's own.

    ``language`` is that of the label words; ``classes`` says what the data's classes mean; ``progress`` is told the
    number of rows done. ``embed_rows`` finds the images' embeddings. ``by`` are columns whose groups are measured
    apart. ``adapter`` and ``prior``, a method of ``CORRECTIONS``, change how images are ranked.
    """

    language: str = "auto"
    families: bool = False
    threshold: float | None = None
    seed: int = 0
    stream: StreamConfig = field(default_factory=lambda: StreamConfig(batch_size=64))
    classes: ClassRules = field(default_factory=ClassRules)
    progress: Progress = no_progress
    embed_rows: EmbedRows = encode_image_rows
    by: tuple[GroupBy, ...] = ()
    adapter: Adapter | None = None
    prior: str | None = None

    def __post_init__(self) -> None:
        if self.stream.faces.mode == "each":
            raise UsageError("A picture has one true class: evaluate with --face auto, none or require, not each.")


def evaluate(
    data: str | Path,
    vocabulary: str | Path | Sequence[str] | Vocabulary,
    model: str | ImageTextEncoder = "mini",
    *,
    selection: RowSelection | None = None,
    options: EvaluationOptions | None = None,
    train_data: str | Path | None = None,
) -> Evaluation:
    """Evaluate a model, by name or loaded, on labelled images or texts, by path or by a prepared set's name.

    ``evaluate("faces.zip", "basic7").metrics.accuracy`` is the share of images whose best word is their class.
    ``open_labelled`` tells the forms that data may have, ``evaluate_rows`` what is measured and raised.
    """
    from clip_emotion.models.registry import load_encoder

    encoder = load_encoder(model) if isinstance(model, str) else model
    words = as_vocabulary(vocabulary)
    with ExitStack() as stack:
        rows = stack.enter_context(open_labelled(str(data), selection or RowSelection()))
        training = None
        if train_data is not None:
            training = stack.enter_context(open_training(str(train_data))).images
        return evaluate_rows(encoder, rows, words, options or EvaluationOptions(), training)


def evaluate_rows(
    encoder: ImageTextEncoder,
    rows: Labelled,
    vocabulary: Vocabulary,
    options: EvaluationOptions,
    training: Iterable[ImageRow] | None = None,
) -> Evaluation:
    """Evaluate an encoder on labelled rows: all images or all texts.

    ``training`` are images that it may have been trained on: the accuracy is then reported apart for those rows
    whose pixels stand among them. Rows that cannot be read, or whose class is not in the vocabulary, become
    ``errors``. Raises UsageError where no class is in the vocabulary, and for --families, ``training`` or a store
    where they do not apply, DataError where no row can be read.
    """
    options = replace(options, language=choose_language(encoder, vocabulary, options.language))
    about = Evaluation(
        data=rows.data,
        split=rows.split,
        model=encoder.name,
        fingerprint=encoder.fingerprint,
        vocabulary=vocabulary.name,
        language=options.language,
        n=0,
        names=shown_names(vocabulary, options.language),
        filtered=rows.filtered,
    )
    run = _Run(encoder, vocabulary, options)
    if rows.images:
        return run.images(rows.images, about, training)
    if options.families or training is not None:
        raise UsageError("--families and --train-data are for pictures: leave them out for texts.")
    if options.embed_rows is not encode_image_rows:
        raise UsageError("A store holds pictures: leave --store out for texts.")
    if options.adapter is not None or options.prior is not None:
        raise UsageError("--adapter and --prior-correction are for pictures: leave them out for texts.")
    return run.texts(rows.texts, about)


def shown_names(vocabulary: Vocabulary, language: str) -> dict[str, str]:
    """Return the name to show for each key of the vocabulary and of the basic emotions."""
    basic = {label.key: label.name(language) for label in Vocabulary.load(BASIC).labels}
    return basic | {label.key: label.name(language) for label in vocabulary.labels}


@dataclass(frozen=True)
class _Run:
    """One evaluation: an encoder, the words, and how."""

    encoder: ImageTextEncoder
    vocabulary: Vocabulary
    options: EvaluationOptions

    def images(self, rows: Sequence[ImageRow], about: Evaluation, training: Iterable[ImageRow] | None) -> Evaluation:
        own, basic = (ClassMatcher(words, self.options.classes) for words in (self.vocabulary, Vocabulary.load(BASIC)))
        usable, judged = judge_rows(rows, [basic] if self.options.families else [own], self.options.classes)
        self._refuse_nothing(usable, judged, about)
        encoded = self.options.embed_rows(self.encoder, usable, self.options.stream, self.options.progress)
        probabilities = self._of_faces(encoded.embeddings)
        kept = [usable[place] for place in encoded.kept]
        result = _told(replace(about, n=len(kept)), judged, encoded.errors)
        result = replace(result, faceless=encoded.faceless, skipped=encoded.skipped)
        if self.options.families:
            result = replace(
                result, families=self._families(probabilities, [str(basic.key(row.label)) for row in kept])
            )
        targets = [own.position(row.label) for row in kept]
        if None not in targets:
            result = self._classified(result, probabilities, np.array(targets), kept)
            if training is not None:
                hits = rank(probabilities, 1)[:, 0] == np.array(targets)
                seen = _seen(kept, training)
                result = replace(result, seen=Part.of(hits[seen]), unseen=Part.of(hits[~seen]))
        return result

    def _classified(
        self,
        result: Evaluation,
        probabilities: FloatingArray,
        targets: IntegerArray,
        rows: Sequence[ImageRow] | Sequence[TextRow],
    ) -> Evaluation:
        keys, seed = self.vocabulary.keys, self.options.seed
        groupings = tuple(
            group_metrics(
                probabilities,
                targets,
                keys,
                by,
                [row.facts.get(by.column, "") for row in rows],
                Resampling(GROUP_RESAMPLES, seed),
            )
            for by in self.options.by
        )
        metrics = classification_metrics(probabilities, targets, keys, seed=seed)
        return replace(result, metrics=metrics, groupings=groupings)

    def _refuse_nothing(self, usable: Sequence[object], judged: Judged, about: Evaluation) -> None:
        if usable:
            return
        if judged.unknown:
            raise UsageError(unknown_classes(judged.unknown, self.vocabulary))
        if judged.errors:
            raise DataError(f"No row of {about.data} can be used: {judged.errors[0]}.")
        raise UsageError(f"--leave-out {' '.join(judged.left_out)} leaves no row of {about.data}.")

    def _families(self, probabilities: FloatingArray, targets: list[str]) -> FamilyMetrics:
        # A word that is itself a basic emotion is of its own family, whether or not its file says so.
        families = [label.families or (label.key,) for label in self.vocabulary.labels]
        return family_metrics(probabilities, targets, self.vocabulary.keys, families)

    def texts(self, rows: Sequence[TextRow], about: Evaluation) -> Evaluation:
        matcher = ClassMatcher(self.vocabulary, self.options.classes, numbers=True)
        usable, judged = judge_rows(rows, [matcher], self.options.classes)
        self._refuse_nothing(usable, judged, about)
        truth = np.zeros((len(usable), len(self.vocabulary)), dtype=np.bool_)
        for at, row in enumerate(usable):
            for label in row.labels:
                truth[at, matcher.position(label)] = True
        size = self.options.stream.batch_size
        embeddings = encode_text_rows(self.encoder, [row.text for row in usable], size, self.options.progress)
        similarities = self._index(embeddings).similarities(embeddings).astype(np.float64)
        probabilities: FloatingArray = softmax(text_reader(self.encoder)[1] * similarities, axis=1)
        result = _told(replace(about, n=len(usable)), judged)
        if (truth.sum(axis=1) == 1).all():
            return self._classified(result, probabilities, truth.argmax(axis=1), usable)
        if self.options.by:
            raise UsageError("--by compares groups where each row has one class, and some texts here have several.")
        threshold = text_threshold(self.encoder, self.vocabulary, self.options)
        keys, seed = self.vocabulary.keys, self.options.seed
        return replace(result, metrics=multilabel_metrics(probabilities, truth, keys, threshold=threshold, seed=seed))

    def _of_faces(self, embeddings: Float32Array) -> FloatingArray:
        """Return the probabilities of images' words, [N, L]."""
        faces = FaceLogits.of(self.encoder, self._index(embeddings), self.options.adapter)
        probabilities: FloatingArray = softmax(faces.corrected(embeddings, self.options.prior)(embeddings), axis=1)
        return probabilities

    def _index(self, embeddings: Float32Array) -> VocabularyIndex:
        """Return the words in the encoder's space; raises ModelError where the rows' embeddings are not finite."""
        if not np.isfinite(embeddings).all():
            name = self.encoder.name
            raise ModelError(f"Model {name} gives no finite embedding for some rows: its weights are damaged.")
        return VocabularyIndex.build(self.encoder, self.vocabulary, self.options.language)


def _told(result: Evaluation, judged: Judged, unread: tuple[str, ...] = ()) -> Evaluation:
    """Return the result with what became of the rows that do not count."""
    return replace(result, errors=(*judged.errors, *unread), unknown_classes=judged.unknown, left_out=judged.left_out)


def _seen(rows: Sequence[ImageRow], training: Iterable[ImageRow]) -> BoolArray:
    """Tell for each row whether an image with the same pixels stands in training."""
    known = set(pixel_keys(training))
    return np.array([key is not None and key in known for key in pixel_keys(rows)], dtype=np.bool_)


def text_threshold(
    encoder: ImageTextEncoder, vocabulary: Vocabulary, options: EvaluationOptions
) -> float | FloatingArray:
    """Return the probability from which a text carries a label.

    The option, else what the encoder has for each label of exactly this vocabulary [L], else its own one, else 0.06.
    """
    if options.threshold is not None:
        return options.threshold
    own = getattr(encoder, "text_thresholds", {}).get(vocabulary.name, {})
    if own.keys() == set(vocabulary.keys):
        return np.array([own[key] for key in vocabulary.keys])
    return float(getattr(encoder, "text_threshold", TEXT_THRESHOLD))
