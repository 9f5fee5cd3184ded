"""What is wrong with a prepared data set: unreadable, blank, repeated and contradictory rows, and missing counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from itertools import combinations

from datasets import Dataset, DatasetDict
from datasets import Image as ImageFeature

from clip_emotion.config import Config
from clip_emotion.data.cards import Card
from clip_emotion.data.cleaning import Contents
from clip_emotion.data.content_keys import content_key, pixel_key
from clip_emotion.data.prepared import PreparedRecord, SkippedRow
from clip_emotion.errors import ImageError


class Located(Config):
    """One row: its split and its path (for texts, the text's beginning)."""

    split: str
    path: str


class Overlap(Config):
    """Rows of the ``second`` split that also stand in the ``first``.

    ``other_label`` counts those whose first copy there carries another label.
    """

    first: str
    second: str
    rows: int
    other_label: int


class QualityReport(Config):
    """Everything that a check found; ``conflicts`` are groups of equal content under several labels."""

    rows: dict[str, int]
    unreadable: list[SkippedRow]
    blank: list[Located]
    repeated: dict[str, int]
    overlaps: list[Overlap]
    conflicts: list[list[Located]]
    counts: list[str]

    @property
    def clean(self) -> bool:
        """Tell whether nothing was found."""
        found = (self.unreadable, self.blank, any(self.repeated.values()), self.overlaps, self.conflicts, self.counts)
        return not any(found)


def check(
    prepared: DatasetDict,
    card: Card | None = None,
    record: PreparedRecord | None = None,
    progress: Callable[[int], None] | None = None,
) -> QualityReport:
    """Check every row of a prepared data set.

    ``record`` adds the rows that could not be prepared; ``card`` compares with the published counts, for splits that
    are there and were not cleaned. For texts, conflicts are not looked for: people may differ about a text.
    """
    unreadable = list(record.skipped) if record else []
    contents = {split: _contents(split, data, unreadable, progress) for split, data in prepared.items()}
    names = {split: _names(data) for split, data in prepared.items()}
    labelled_once = all("label" in data.features for data in prepared.values())
    return QualityReport(
        rows={split: data.num_rows for split, data in prepared.items()},
        unreadable=unreadable,
        blank=[
            Located(split=split, path=names[split][row])
            for split, content in contents.items()
            for row, blank in enumerate(content.blank)
            if blank
        ],
        repeated={split: len(content.keys) - len(set(content.keys)) for split, content in contents.items()},
        overlaps=_overlaps(contents),
        conflicts=_conflicts(contents, names) if labelled_once else [],
        counts=_count_faults(prepared, card, record) if card else [],
    )


def _contents(
    split: str, data: Dataset, unreadable: list[SkippedRow], progress: Callable[[int], None] | None
) -> Contents:
    contents = Contents()
    if "image" in data.features:
        data = data.cast_column("image", ImageFeature(decode=False))
    for number, row in enumerate(data):
        label = str(row.get("label", row.get("labels", row.get("rating"))))
        key, blank = "", False
        if "image" in row:
            try:
                key, blank = pixel_key(row["image"]["bytes"] or b"")
            except ImageError as error:
                unreadable.append(SkippedRow(split=split, path=row.get("path") or str(number), reason=str(error)))
                # An unreadable picture equals no other one.
                key = f"unreadable {split} {number}"
        else:
            text = row.get("text", row.get("path", ""))
            key, blank = content_key(text.encode()), not text.strip()
        contents.add(key, label, blank)
        if progress:
            progress(1)
    return contents


def _names(data: Dataset) -> list[str]:
    if "path" in data.features:
        return list(data["path"])
    return [text[:60] for text in data["text"]] if "text" in data.features else [str(n) for n in range(data.num_rows)]


def _overlaps(contents: Mapping[str, Contents]) -> list[Overlap]:
    found = []
    for first, second in combinations(contents, 2):
        labels: dict[str, str] = {}
        for key, label in zip(contents[first].keys, contents[first].labels, strict=True):
            labels.setdefault(key, label)
        pairs = zip(contents[second].keys, contents[second].labels, strict=True)
        shared = [(label, labels[key]) for key, label in pairs if key in labels]
        if shared:
            other = sum(label != theirs for label, theirs in shared)
            found.append(Overlap(first=first, second=second, rows=len(shared), other_label=other))
    return found


def _conflicts(contents: Mapping[str, Contents], names: Mapping[str, list[str]]) -> list[list[Located]]:
    groups: defaultdict[str, list[tuple[str, Located]]] = defaultdict(list)
    for split, content in contents.items():
        for row, (key, label) in enumerate(zip(content.keys, content.labels, strict=True)):
            groups[key].append((label, Located(split=split, path=names[split][row])))
    return [[located for _, located in group] for group in groups.values() if len({label for label, _ in group}) > 1]


def _count_faults(prepared: DatasetDict, card: Card, record: PreparedRecord | None) -> list[str]:
    cleaned = record is not None and record.dropped is not None
    faults = []
    for split, data in prepared.items():
        published = card.expected(split)
        if published is None or (cleaned and split == "train"):
            continue
        if published != data.num_rows:
            faults.append(f"{split}: {data.num_rows} rows, {published} published")
            continue
        per_label = card.counts[split]
        if isinstance(per_label, dict):
            names = data.features["label"].names
            found = Counter(names[place] for place in data["label"])
            faults += [
                f"{split}/{label}: {found[label]} rows, {count} published"
                for label, count in per_label.items()
                if found[label] != count
            ]
    return faults
