"""Several picture sets become one: labels in one vocabulary, each picture once, and the source of every row kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from datasets import ClassLabel, Dataset, DatasetDict
from datasets import Image as ImageFeature
from pydantic import Field, field_validator

from clip_emotion.config import Config
from clip_emotion.data.cards import Card, list_cards, load_card
from clip_emotion.data.cleaning import TRAIN, Contents, Dropped
from clip_emotion.data.held_out import image_held_out
from clip_emotion.data.merge_card import CARD, MergedCard, MergedSource
from clip_emotion.data.merge_rules import TEST, Shelf, decide
from clip_emotion.data.prepare import (
    MARK,
    OUT,
    Record,
    SkippedRow,
    find_prepared,
    fingerprint,
    load_prepared,
    load_record,
    prepare,
    replacing,
    write_record,
    write_rows,
)
from clip_emotion.data.recipes.base import Reading, Row, place_of, unknown_labels
from clip_emotion.data.recipes.images import image_features, is_blank
from clip_emotion.errors import DataError, ImageError, UsageError
from clip_emotion.text import nfc
from clip_emotion.vocabulary import Vocabulary

NEEDED = ("image", "label", "path", "sha")
BATCH = 256
Progress = Callable[[int], None]


class MergeOptions(Config):
    """How sets are merged: the vocabulary of the result, shares held out for testing, and labels to leave out.

    ``hold_out`` gives, for a source, the N of "one training picture in N goes to the test split", decided by content
    alone. ``leave_out`` names labels of the sources whose rows are dropped, such as one that the vocabulary lacks.
    """

    vocabulary: str = "basic8"
    hold_out: dict[str, int] = Field(default_factory=dict)
    leave_out: list[str] = Field(default_factory=list)

    @field_validator("hold_out")
    @classmethod
    def _whole_shares(cls, shares: dict[str, int]) -> dict[str, int]:
        for name, one_in in shares.items():
            if one_in < 2:
                raise ValueError(f"one in {one_in} of '{name}' cannot be held out, give 2 or more")
        return shares


@dataclass(frozen=True)
class Wanted:
    """A source as it was named: what to call it, where it is, and the card that reads it where it is raw."""

    name: str
    location: str
    card: str | None = None


@dataclass(frozen=True)
class Part:
    """One source on its way into the merge: the name that its rows will carry, and its prepared pictures."""

    name: str
    location: str
    prepared: DatasetDict
    record: Record | None
    card: Card | None


def merge(
    sources: Sequence[str], to: Path, options: MergeOptions | None = None, progress: Progress | None = None
) -> MergedCard:
    """Merge picture sets into one prepared set with a ``source`` column, whole or not at all, and return its card.

    A source is ``NAME=PATH`` (raw files, read by the card NAME, or a prepared folder) or the name or folder of a
    prepared set. A picture, told by its pixels, stands in one split only: a published test split wins over validation,
    and both win over what is held out, which wins over training. Training and held-out rows are cleaned as ``prepare``
    does; published evaluation rows stay, unless a source named earlier has the picture in the same split.
    Raises UsageError for unknown names and for labels outside the vocabulary, DataError for unusable sources.
    """
    options = options or MergeOptions()
    vocabulary = Vocabulary.load(options.vocabulary)
    wanted = [_named(text) for text in sources]
    _check_names([one.name for one in wanted], options)
    with replacing(to) as work:
        parts = [_open(one, work / f"source{number}", progress) for number, one in enumerate(wanted)]
        _check_left_out(options.leave_out, parts)
        places = {part.name: label_places(part, vocabulary, options.leave_out) for part in parts}
        shelves = [shelf for part in parts for shelf in _shelves(part, places[part.name], options, progress)]
        decide(shelves)
        features = image_features(vocabulary)
        writer = write_rows(Reading("merged", features, _rows(shelves), vocabulary), work / "rows", progress)
        writer.load().save_to_disk(str(work / OUT))
        card = _card(parts, shelves, places, vocabulary, options, writer.contents)
        write_record(work / OUT, _record(card, parts, shelves))
        text = yaml.safe_dump(card.model_dump(), allow_unicode=True, sort_keys=False, width=120)
        (work / OUT / CARD).write_text(text, encoding="utf-8")
    return card


def _named(text: str) -> Wanted:
    """Read ``NAME=PATH``, a prepared folder or a prepared set's name; raises UsageError for a half of a pair."""
    card, equals, location = text.partition("=")
    if not equals or Path(text).exists():
        return Wanted(nfc(Path(text).name), text)
    if not card or not location:
        raise UsageError(f"Source '{text}' is not of the form NAME=PATH.")
    own_card = Path(card).suffix.lower() in (".yaml", ".yml")
    place = location if location.startswith("hub:") else str(Path(location).expanduser())
    return Wanted(load_card(card).name if own_card else nfc(card), place, card)


