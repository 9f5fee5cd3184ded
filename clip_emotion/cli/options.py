"""The options that several verbs share: one table, one spelling, one default.

An older spelling stays beside the new one (``--to`` for ``--out``, ``--figure`` for ``--plot``) and does the same.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import typer


class Language(StrEnum):
    """The language of the shown names."""

    auto = "auto"
    ko = "ko"
    en = "en"


class Device(StrEnum):
    """Where the model runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class EngineName(StrEnum):
    """What runs the encoder."""

    local = "local"
    ray = "ray"


class Prior(StrEnum):
    """How the shares of words in a collection are corrected for."""

    em = "em"
    debias = "debias"


OVERWRITE = typer.Option(False, "--overwrite", help="Replace an output that is there already.")
LABELS = typer.Option(None, "--labels", help='Your own words: "설렘,당황,비장함".')
MODEL = typer.Option("mini", "--model", help="mini, an open_clip name/tag, a checkpoint or a folder.")
LANG = typer.Option(Language.auto, "--lang", help="The language of the words.")
DEVICE = typer.Option(Device.auto, "--device", help="Where the model runs.")
WORKERS = typer.Option(2, "--workers", min=1, help="Threads that read images.")
WORKERS_OF_ENGINE = typer.Option(
    2, "--workers", min=1, help="Threads that read images; with --engine ray, processes that each hold the model."
)
ENGINE = typer.Option(
    EngineName.local, "--engine", help="local: this process; ray: many, here or on the cluster of RAY_ADDRESS."
)
PARTS = typer.Option(
    None,
    "--parts",
    metavar="FOLDER",
    help="With --engine ray: where all machines write, a folder or an s3:// or gs:// URI [default: STORE.parts].",
)
CONFIG = typer.Option(None, "--config", help="A score configuration, such as configs/score/default.yaml.")
KOBERT = typer.Option(None, "--kobert", help="KoBERT with its KOTE head, as train writes it.")
MAX_PIXELS = typer.Option(50_000_000, "--max-pixels", min=1, help="Refuse pictures with more pixels.")
DIMENSIONS = typer.Option(False, "--dimensions", help="Add valence and arousal in [-1, 1] to every face.")
STORE_TO_FILL = typer.Option(..., "--store", help="The store's file, made where there is none.")
STORE_INSTEAD = typer.Option(None, "--store", help="Use the embeddings of a store that embed filled.")
ADAPTER = typer.Option(None, "--adapter", help="Words as adapt or calibrate saved them in this folder.")
PRIOR = typer.Option(None, "--prior-correction", help="Correct for how often each word occurs among all faces.")
EXAMPLES = typer.Option(..., "--examples", "--data", help="Table of path,label, class folders, .zip or prepared set.")
SPLIT = typer.Option(None, "--split", help="The split; validation, test or the only one by default.")


def vocab(default: str) -> Any:
    """Return the option that names a vocabulary; ``default`` says what is taken without it."""
    return typer.Option(None, "--vocab", help=f"A vocabulary's name or file [default: {default}].")


def out_file(content: str) -> Any:
    """Return the option for an output file; ``content`` says what is written (``"the rows"``)."""
    return typer.Option(None, "--out", "--to", help=f"Write {content} to this file; an existing one stays.")


def out_folder(content: str, *, required: bool = True, default: str = "") -> Any:
    """Return the option for an output folder; ``default`` says where it goes without the option."""
    shown = f" [default: {default}]" if default else ""
    return typer.Option(... if required else None, "--out", "--to", help=f"New folder of {content}{shown}.")


def report(content: str) -> Any:
    """Return the option for a folder of pages for people (``"a contact sheet"``)."""
    return typer.Option(None, "--report", help=f"Write {content} into this folder.")


def plot(content: str) -> Any:
    """Return the option for a plot as a PNG file."""
    return typer.Option(None, "--plot", "--figure", help=f"Also draw {content} into this PNG file.")


def batch_size(default: int) -> Any:
    """Return the option for how many images the model sees at once."""
    return typer.Option(default, "--batch-size", min=1, help="Images the model sees at once.")


def embedder(default: str) -> Any:
    """Return the option for what compares texts; ``default`` says what is taken without it."""
    kinds = "mini[:FOLDER], kobert[:FOLDER] or sentence-transformers:NAME"
    return typer.Option(None, "--embedder", help=f"What compares texts: {kinds} [default: {default}].")


def limit(of: str) -> Any:
    """Return the option that draws some of the data (``"rows"``)."""
    return typer.Option(None, "--limit", min=1, help=f"Draw so many {of} at random.")


def seed(draws: str) -> Any:
    """Return the option for the seed of what a verb draws at random."""
    return typer.Option(0, "--seed", min=0, help=f"Draws {draws}.")
