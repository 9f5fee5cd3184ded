"""What processes of a run tell the one that started them; it lives in a process of its own, and imports little."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ProgressActor:
    """What the workers tell the process that started them, and what it asks of them."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    faults: list[tuple[int | None, str]] = field(default_factory=list)
    """Sentences with the exit codes of their errors; None for one that is no error of this project."""
    stopping: bool = False
    interrupted: bool = False

    def tell(self, report: dict[str, Any]) -> None:
        """Keep a report until it is taken."""
        self.reports.append(report)

    def take(self) -> list[dict[str, Any]]:
        """Hand out the reports that came since the last time."""
        taken, self.reports = self.reports, []
        return taken

    def end(self, outcome: dict[str, Any] | None) -> None:
        """Keep the outcome of a run that ended, or that it was interrupted."""
        self.outcome, self.interrupted = outcome or {}, outcome is None

    def fail(self, exit_code: int | None, sentence: str) -> None:
        """Keep why a worker failed."""
        self.faults.append((exit_code, sentence))

    def stop(self) -> None:
        """Ask the workers to stop."""
        self.stopping = True

    def is_stopping(self) -> bool:
        """Tell whether the workers are to stop."""
        return self.stopping

    def result(self) -> tuple[dict[str, Any], list[tuple[int | None, str]], bool]:
        """Return the outcome, the faults, and whether the run was interrupted."""
        return self.outcome, self.faults, self.interrupted
