"""``clip-emotion score --follow``: a growing conversation, scored turn by turn as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import say
from clip_emotion.cli.score.inputs import STDIN, InputRequirements
from clip_emotion.text import fold

if TYPE_CHECKING:
    from clip_emotion.cli.score.table import ScoreTable
    from scoring.affection.scorer import AffectionScorer
    from scoring.conversation import Turn
    from scoring.output.anonymise import Anonymiser
    from scoring.readers import LiveReader
    from scoring.readers.follow import LineSource
    from scoring.result import TurnScore


def check_place(place: str) -> None:
    """Raise DataError where a file that is to be followed cannot be read."""
    from scoring.readers.follow import FileTail

    if place != STDIN:
        FileTail(Path(place))


@dataclass
class LiveSession:
    """One conversation that is followed: where it grows, what scores it, and what is asked of it.

    A text can be masked only for the names that have spoken up to it.
    """

    place: str
    scorer: AffectionScorer
    requirements: InputRequirements
    small_model: bool = False
    reader: LiveReader | None = None
    anonymiser: Anonymiser | None = None

    def __post_init__(self) -> None:
        from scoring.output.anonymise import Anonymiser

        if self.requirements.anonymise:
            self.anonymiser = Anonymiser()

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
            shown = self.anonymiser.turn(scored) if self.anonymiser else scored
            if self._is_shown(turn.speaker):
                show(shown)

    def _shown_name(self, speaker: str) -> str:
        return self.anonymiser.speaker(speaker) if self.anonymiser else speaker

    def _is_shown(self, speaker: str) -> bool:
        asked = set(map(fold, self.requirements.speakers))
        return not asked or fold(speaker) in asked or fold(self._shown_name(speaker)) in asked

    def _source(self) -> LineSource:
        from scoring.readers.follow import FileTail, PipeLines

        if self.place == STDIN:
            return PipeLines(typer.get_binary_stream("stdin"))
        return FileTail(Path(self.place))

    def _make_reader(self) -> LiveReader:
        from scoring.readers import LiveReader

        folder = None if self.place == STDIN else Path(self.place).parent
        self.reader = LiveReader(options=self.requirements.options, folder=folder)
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

        keys: tuple[str, ...] = ()
        stream = typer.get_binary_stream("stdout")

        def write(line: str) -> None:
            stream.write(line.encode("utf-8", "backslashreplace"))
            stream.flush()

        if form == "jsonl":
            return lambda turn: write(json_line(turn))
        if form == "csv":
            write(csv_header(keys))
            # A file's name may name the people in it, and who they are is not known before they speak.
            name = "conversation" if self.anonymiser else Path(self.place).name
            return lambda turn: write(turn_csv(turn, name, keys))
        return lambda turn: table.turn(turn, self.scorer.labels)

    def _sum_up(self, form: str, table: ScoreTable) -> None:
        from scoring.output.wording import signed

        self._tell_faults()
        whole, speakers = self.scorer.summary()
        parts = {self._shown_name(name): part for name, part in speakers.items() if self._is_shown(name)}
        if form == "table":
            table.summary(whole, parts, self.scorer.labels)
        else:
            each = "".join(f"; {name} {signed(part.score)}" for name, part in parts.items())
            say(f"{whole.turns} turn{'' if whole.turns == 1 else 's'} scored: affection {signed(whole.score)}{each}.")
        if self.requirements.speakers and not parts:
            others = ", ".join(map(self._shown_name, speakers)) or "no speakers"
            say(f"No turn of {', '.join(self.requirements.speakers)} came; it has: {others}.")


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
