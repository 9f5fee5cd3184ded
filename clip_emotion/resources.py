"""Where the cards, vocabularies, configs and weights lie, in a checkout and in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

from clip_emotion.errors import DataError, UsageError
from clip_emotion.files import expanded

PACKAGE = Path(__file__).resolve().parent


def data_root() -> Path:
    """Return the folder that holds ``datasets/`` and ``configs/``: the checkout's root, else the wheel's own."""
    checkout = PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "datasets").is_dir():
        return checkout
    shipped = PACKAGE / "_data"
    if shipped.is_dir():
        return shipped
    raise DataError(f"The package data is missing beside {PACKAGE}: reinstall clip-emotion.")


def datasets_dir() -> Path:
    """Return the folder of data-set cards (``*.yaml``) and ``vocabularies/*.yaml``."""
    return data_root() / "datasets"


def configs_dir() -> Path:
    """Return the folder of run configurations."""
    return data_root() / "configs"


def weights_dir() -> Path:
    """Return the folder of bundled weights, one sub-folder a model."""
    return PACKAGE / "weights"


def cache_dir() -> Path:
    """Return the user's cache folder for this project; it is not made here.

    ``CLIP_EMOTION_CACHE`` overrides it, then ``XDG_CACHE_HOME``, then ``~/.cache``. Raises UsageError where the folder
    is below the home of a user that is not there.
    """
    own = os.environ.get("CLIP_EMOTION_CACHE")
    place = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "clip-emotion"
    try:
        return expanded(place)
    except UsageError as error:
        raise UsageError(f"The cache folder {place} cannot be found: set CLIP_EMOTION_CACHE to a folder.") from error
