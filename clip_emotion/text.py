"""Text as this project reads and compares it: NFC-normalised, whatever the file's encoding."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from clip_emotion.errors import DataError

LIKENESS = 0.7
"""The least likeness, difflib's ratio in [0, 1], that is worth a suggestion: a letter or two of a word amiss."""
MISSING = frozenset(("", "na", "n/a", "nan", "null", "none"))
"""What a table writes where it does not know, in lower case."""


def nfc(text: str) -> str:
    """Return the text in Unicode's composed form, so that macOS's decomposed Hangul equals everybody else's."""
    return unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """Return a comparison key: NFKC, case-folded, with outer white space and inner ``_ - ·`` differences removed."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.replace("_", " ").replace("-", " ").replace("·", " ").split())


def has_hangul(text: str) -> bool:
    """Tell whether the text holds a Hangul syllable or letter."""
    return any("가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" or "ᄀ" <= c <= "ᇿ" for c in text)


def with_article(noun: str) -> str:
    """Return an English noun behind its indefinite article, by its first letter."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def read_text(path: Path) -> str:
    """Return a text file's NFC-normalised content, read as UTF-8 (with or without BOM) or else as CP949.

    Raises DataError when the file is missing or is in neither encoding.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return nfc(raw.decode(encoding))
        except UnicodeDecodeError:
            continue
    raise DataError(f"{path} is neither UTF-8 nor CP949 text: save it as UTF-8.")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like another one whatever its case and spacing, or None where none is near.

    Hangul is compared letter by letter: 기뿜 is near 기쁨, and 사과 is not near 감사.
    """
    spellings = {_letters(one): one for one in known}
    near = get_close_matches(_letters(name), spellings, n=1, cutoff=LIKENESS)
    return spellings[near[0]] if near else None


def _letters(text: str) -> str:
    return unicodedata.normalize("NFD", fold(text))
