"""KakaoTalk for macOS: a table with the header ``Date,User,Message``."""

from __future__ import annotations

from collections.abc import Mapping

from scoring.readers.kakaotalk.notices import is_bare_notice
from scoring.readers.messages import Layout
from scoring.readers.table import TableParser, header_of

_HEADER = ["Date", "User", "Message"]


class MacosParser(TableParser):
    """Reads the rows of an export, among which are KakaoTalk's notices."""

    def is_notice(self, values: Mapping[str, object]) -> bool:
        """Tell whether a row has no user, or tells that its user came or went."""
        speaker, text = str(values.get("speaker", "")).strip(), str(values.get("text", "")).strip()
        if not speaker:
            return bool(text)
        return text.startswith((f"{speaker}님이 ", f"{speaker} ")) and is_bare_notice(text, {speaker})


def _recognise(line: str, first: bool) -> bool:
    header = header_of(line) if first else None
    return header is not None and header.columns == _HEADER


MACOS = Layout("kakaotalk-macos", _recognise, parser=lambda source: MacosParser(), has_placeholders=True, is_table=True)
