"""``clip-emotion ensemble``: several models that answer as one, and what that gains."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from clip_emotion.cli import options
from clip_emotion.cli.common import chosen_words, progress_bar, say, stdout
from clip_emotion.cli.face_options import FaceArguments
from clip_emotion.cli.grouped import grouped
from clip_emotion.cli.tables import uncut
from clip_emotion.errors import UsageError
from clip_emotion.outputs import WriteOptions, held

if TYPE_CHECKING:
    from clip_emotion.data.replacing import FolderKind
    from clip_emotion.models.ensembles.encoder import EnsembleEncoder
    from clip_emotion.retrieval.evaluation.ensembles import Comparison, MemberAnswers, Reading
    from clip_emotion.retrieval.evaluation.selection import RowSelection
    from clip_emotion.vocabulary import Vocabulary

SHOWN_ERRORS = 10


class MethodName(StrEnum):
    """How the members' answers become one."""

    mean = "mean"
    weighted = "weighted"
    vote = "vote"


Method = typer.Option(
    MethodName.mean,
    "--method",
    help="mean: of probabilities; weighted: with weights fitted on --data; vote: the majority, ties by the mean.",
)


@grouped
def ensemble(
    models: list[str] = typer.Argument(..., metavar="MODEL", help="The members, each as --model takes it."),
    *,
    data: str = typer.Option(..., help="Labelled pictures, as evaluate takes them."),
    split: str | None = options.SPLIT,
    test: str | None = typer.Option(None, "--test", metavar="SPLIT", help="Measure on this split of --data instead."),
    vocab: str | None = options.vocab("the first member's own"),
    labels: str | None = options.LABELS,
    lang: options.Language = options.LANG,
    method: MethodName = Method,
    out: Path = options.out_folder("the ensemble"),
    overwrite: bool = options.OVERWRITE,
    leave_out: list[str] = typer.Option([], "--leave-out", metavar="CLASS", help="Rows of this class do not count."),
    faces: FaceArguments,
    limit: int | None = options.limit("pictures of each split"),
    batch_size: int = options.batch_size(64),
    workers: int = options.WORKERS,
    device: options.Device = options.DEVICE,
    seed: int = options.seed("intervals, folds and --limit"),
) -> None:
    """Make one model of several that answer over the same words, and measure what it gains on the best of them.

    Example: clip-emotion ensemble mini runs/resnet --data fer2013.zip --vocab basic7 --face none --out runs/both
    """
    words = chosen_words(labels, vocab)
    if len(models) < 2:
        raise UsageError("An ensemble has two members or more: name another model.")
    target = _Target(out, WriteOptions(overwrite), models)
    target.claim()
    from clip_emotion.retrieval.evaluation.classes import ClassRules
    from clip_emotion.retrieval.evaluation.ensembles import Reading, compare
    from clip_emotion.retrieval.evaluation.selection import RowSelection
    from clip_emotion.retrieval.labelling.stream import StreamConfig

    reading = Reading(StreamConfig(faces.options(), batch_size, workers), ClassRules(left_out=tuple(leave_out)))
    with held(out):
        members = _opened(models, words, (lang.value, device.value), out.name)
        # Without weights there is nothing to fit, and only what is measured on is looked at.
        splits = (split, test) if test and method is MethodName.weighted else (test or split,)
        asked = _asked(members, data, [RowSelection(name, limit=limit, seed=seed) for name in splits], reading)
        found = compare(method.value, members.classes.keys, asked, seed)
        target.write(members, found, {"data": asked[0].data, "splits": [part.split for part in asked], "seed": seed})
    _print(models, found)
    _tell(models, found, out)


@dataclass(frozen=True)
class _Target:
    """Where the ensemble goes; it is written whole or not at all, and never over one of its members."""

    folder: Path
    written: WriteOptions
    models: Sequence[str]

    def claim(self) -> None:
        """See that the folder may be written; raises UsageError where not, and for a member that is an ensemble."""
        from clip_emotion.data.replacing import claim
        from clip_emotion.models.ensembles.loading import is_ensemble

        for model in filter(is_ensemble, self.models):
            raise UsageError(f"{model} is an ensemble itself: name its members instead.")
        claim(self.folder, _kind(), self.written, self._inputs())

    def write(self, members: EnsembleEncoder, found: Comparison, made_with: dict[str, object]) -> None:
        """Write the ensemble that a comparison speaks of; raises UsageError or ModelError where that cannot be."""
        from clip_emotion.data.replacing import OUT, replacing
        from clip_emotion.models.ensembles.encoder import EnsembleEncoder
        from clip_emotion.models.ensembles.saving import save_ensemble

        made = EnsembleEncoder(members.name, members.classes, members.members, found.method, found.weights)
        with replacing(self.folder, _kind(), self.written, self._inputs()) as work:
            save_ensemble(made, work / OUT, found.metrics(), made_with)

    def _inputs(self) -> list[Path]:
        """Return the members' places and all folders above them, as replacing one of those would take them along."""
        from clip_emotion.files import expanded

        places = [place.resolve() for model in self.models if (place := expanded(model)).exists()]
        return [above for place in places for above in (place, *place.parents)]


