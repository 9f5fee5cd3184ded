"""What a merge did, as the card and the record beside the merged set tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from clip_emotion.data.cleaning import Contents, Dropped
from clip_emotion.data.merge_card import MergedCard, MergedSource
from clip_emotion.data.merge_rules import SourceSplit
from clip_emotion.data.merge_sources import OpenedSource
from clip_emotion.data.prepared import PreparedRecord, SkippedRow, fingerprint
from clip_emotion.vocabulary import Vocabulary


@dataclass(frozen=True)
class Merge:
    """A merge that was decided: its sources and their splits, each label's place, and the shares held out."""

    sources: Sequence[OpenedSource]
    splits: Sequence[SourceSplit]
    places: Mapping[str, Mapping[str, int | None]]
    vocabulary: Vocabulary
    hold_out: Mapping[str, int]


def merged_card(merge: Merge, contents: Mapping[str, Contents]) -> MergedCard:
    """Return the card of a merged set whose splits hold ``contents``."""
    vocabulary = merge.vocabulary
    names = [source.name for source in merge.sources]
    sources = [
        _merged_source(source, vocabulary, merge.places[source.name], merge.hold_out.get(source.name))
        for source in merge.sources
    ]
    return MergedCard(
        name=f"merged {'+'.join(names)}",
        title=f"{', '.join(names)}, merged",
        kind="image",
        licence="; ".join(dict.fromkeys(f"{source.name}: {source.licence}" for source in sources)),
        vocabulary=vocabulary.name,
        fingerprint=fingerprint(contents),
        rows={split: len(content.keys) for split, content in contents.items()},
        sources=sources,
        counts=_by_source(merge.splits, lambda part: part.label_counts(vocabulary.keys)),
        dropped=_by_source(merge.splits, SourceSplit.drop_counts),
    )


def _merged_source(
    source: OpenedSource, vocabulary: Vocabulary, places: Mapping[str, int | None], one_in: int | None
) -> MergedSource:
    record, card = source.record, source.card
    own = {
        split: Contents(list(data["sha"]), [str(label) for label in data["label"]], [False] * data.num_rows)
        for split, data in source.prepared.items()
    }
    return MergedSource(
        name=source.name,
        title=record.title if record else source.name,
        licence=record.licence if record else "not known",
        citation=card.citation if card else "",
        location=source.location,
        fingerprint=record.fingerprint if record else fingerprint(own),
        rows={split: data.num_rows for split, data in source.prepared.items()},
        skipped=record.skipped if record else [],
        dropped_before=record.dropped if record else None,
        held_out_one_in=one_in,
        labels={name: "" if place is None else vocabulary.keys[place] for name, place in places.items()},
    )


def _by_source(
    splits: Iterable[SourceSplit], count: Callable[[SourceSplit], Counter[str]]
) -> dict[str, dict[str, dict[str, int]]]:
    found: dict[str, dict[str, Counter[str]]] = {}
    for part in splits:
        found.setdefault(part.source, {}).setdefault(part.split, Counter()).update(count(part))
    return {source: {split: dict(counts) for split, counts in splits.items()} for source, splits in found.items()}


def merged_record(card: MergedCard, sources: Sequence[OpenedSource], splits: Sequence[SourceSplit]) -> PreparedRecord:
    """Return the record that every prepared set has: what the card tells of each source, summed up."""
    dropped = sum((part.drop_counts() for part in splits), Counter[str]())
    skipped = [
        SkippedRow(split=row.split, path=f"{source.name}: {row.path}", reason=row.reason)
        for source in sources
        for row in (source.record.skipped if source.record else ())
    ]
    return PreparedRecord(
        name=card.name,
        title=card.title,
        kind=card.kind,
        licence=card.licence,
        source=" ".join(source.location for source in sources),
        layout="merged",
        vocabulary=card.vocabulary,
        rows=card.rows,
        dropped=Dropped(**dropped),
        skipped=skipped,
        fingerprint=card.fingerprint,
    )
