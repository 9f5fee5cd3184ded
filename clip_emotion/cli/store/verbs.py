"""``clip-emotion store``: what a store holds, whether it is sound, and what may go."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

import typer
from rich.table import Table

from clip_emotion import outputs
from clip_emotion.cli import options
from clip_emotion.cli.common import say, stdout
from clip_emotion.errors import UsageError

app = typer.Typer(help="Count, verify, prune and export a store of embeddings.", no_args_is_help=True)
STORE = typer.Argument(..., help="The store's file.")
SHOWN = 10


class InfoFormat(StrEnum):
    """How counts are printed."""

    table = "table"
    json = "json"


@app.command()
def info(
    store: Path = STORE,
    output: InfoFormat = typer.Option(InfoFormat.table, "--format", help="How to print the counts."),
    recall: bool = typer.Option(False, "--recall", help="Measure how many of the 10 nearest faces a search finds."),
) -> None:
    """Say what a store holds: encoder, face settings, files and embeddings; and which index searches it."""
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.index_choice import STREAMED, choose_index
    from clip_emotion.retrieval.store.upkeep import recall_of, store_info

    with EmbeddingStore.open(store) as opened:
        choice = choose_index(opened.count_files())
        values = {**store_info(opened).to_dict(), "index": choice.kind}
        if recall and choice.kind == STREAMED:
            say("There is no index to measure: a search reads the store itself, and is exact.")
        elif recall:
            measured = recall_of(opened, choice.kind)
            values[f"recall_at_{measured.k}"] = measured.share
            say(f"Recall of the index over {measured.queries} faces, against exact search: {measured.share:.3f}.")
    if output is InfoFormat.json:
        print(json.dumps(values, ensure_ascii=False, indent=2))
        return
    table = Table("what", "value")
    for what, value in values.items():
        table.add_row(what, f"{value:,}" if isinstance(value, int) else str(value))
    stdout().print(table)


@app.command()
def verify(store: Path = STORE) -> None:
    """See that a store is sound: its pages, its references, and every vector's size and length.

    Exit code: 0 sound, 1 not.
    """
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.upkeep import store_info
    from clip_emotion.retrieval.store.upkeep import verify as faults_of

    with EmbeddingStore.open(store) as opened:
        faults = faults_of(opened)
        for fault in faults:
            say(fault)
        if faults:
            raise typer.Exit(1)
        held = store_info(opened)
    say(f"{store} is sound: {held.embeddings:,} embeddings of {held.files:,} files.")


@app.command()
def prune(
    store: Path = STORE,
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would go, and change nothing."),
    everything: bool = typer.Option(False, "--all", help="Also where not one file is there."),
) -> None:
    """Take files out of a store that are no longer there, and embeddings that no file has any more."""
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.upkeep import prune as prune_store

    with EmbeddingStore.open(store) as opened:
        gone = prune_store(opened, everything=everything, dry=dry_run)
    for place in gone.files[:SHOWN]:
        say(place)
    if len(gone.files) > SHOWN:
        say(f"… and {len(gone.files) - SHOWN:,} more.")
    say(_pruned(len(gone.files), gone.contents, dry_run))


def _pruned(files: int, contents: int, dry: bool) -> str:
    what = []
    if files:
        what.append("1 file that is gone" if files == 1 else f"{files:,} files that are gone")
    if contents:
        pictures = "1 picture" if contents == 1 else f"{contents:,} pictures"
        what.append(f"what was kept of {pictures} that no file holds any more")
    if not what:
        return f"Nothing {'would be' if dry else 'was'} taken out: every file is still there."
    return f"{'Would take' if dry else 'Took'} out {' and '.join(what)}."


@app.command()
def export(
    store: Path = STORE,
    out: Path = typer.Option(..., "--out", "--to", help="Write the rows to this .parquet file."),
    overwrite: bool = options.OVERWRITE,
) -> None:
    """Write a store's rows as Parquet: files, faces, landmarks and vectors."""
    if out.suffix.lower() != ".parquet":
        raise UsageError(f"Rows are exported as Parquet: name a file that ends with .parquet, not {out}.")
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.export import export_parquet

    outputs.claim_file(out, outputs.WriteOptions(overwrite), inputs=[store])
    with EmbeddingStore.open(store) as opened, outputs.held(out):
        written = export_parquet(opened, out)
    say(f"{out}: {written.rows:,} {'row' if written.rows == 1 else 'rows'}.")
    if written.failed:
        say(f"Left out, since they failed: {written.failed:,}; clip-emotion embed … --retry tries them again.")
    if written.faceless:
        say(f"Left out, since they have no face: {written.faceless:,}.")