def _kind() -> FolderKind:
    from clip_emotion.data.replacing import FolderKind
    from clip_emotion.models.ensembles.saving import files_of

    return FolderKind("model ensemble", files_of)


def _opened(models: Sequence[str], words: Vocabulary | None, how: tuple[str, str], name: str) -> EnsembleEncoder:
    """Load the members and put the words to each, by default those of the first that has its own.

    ``how`` is the language and the device.
    """
    from clip_emotion.models import registry
    from clip_emotion.models.checkpoint_copies import checkpoint_files
    from clip_emotion.models.ensembles.encoder import EnsembleEncoder, Member
    from clip_emotion.retrieval.labelling.languages import choose_language
    from clip_emotion.retrieval.labelling.notices import word_notices

    encoders = [registry.load_encoder(model, how[1]) for model in models]
    words = words or next(filter(None, map(registry.own_vocabulary, encoders)), None)
    if words is None:
        raise UsageError("Give the words with --vocab or --labels: for example --vocab basic7.")
    members = []
    for model, encoder in zip(models, encoders, strict=True):
        language = choose_language(encoder, words, how[0])
        for notice in word_notices(encoder, words, language):
            say(f"Note: {notice}")
        if model not in registry.BUNDLED and checkpoint_files(model) is None:
            say(f"Note: {model} is not copied into the ensemble, which looks for it by this name when it is loaded.")
        members.append(Member.asked(model, encoder, words, language))
    return EnsembleEncoder(name, words, members)


def _asked(
    members: EnsembleEncoder, data: str, selections: Sequence[RowSelection], reading: Reading
) -> list[MemberAnswers]:
    """Let the members answer for each selection of the data's rows, the first of which fits weights."""
    from clip_emotion.retrieval.evaluation.ensembles import ask_members, check_splits
    from clip_emotion.retrieval.evaluation.labelled import open_labelled

    with contextlib.ExitStack() as stack:
        parts = [stack.enter_context(open_labelled(data, selection)) for selection in selections]
        for part in parts[1:]:
            check_splits(parts[0], part)
        advance = stack.enter_context(progress_bar("asking", total=sum(len(part.images) for part in parts)))
        return [ask_members(members, part, replace(reading, progress=advance)) for part in parts]


def _print(models: Sequence[str], found: Comparison) -> None:
    from clip_emotion.evaluation.answers import RATES

    measured, weighted = found.measured, found.method == "weighted"
    table = Table(title=f"{measured.data} ({measured.split}) · {len(measured.targets):,} pictures")
    table.add_column("model")
    for column in (*(["weight"] if weighted else []), *(rate.replace("_", " ") for rate in RATES)):
        table.add_column(column, justify="right", no_wrap=True)

    def add(name: str, cells: Iterable[str], weight: str = "") -> None:
        table.add_row(name, *([weight] if weighted else []), *cells)

    for model, weight, answers in zip(models, found.weights, found.members, strict=True):
        add(model, (f"{answers.rate(rate):.4f}" for rate in RATES), f"{weight:.3f}")
    table.add_section()
    add(f"ensemble ({found.method})", (f"{found.ensemble.rate(rate):.4f}" for rate in RATES))
    for best in dict.fromkeys(gain.best for gain in found.gains):
        told = {gain.rate: gain for gain in found.gains if gain.best == best}
        add(f"  against {models[best]}", (str(told.get(rate, "")) for rate in RATES))
    stdout().print(uncut(table))


def _tell(models: Sequence[str], found: Comparison, out: Path) -> None:
    errors = found.errors
    for error in errors[:SHOWN_ERRORS]:
        say(error)
    if errors:
        more = len(errors) - SHOWN_ERRORS
        say(f"{len(errors)} row(s) could not be used" + (f", {more} of them not shown." if more > 0 else "."))
    if found.how:
        say(found.how)
    say("Below a difference stands its 95 % interval, by the paired bootstrap over the pictures.")
    for model in (model for model, weight in zip(models, found.weights, strict=True) if not weight):
        say(f"Note: {model} has the weight 0: an ensemble without it answers the same, in less time.")
    say(f"Ensemble: use it with --model {shlex.quote(str(out))}")
