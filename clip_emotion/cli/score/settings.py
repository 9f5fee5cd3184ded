"""The score configuration of a call: the YAML file's, with the command line's choices over it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clip_emotion.cli.common import say
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from scoring.config import ScoreConfig

_HALF_LIFE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([mhd]?)", re.IGNORECASE)
_MINUTES = {"m": 1.0, "h": 60.0, "d": 1440.0}
_EXPONENTIAL = "exponential"


def read_settings(path: Path | None, recency: str | None, half_life: str | None, embedder: str | None) -> ScoreConfig:
    """Read the configuration and put the command line's choices over it; raises UsageError for every fault."""
    from scoring.config import load_settings

    config = load_settings(path, embedder)
    changes: dict[str, Any] = {} if recency is None else {"kind": recency}
    if half_life is not None:
        changes["half_life"], changes["unit"] = parse_half_life(half_life)
    config = config.model_copy(update={"recency": config.recency.model_copy(update=changes)})
    if half_life is not None and config.recency.kind != _EXPONENTIAL:
        say(f"Note: --half-life counts only with --recency exponential, here it is {config.recency.kind}.")
    return config


def parse_half_life(text: str) -> tuple[float, Literal["turns", "minutes"]]:
    """Return ``10`` as turns, ``30m``, ``2h`` and ``1d`` as minutes, with the unit; raises UsageError for others."""
    found = _HALF_LIFE.fullmatch(text.strip())
    if found and float(found[1]) == 0:
        raise UsageError(f"--half-life '{text}' must be above 0: give a number of turns such as 10, or 30m, 2h, 1d.")
    if not found:
        raise UsageError(f"--half-life '{text}' is no time: give a number of turns such as 10, or 30m, 2h, 1d.")
    value, unit = float(found[1]), found[2].lower()
    return (value * _MINUTES[unit], "minutes") if unit else (value, "turns")
