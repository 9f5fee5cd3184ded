"""The sources of a merge: named on the command line, opened, and their labels found in the common vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import ClassLabel, DatasetDict

from clip_emotion.data.cards import Card, list_cards, load_card
from clip_emotion.data.prepare import prepare
from clip_emotion.data.prepared import PreparedRecord, find_prepared, load_prepared, load_record, prepared_dir
from clip_emotion.data.recipes.base import place_of, unknown_labels
from clip_emotion.data.saved import MARK
from clip_emotion.errors import DataError, UsageError
from clip_emotion.files import expanded
from clip_emotion.text import nfc
from clip_emotion.vocabulary import Vocabulary

NEEDED = ("image", "label", "path", "sha")
Progress = Callable[[int], None]


@dataclass(frozen=True)
class NamedSource:
    """A source as it was named: what to call it, where it is, and the card that reads it where it is raw."""

    name: str
    location: str
    card: str | None = None


@dataclass(frozen=True)
class OpenedSource:
    """One source on its way into the merge: the name that its rows will carry, and its prepared pictures."""

    name: str
    location: str
    prepared: DatasetDict
    record: PreparedRecord | None
    card: Card | None


def name_source(text: str) -> NamedSource:
    """Read ``NAME=PATH``, a prepared folder or a prepared set's name; raises UsageError for a half of a pair."""
    card, equals, location = text.partition("=")
    if not equals or Path(text).exists():
        return NamedSource(nfc(Path(text).name), text)
    if not card or not location:
        raise UsageError(f"Source '{text}' is not of the form NAME=PATH.")
    own_card = Path(card).suffix.lower() in (".yaml", ".yml")
    place = location if location.startswith("hub:") else str(expanded(location))
    return NamedSource(load_card(card).name if own_card else nfc(card), place, card)


def check_names(names: Sequence[str], held_out: Iterable[str]) -> None:
    """Raise UsageError for no source at all, for two of one name, and for a held-out one that is not there."""
    if not names:
        raise UsageError("Name the sources: NAME=PATH for raw files, or the names of prepared sets.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"Two sources are called '{twice[0]}': give one of them another name with NAME=FOLDER.")
    for name in held_out:
        if name not in names:
            raise UsageError(f"'{name}' is to be held out but is no source: the sources are {', '.join(names)}.")


def source_place(named: NamedSource) -> Path:
    """Return where a source lies on disk; for a Hub data set, a place that is not there."""
    if named.card is None and not Path(named.location).exists():
        return prepared_dir(named.location)
    return Path(named.location)


def open_named(named: NamedSource, scratch: Path, progress: Progress | None) -> OpenedSource:
    """Load a prepared source, or prepare raw files by their card into the scratch folder."""
    folder = scratch
    if named.card is None:
        folder = find_prepared(named.location)
    elif (Path(named.location) / MARK).is_file():
        folder = Path(named.location)
    else:
        _prepare(named.card, named.location, scratch, progress)
    prepared, record = load_prepared(folder), load_record(folder)
    for split, data in prepared.items():
        missing = [column for column in NEEDED if column not in data.features]
        if missing or not isinstance(data.features["label"], ClassLabel):
            lacks = " and ".join(missing) or "class labels"
            raise DataError(f"'{named.name}' ({split}) lacks {lacks}: only picture sets that data prepare made merge.")
    name = record.name if record else named.name
    card = load_card(name) if name in list_cards() else None
    return OpenedSource(named.name, nfc(named.location), prepared, record, card)


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


def check_left_out(leave_out: Sequence[str], sources: Sequence[OpenedSource]) -> None:
    """Raise UsageError for a label to leave out that no source has."""
    known = dict.fromkeys(
        name for source in sources for data in source.prepared.values() for name in data.features["label"].names
    )
    unknown = [f"'{name}'" for name in leave_out if name not in known]
    if unknown:
        raise UsageError(f"No source has the label {', '.join(unknown)} to leave out: there are {', '.join(known)}.")


def label_places(source: OpenedSource, vocabulary: Vocabulary, leave_out: Sequence[str] = ()) -> dict[str, int | None]:
    """Return, for each label that a source uses, its position in the vocabulary, or None where it is left out.

    Raises UsageError that names the source and the labels which the vocabulary does not have.
    """
    used: dict[str, None] = {}
    for data in source.prepared.values():
        names = data.features["label"].names
        used |= dict.fromkeys(names[place] for place in sorted(set(data["label"])))
    label_map = source.card.label_map if source.card else {}
    places = {name: None if name in leave_out else place_of(name, vocabulary, label_map) for name in used}
    unknown = [name for name, place in places.items() if place is None and name not in leave_out]
    if unknown:
        raise UsageError(
            f"{source.name}: {unknown_labels(unknown, vocabulary)[:-1]}; or leave their rows out with --leave-out."
        )
    return places