def _check_names(names: Sequence[str], options: MergeOptions) -> None:
    if not names:
        raise UsageError("Name the sources: NAME=PATH for raw files, or the names of prepared sets.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"Two sources are called '{twice[0]}': give one of them another name with NAME=FOLDER.")
    for name in options.hold_out:
        if name not in names:
            raise UsageError(f"'{name}' is to be held out but is no source: the sources are {', '.join(names)}.")


def _open(wanted: Wanted, scratch: Path, progress: Progress | None) -> Part:
    """Load a prepared source, or prepare raw files by their card into the scratch folder."""
    folder = scratch
    if wanted.card is None:
        folder = find_prepared(wanted.location)
    elif (Path(wanted.location) / MARK).is_file():
        folder = Path(wanted.location)
    else:
        _prepare(wanted.card, wanted.location, scratch, progress)
    prepared, record = load_prepared(folder), load_record(folder)
    for split, data in prepared.items():
        missing = [column for column in NEEDED if column not in data.features]
        if missing or not isinstance(data.features["label"], ClassLabel):
            lacks = " and ".join(missing) or "class labels"
            raise DataError(f"'{wanted.name}' ({split}) lacks {lacks}: only picture sets that data prepare made merge.")
    name = record.name if record else wanted.name
    card = load_card(name) if name in list_cards() else None
    return Part(wanted.name, nfc(wanted.location), prepared, record, card)


def _prepare(name: str, location: str, to: Path, progress: Progress | None) -> None:
    if name not in list_cards() and Path(name).suffix.lower() not in (".yaml", ".yml"):
        raise UsageError(
            f"Unknown data set '{name}': write image_folder={location} for your own pictures in class folders, "
            f"image_csv={location} for a table of them, or the card that reads them ({', '.join(list_cards())}); "
            f"once prepared, they can be called '{name}'."
        )
    kind = load_card(name).kind
    if kind != "image":
        raise UsageError(f"'{name}' holds {kind}s: only picture sets can be merged.")
    prepare(name, location, to, progress=progress)


def _check_left_out(leave_out: Sequence[str], parts: Sequence[Part]) -> None:
    known = dict.fromkeys(
        name for part in parts for data in part.prepared.values() for name in data.features["label"].names
    )
    unknown = [f"'{name}'" for name in leave_out if name not in known]
    if unknown:
        raise UsageError(f"No source has the label {', '.join(unknown)} to leave out: there are {', '.join(known)}.")


def label_places(part: Part, vocabulary: Vocabulary, leave_out: Sequence[str] = ()) -> dict[str, int | None]:
    """Return, for each label that a source uses, its position in the vocabulary, or None where it is left out.

    Raises UsageError that names the source and the labels which the vocabulary does not have.
    """
    used: dict[str, None] = {}
    for data in part.prepared.values():
        names = data.features["label"].names
        used |= dict.fromkeys(names[place] for place in sorted(set(data["label"])))
    label_map = part.card.label_map if part.card else {}
    places = {name: None if name in leave_out else place_of(name, vocabulary, label_map) for name in used}
    unknown = [name for name, place in places.items() if place is None and name not in leave_out]
    if unknown:
        raise UsageError(
            f"{part.name}: {unknown_labels(unknown, vocabulary)[:-1]}; or leave their rows out with --leave-out."
        )
    return places


def _shelves(
    part: Part, places: Mapping[str, int | None], options: MergeOptions, progress: Progress | None
) -> list[Shelf]:
    one_in = options.hold_out.get(part.name)
    if one_in and TRAIN not in part.prepared:
        raise UsageError(
            f"'{part.name}' has no training split to hold a share out of: it has {', '.join(part.prepared)}."
        )
    shelves = []
    for split, data in part.prepared.items():
        raw = data.cast_column("image", ImageFeature(decode=False))
        own = Shelf(part.name, split, raw, published=split != TRAIN)
        held = Shelf(part.name, TEST, raw, published=False)
        names = data.features["label"].names
        columns = zip(
            data["sha"], data["label"], _blanks(raw, progress) if split == TRAIN else _no_blanks(raw), strict=True
        )
        for row, (sha, label, blank) in enumerate(columns):
            shelf = held if split == TRAIN and one_in and image_held_out(sha, one_in) else own
            place = places[names[label]]
            if place is None:
                shelf.left_out += 1
                continue
            shelf.rows.append(row)
            shelf.contents.add(sha, str(place), blank)
        shelves += [own, held] if split == TRAIN and one_in else [own]
    return shelves


def _blanks(data: Dataset, progress: Progress | None) -> Iterator[bool]:
    for batch in data.select_columns(["image"]).iter(BATCH):
        for image in batch["image"]:
            yield _blank(image["bytes"])
        if progress:
            progress(len(batch["image"]))


def _no_blanks(data: Dataset) -> Iterator[bool]:
    return (False for _ in range(data.num_rows))


def _blank(content: bytes | None) -> bool:
    try:
        return is_blank(content or b"")
    except ImageError as error:
        raise DataError(f"A prepared picture cannot be read ({error}): prepare its set again.") from error


def _rows(shelves: Iterable[Shelf]) -> Iterator[Row]:
    for shelf in shelves:
        kept = list(shelf.kept())
        columns = shelf.data.select_columns(list(NEEDED)).select([row for row, _ in kept])
        labels = iter(label for _, label in kept)
        for batch in columns.iter(BATCH):
            images = zip(batch["image"], batch["path"], batch["sha"], strict=True)
            for (image, path, sha), label in zip(images, labels):  # noqa: B905 - the labels go on in the next batch
                cells: dict[str, Any] = {"image": image, "label": int(label), "path": path, "source": shelf.source}
                yield Row(shelf.split, {**cells, "sha": sha}, sha, label)


def _card(
    parts: Sequence[Part],
    shelves: Sequence[Shelf],
    places: Mapping[str, Mapping[str, int | None]],
    vocabulary: Vocabulary,
    options: MergeOptions,
    contents: Mapping[str, Contents],
) -> MergedCard:
    names = [part.name for part in parts]
    sources = [_source(part, vocabulary, places[part.name], options.hold_out.get(part.name)) for part in parts]
    return MergedCard(
        name=f"merged {'+'.join(names)}",
        title=f"{', '.join(names)}, merged",
        kind="image",
        licence="; ".join(dict.fromkeys(f"{source.name}: {source.licence}" for source in sources)),
        vocabulary=vocabulary.name,
        fingerprint=fingerprint(contents),
        rows={split: len(content.keys) for split, content in contents.items()},
        sources=sources,
        counts=_by_source(shelves, lambda shelf: shelf.label_counts(vocabulary.keys)),
        dropped=_by_source(shelves, Shelf.drop_counts),
    )


def _source(part: Part, vocabulary: Vocabulary, places: Mapping[str, int | None], one_in: int | None) -> MergedSource:
    record, card = part.record, part.card
    own = {
        split: Contents(list(data["sha"]), [str(label) for label in data["label"]], [False] * data.num_rows)
        for split, data in part.prepared.items()
    }
    return MergedSource(
        name=part.name,
        title=record.title if record else part.name,
        licence=record.licence if record else "not known",
        citation=card.citation if card else "",
        location=part.location,
        fingerprint=record.fingerprint if record else fingerprint(own),
        rows={split: data.num_rows for split, data in part.prepared.items()},
        skipped=record.skipped if record else [],
        dropped_before=record.dropped if record else None,
        held_out_one_in=one_in,
        labels={name: "" if place is None else vocabulary.keys[place] for name, place in places.items()},
    )


def _by_source(
    shelves: Iterable[Shelf], count: Callable[[Shelf], Counter[str]]
) -> dict[str, dict[str, dict[str, int]]]:
    found: dict[str, dict[str, Counter[str]]] = {}
    for shelf in shelves:
        found.setdefault(shelf.source, {}).setdefault(shelf.split, Counter()).update(count(shelf))
    return {source: {split: dict(counts) for split, counts in splits.items()} for source, splits in found.items()}


def _record(card: MergedCard, parts: Sequence[Part], shelves: Sequence[Shelf]) -> Record:
    """Return the record that every prepared set has: what the card tells of each source, summed up."""
    dropped = sum((shelf.drop_counts() for shelf in shelves), Counter[str]())
    skipped = [
        SkippedRow(split=row.split, path=f"{part.name}: {row.path}", reason=row.reason)
        for part in parts
        for row in (part.record.skipped if part.record else ())
    ]
    return Record(
        name=card.name,
        title=card.title,
        kind=card.kind,
        licence=card.licence,
        source=" ".join(part.location for part in parts),
        layout="merged",
        vocabulary=card.vocabulary,
        rows=card.rows,
        dropped=Dropped(**dropped),
        skipped=skipped,
        fingerprint=card.fingerprint,
    )
