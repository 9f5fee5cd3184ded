"""Where the raw text sets of the mini lie."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.training.sources import RawSource


class SourcesConfig(Config):
    """Where the raw text sets lie, and which rows are kept out of training.

    KOTE's last ``kote_validation`` rows validate, and the ``kote_tuning`` rows before them fit the scales and the
    thresholds (how often a label is carried, is counted in these and in those that train).
    Reviews with a rating of at most ``nsmc_low`` are negative, of at least ``nsmc_high`` positive, others unused.
    """

    folder: Path
    """The folder of the raw text sets."""
    prepared: Path = Path("runs/prepared")
    """Where prepared data sets are kept."""
    kote: str = "kote.tsv.gz"
    """KOTE's file."""
    goemotions_train: str = "goemotions_train.tsv.gz"
    """GoEmotions' training file."""
    goemotions_dev: str = "goemotions_dev.tsv.gz"
    """GoEmotions' development file."""
    nsmc: str = "nsmc.tsv.gz"
    """NSMC's file."""
    kote_validation: int = Field(1000, ge=1)
    """KOTE rows at the end that validate."""
    kote_tuning: int = Field(300, ge=1)
    """KOTE rows before them that fit the scales and thresholds."""
    nsmc_low: int = 4
    """Highest rating of a negative review."""
    nsmc_high: int = 9
    """Lowest rating of a positive review."""

    def raw(self) -> dict[str, RawSource]:
        """Return the raw data sets by the names of their settings."""
        files = {
            "kote": ("kote", self.kote),
            "goemotions_train": ("goemotions", self.goemotions_train),
            "goemotions_dev": ("goemotions", self.goemotions_dev),
            "nsmc": ("nsmc", self.nsmc),
        }
        return {name: RawSource(card, self.folder / file, self.prepared) for name, (card, file) in files.items()}
