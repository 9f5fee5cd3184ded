"""The configuration of a study."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from clip_emotion.config import Config, apply_override, read_yaml, validate
from tuning.config import Settings

NAME = re.compile(r"[A-Za-z0-9가-힣][A-Za-z0-9가-힣_.+-]*")
"""What a row may be called: its name is a folder's too."""
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class RowConfig(Config):
    """One row: the settings in which it differs from the base, and the figure that its origin published, if any.

    ``about`` is a word on it for people. ``seeds`` are its own, in place of the study's.
    """

    about: str = ""
    settings: Settings = Field(default_factory=dict)
    seeds: Seeds | None = None
    origin: float | None = Field(None, ge=0, le=1)


def _filled(rows: Any) -> Any:
    """Return rows of which none is empty: one without settings is the base itself."""
    return {name: {} if row is None else row for name, row in rows.items()} if isinstance(rows, dict) else rows


class StudyConfig(Config):
    """A study: the training configuration it varies, by its file or itself, and named rows.

    ``settings`` hold for every row. ``baseline`` is the row with which the others are compared, by default the first.
    ``origin`` says what the rows' ``origin`` figures are (``RAF-DB accuracy``); without it there is no such column.
    """

    title: str = ""
    base: Path | dict[str, Any]
    out: Path
    settings: Settings = Field(default_factory=dict)
    seeds: Seeds = (0,)
    baseline: str = ""
    origin: str = ""
    rows: Annotated[dict[str, RowConfig], BeforeValidator(_filled), Field(min_length=1)]

    @model_validator(mode="after")
    def _rows_are_named(self) -> StudyConfig:
        bad = [name for name in self.rows if not NAME.fullmatch(name)]
        if bad:
            raise ValueError(f"a row's name is letters, digits and _ . + -, not {', '.join(map(repr, bad))}")
        if self.baseline and self.baseline not in self.rows:
            raise ValueError(f"baseline '{self.baseline}' is no row: rows are {', '.join(self.rows)}")
        if not self.origin and any(row.origin is not None for row in self.rows.values()):
            raise ValueError("origin must say what the rows' origin figures are, such as 'RAF-DB accuracy'")
        doubled = [name for name in self.rows if len(set(self.seeds_of(name))) < len(self.seeds_of(name))]
        if doubled:
            raise ValueError(f"a seed stands twice for {', '.join(doubled)}")
        return self

    @property
    def compared_with(self) -> str:
        """The row with which the others are compared."""
        return self.baseline or next(iter(self.rows))

    def seeds_of(self, name: str) -> tuple[int, ...]:
        """Return the seeds of a row."""
        return self.rows[name].seeds or self.seeds


def read_study(path: Path, overrides: list[str]) -> StudyConfig:
    """Read a study; an override is of the study where it names a setting of one (``out=``), else of every row's run.

    Raises UsageError that lists every fault.
    """
    values = read_yaml(path)
    values["rows"] = _filled(values.get("rows"))
    for override in overrides:
        head = override.partition("=")[0].partition(".")[0]
        own = head in StudyConfig.model_fields
        apply_override(values, override if own else f"settings.{override}")
    return validate(StudyConfig, values, str(path))
