"""Raw data sets on their way into training: prepared once beside the run, then read back."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.data.cards import load_card
from clip_emotion.data.prepared import load_prepared
from clip_emotion.data.saved import MARK
from clip_emotion.data.sources import open_source
from clip_emotion.errors import DataError
from clip_emotion.files import expanded
from clip_emotion.outputs import WriteOptions

if TYPE_CHECKING:
    from datasets import DatasetDict

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawSource:
    """One raw data set: its card's name, where it lies, and the folder below which it is prepared."""

    card: str
    path: Path
    cache: Path
    drop_duplicates: bool = False

    @property
    def folder(self) -> Path:
        """Where the data set is prepared: another source, or a changed one, has another folder."""
        place = expanded(self.path).resolve()
        state = place.stat() if place.exists() else None
        changed = f"{state.st_size}:{state.st_mtime_ns}" if state else ""
        key = hashlib.sha256(f"{place}:{changed}:{self.drop_duplicates}".encode()).hexdigest()[:12]
        return self.cache / f"{self.card}-{key}"

    def load(self) -> DatasetDict:
        """Prepare the data set below ``cache`` unless that has been done before, and return it.

        Raises DataError when the source is missing or in no known layout.
        """
        if (self.folder / MARK).is_file():
            return load_prepared(self.folder)
        # Configurations hold this record, and a faulty one is told before Hugging Face's datasets is imported.
        from clip_emotion.data.prepare import PrepareOptions, prepare

        logger.info("Preparing %s, once, in %s …", self.path, self.folder)
        # A folder of the cache is this project's own, and two runs may prepare it at the same time.
        options = PrepareOptions(drop_duplicates=self.drop_duplicates, output=WriteOptions(overwrite=True))
        return prepare(self.card, self.path, self.folder, options)

    def check(self) -> None:
        """See that ``load`` will find a data set of a known layout, without reading its rows; raises as it does."""
        if not (self.folder / MARK).is_file():
            from clip_emotion.data.recipes import read
            from clip_emotion.data.recipes.base import Request

            with open_source(expanded(self.path)) as opened:
                read(opened, Request(load_card(self.card)))

    def fault(self) -> str | None:
        """Return why ``load`` will fail, in a sentence, or None where ``check`` finds nothing."""
        try:
            self.check()
        except DataError as error:
            return str(error)
        return None
