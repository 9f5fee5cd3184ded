"""What a run was made with, and how the settings of two runs differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clip_emotion.dotted import flattened

SHOWN, ABSENT = 3, "absent"
"""How many settings that differ are named, and the value of one that is not there."""


@dataclass(frozen=True)
class RunSettings:
    """All that an objective was made with, as JSON has it, which a run must share with the one that resumes it.

    ``defaults`` gives settings, by their names with dots, the values that a checkpoint from before they existed means.
    ``retired`` are the names that earlier releases compared and that are compared no more.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    retired: frozenset[str] = frozenset()

    def differ_from(self, before: Mapping[str, Any]) -> str:
        """Return the settings that differ from an earlier run's, with both values; empty where none does."""
        old, new = flattened(before), flattened(self.values)
        old = {**{name: value for name, value in self.defaults.items() if name in new}, **old}
        known = dict.fromkeys(name for name in [*old, *new] if name not in self.retired)
        names = [name for name in known if old.get(name, ABSENT) != new.get(name, ABSENT)]
        shown = [f"{name} was {old.get(name, ABSENT)}, now {new.get(name, ABSENT)}" for name in names[:SHOWN]]
        return "; ".join([*shown, *([f"{len(names) - SHOWN} more"] if len(names) > SHOWN else [])])
