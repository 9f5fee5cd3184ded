"""The registry of chat layouts: here a layout is added.

A layout that is read line by line is a file with one ``Layout`` record: its name, ``recognise`` (is a line unmistakably
of this layout?) and its parser. One that is read as a whole (JSON, XML) has one ``DocumentLayout``. Write the file
beside ``plain.py``, or in a folder where a program has several, and list its record here; detection, live reading,
``--layout`` and the property tests then know it.
"""

from __future__ import annotations

from clip_emotion.errors import UsageError
from scoring.readers.discord.csv_export import DISCORD_CSV
from scoring.readers.discord.json_export import DISCORD
from scoring.readers.imessage import IMESSAGE
from scoring.readers.jsonl import JSONL
from scoring.readers.kakaotalk.android import ANDROID
from scoring.readers.kakaotalk.ios import IOS
from scoring.readers.kakaotalk.macos import MACOS
from scoring.readers.kakaotalk.windows import WINDOWS
from scoring.readers.line.layout import LINE
from scoring.readers.messages import DocumentLayout, Layout
from scoring.readers.meta.message_files import META
from scoring.readers.meta.messenger import MESSENGER
from scoring.readers.plain import PLAIN
from scoring.readers.sms import SMS
from scoring.readers.table import TABLE
from scoring.readers.telegram import TELEGRAM
from scoring.readers.whatsapp.parser import WHATSAPP

AUTO = "auto"
LINE_LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        *(MACOS, ANDROID, IOS, WINDOWS, WHATSAPP, LINE, IMESSAGE),
        *(DISCORD_CSV, JSONL, TABLE, PLAIN),
    )
}
"""The layouts by name, in the order in which they are asked whether a line is theirs; plain takes any colon: last."""
DOCUMENT_LAYOUTS: dict[str, DocumentLayout] = {
    layout.name: layout for layout in (TELEGRAM, META, MESSENGER, DISCORD, SMS)
}
"""The layouts of whole documents by name; no document is of two of them."""
LAYOUTS: dict[str, Layout | DocumentLayout] = {**LINE_LAYOUTS, **DOCUMENT_LAYOUTS}
"""All layouts by name."""


def check_layout(name: str, *, live: bool = False) -> None:
    """Raise UsageError where there is no layout of this name, and name those there are.

    A document has no lines that could be read as they come: ``live`` refuses those too.
    """
    if name != AUTO and name not in LAYOUTS:
        raise UsageError(f"Unknown layout '{name}': use {AUTO} or one of {', '.join(LAYOUTS)}.")
    if live and name in DOCUMENT_LAYOUTS:
        raise UsageError(f"A file of the layout {name} is read as a whole, not as it grows: leave out --follow.")
