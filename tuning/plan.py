"""What an engine carries out: the configuration, the journal of trials, and whom to tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tuning.config import SearchConfig
from tuning.journal import Journal, Tell, TrialRecord
from tuning.objective import Objective
from tuning.searchers import propose
from tuning.space import Values, settings_at


@dataclass(frozen=True)
class Plan:
    """A search: trials that have ended stay, the others are run by ``objective``; ``tell`` hears of each change.

    Ray keeps ``tell`` and ``objective`` on disk: they must be functions of a module.
    """

    config: SearchConfig
    journal: Journal
    objective: Objective
    tell: Tell

    def pending(self) -> list[str]:
        """Return the names of the trials that have not ended, those that have begun among them."""
        ended = {record.name for record in self.journal.records() if record.ended}
        names = (trial_name(number) for number in range(1, self.config.trials + 1))
        return [name for name in names if name not in ended]

    def over(self, journal: Journal, record: TrialRecord) -> None:
        """Delete the weights of a trial that has ended, unless they are to be kept, and tell of its end."""
        if not self.config.keep_weights:
            journal.tidy([record.name])
        self.tell(record)


class Engine(Protocol):
    """What runs trials."""

    def search(self, plan: Plan) -> None:
        """Run every trial of the plan that has not ended; raises KeyboardInterrupt where it was interrupted."""
        ...

    def run(self, plan: Plan, journal: Journal, records: Sequence[TrialRecord]) -> None:
        """Run other trials of the plan's configuration to their end, none stopped early."""
        ...


def trial_name(number: int) -> str:
    """Return the name of a trial, which is also its folder's; numbers begin with 1."""
    return f"{number:04}"


def overrides_of(config: SearchConfig, values: Values) -> Values:
    """Return all that a trial sets over the base configuration; an axis wins over a setting of the same key."""
    return {**config.settings, **settings_at(config.space, values)}


def begin(plan: Plan, name: str) -> TrialRecord:
    """Give a trial its values and keep them, so that it runs with the same ones if it is cut off."""
    known = plan.journal.read(name)
    if known:
        return known
    values = propose(plan.config, int(name), plan.journal.records())
    return plan.journal.write(TrialRecord(name, values, overrides_of(plan.config, values)))
