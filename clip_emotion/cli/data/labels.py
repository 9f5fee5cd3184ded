"""``clip-emotion data check --labels``: pictures whose labels are likely wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from typer.core import TyperCommand

from clip_emotion.cli.common import progress_bar, say, stdout, write_atomic
from clip_emotion.cli.data.source import TableFormat
from clip_emotion.cli.tables import uncut
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.outputs import mark_folder

if TYPE_CHECKING:
    from datasets import DatasetDict

    from clip_emotion.data.label_issues import CheckedRows, LabelIssue, LabelIssueReport
    from clip_emotion.models.base import ImageTextEncoder
    from clip_emotion.retrieval.evaluation.encoding import Encoded
    from clip_emotion.retrieval.evaluation.labelled import ImageRow

ISSUES = "issues.csv"
SHEET = "contact sheet"
"""What the report's folder holds, by its mark."""


class Probabilities(StrEnum):
    """Whose opinion a label is compared with."""

    cross_validated = "cross-validated"
    model = "model"


class CheckCommand(TyperCommand):
    """Reads ``--labels`` that no list of classes follows as ``--label-issues``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of ``data check``."""
        bare = [word == "--labels" and _no_list(args[at + 1 : at + 2]) for at, word in enumerate(args)]
        words = ["--label-issues" if alone else word for word, alone in zip(args, bare, strict=True)]
        return super().parse_args(ctx, words)


def _no_list(following: Sequence[str]) -> bool:
    from clip_emotion.data.cards import list_cards

    if not following or following[0].startswith("-"):
        return True
    word = following[0]
    return "," not in word and (word in list_cards() or Path(word).exists())


@dataclass(frozen=True)
class LabelCheck:
    """How labels are checked: by which model and whose probabilities, and where the findings go."""

    model: str = "mini"
    probabilities: Probabilities = Probabilities.cross_validated
    top: int = 50
    report: Path | None = None
    face: str = "none"
    device: str = "auto"
    seed: int = 0

    def run(self, prepared: DatasetDict, output: TableFormat) -> None:
        """Check the labels of a prepared set and tell which are likely wrong; nothing is dropped."""
        import numpy as np

        from clip_emotion.data.label_issues import require_cleanlab
        from clip_emotion.models import registry

        require_cleanlab()
        rows = _image_rows(prepared)
        encoder = registry.load_encoder(self.model, self.device)
        encoded = self._embed(encoder, [row for _, row in rows])
        if not np.isfinite(encoded.embeddings).all():
            raise ModelError(f"Model {encoder.name} gives no finite embedding for some rows: its weights are damaged.")
        for error in encoded.errors:
            say(error)
        kept = [rows[place] for place in encoded.kept]
        checked = _checked(kept, next(iter(prepared.values())).features["label"].names)
        found = self._issues(checked, encoded, encoder)
        _print(found, self.top, output)
        if self.report is not None:
            self._write_report(self.report, found, [row for _, row in kept])

    def _embed(self, encoder: ImageTextEncoder, rows: list[ImageRow]) -> Encoded:
        from clip_emotion.data.faces.options import FaceOptions
        from clip_emotion.retrieval.evaluation.encoding import encode_image_rows
        from clip_emotion.retrieval.labelling.stream import StreamConfig

        with progress_bar("Embedding", len(rows)) as advance:
            return encode_image_rows(encoder, rows, StreamConfig(FaceOptions(self.face)), advance)

    def _issues(self, rows: CheckedRows, encoded: Encoded, encoder: ImageTextEncoder) -> LabelIssueReport:
        from clip_emotion.data.label_issues import cross_validated_issues, model_issues

        embeddings = encoded.embeddings
        if self.probabilities is Probabilities.cross_validated:
            say("Comparing each label with what the others make of it (cross-validated logistic regression).")
            return cross_validated_issues(rows, embeddings, seed=self.seed)
        return model_issues(rows, _zero_shot(encoder, rows.names, embeddings))

    def _write_report(self, folder: Path, found: LabelIssueReport, rows: Sequence[ImageRow]) -> None:
        from clip_emotion.data.images import ImageSource
        from clip_emotion.data.label_issues import issues_csv
        from clip_emotion.retrieval.labelling.contact_sheet import SheetConfig, write_contact_sheet
        from clip_emotion.types import FaceRegion, Prediction

        shown = found.issues[: self.top]
        predictions = [
            Prediction(f"{issue.split} · {issue.path}", (), self.model, FaceRegion(note=_note(issue)))
            for issue in shown
        ]
        sources = {
            prediction.path: ImageSource(prediction.path, rows[issue.row].read())
            for prediction, issue in zip(predictions, shown, strict=True)
        }
        subtitle = f"{len(found.issues):,} of {found.checked:,} labels are likely wrong; the first {len(shown)}."
        korean = f"라벨 {found.checked:,}개 가운데 {len(found.issues):,}개가 틀린 것 같아요. 처음 {len(shown)}개예요."
        notes = {_note(issue): _korean_note(issue) for issue in shown}
        config = SheetConfig("Labels to look at", subtitle, "살펴볼 라벨", korean, korean_notes=notes)
        sheet = write_contact_sheet(folder, predictions, sources, config)
        write_atomic(folder / ISSUES, issues_csv(found.issues))
        mark_folder(folder, SHEET)
        say(f"Report: {sheet} and {folder / ISSUES}")


