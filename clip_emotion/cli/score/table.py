"""Scored conversations on a terminal: one in full, several as a ranking, and a live one turn by turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from clip_emotion.cli.common import cells, padded, printable, stdout

if TYPE_CHECKING:
    from scoring.result import ConversationScore, Outcome, Shift, Summary, TurnScore

WHOLE = 40
"""Up to so many turns are all shown; of a longer conversation the first, the last and the strongest."""
SPEAKER = 10


class ScoreTable:
    """Prints what was scored. Lines are cut to a terminal's width, and are whole in a pipe."""

    def __init__(self) -> None:
        self.console = stdout()

    def conversation(self, score: ConversationScore, *, by_speaker: bool) -> None:
        """Print one conversation: its score (or with ``by_speaker`` theirs), speakers, mood shifts and turns."""
        from scoring.output.wording import headline, sparkline

        recency = score.settings.recency
        if by_speaker:
            for name, part in score.speakers.items():
                self._line(Text(printable(f"{name} in {score.name}: {headline(part, recency)}"), style="bold"))
        else:
            sentence = headline(score.conversation, recency, len(score.turns))
            self._line(Text(printable(f"{score.name}: {sentence}"), style="bold"))
            self._scale(score)
        running = [turn.running for turn in score.turns if turn.running is not None]
        if len(running) > 1:
            span = f"{min(running):+.3f} to {max(running):+.3f}"
            self._line(Text.assemble("Score so far  ", (sparkline(running), "yellow"), f"  {span}"))
        self._speakers(score)
        self._periods(score)
        self._shifts(score)
        self._turns(score)

    def _scale(self, score: ConversationScore) -> None:
        from scoring.everyday import everyday_range
        from scoring.output.wording import everyday_sentence, scale_line

        if score.conversation.score is None:
            return
        everyday = everyday_range(score)
        said = f"  {everyday_sentence(everyday)}" if everyday else ""
        self._line(Text(f"Scale         {scale_line(score.conversation.score, everyday)}{said}"))

    def _speakers(self, score: ConversationScore) -> None:
        self._heading("Speakers, and the labels that move their scores most")
        rows = [[printable(name), *_summary_cells(part, score.labels)] for name, part in score.speakers.items()]
        self._columns(rows, coloured=1)

    def _periods(self, score: ConversationScore) -> None:
        from scoring.output.wording import interval, signed

        if score.periods:
            self._heading("Scores over time, by the first day of each period")
            rows = [
                [f"{period.start}", signed(period.score), interval(period), f"{period.turns} turns"]
                for period in score.periods
            ]
            self._columns(rows, coloured=1)

    def _shifts(self, score: ConversationScore) -> None:
        from scoring.output.wording import shift_sentence

        if not score.shifts:
            return
        self._heading("Mood shifts, and the turns that moved them most")
        by_index = {turn.turn.index: turn for turn in score.turns}
        for shift in score.shifts:
            self._line(Text(f"  {shift_sentence(shift)}"))
            self._columns(_behind(shift, by_index, score.labels), coloured=2, indent="      ")

    def _turns(self, score: ConversationScore) -> None:
        from scoring.output.wording import excerpt_turns

        shown: Sequence[TurnScore | int] = score.turns
        if len(score.turns) > WHOLE:
            shown = excerpt_turns(score.turns)
        self._heading("Turns: number, speaker, score, score so far, strongest emotion")
        timed = any(turn.turn.time for turn in score.turns)
        rows = [[f"… {row} more"] if isinstance(row, int) else _turn_cells(row, score.labels, timed) for row in shown]
        self._columns(rows, coloured=3 if timed else 2)
        if len(score.turns) > WHOLE:
            self._line(Text("The first, the last and the strongest turns: --format csv or jsonl has all.", style="dim"))

    def ranking(self, outcomes: Sequence[Outcome], *, by_speaker: bool) -> None:
        """Print several conversations (or their speakers), the warmest first; a failed one is a row with its error."""
        from scoring.output.ranking import ranking

        rows: list[list[str]] = []
        for place, row in enumerate(ranking(outcomes, by_speaker=by_speaker), start=1):
            if row.summary is None:
                rows.append(["✗", printable(row.name), "–", "", "", printable(row.error or "")])
            else:
                rows.append([str(place), printable(row.name), *_summary_cells(row.summary, row.labels)])
        self._columns(rows, coloured=2)

    def turn(self, turn: TurnScore, labels: Mapping[str, str]) -> None:
        """Print one turn of a live conversation, in columns of fixed width."""
        number, *when, speaker, score, running, dominant, text = _turn_cells(turn, labels, bool(turn.turn.time))
        width = max(map(cells, labels.values()), default=0)
        head = "  ".join([f"{number:>5}", *when, padded(speaker, SPEAKER)])
        tail = f"  {running:>6}  {padded(dominant, width)}  {text}"
        self._line(Text.assemble(head, "  ", (f"{score:>6}", _colour(score)), tail))

    def summary(self, whole: Summary, speakers: Mapping[str, Summary], labels: Mapping[str, str]) -> None:
        """Print where a live conversation stands."""
        rows = [[printable(name), *_summary_cells(part, labels)] for name, part in speakers.items()]
        self._heading("So far")
        self._columns([["all", *_summary_cells(whole, labels)], *rows], coloured=1)

    def _heading(self, text: str) -> None:
        self.console.print()
        self._line(Text(text, style="bold cyan"))

    def _columns(self, rows: Sequence[Sequence[str]], coloured: int, indent: str = "  ") -> None:
        """Print rows in columns, the ``coloured`` one by its sign; the last column and lone cells are not padded."""
        several = [row for row in rows if len(row) > 1]
        count = max(map(len, several), default=1)
        widths = [max((cells(row[at]) for row in several if at < len(row)), default=0) for at in range(count - 1)]
        for row in rows:
            line = Text(indent)
            for at, cell in enumerate(row):
                shown = padded(cell, widths[at]) if at < len(row) - 1 else cell
                line.append(shown + "  ", style=_colour(cell) if at == coloured else "")
            line.rstrip()
            self._line(line)

    def _line(self, line: Text) -> None:
        if self.console.is_terminal:
            line.truncate(self.console.width, overflow="ellipsis")
        self.console.print(line, soft_wrap=True)


def _colour(score: str) -> str:
    return {"+": "green", "-": "red"}.get(score[:1], "")


def _summary_cells(summary: Summary, names: Mapping[str, str]) -> list[str]:
    from scoring.output.wording import interval, signed, strongest_labels

    turns = f"{summary.turns} turn{'' if summary.turns == 1 else 's'}"
    return [signed(summary.score), interval(summary), turns, strongest_labels(summary, names)]


def _turn_cells(scored: TurnScore, names: Mapping[str, str], timed: bool) -> list[str]:
    from scoring.output.wording import shown_emotion, signed

    turn = scored.turn
    when = [f"{turn.time:%Y-%m-%d %H:%M}" if turn.time else ""] if timed else []
    text = " ".join(turn.text.split()) or f"({turn.media or scored.error or 'no text'})"
    numbers = [signed(scored.score), signed(scored.running)]
    emotion = shown_emotion(scored, names)
    return [str(turn.index), *when, printable(turn.speaker), *numbers, emotion, printable(text)]


def _behind(shift: Shift, by_index: Mapping[int, TurnScore], names: Mapping[str, str]) -> list[list[str]]:
    return [_turn_cells(by_index[index], names, False) for index in shift.turns if index in by_index]
