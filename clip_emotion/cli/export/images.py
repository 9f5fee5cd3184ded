"""``clip-emotion export FORMAT``: labelled images for the tools that people label with, and as data sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clip_emotion.cli import options
from clip_emotion.cli.common import progress_bar, say, say_errors
from clip_emotion.cli.export.sources import SourceArguments, counted
from clip_emotion.cli.grouped import grouped
from clip_emotion.cli.hub import TOKEN_VARIABLE, token_of_environment
from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.outputs import WriteOptions

if TYPE_CHECKING:
    from clip_emotion.models.sharing.repository import Repository
    from clip_emotion.retrieval.exports.export import Exported
    from clip_emotion.retrieval.exports.options import ExportOptions, Origin

app = typer.Typer(help="Write labelled images, or a model, in the form of another tool.", no_args_is_help=True)


class Media(StrEnum):
    """What becomes of image files."""

    copy = "copy"
    link = "link"
    refer = "refer"


class HeldMedia(StrEnum):
    """What becomes of image files in a folder that is nothing without them."""

    copy = "copy"
    link = "link"


class Part(StrEnum):
    """What an image of a data set shows."""

    faces = "faces"
    whole = "whole"


class Table(StrEnum):
    """The form of an image folder's table."""

    csv = "csv"
    parquet = "parquet"


class Urls(StrEnum):
    """How Label Studio finds an image."""

    local_files = "local-files"
    upload = "upload"
    inline = "inline"


MEDIA = typer.Option(Media.copy, "--media", help="Copy image files, link to them, or name them where they lie.")
HELD_MEDIA = typer.Option(HeldMedia.copy, "--media", help="Copy whole images, or link to them; faces are cut out anew.")
PART = typer.Option(Part.faces, "--part", help="Faces cut out, a row each; or whole images.")
SPLIT = typer.Option("train", "--split", help="The name of the data set's one split.")
Title = Annotated[str, typer.Option("--title", help="The data set's title, for its card.")]
Sources = Annotated[
    list[str] | None, typer.Option("--source", help="Where images come from, for the card; repeatable.")
]
Licence = Annotated[str, typer.Option("--licence", help="The data set's licence, such as cc-by-4.0, for the card.")]
About = Annotated[str, typer.Option("--about", help="A sentence or two for the card.")]
PushTo = Annotated[
    str | None, typer.Option("--push", metavar="ORG/NAME", help="Also upload it to the Hugging Face Hub.")
]
Private = Annotated[bool, typer.Option("--private", help="With --push: only its owner may see it.")]
TokenFromEnv = Annotated[
    bool, typer.Option("--token-from-env", help=f"With --push: only ever use the token in {TOKEN_VARIABLE}.")
]


@dataclass(frozen=True)
class CardArguments:
    """What the data card says besides what the rows tell."""

    title: Title = ""
    source: Sources = None
    licence: Licence = ""
    about: About = ""

    def origin(self) -> Origin:
        """Return it as the library takes it."""
        from clip_emotion.retrieval.exports.options import Origin

        return Origin(self.title, tuple(self.source or ()), self.licence, self.about)


@dataclass(frozen=True)
class PushArguments:
    """Whether a data set also goes to the Hugging Face Hub."""

    push: PushTo = None
    private: Private = False
    token_from_env: TokenFromEnv = False

    def check(self, card: CardArguments) -> None:
        """Raise UsageError for a data set that goes out without a licence or a source, or to no repository."""
        if self.push is None:
            return
        if not card.licence or not card.source:
            raise UsageError("--push gives images away: say with --licence and --source what others may do with them.")
        self._repository()

    def send(self, folder: Path, title: str) -> None:
        """Upload the folder of a data set where that was asked for, and print the commit's address."""
        if self.push is None:
            return
        from clip_emotion.models.sharing.data_sets import push_data_set
        from clip_emotion.retrieval.exports.parquet import as_parquet

        with as_parquet(folder) as sent:
            print(
                push_data_set(sent, self._repository(), title or f"{folder.name} by clip-emotion", private=self.private)
            )
        say(f'Pushed {folder}: others get it with datasets.load_dataset("{self.push}").')

    def _repository(self) -> Repository:
        from clip_emotion.models.sharing.repository import Repository

        return Repository(str(self.push), token_of_environment() if self.token_from_env else None)


@app.command("label-studio")
@grouped
def label_studio(
    *,
    sources: SourceArguments,
    out: Path = options.out_folder("tasks.json and labelling_config.xml"),
    media: Media = MEDIA,
    urls: Urls = typer.Option(Urls.local_files, "--urls", help="How Label Studio finds images: see docs/exports.md."),
    document_root: Path = typer.Option(
        None, "--document-root", help="With local-files: Label Studio's document root [default: above all images]."
    ),
    url_prefix: str = typer.Option(
        "/data/upload/", "--url-prefix", help="With upload: what stands before a file's name."
    ),
    overwrite: bool = options.OVERWRITE,
) -> None:
    """Write tasks for Label Studio, with the model's words as predictions that people correct.

    Exit code: 0 all images written, 1 some could not be used, 2 misuse.
    """
    from clip_emotion.retrieval.exports.options import TaskUrls

    root = None if document_root is None else expanded(document_root)
    chosen = _options(sources, overwrite, media=media.value, urls=TaskUrls(urls.value, root, url_prefix))
    _write("label-studio", sources, out, chosen)


