"""``clip-emotion cluster``: the faces of a store in groups, each named by the words that set it apart."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion import outputs
from clip_emotion.cli import options
from clip_emotion.cli.common import check_lines_file, chosen_words, printable, say, stdout
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.retrieval.store.clustering import Clustering, Member
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.group_sheet import Group

SHEET = "group sheet"
MODEL = typer.Option(None, "--model", help="[default: the one that filled the store]")
IN_TABLE = 2
IN_SHEET = 12


class GroupsFormat(StrEnum):
    """What is printed: a line a group, or a line a face."""

    table = "table"
    jsonl = "jsonl"


def cluster(
    store: Path = typer.Option(..., "--store", help="The store that embed filled."),
    groups: str = typer.Option("auto", "--groups", metavar="N|auto", help="How many; auto: by silhouette, 2 to 12."),
    labels: str = options.LABELS,
    vocab: str = options.vocab("the model's own, else kote44"),
    top: int = typer.Option(3, "--top", min=1, help="How many words name a group."),
    model: str | None = MODEL,
    lang: options.Language = options.LANG,
    seed: int = options.seed("samples and starting points"),
    output_format: GroupsFormat | None = typer.Option(None, "--format", help="[default: jsonl with --out, else table]"),
    out: Path | None = options.out_file("a row a face as JSON lines"),
    overwrite: bool = options.OVERWRITE,
    report: Path | None = options.report("an HTML sheet of the groups"),
    workers: int = options.WORKERS,
    device: options.Device = options.DEVICE,
    max_pixels: int = options.MAX_PIXELS,
) -> None:
    """Group the faces of a store that look alike, and name each group by the words that set it apart.

    Exit code: 0 grouped, 1 the store cannot be used, 2 misuse.
    """
    from clip_emotion.data.image_limits import allow_pixels
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore

    out = None if out == Path("-") else out
    check_lines_file(out, output_format)
    wanted = _number(groups)
    words = chosen_words(labels, vocab)
    inputs = [store, *([Path(vocab)] if vocab else [])]
    if out is not None:
        outputs.claim_file(out, outputs.WriteOptions(overwrite), inputs=inputs)
    if report is not None:
        outputs.claim_folder(report, SHEET, outputs.WriteOptions(overwrite), inputs=inputs)
    allow_pixels(max_pixels)
    rows = _Rows(out, lines=out is not None or output_format is GroupsFormat.jsonl)
    with EmbeddingStore.open(store) as opened, outputs.held(out) if out is not None else nullcontext():
        labeller = _labeller(opened, words, model, lang, device)
        found = _grouped(opened, labeller, _Settings(wanted, seed, top), rows)
    if report is not None:
        _write_report(report, found, labeller, store, (workers, max_pixels))


def _number(text: str) -> int | None:
    """Return the number of groups that was asked for, or None for auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 2:
        raise UsageError(f"--groups takes auto or a number from 2 on, not '{text}'.")
    return int(text)


@dataclass(frozen=True)
class _Settings:
    groups: int | None
    seed: int
    top: int


