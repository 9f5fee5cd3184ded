"""A growing file or a pipe as turns, as they come: whole lines only, and a replaced file is read from its beginning."""

from __future__ import annotations

import codecs
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from clip_emotion.errors import DataError
from clip_emotion.text import nfc
from scoring.conversation import Turn

CHUNK = 1 << 20
LONGEST_LINE = 4_000_000
"""Bytes of one line that are kept."""
REMEMBERED = 1024
"""Bytes of the beginning and of the end of what was read, by which a file is known again."""


@dataclass(frozen=True)
class FollowOptions:
    """How a source is followed: polled every ``interval`` seconds; a message is complete after ``quiet`` seconds.

    ``sleep``, ``clock`` (both in seconds) and ``stop`` (asked after each poll) can be replaced.
    """

    interval: float = 0.3
    quiet: float = 2.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Update:
    """What one poll of a source found: whole lines, and whether more are ready, it was replaced or has ended."""

    lines: list[str] = field(default_factory=list)
    more: bool = False
    replaced: bool = False
    ended: bool = False


class LineSource(Protocol):
    """Something that lines come from, now and then."""

    def poll(self) -> Update:
        """Return the lines that have come since the last poll, without waiting for any."""
        ...

    def rest(self) -> list[str]:
        """Return the last line where it was begun but never ended, else nothing."""
        ...


class TurnReader(Protocol):
    """What makes turns of lines, as ``readers.LiveReader`` does."""

    def feed(self, lines: Iterable[str]) -> list[Turn]:
        """Return the turns that these lines complete."""
        ...

    def flush(self) -> list[Turn]:
        """Return the turn that may still have gone on."""
        ...

    def finish(self) -> list[Turn]:
        """Return the turns that are left when nothing more comes."""
        ...


def follow(
    source: LineSource,
    make_reader: Callable[[], TurnReader],
    replaced: Callable[[], None],
    options: FollowOptions | None = None,
) -> Iterator[Turn]:
    """Yield the turns of a growing source until it ends or ``options.stop()``; then those that were still open.

    Where the source was replaced, ``replaced()`` is called after the old content's last turn, and a new reader begins
    with the new content.
    """
    options = options or FollowOptions()
    reader, open_since = make_reader(), None
    while True:
        update = source.poll()
        if update.replaced:
            yield from reader.finish()
            replaced()
            reader, open_since = make_reader(), None
        if update.lines:
            yield from reader.feed(update.lines)
            open_since = options.clock()
        elif open_since is not None and options.clock() - open_since >= options.quiet:
            yield from reader.flush()
            open_since = None
        if update.ended or options.stop():
            break
        if not update.more:
            options.sleep(options.interval)
    yield from reader.feed(source.rest())
    yield from reader.finish()


class FileTail:
    """The lines of a growing file, decoded one by one as UTF-8 or else as CP949, in constant memory.

    The file is opened anew for each poll, so that it can be renamed or rewritten meanwhile. It counts as the same file
    while it still begins and ends, up to where it was read, as it did; else it was replaced and is read from its
    beginning. A file that is away for a while is waited for. Raises DataError when it is not there at the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = _LineSplitter()
        self._seen: tuple[int, int, int] | None = None
        self._position, self._head, self._tail = 0, b"", b""
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error

    def poll(self) -> Update:
        """Return the whole lines that were added since the last poll, at most a megabyte of them."""
        try:
            status = self.path.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen == self._seen and status.st_size == self._position:
                return Update()
            with self.path.open("rb") as file:
                replaced = not self._is_the_same(file)
                if replaced:
                    self._lines = _LineSplitter()
                    self._position, self._head, self._tail = 0, b"", b""
                file.seek(self._position)
                chunk = file.read(CHUNK)
        except OSError:
            # Renamed away, or written by a program that lets nobody else in: it is there again soon.
            return Update()
        self._seen = seen
        self._position += len(chunk)
        self._head += chunk[: REMEMBERED - len(self._head)]
        self._tail = (self._tail + chunk)[-REMEMBERED:]
        return Update(self._lines.take(chunk), more=len(chunk) == CHUNK, replaced=replaced)

    def _is_the_same(self, file: BinaryIO) -> bool:
        if file.read(len(self._head)) != self._head:
            return False
        file.seek(self._position - len(self._tail))
        return file.read(len(self._tail)) == self._tail

    def rest(self) -> list[str]:
        """Return the last line where it has no line end yet."""
        return self._lines.rest()


class PipeLines:
    """The lines of a pipe, read by a thread of their own, so that a poll never waits."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines = _LineSplitter()
        self._arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in iter(self._stream.readline, b""):
            self._arrived.put(line)
        self._arrived.put(b"")

    def poll(self) -> Update:
        """Return the lines that have arrived."""
        lines: list[str] = []
        while not self._arrived.empty():
            arrived = self._arrived.get()
            if not arrived:
                return Update(lines, ended=True)
            lines += self._lines.take(arrived)
        return Update(lines)

    def rest(self) -> list[str]:
        """Return the last line where the pipe closed in the middle of it."""
        return self._lines.rest()


class _LineSplitter:
    """Cuts bytes into whole lines; what has no line end yet is kept for the next bytes."""

    def __init__(self) -> None:
        self._begun = b""
        self._at_start = True

    def take(self, chunk: bytes) -> list[str]:
        *whole, self._begun = (self._begun + chunk).split(b"\n")
        # Of a line without end only the beginning is kept, and what follows up to its end is dropped.
        self._begun = self._begun[:LONGEST_LINE]
        return [self._decoded(line) for line in whole]

    def rest(self) -> list[str]:
        begun, self._begun = self._begun, b""
        return [self._decoded(begun)] if begun else []

    def _decoded(self, line: bytes) -> str:
        if self._at_start and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError("A growing conversation in UTF-16 cannot be cut into lines: have it written as UTF-8.")
        text = _decode(line).rstrip("\r")
        if self._at_start:
            text, self._at_start = text.removeprefix("\ufeff"), False
        return nfc(text)


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        # As readers of whole files do; a line in neither encoding is kept as far as it can be read.
        return line.decode("cp949", errors="replace")
