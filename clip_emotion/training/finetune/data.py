"""The images of a fine-tuning run: several labelled sets as one, cleaned, and parted so that nothing leaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset, DatasetDict, Value, concatenate_datasets
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from clip_emotion.data.batches import row_labels
from clip_emotion.data.cleaning import TRAIN, Contents, keep_for_training
from clip_emotion.data.held_out import hash_share
from clip_emotion.data.prepared import load_prepared, load_record
from clip_emotion.data.samplers import BalancedBatchSampler
from clip_emotion.errors import DataError, UsageError
from clip_emotion.training.finetune.config import ImagesConfig
from clip_emotion.training.finetune.group import REST, group_and_rest, marked, places_of_group
from clip_emotion.training.mini.faces import count_votes, mix_votes
from clip_emotion.vocabulary import Vocabulary

VALIDATION = "validation"
COLUMNS = ("image", "label", "path", "source", "sha")


@dataclass(frozen=True)
class ImageSplits:
    """What trains, what fits the temperature, and what validates, by name; the first of these is the main one.

    All have the columns of a prepared set, with classes numbered as in the vocabulary. ``targets`` [N, C] are the
    training rows' distributions. ``held_out`` are images for a last look, of which no choice may be made.
    ``fingerprints`` tell what each source held.
    """

    training: Dataset
    targets: Tensor
    tuning: Dataset
    validation: dict[str, Dataset]
    held_out: dict[str, Dataset]
    fingerprints: dict[str, str]


def load_images(config: ImagesConfig, vocabulary: Vocabulary, seed: int = 0) -> ImageSplits:
    """Read all sources, preparing them the first time, and part them.

    A training image is dropped where its pixels stand in any other split of any source, carry several labels, or
    repeat. With ``data.filter`` only its group trains, and every split that validates is cut into the group, which
    comes first, and the rest. Raises DataError where a source is missing or nothing is left, UsageError for a label
    that the vocabulary does not know or a share of a source that is not there.
    """
    sets = {name: _sources(found, name, config, vocabulary) for name, found in _loaded(config).items()}
    splits = _joined(sets.values())
    if TRAIN not in splits:
        raise DataError(f"The data has no split train: it has {', '.join(splits)}.")
    held_out, validation = _kept_out(splits, config)
    clean, targets = _voted(_cleaned(splits, {**held_out, **validation}), config, vocabulary)
    group = places_of_group(clean)
    clean, targets = clean.select(group), targets[group]
    tunes = hash_share(clean["sha"], config.tuning)
    if not tunes.any() or tunes.all():
        raise DataError(f"{int(tunes.sum())} of {len(tunes)} training images are for tuning: change data.tuning.")
    chosen = np.flatnonzero(~tunes)
    if config.limit is not None:
        labels = row_labels(clean)[chosen]
        chosen = chosen[sorted(BalancedBatchSampler(labels, config.limit, seed=seed).batch(0))]
    if VALIDATION in splits:
        validation = {VALIDATION: splits[VALIDATION], **validation}
    if not validation:
        raise DataError("The data has no split validation: give data.validation a share of a source, as {fer2013: 10}.")
    tuning = clean.select(np.flatnonzero(tunes))
    validation, held_out = _looked_at(group_and_rest(validation), group_and_rest(held_out), config.validate_on)
    if next(iter(validation)).endswith(REST):
        raise DataError(f"No image that validates fits data.filter ({config.filter}): give others to validate on.")
    return ImageSplits(clean.select(chosen), targets[chosen], tuning, validation, held_out, _fingerprints(config))


def _looked_at(
    validation: dict[str, Dataset], held_out: dict[str, Dataset], names: Sequence[str]
) -> tuple[dict[str, Dataset], dict[str, Dataset]]:
    """Leave the named splits, or all where none is named."""
    known = {*validation, *held_out}
    if not names:
        return validation, held_out
    if set(names) - known or not set(names) & set(validation):
        raise UsageError(
            f"data.validate_on is {', '.join(names)}: name some of {', '.join(sorted(known))}, "
            f"{' or '.join(sorted(validation))} among them."
        )
    one, other = ({name: rows for name, rows in splits.items() if name in names} for splits in (validation, held_out))
    return one, other


def _loaded(config: ImagesConfig) -> dict[str, DatasetDict]:
    if config.merged is not None:
        return {"": load_prepared(config.merged)}
    return {card: source.load() for card, source in config.raw().items()}


def _sources(found: DatasetDict, name: str, config: ImagesConfig, vocabulary: Vocabulary) -> dict[str, Dataset]:
    """Number the classes of a prepared set as the vocabulary does, and name the source of each row."""
    return {
        str(split): marked(_renumbered(rows, name, vocabulary), rows, name, config) for split, rows in found.items()
    }


def _renumbered(rows: Dataset, name: str, vocabulary: Vocabulary) -> Dataset:
    missing = [column for column in COLUMNS if column not in rows.column_names]
    if missing:
        raise DataError(f"The data set {name} lacks {', '.join(missing)}: give a prepared set of images.")
    places = class_places(rows.features["label"].names, vocabulary, name)
    labels = [places[label] for label in rows["label"]]
    sources = [name] * len(rows) if name else list(rows["source"])
    # New columns, as a cast would have to decode the images.
    bare = rows.select_columns(["image", "path", "sha"])
    return bare.add_column("label", labels, feature=Value("int64")).add_column(
        "source", sources, feature=Value("string")
    )


def class_places(names: Sequence[str], vocabulary: Vocabulary, source: str) -> list[int]:
    """Return the place of each class name in the vocabulary, matched by alias; raises UsageError for unknown ones."""
    found = [vocabulary.match(name) for name in names]
    unknown = [name for name, label in zip(names, found, strict=True) if label is None]
    if unknown:
        raise UsageError(
            f"The vocabulary {vocabulary.name} does not know {', '.join(unknown)} of {source or 'the merged set'}: "
            "choose a larger vocabulary."
        )
    return [vocabulary.index(label.key) for label in found if label is not None]


def _joined(sets: Iterable[Mapping[str, Dataset]]) -> dict[str, Dataset]:
    by_split: dict[str, list[Dataset]] = {}
    for own in sets:
        for split, rows in own.items():
            by_split.setdefault(split, []).append(rows)
    return {split: concatenate_datasets(parts) for split, parts in by_split.items()}


def _kept_out(splits: Mapping[str, Dataset], config: ImagesConfig) -> tuple[dict[str, Dataset], dict[str, Dataset]]:
    """Return the images of the training split that are held out and those that validate, by the split's new name."""
    rows = splits[TRAIN]
    sources = np.asarray(list(rows["source"]))
    unknown = sorted({*config.held_out, *config.validation} - set(sources.tolist()))
    if unknown:
        raise UsageError(f"No training image comes from {', '.join(unknown)}: sources are {_names(sources)}.")
    held = {name: (sources == name) & hash_share(rows["sha"], share) for name, share in config.held_out.items()}
    free = ~np.logical_or.reduce([np.zeros(len(rows), bool), *held.values()])
    validation = {
        name: (sources == name) & free & hash_share(rows["sha"], share, place=8)
        for name, share in config.validation.items()
    }
    return _parts(rows, held, "heldout"), _parts(rows, validation, VALIDATION)


