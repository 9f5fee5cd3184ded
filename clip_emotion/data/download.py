"""Fetching raw data: Kaggle through its own package, the Hugging Face Hub through datasets."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from clip_emotion.data.cards import Card, KaggleSource
from clip_emotion.errors import ClipEmotionError, DataError, MissingExtraError, UsageError
from clip_emotion.resources import cache_dir

KAGGLE_TOKEN = (
    "Kaggle wants to know who you are: create an API token at https://www.kaggle.com/settings and put it at "
    "~/.kaggle/kaggle.json, or set KAGGLE_USERNAME and KAGGLE_KEY (newer tokens: KAGGLE_API_TOKEN)."
)


def download(card: Card, to: Path | None = None) -> Path:
    """Fetch a card's raw data into a folder (by default the cache's ``raw/NAME``) and return that folder.

    Raises MissingExtraError without the kaggle package, DataError when there is no token or no connection, and
    UsageError, with what to do instead, for a data set that must be fetched by hand.
    """
    target = to or cache_dir() / "raw" / card.name
    if card.kaggle is None and card.hub is None:
        raise UsageError(f"'{card.name}' cannot be fetched by a command: {card.how_to_get or f'see {card.source}.'}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there already: prepare it, or choose another folder with --to.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            fetched = Path(scratch) / "raw"
            fetched.mkdir()
            _fetch(card, fetched)
            if target.exists():
                target.rmdir()
            fetched.rename(target)
    except OSError as error:
        raise DataError(f"Cannot write {target}: {error.strerror or error}.") from error
    return target


def _fetch(card: Card, folder: Path) -> None:
    if card.kaggle is not None:
        _fetch_kaggle(card.kaggle, folder)
    elif card.hub is not None:
        from clip_emotion.data.recipes.hub import load_hub

        load_hub(card.hub).save_to_disk(str(folder))


def _fetch_kaggle(source: KaggleSource, folder: Path) -> None:
    api = _kaggle_api()
    what = source.dataset or source.competition
    try:
        # Whatever the client prints is for people: stdout is left to data.
        with contextlib.redirect_stdout(sys.stderr):
            if source.dataset:
                api.dataset_download_files(source.dataset, path=str(folder), quiet=False)
            else:
                api.competition_download_files(source.competition, path=str(folder), quiet=False)
    except (Exception, SystemExit) as error:
        raise DataError(_kaggle_refusal(f"{what}", error)) from error
    if not any(folder.iterdir()):
        raise DataError(f"Kaggle sent nothing for '{what}': fetch it from https://www.kaggle.com in a browser.")


def _kaggle_api() -> Any:
    """Return an authenticated client; the package prints and leaves the process where it finds no token."""
    try:
        with contextlib.redirect_stdout(None):
            from kaggle.api.kaggle_api_extended import KaggleApi
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "kaggle":
            raise MissingExtraError("Fetching from Kaggle", "the kaggle package", "kaggle") from error
        raise ClipEmotionError(
            f"The kaggle package is incomplete ({error}): run pip install --upgrade kaggle."
        ) from error
    except (Exception, SystemExit) as error:
        raise DataError(KAGGLE_TOKEN) from error
    try:
        with contextlib.redirect_stdout(None):
            api = KaggleApi()
            api.authenticate()
    except (Exception, SystemExit) as error:
        raise DataError(KAGGLE_TOKEN) from error
    return api


def _kaggle_refusal(what: str, error: BaseException) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "status", None)
    if status in (401, 403):
        return f"Kaggle refused '{what}' (HTTP {status}): {KAGGLE_TOKEN} A competition's rules must be accepted first."
    return f"Kaggle could not send '{what}' ({type(error).__name__}): check the connection, or fetch it in a browser."
