"""Texts that people read, kept as files in ``tests/files/snapshots`` and compared with what is said now.

``pytest --update-snapshots`` writes what is said now; read the difference before it is committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "files" / "snapshots"
OPTION = "--update-snapshots"


@dataclass(frozen=True)
class Snapshots:
    """The kept texts, compared with or written anew."""

    update: bool
    folder: Path = FOLDER

    def check(self, name: str, text: str) -> None:
        """See that a text is the one that is kept; spaces at the ends of lines do not count."""
        said = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
        path = self.folder / f"{name}.txt"
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(said, "utf-8")
        kept = path.read_text("utf-8") if path.is_file() else ""
        assert said == kept, f"{path} is another text: pytest {OPTION} writes the new one"