@dataclass(frozen=True)
class _Rows:
    """Where a line a face goes: into a file, to standard output, or nowhere but the table."""

    path: Path | None
    lines: bool

    @contextmanager
    def writing(self) -> Iterator[Callable[[str], object]]:
        """Hand out what takes lines; a file is whole when the block ends, or not there."""
        if self.path is None:
            yield lambda line: print(line, end="")
            return
        from clip_emotion.files import open_up

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name[:40]}.")
        except OSError as error:
            raise UsageError(f"Cannot write {self.path}: {error.strerror or error}.") from error
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                yield file.write
            open_up(Path(draft))
            Path(draft).replace(self.path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


def _labeller(store: EmbeddingStore, words: object, model: str | None, lang: str, device: str) -> ZeroShotLabeller:
    from clip_emotion.models import registry
    from clip_emotion.resources import cache_dir
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.vocabulary import Vocabulary

    encoder = registry.load_encoder(model or store.card.model, device)
    chosen = words if isinstance(words, Vocabulary) else registry.own_vocabulary(encoder) or Vocabulary.load("kote44")
    labeller = ZeroShotLabeller(encoder, chosen, lang, cache=cache_dir() / "vocabularies")
    for notice in labeller.notices:
        say(f"Note: {notice}")
    store.check_words(encoder, labeller.index.embeddings.shape[1])
    return labeller


def _grouped(store: EmbeddingStore, labeller: ZeroShotLabeller, settings: _Settings, rows: _Rows) -> list[Group]:
    """Group a store's faces, write its rows or print its table, and return the groups with their examples."""
    from clip_emotion.retrieval.store.clustering import cluster_store, members, name_groups
    from clip_emotion.retrieval.store.group_sheet import Group

    started = time.perf_counter()
    with store.reading():
        clustering = cluster_store(store, settings.groups, settings.seed)
        names = name_groups(clustering, labeller, settings.top)
        examples: list[list[Member]] = [[] for _ in names]
        about = {"vocabulary": labeller.vocabulary.name, "model": labeller.encoder.fingerprint}
        with rows.writing() if rows.lines else nullcontext(None) as write:
            for member in members(store, clustering):
                _keep(examples[member.group - 1], member)
                if write is not None:
                    row = {**member.to_dict(names[member.group - 1]), **about}
                    write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    faces = len(clustering.assigned)
    found = [
        Group(words, size, size / faces, some)
        for words, size, some in zip(names, clustering.sizes.tolist(), examples, strict=True)
    ]
    if not rows.lines:
        _show(found)
    say(_summary(clustering, faces, time.perf_counter() - started))
    return found


def _keep(examples: list[Member], member: Member) -> None:
    """Keep the faces nearest to the middle of their group, best first; of copies the first."""
    if len(examples) == IN_SHEET and member.similarity <= examples[-1].similarity:
        return
    if all(member.similarity != one.similarity for one in examples):
        examples.append(member)
        examples.sort(key=lambda one: -one.similarity)
        del examples[IN_SHEET:]


def _show(groups: Sequence[Group]) -> None:
    from rich.table import Table

    from clip_emotion.cli.tables import uncut

    table = Table()
    for column in ("group", "faces", "share"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("words", "most typical faces"):
        table.add_column(column)
    for number, group in enumerate(groups, start=1):
        typical = "\n".join(printable(member.path) for member in group.examples[:IN_TABLE])
        table.add_row(str(number), f"{group.size:,}", f"{group.share:.0%}", ", ".join(group.names), typical)
    stdout().print(uncut(table))


def _summary(clustering: Clustering, faces: int, seconds: float) -> str:
    tried = clustering.count.silhouettes
    by = ""
    if tried:
        listed = ", ".join(f"{number}: {value:.3f}" for number, value in tried.items())
        by = f" The number has the highest mean silhouette ({listed})."
    return f"{faces:,} faces in {len(clustering.sizes)} groups in {seconds:.1f} s.{by}"


def _write_report(
    folder: Path, groups: Sequence[Group], labeller: ZeroShotLabeller, store: Path, reading: tuple[int, int]
) -> None:
    from clip_emotion.retrieval.store.group_sheet import GroupSheet, write_group_sheet

    faces, about = sum(group.size for group in groups), f"{labeller.vocabulary.name}, {labeller.encoder.name}"
    english, korean = f"{faces:,} faces in {len(groups)} groups", f"얼굴 {faces:,}개, 그룹 {len(groups)}개"
    titles = (f"{store.name} · {english}", f"{store.name} · {korean}")
    page = write_group_sheet(folder, groups, GroupSheet(titles, (about, about), labeller.language, *reading))
    outputs.mark_folder(folder, SHEET)
    say(f"Group sheet: {page}")
