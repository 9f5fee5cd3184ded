"""A run of ``clip-emotion score`` over finished conversations that were read: scored, written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import progress_bar, say, write_atomic
from clip_emotion.cli.score.destination import REPORT, ScoreOutput
from clip_emotion.cli.score.inputs import Input, raise_lone
from clip_emotion.errors import ClipEmotionError, DataError, UsageError

if TYPE_CHECKING:
    from scoring.affection.scorer import AffectionScorer
    from scoring.conversation import Conversation
    from scoring.result import ConversationScore, Outcome


@dataclass(frozen=True)
class ScoreRun:
    """What one call scores: what was read of so many inputs, and by which models.

    ``models`` is called only where there is something to score; it gives the scorer.
    """

    readings: Sequence[Input]
    inputs: int
    models: Callable[[], AffectionScorer]
    by_speaker: bool = False

    def run(self, output: ScoreOutput) -> int:
        """Score all conversations, write what is wanted, and return how many could not be scored.

        One conversation alone that cannot be scored is an error.
        """
        from scoring.result import ConversationScore, Failure

        if any(not isinstance(reading.found, ClipEmotionError) for reading in self.readings):
            self.models()
        started = time.perf_counter()
        found = [self._outcome(reading, output.period) for reading in self.readings]
        raise_lone(found)
        outcomes = [
            Failure(reading.name, str(one)) if isinstance(one, ClipEmotionError) else one
            for reading, one in zip(self.readings, found, strict=True)
        ]
        self._write(outcomes, output)
        scores = [outcome for outcome in outcomes if isinstance(outcome, ConversationScore)]
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        if output.format != "table":
            for failure in failures:
                say(f"{failure.name}: {failure.error}")
        say(_counts(scores, len(failures), time.perf_counter() - started))
        return len(failures)

    def _outcome(self, reading: Input, period: str | None) -> ConversationScore | ClipEmotionError:
        """Return a reading's score, with that of its periods and masked where asked, or why there is none."""
        from scoring.affection.periods import period_scores

        if isinstance(reading.found, ClipEmotionError):
            return reading.found
        try:
            score = self._score(reading.found)
            if period is not None:
                score = replace(score, periods=period_scores(score, period))
            return _shown(score, reading)
        except (DataError, UsageError) as error:
            return error

    def _score(self, conversation: Conversation) -> ConversationScore:
        scorer = self.models()
        with progress_bar("Scoring", len(conversation.turns)) as advance:
            score = scorer.score(conversation, advance)
        for notice in score.notices:
            if notice not in scorer.notices:
                say(f"Note: {score.name}: {notice}")
        if not score.conversation.turns:
            reasons = dict.fromkeys(turn.error or "" for turn in score.turns)
            raise DataError(f"{score.name}: none of its turns could be scored ({'; '.join(list(reasons)[:3])}).")
        return score

    def _write(self, outcomes: Sequence[Outcome], output: ScoreOutput) -> None:
        from clip_emotion.csv_text import BOM
        from scoring.result import ConversationScore

        content = self._content(outcomes, output)
        if content is not None and output.path is not None:
            mark = BOM if output.is_csv else ""
            write_atomic(output.path, (mark + content).encode("utf-8", "backslashreplace"))
        scores = [outcome for outcome in outcomes if isinstance(outcome, ConversationScore)]
        if output.report is not None and scores:
            from clip_emotion.outputs import mark_folder
            from scoring.output.report import write_report

            page = write_report(outcomes, output.report)
            mark_folder(output.report, REPORT)
            say(f"Report: {page}")
        # Last, for whoever reads it may have gone (as with ``| head``), and files are to be whole all the same.
        if output.path is None:
            self._print(outcomes, content)

    def _content(self, outcomes: Sequence[Outcome], output: ScoreOutput) -> str | None:
        """Return the text of the chosen format; None for a table."""
        from scoring.output.formats import FORMATS, csv_table
        from scoring.output.summary_csv import summary_csv

        if output.summary:
            return summary_csv(outcomes)
        if output.format == "csv":
            return csv_table(outcomes, many=self._many(outcomes), probabilities=output.probabilities)
        return FORMATS[output.format](outcomes, many=self._many(outcomes)) if output.format in FORMATS else None

    def _many(self, outcomes: Sequence[Outcome]) -> bool:
        return self.inputs > 1 or len(outcomes) > 1

    def _print(self, outcomes: Sequence[Outcome], content: str | None) -> None:
        from clip_emotion.cli.score.table import ScoreTable
        from scoring.result import Failure

        if content is not None:
            typer.get_binary_stream("stdout").write(content.encode("utf-8", "backslashreplace"))
            return
        table, by_speaker = ScoreTable(), self.by_speaker
        if self._many(outcomes) or isinstance(outcomes[0], Failure):
            table.ranking(outcomes, by_speaker=by_speaker)
        else:
            table.conversation(outcomes[0], by_speaker=by_speaker)


def _shown(score: ConversationScore, reading: Input) -> ConversationScore:
    """Return what is reported of a score: the chosen speakers' turns, and no name where names are masked."""
    from scoring.speakers import only_speakers

    chosen = only_speakers(score, reading.speakers) if reading.speakers else score
    shown = reading.anonymiser.score(chosen) if reading.anonymiser else chosen
    if not any(part.turns for part in shown.speakers.values()):
        raise DataError(f"{shown.name}: no turn of {', '.join(shown.speakers)} could be scored.")
    return shown


def _counts(scores: Sequence[ConversationScore], failed: int, seconds: float) -> str:
    turns = sum(len(score.turns) for score in scores)
    conversations = f"{len(scores) + failed} conversation{'' if len(scores) + failed == 1 else 's'}"
    return f"{conversations}, {turns} turn{'' if turns == 1 else 's'} in {seconds:.1f} s; {failed} failed."