def _names(sources: NDArray[np.str_]) -> str:
    return ", ".join(sorted(set(sources.tolist())))


def _parts(rows: Dataset, masks: Mapping[str, NDArray[np.bool_]], prefix: str) -> dict[str, Dataset]:
    for name, mask in masks.items():
        if not mask.any():
            raise DataError(f"The share of {name} that is kept out for {prefix} is empty: keep out one in fewer.")
    return {f"{prefix}_{name}": rows.select(np.flatnonzero(mask)) for name, mask in masks.items()}


def _cleaned(splits: Mapping[str, Dataset], kept_out: Mapping[str, Dataset]) -> Dataset:
    """Return the training rows that no other split holds, without conflicts and repeats."""
    others = {name: rows for name, rows in {**splits, **kept_out}.items() if name != TRAIN}
    contents = {name: _contents(rows) for name, rows in {TRAIN: splits[TRAIN], **others}.items()}
    return splits[TRAIN].select(keep_for_training(contents)[0])


def _contents(rows: Dataset) -> Contents:
    return Contents(list(rows["sha"]), [str(label) for label in rows["label"]], [False] * len(rows))


def _voted(rows: Dataset, config: ImagesConfig, vocabulary: Vocabulary) -> tuple[Dataset, Tensor]:
    """Relabel the training rows and soften their targets by votes, where the configuration names some."""
    votes, settings = config.raw_votes(), config.votes
    labels = row_labels(rows)
    if votes is None or settings is None:
        return rows, one_hot(labels, len(vocabulary)).float()
    found = votes.load()
    own = torch.tensor([source == settings.source for source in rows["source"]])
    paths = [path if mine else "" for path, mine in zip(rows["path"], own.tolist(), strict=True)]
    counts = count_votes(paths, found, vocabulary)
    for key, least in settings.relabel.items():
        labels[counts[:, vocabulary.index(key)] >= least] = vocabulary.index(key)
    targets = mix_votes(one_hot(labels, len(vocabulary)).float(), counts, settings.weight, settings.least)
    relabelled = rows.remove_columns("label").add_column("label", labels.tolist(), feature=Value("int64"))
    return relabelled, targets


def _fingerprints(config: ImagesConfig) -> dict[str, str]:
    if config.merged is not None:
        record = load_record(config.merged)
        return {record.name: record.fingerprint} if record else {}
    records = {card: load_record(source.folder) for card, source in config.raw().items()}
    return {card: record.fingerprint for card, record in records.items() if record}
