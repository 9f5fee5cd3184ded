"""Lines as they come become turns as soon as they are complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from scoring.conversation import Fault, Turn
from scoring.readers.cleaning import clean
from scoring.readers.detection import Detector
from scoring.readers.layouts import AUTO, LINE_LAYOUTS
from scoring.readers.messages import Layout, Message, Parser, Source, fault
from scoring.readers.plain import PLAIN
from scoring.readers.reading import ReadOptions
from scoring.readers.turns import TurnBuilder

_WAITING = 1000
"""Lines that are kept while no layout is recognised; older ones become faults."""


class LiveReader:
    """Reads a conversation line by line; the turns are the same however the lines are cut into calls of ``feed``.

    A chat's last message is held back, for the next line may go on with it: ``flush`` gives it out now. Turns count
    from 1 over the whole stream. ``folder`` is where pictures may lie (None: nowhere). Raises UsageError for an unknown
    layout, DataError for another program's export.
    """

    def __init__(self, layout: str = AUTO, options: ReadOptions | None = None, folder: Path | None = None) -> None:
        self._options = options or ReadOptions()
        chosen = self._options.layout if layout == AUTO else layout
        replace(self._options, layout=chosen).check(live=True)
        self._folder = folder
        self._number = 0
        self._waiting: list[tuple[int, str]] = []
        self._detector = Detector("the conversation")
        self._lost: list[Fault] = []
        self._parser: Parser | None = None
        # Until a layout is known, marks stay, for the lines that wait may be of one that has some.
        self._marks = True
        self._builder = TurnBuilder(folder)
        self.layout: str | None = None
        if chosen != AUTO:
            self._settle(LINE_LAYOUTS[chosen])

    def feed(self, lines: Iterable[str]) -> list[Turn]:
        """Take lines (each with or without its line end) and return the turns that are complete with them."""
        turns: list[Turn] = []
        for entry in lines:
            for line in _lines_of(entry):
                self._number += 1
                turns += self._take(self._number, line if self._marks else clean(line))
        return turns

    def flush(self) -> list[Turn]:
        """Return the message that is held back; lines that go on with it later are a turn of the same speaker."""
        return self._turns(self._parser.flush()) if self._parser else []

    def finish(self) -> list[Turn]:
        """Return what is left at the end; lines that no layout was recognised in become faults."""
        if self._parser is None:
            self._lose(len(self._waiting))
            return []
        return self._turns(self._parser.finish())

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The lines that could not be used so far, in their order."""
        parsed = self._parser.faults if self._parser else []
        return tuple(sorted((*self._lost, *parsed, *self._builder.faults), key=lambda entry: entry.line))

    @property
    def system_lines(self) -> int:
        """How many lines so far were the export's own."""
        return self._parser.system_lines if self._parser else 0

    def _take(self, number: int, line: str) -> list[Turn]:
        if self._parser is not None:
            return self._turns(self._parser.feed(number, line))
        plain = clean(line)
        if not plain.strip():
            return []
        found = self._detector.feed(plain) or (PLAIN if self._detector.is_plain else None)
        self._waiting.append((number, line))
        if found is None:
            self._lose(len(self._waiting) - _WAITING)
            return []
        parser = self._settle(found)
        waiting, self._waiting = self._waiting, []
        kept = [(at, text if self._marks else clean(text)) for at, text in waiting]
        return [turn for entry in kept for turn in self._turns(parser.feed(*entry))]

    def _settle(self, layout: Layout) -> Parser:
        self.layout = layout.name
        self._parser = layout.parser(Source(date_order=self._options.date_order))
        self._marks = layout.has_marks
        self._builder = TurnBuilder(self._folder, has_placeholders=layout.has_placeholders, by_conversation=False)
        return self._parser

    def _lose(self, count: int) -> None:
        for number, line in self._waiting[: max(count, 0)]:
            self._lost.append(fault(number, "no speaker was recognised up to it", line))
        del self._waiting[: max(count, 0)]

    def _turns(self, messages: Sequence[Message]) -> list[Turn]:
        return list(self._builder.turns(messages)) if messages else []


def _lines_of(entry: str) -> list[str]:
    lines = clean(entry, marks=True).split("\n")
    return lines[:-1] if len(lines) > 1 and not lines[-1] else lines
