"""JSON Lines: an object a line with ``speaker``, ``text`` and, where given, ``image``, ``emotions``, ``time``."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scoring.conversation import Fault
from scoring.readers.cleaning import is_damaged
from scoring.readers.fields import FieldError, gather, read_row
from scoring.readers.json_text import LONGEST_VALUE
from scoring.readers.messages import Layout, Message, fault


class JsonLinesParser:
    """Reads an object a line; a line that is none, or lacks a speaker, is a fault, and reading goes on."""

    system_lines = 0

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def feed(self, number: int, line: str) -> Sequence[Message]:
        """Return the line's message."""
        if not line or line.isspace():
            return ()
        try:
            row = read_row(number, gather(_object(line).items()))
        except FieldError as error:
            self.faults.append(fault(number, str(error), line))
            return ()
        self.faults.extend(fault(number, flaw, line) for flaw in row.flaws)
        return (row.message,)

    def flush(self) -> Sequence[Message]:
        """Return nothing: a line is a whole message."""
        return ()

    def finish(self) -> Sequence[Message]:
        """Return nothing: a line is a whole message."""
        return ()


def _object(line: str) -> dict[str, object]:
    if len(line) > LONGEST_VALUE:
        raise FieldError(f"it is longer than {LONGEST_VALUE:,} characters")
    if is_damaged(line):
        raise FieldError("it holds bytes that are not text")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise FieldError("it is not valid JSON") from None
    if not isinstance(value, dict):
        raise FieldError("it is not a JSON object")
    return value


def _recognise(line: str, first: bool) -> bool:
    if not line.lstrip().startswith("{"):
        return False
    if len(line) > LONGEST_VALUE:
        return True
    try:
        return bool(_object(line))
    except FieldError:
        return False


JSONL = Layout("jsonl", recognise=_recognise, parser=lambda source: JsonLinesParser(), is_table=True)