def _note(issue: LabelIssue) -> str:
    return f"labelled {issue.given}, looks {issue.suggested} (probability of its label {issue.quality:.1%})"


def _korean_note(issue: LabelIssue) -> str:
    return f"라벨은 {issue.given}, 보이기는 {issue.suggested} (그 라벨일 확률 {issue.quality:.1%})"


def _zero_shot(encoder: ImageTextEncoder, names: Sequence[str], embeddings: Any) -> Any:
    """Return the encoder's calibrated probabilities [N, C] of the labels, in the words of the basic emotions."""
    import numpy as np

    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.vocabulary import Vocabulary

    basic = Vocabulary.load("basic8")
    known = all(name in basic.keys for name in names)
    vocabulary = basic.subset(list(names)) if known else Vocabulary.from_words(names)
    ranked = ZeroShotLabeller(encoder, vocabulary).predict_features(embeddings, len(vocabulary))
    probabilities = np.zeros((len(ranked), len(vocabulary)))
    for row, labels in enumerate(ranked):
        for label in labels:
            probabilities[row, vocabulary.index(label.key)] = label.probability
    return probabilities


def _image_rows(prepared: DatasetDict) -> list[tuple[str, ImageRow]]:
    """Return every picture with its split; raises UsageError for sets of other rows."""
    from datasets import ClassLabel, Image

    from clip_emotion.retrieval.evaluation.labelled import ImageRow

    rows = []
    for split, data in prepared.items():
        label = data.features.get("label")
        if "sha" not in data.features or not isinstance(label, ClassLabel):
            raise UsageError("Only labels of prepared pictures can be checked: this set has other rows.")
        encoded = data.cast_column("image", Image(decode=False))
        columns = zip(data["path"], data["label"], data["sha"], strict=True)
        rows += [
            (str(split), ImageRow(path, label.names[place], partial(_content, encoded, at), sha))
            for at, (path, place, sha) in enumerate(columns)
        ]
    return rows


def _content(encoded: Any, at: int) -> bytes:
    return bytes(encoded[at]["image"]["bytes"])


def _checked(rows: Sequence[tuple[str, ImageRow]], names: Sequence[str]) -> CheckedRows:
    import numpy as np

    from clip_emotion.data.label_issues import CheckedRows

    places = {name: place for place, name in enumerate(names)}
    return CheckedRows(
        splits=[split for split, _ in rows],
        paths=[row.name for _, row in rows],
        labels=np.array([places[row.label] for _, row in rows], dtype=np.int64),
        shas=[row.sha or "" for _, row in rows],
        names=names,
    )


def _print(found: LabelIssueReport, top: int, output: TableFormat) -> None:
    if output is TableFormat.json:
        shown = found.model_copy(update={"issues": found.issues[:top]})
        print(json.dumps({"found": len(found.issues), **shown.model_dump()}, ensure_ascii=False, indent=2))
    else:
        table = Table("split", "path", "given", "suggested", "quality")
        for issue in found.issues[:top]:
            table.add_row(issue.split, issue.path, issue.given, issue.suggested, f"{issue.quality:.3f}")
        stdout().print(uncut(table))
    for name, count in found.unchecked.items():
        say(f"Not checked: {name}, which {count} row(s) carry, too few to learn it without them.")
    say(f"{len(found.issues):,} of {found.checked:,} labels are likely wrong; nothing was dropped.")
