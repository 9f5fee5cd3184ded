"""What the readers of documents (JSON, XML) share: rows that become messages, and messages in the order of time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from scoring.readers.fields import FieldError, read_row
from scoring.readers.messages import Reading, fault

EXCERPT = 200
"""Characters of a document from which a fault's excerpt is made."""


def take_row(
    reading: Reading, line: int, row: Mapping[str, object], attached: str | None = None, conversation: str = ""
) -> None:
    """Take a row as a message; ``row`` holds the fields of ``read_row``, ``attached`` a picture's name."""
    try:
        read = read_row(line, row)
    except FieldError as error:
        reading.faults.append(fault(line, str(error), str(row.get("text", ""))[:EXCERPT]))
        return
    read.message.attached, read.message.conversation = attached, conversation
    reading.messages.append(read.message)
    reading.faults.extend(fault(line, flaw, str(row.get("time"))[:EXCERPT]) for flaw in read.flaws)


def in_order(reading: Reading) -> Reading:
    """Put messages into the order of time where all have one; those of one time stay as they stand."""
    if all(message.time is not None for message in reading.messages):
        reading.messages.sort(key=lambda message: message.time or datetime.min)
    return reading


def oldest_first(reading: Reading) -> Reading:
    """Put messages that stand newest first into the order of time, as ``in_order`` does."""
    reading.messages.reverse()
    return in_order(reading)
