"""Forms of other programs which no layout here reads: recognised, so that the error can say which form is read."""

from __future__ import annotations

import re

_DATE = r"\d{1,4}(?:/|-|\. ?)\d{1,2}(?:/|-|\. ?)\d{1,4}\.?"
_CLOCK = r"(?:(?:오전|오후|午前|午後|[AP]M) ?)?\d{1,2}[:.]\d{2}(?::\d{2})?(?: ?[AP]\.? ?M\.?)?"
_DATED_HEADERS = {
    "Telegram": rf".{{1,80}}, \[{_DATE},? {_CLOCK}\]:?(?: |$)|\[{_DATE} {_CLOCK}\] [^:]{{1,80}}: ",
    "Discord": (
        rf"\[(?:\d{{1,2}}-[A-Z][a-z]{{2}}-\d{{2,4}}|{_DATE}) {_CLOCK}\] [^:]{{1,80}}$|Guild: \S"
        rf"|.{{1,80}} — (?:(?:Today|Yesterday|오늘|어제|今日|昨日)(?: at)?|{_DATE}) ?{_CLOCK}$"
    ),
}
_HEADERS = {app: re.compile(pattern, re.IGNORECASE) for app, pattern in _DATED_HEADERS.items()}
_READ = {
    "Telegram": "export the chat in Telegram Desktop (Export chat history, format JSON) and give its result.json",
    "Instagram": "ask Instagram for your information in the format JSON and give its message_1.json",
    "Facebook": "ask Facebook for your information in the format JSON and give its message_1.json",
    "Discord": "export the channel with DiscordChatExporter as JSON or CSV and give that",
    "WhatsApp": "export the chat in WhatsApp (Export chat) and give its .txt or .zip",
}
_PAGE_WORDS = {
    app: re.compile(app, re.IGNORECASE) for app in ("Telegram", "Instagram", "Facebook", "Discord", "WhatsApp")
}
_LONGEST_HEADER = 500


def app_of_line(line: str) -> str | None:
    """Return the program whose dated header a line is, or None."""
    head = line[:_LONGEST_HEADER]
    return next((app for app, header in _HEADERS.items() if header.match(head)), None)


def app_of_page(head: str) -> str | None:
    """Return the program that the head of a web page names, or None."""
    return next((app for app, word in _PAGE_WORDS.items() if word.search(head)), None)


def form_of(app: str) -> str:
    """Return how to get the form of a program's chats that is read."""
    return _READ[app]
