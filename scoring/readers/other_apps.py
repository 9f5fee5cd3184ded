"""Exports of other programs, which no layout here reads yet: recognised, so that the error can name them."""

from __future__ import annotations

import re

_DATE = r"\d{1,4}(?:/|-|\. ?)\d{1,2}(?:/|-|\. ?)\d{1,4}\.?"
_CLOCK = r"(?:(?:오전|오후|午前|午後|[AP]M) ?)?\d{1,2}[:.]\d{2}(?::\d{2})?(?: ?[AP]\.? ?M\.?)?"
_DATED_HEADERS = {
    "WhatsApp": (
        rf"{_DATE},? {_CLOCK} - \S|\[{_DATE}, {_CLOCK}\] \S"
        rf"|\[\d{{4}}(?:/|-|\. ?).{{1,8}} {_CLOCK}\] [^:]{{1,80}}: "
    ),
    "LINE": rf"\[LINE\] |(?:Saved on: |保存日時：) ?\d{{4}}|{_CLOCK}\t[^\t]{{1,80}}\t",
    "Telegram": rf".{{1,80}}, \[{_DATE},? {_CLOCK}\]:?(?: |$)|\[{_DATE} {_CLOCK}\] [^:]{{1,80}}: ",
    "Discord": (
        rf"\[(?:\d{{1,2}}-[A-Z][a-z]{{2}}-\d{{2,4}}|{_DATE}) {_CLOCK}\] [^:]{{1,80}}$|Guild: \S"
        rf"|.{{1,80}} — (?:(?:Today|Yesterday|오늘|어제|今日|昨日)(?: at)?|{_DATE}) ?{_CLOCK}$"
    ),
}
_HEADERS = {app: re.compile(pattern, re.IGNORECASE) for app, pattern in _DATED_HEADERS.items()}
_JSON_KEYS = {
    "Instagram": re.compile(r'"sender_name"\s*:|"timestamp_ms"\s*:'),
    "Telegram": re.compile(r'"from_id"\s*:|"date_unixtime"\s*:'),
    "Discord": re.compile(r'"guild"\s*:|"discriminator"\s*:'),
}
_PAGE_WORDS = {app: re.compile(app, re.IGNORECASE) for app in ("Telegram", "Instagram", "Discord", "WhatsApp")}
_LONGEST_HEADER = 500


def app_of_line(line: str) -> str | None:
    """Return the program whose dated header (or title) a line is, or None."""
    head = line[:_LONGEST_HEADER]
    return next((app for app, header in _HEADERS.items() if header.match(head)), None)


def app_of_json(head: str) -> str | None:
    """Return the program that writes JSON with the keys at the head of a file, or None."""
    return next((app for app, keys in _JSON_KEYS.items() if keys.search(head)), None)


def app_of_page(head: str) -> str | None:
    """Return the program that the head of a web page names, or None."""
    return next((app for app, word in _PAGE_WORDS.items() if word.search(head)), None)
