"""The engine without Ray: one trial after the other, in this process."""

from __future__ import annotations

from collections.abc import Sequence

from tuning.halving import is_left_behind
from tuning.journal import History, Journal, TrialRecord, carry_out
from tuning.plan import Plan, begin


class LocalEngine:
    """Runs trials in this process, each with all its processors or its GPU."""

    def search(self, plan: Plan) -> None:
        """Run every trial of the plan that has not ended."""
        config, journal = plan.config, plan.journal
        for name in plan.pending():
            record = begin(plan, name)
            others = [other.history for other in journal.records() if other.name != name]

            def stop(history: History, others: Sequence[History] = others) -> bool:
                return is_left_behind(history, others, config.scheduler, config.sign)

            plan.tell(record)
            plan.over(journal, carry_out(journal, record, config.base, plan.objective, stop))

    def run(self, plan: Plan, journal: Journal, records: Sequence[TrialRecord]) -> None:
        """Run other trials of the plan's configuration to their end, none stopped early."""
        for record in records:
            if not record.ended:
                plan.tell(record)
                plan.over(journal, carry_out(journal, record, plan.config.base, plan.objective, lambda history: False))
