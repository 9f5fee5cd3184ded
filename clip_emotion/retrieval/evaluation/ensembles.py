"""Ensembles against labelled images: what each member answers, the weights that fit, and the gain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.errors import DataError, ModelError, UsageError
from clip_emotion.evaluation.answers import Answers
from clip_emotion.evaluation.bootstrap import Resampling
from clip_emotion.evaluation.ensembles import FOLDS, Gain, cross_fitted_weights, fit_weights, gains
from clip_emotion.models.ensembles.combining import METHODS, Method, mixture
from clip_emotion.models.ensembles.encoder import EnsembleEncoder
from clip_emotion.retrieval.evaluation.classes import ClassMatcher, ClassRules, judge_rows, unknown_classes
from clip_emotion.retrieval.evaluation.encoding import Progress, encode_image_rows, no_progress
from clip_emotion.retrieval.evaluation.labelled import Labelled
from clip_emotion.retrieval.evaluation.selection import WHOLE
from clip_emotion.retrieval.labelling.stream import StreamConfig


@dataclass(frozen=True)
class MemberAnswers:
    """What each member says of the labelled images of a split: probabilities [M, N, C], and the true columns [N].

    ``errors`` are sentences on rows that do not count.
    """

    data: str
    split: str
    probabilities: FloatArray
    targets: IntArray
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """How labelled images are read: ``stream`` as in labelling, ``classes`` as the data's are to be understood."""

    stream: StreamConfig = field(default_factory=lambda: StreamConfig(batch_size=64))
    classes: ClassRules = field(default_factory=ClassRules)
    progress: Progress = no_progress

    def __post_init__(self) -> None:
        if self.stream.faces.mode == "each":
            raise UsageError("A picture has one true class: use --face auto, none or require, not each.")


class _AllMembers:
    """The members' probabilities in place of an embedding, so that each image is opened and cropped once."""

    def __init__(self, ensemble: EnsembleEncoder) -> None:
        self.ensemble = ensemble
        self.preprocess: Callable[[Image], Tensor] = ensemble.preprocess

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return what the members say of N images, [N, M, C]."""
        return torch.from_numpy(self.ensemble.member_probabilities(pixels)).movedim(0, 1)


def ask_members(ensemble: EnsembleEncoder, rows: Labelled, reading: Reading | None = None) -> MemberAnswers:
    """Let every member of an ensemble answer for labelled images.

    Raises UsageError for texts and where no class is among the ensemble's words, DataError where no row can be read,
    ModelError for a member whose answers are not finite.
    """
    reading, words = reading or Reading(), ensemble.classes
    if not rows.images:
        raise UsageError(f"An ensemble answers for pictures, and {rows.data} holds texts: give labelled pictures.")
    matcher = ClassMatcher(words, reading.classes)
    usable, judged = judge_rows(rows.images, [matcher], reading.classes)
    if not usable and judged.unknown:
        raise UsageError(unknown_classes(judged.unknown, words))
    if not usable:
        raise DataError(f"No row of {rows.data} can be used: {next(iter(judged.errors), 'all are left out')}.")
    encoded = encode_image_rows(_AllMembers(ensemble), usable, reading.stream, reading.progress)
    probabilities = np.moveaxis(encoded.embeddings, 1, 0).astype(np.float64)
    for member, own in zip(ensemble.members, probabilities, strict=True):
        if not np.isfinite(own).all():
            raise ModelError(f"Model {member.name} gives no finite answer for some pictures: its weights are damaged.")
    targets = np.array([matcher.position(usable[place].label) for place in encoded.kept], dtype=np.intp)
    return MemberAnswers(rows.data, rows.split, probabilities, targets, (*judged.errors, *encoded.errors))


@dataclass(frozen=True)
class Comparison:
    """An ensemble beside its members on the same rows; ``how`` says on which rows, where weights were fitted.

    ``weights`` [M] are those of the ensemble that comes of it, ``errors`` sentences on rows that did not count.
    """

    method: Method
    measured: MemberAnswers
    weights: FloatArray
    ensemble: Answers
    members: tuple[Answers, ...]
    gains: tuple[Gain, ...]
    how: str = ""
    errors: tuple[str, ...] = ()

    def metrics(self) -> dict[str, float]:
        """Return the ensemble's figures and gains by name."""
        found: dict[str, float] = {"n": float(len(self.measured.targets))}
        for gain in self.gains:
            low, high = gain.interval
            found[gain.rate] = self.ensemble.rate(gain.rate)
            found |= {f"{gain.rate}_gain": gain.value, f"{gain.rate}_gain_low": low, f"{gain.rate}_gain_high": high}
        return found


def compare(method: Method, labels: tuple[str, ...], asked: Sequence[MemberAnswers], seed: int = 0) -> Comparison:
    """Combine the members' answers and compare the ensemble with the best of them.

    Weights are fitted on the first of ``asked`` and all is measured on the last. Where these are one, each fold is
    answered with weights of the others, as rows that fit the weights overstate what they are worth.
    """
    fitting, measured = asked[0], asked[-1]
    weights, how = np.full(len(fitting.probabilities), 1 / len(fitting.probabilities)), ""
    combined = METHODS[method](measured.probabilities, weights)
    if method == "weighted":
        weights = fit_weights(fitting.probabilities, fitting.targets)
        fitted = f"The weights were fitted on the {len(fitting.targets):,} pictures of {fitting.split}"
        if measured is fitting:
            rows = cross_fitted_weights(fitting.probabilities, fitting.targets, seed)
            how = (
                f"{fitted}. The ensemble's figures are cross-fitted: each of up to {FOLDS} parts is "
                "answered with weights of the other parts."
            )
            combined = mixture(measured.probabilities, rows)
        else:
            how = f"{fitted}. The figures are those of {measured.split}, which fitted nothing."
            combined = mixture(measured.probabilities, weights)
    ensemble = Answers.of(combined, measured.targets, labels, seed)
    members = tuple(Answers.of(own, measured.targets, labels, seed) for own in measured.probabilities)
    found = gains(measured.targets, ensemble, members, len(labels), Resampling(seed=seed))
    errors = tuple(error for part in asked for error in part.errors)
    return Comparison(method, measured, weights, ensemble, members, found, how, errors)


def check_splits(fitting: Labelled, test: Labelled) -> None:
    """Raise UsageError where the rows to measure on are among those that fit the weights."""
    if fitting.split == test.split or WHOLE in (fitting.split, test.split):
        raise UsageError(
            f"--test {test.split} measures on pictures of --split {fitting.split}, which fit the weights: name two "
            "splits that share none, or leave --test out."
        )
