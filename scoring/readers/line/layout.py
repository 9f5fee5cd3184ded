"""LINE's layout: the telephone's form, or the desktop's where no message of the telephone's stands in the file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scoring.readers.line.dates import YEAR_FIRST
from scoring.readers.line.desktop import SAID, LineDesktopParser
from scoring.readers.line.mobile import MESSAGE, LineParser
from scoring.readers.messages import Layout, Parser, Source

_OWN_DAY = re.compile(r"\d{4}\.\d{2}\.\d{2} ")


def _recognise(line: str, first: bool) -> bool:
    begins = first and (line.startswith("[LINE] ") or _is_day(line))
    return begins or MESSAGE.match(line) is not None


def _is_day(line: str) -> bool:
    return _OWN_DAY.match(line) is not None and YEAR_FIRST.fullmatch(line.strip()) is not None


def _parser(source: Source) -> Parser:
    return LineDesktopParser(source) if _is_desktop(source.lines) else LineParser(source)


def _is_desktop(lines: Sequence[str]) -> bool:
    """Tell whether lines have spaces where the telephone writes tabs; where none are known yet, they have not."""
    if any(MESSAGE.match(line) for line in lines):
        return False
    return any(SAID.match(line.strip()) for line in lines)


LINE = Layout("line", _recognise, _parser)
