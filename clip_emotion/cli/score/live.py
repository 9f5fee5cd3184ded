"""``clip-emotion score --follow``: a growing conversation, scored turn by turn as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import say
from clip_emotion.cli.score.inputs import STDIN
from clip_emotion.text import fold

if TYPE_CHECKING:
    from clip_emotion.cli.score.table import ScoreTable
    from scoring.affection.scorer import AffectionScorer
    from scoring.conversation import Turn
    from scoring.readers import LiveReader, ReadOptions
    from scoring.readers.follow import LineSource
    from scoring.result import TurnScore


def check_place(place: str) -> None:
    """Raise DataError where a file that is to be followed cannot be read."""
    from scoring.readers.follow import FileTail

    if place != STDIN:
        FileTail(Path(place))


@dataclass
class LiveSession:
    """One conversation that is followed: where it grows, what scores it, the shown labels and speakers."""

    place: str
    scorer: AffectionScorer
    options: ReadOptions
    labels: Mapping[str, str]
    speakers: tuple[str, ...] = ()
    small_model: bool = False
    reader: LiveReader | None = None

    def run(self, form: str) -> None:
        """Show each turn as it comes until the source ends or the user interrupts; then the summary."""
        from clip_emotion.cli.score.table import ScoreTable
        from scoring.readers.follow import follow

        table = ScoreTable()
        show = self._writer(form, table)
        turns = follow(self._source(), self._make_reader, self._start_anew)
        try:
            with _one_thread() if self.small_model else nullcontext():
                self._show(turns, show)
        except KeyboardInterrupt:
            # The only way to end a file's following, so no failure: what came so far is shown and summed up.
            say("")
            self._show(self.reader.finish() if self.reader else (), show)
        self._sum_up(form, table)

    def _show(self, turns: Iterable[Turn], show: Callable[[TurnScore], None]) -> None:
        for turn in turns:
            scored = self.scorer.update(turn)
            if self._is_shown(turn.speaker):
                show(scored)

    def _is_shown(self, speaker: str) -> bool:
        return not self.speakers or fold(speaker) in map(fold, self.speakers)

    def _source(self) -> LineSource:
        from scoring.readers.follow import FileTail, PipeLines

        if self.place == STDIN:
            return PipeLines(typer.get_binary_stream("stdin"))
        return FileTail(Path(self.place))

    def _make_reader(self) -> LiveReader:
        from scoring.readers import LiveReader

        folder = None if self.place == STDIN else Path(self.place).parent
        self.reader = LiveReader(options=self.options, folder=folder)
        return self.reader

    def _start_anew(self) -> None:
        self._tell_faults()
        say(f"Note: {self.place} was replaced: it is read, and its score begins, anew.")
        self.scorer.reset()

    def _tell_faults(self) -> None:
        from scoring.output.wording import fault_sentence

        if self.reader is not None and self.reader.faults:
            say(fault_sentence(self.place, self.reader.faults))

    def _writer(self, form: str, table: ScoreTable) -> Callable[[TurnScore], None]:
        from scoring.output.formats import csv_header, json_line, turn_csv

        keys = tuple(self.labels)
        stream = typer.get_binary_stream("stdout")

        def write(line: str) -> None:
            stream.write(line.encode("utf-8", "backslashreplace"))
            stream.flush()

        if form == "jsonl":
            return lambda turn: write(json_line(turn))
        if form == "csv":
            write(csv_header(keys))
            # A file's name may name the people in it, and who they are is not known before they speak.
            name = "conversation" if self.options.anonymise else Path(self.place).name
            return lambda turn: write(turn_csv(turn, name, keys))
        return lambda turn: table.turn(turn, self.labels)

    def _sum_up(self, form: str, table: ScoreTable) -> None:
        from scoring.output.wording import signed

        self._tell_faults()
        whole, speakers = self.scorer.summary()
        parts = {name: part for name, part in speakers.items() if self._is_shown(name)}
        if form == "table":
            table.summary(whole, parts, self.labels)
        else:
            each = "".join(f"; {name} {signed(part.score)}" for name, part in parts.items())
            say(f"{whole.turns} turn{'' if whole.turns == 1 else 's'} scored: affection {signed(whole.score)}{each}.")
        if self.speakers and not parts:
            say(f"No turn of {', '.join(self.speakers)} came; it has: {', '.join(speakers) or 'no speakers'}.")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute in one thread: a small model's single message takes less time than sharing it out would."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
