"""Bytes to text, and text without the signs that nobody sees."""

from __future__ import annotations

import codecs
import re

from clip_emotion.errors import DataError
from clip_emotion.text import nfc

_LINE_END = re.compile("\r\n?")
# str.splitlines would break lines here; chat programs do not, so these are spaces within a line.
_SPACE = re.compile("[\x0b\x0c\x1c-\x1f\x85\u00a0\u202f\u2028\u2029]")
# Controls, zero-width and bidirectional marks, lone surrogates, and tag characters outside a flag (🏴 + tags).
_NOISE_SIGNS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0001"
)
_NOISE = re.compile(f"[{_NOISE_SIGNS}]")
MARK = "\u200e"
"""The left-to-right mark, which WhatsApp writes before what is its own and no person's."""
_NOISE_BUT_MARKS = re.compile(f"(?!{MARK})[{_NOISE_SIGNS}]")
_SUSPECT = re.compile(f"{_NOISE.pattern}|{_SPACE.pattern}|[\r\u200d\U000e0020-\U000e007f]")
_TAGS = re.compile("(?P<flag>\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|[\U000e0020-\U000e007f]")
_EMOJI = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
_LONE_JOINER = re.compile(f"(?<![{_EMOJI}\ufe0f\U0001f3fb-\U0001f3ff])\u200d|\u200d(?![{_EMOJI}])")
_DAMAGED = "\ufffd"
# More damage than this share of the characters, and the bytes are no UTF-8 text with a flaw but something else.
_MOST_DAMAGE = 0.01


def clean(text: str, *, marks: bool = False) -> str:
    """Return the text in NFC, its lines parted by ``\\n``, without controls, zero-width and bidirectional signs.

    The joiner stays where it ties emoji together (👩‍💻), the tab stays everywhere, left-to-right marks with ``marks``.
    """
    if _SUSPECT.search(text) is None:
        return text if text.isascii() else nfc(text)
    text = _SPACE.sub(" ", _LINE_END.sub("\n", text))
    text = _TAGS.sub(lambda match: match["flag"] or "", (_NOISE_BUT_MARKS if marks else _NOISE).sub("", text))
    return nfc(_LONE_JOINER.sub("", text))


def is_damaged(line: str) -> bool:
    """Tell whether a line holds the sign that stands for bytes which could not be decoded."""
    return _DAMAGED in line


def decode(raw: bytes, name: str) -> str:
    """Return bytes as text: UTF-16 with its mark, UTF-8 with or without one, else CP949, else UTF-8 with damage.

    In damaged UTF-8 (a file cut off, a byte gone bad) each bad byte becomes U+FFFD; such lines are reported later.
    Raises DataError when the bytes are no text.
    """
    encodings = ["utf-8-sig", "cp949"]
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    for encoding in encodings:
        try:
            return checked(raw.decode(encoding), name)
        except UnicodeDecodeError:
            continue
    text = raw.decode("utf-8-sig", errors="replace")
    if text.count(_DAMAGED) > max(1, _MOST_DAMAGE * len(text)):
        raise DataError(f"{name} is neither UTF-8 nor CP949 text: save it as UTF-8.")
    return checked(text, name)


def checked(text: str, name: str) -> str:
    """Return the text as it is; raises DataError when it holds NUL, as images, archives and databases do."""
    if "\0" in text:
        raise DataError(f"{name} is a binary file, not a transcript: give text, CSV, TSV or JSON Lines.")
    return text
