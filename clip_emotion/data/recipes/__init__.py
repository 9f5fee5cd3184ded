"""Recipes turn raw files into rows; a card names the layouts to try, and one look-up finds their recipes."""

from __future__ import annotations

from collections.abc import Callable

from clip_emotion.data.recipes.aihub import read_aihub
from clip_emotion.data.recipes.annotations import read_code_arrays, read_code_list, read_folders_with_table
from clip_emotion.data.recipes.base import Reading, Request
from clip_emotion.data.recipes.hub import read_parquet, read_saved
from clip_emotion.data.recipes.images import read_image_folder, read_image_table, read_pixel_table
from clip_emotion.data.recipes.texts import read_text_table
from clip_emotion.data.recipes.votes import read_votes
from clip_emotion.data.sources import Source
from clip_emotion.errors import DataError, UsageError

Recipe = Callable[[Source, Request], Reading | None]
"""Understands a source, or returns None where it has another layout."""

RECIPES: dict[str, Recipe] = {
    "image_folder": read_image_folder,
    "image_csv": read_image_table,
    "pixel_csv": read_pixel_table,
    "exp_npy": read_code_arrays,
    "code_list": read_code_list,
    "image_folder_csv": read_folders_with_table,
    "text_table": read_text_table,
    "votes_csv": read_votes,
    "aihub_json": read_aihub,
    "parquet": read_parquet,
    "saved": read_saved,
}


def read(source: Source, request: Request) -> Reading:
    """Read a source with the first of its card's layouts that understands it.

    Raises UsageError when the card names an unknown layout, DataError when no layout fits.
    """
    layouts = request.card.layouts
    unknown = [layout for layout in layouts if layout not in RECIPES]
    if unknown:
        raise UsageError(f"Card '{request.card.name}' names unknown layouts {unknown}: known are {', '.join(RECIPES)}.")
    for layout in layouts:
        reading = RECIPES[layout](source, request)
        if reading is not None:
            return reading
    raise DataError(
        f"{source.location} has none of the layouts of '{request.card.name}' ({', '.join(layouts)}): "
        "see 'clip-emotion data list' for what the card expects."
    )


def fits(source: Source, request: Request) -> bool:
    """Tell whether one of the card's layouts understands the source; raises as its recipe does for unknown labels."""
    return any(RECIPES[layout](source, request) is not None for layout in request.card.layouts)