@app.command("fiftyone")
@grouped
def fiftyone(
    *,
    sources: SourceArguments,
    out: Path = options.out_folder("the data set"),
    media: Media = MEDIA,
    overwrite: bool = options.OVERWRITE,
) -> None:
    """Write a data set that FiftyOne opens: classifications, detections, and a store's embeddings.

    Exit code: 0 all images written, 1 some could not be used, 2 misuse.
    """
    _write("fiftyone", sources, out, _options(sources, overwrite, media=media.value))


@app.command("coco")
@grouped
def coco(
    *,
    sources: SourceArguments,
    out: Path = options.out_folder("annotations.json and images"),
    media: Media = MEDIA,
    card: CardArguments,
    overwrite: bool = options.OVERWRITE,
) -> None:
    """Write annotations as COCO does: a face is an annotation, a word a category.

    Exit code: 0 all images written, 1 some could not be used, 2 misuse.
    """
    _write("coco", sources, out, _options(sources, overwrite, media=media.value, origin=card.origin()))


@app.command("imagefolder")
@grouped
def imagefolder(
    *,
    sources: SourceArguments,
    out: Path = options.out_folder("images in classes, and their table"),
    part: Part = PART,
    table: Table = typer.Option(Table.csv, "--table", help="metadata.csv or metadata.parquet."),
    media: HeldMedia = HELD_MEDIA,
    card: CardArguments,
    overwrite: bool = options.OVERWRITE,
) -> None:
    """Write a folder of images with a table: what load_dataset("imagefolder"), evaluate and train read.

    Exit code: 0 all images written, 1 some could not be used, 2 misuse.
    """
    chosen = _options(sources, overwrite, media=media.value, part=part.value, table=table.value, origin=card.origin())
    _write("imagefolder", sources, out, chosen)


@app.command("parquet")
@grouped
def parquet(
    *,
    sources: SourceArguments,
    out: Path = options.out_folder("Parquet with the images in it"),
    part: Part = PART,
    split: str = SPLIT,
    card: CardArguments,
    pushing: PushArguments,
    overwrite: bool = options.OVERWRITE,
) -> None:
    """Write a data set as the Hugging Face Hub keeps it: Parquet with the images in it, and a data card.

    Exit code: 0 all images written, 1 some could not be used, 2 misuse.
    """
    pushing.check(card)
    chosen = _options(sources, overwrite, part=part.value, split=split, origin=card.origin())
    _write("parquet", sources, out, chosen, pushing)


@app.command("dataset")
@grouped
def dataset(
    *,
    sources: SourceArguments,
    out: Path = options.out_folder("the data set"),
    part: Part = PART,
    split: str = SPLIT,
    card: CardArguments,
    pushing: PushArguments,
    overwrite: bool = options.OVERWRITE,
) -> None:
    """Write a Hugging Face data set with a data card: what load_from_disk, evaluate and train read.

    Exit code: 0 all images written, 1 some could not be used, 2 misuse.
    """
    pushing.check(card)
    chosen = _options(sources, overwrite, part=part.value, split=split, origin=card.origin())
    _write("dataset", sources, out, chosen, pushing)


def _options(sources: SourceArguments, overwrite: bool, **chosen: Any) -> ExportOptions:
    from clip_emotion.retrieval.exports.options import ExportOptions

    writing = WriteOptions(overwrite)
    return ExportOptions(
        only=sources.only.value, words=sources.words(), output=writing, inputs=sources.inputs(), **chosen
    )


def _write(
    format: str, sources: SourceArguments, out: Path, chosen: ExportOptions, pushing: PushArguments | None = None
) -> None:
    from clip_emotion.retrieval.exports.export import claim_export, export

    out = expanded(out)
    claim_export(format, out, chosen)
    with sources.opened() as images, progress_bar("Exporting") as advance:
        done = export(images, format, out, replace(chosen, progress=advance))
    _tell(done)
    if pushing is not None:
        pushing.send(out, chosen.origin.title)
    if done.tally.errors:
        raise typer.Exit(1)


def _tell(done: Exported) -> None:
    tally = done.tally
    say_errors(tally.errors)
    for note in tally.notes:
        say(note)
    left = f"; left out {counted(tally.left_out, 'face')} without a confirmed word" if tally.left_out else ""
    failed = f"; {counted(len(tally.errors), 'image')} could not be used" if tally.errors else ""
    say(f"{done.out}: {counted(tally.faces, 'face')} of {counted(tally.images, 'image')}{left}{failed}.")
