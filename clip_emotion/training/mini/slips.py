"""Messages as fingers leave them: without spaces, by ear, letters swapped or repeated, something at the end."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

from clip_emotion.text import has_hangul

FIRST, LAST, COUNT_VOWELS, COUNT_FINALS = 0xAC00, 0xD7A3, 21, 28
INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
FINALS = ["", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
SPOKEN = {
    "ㅎ": ("", ""),
    "ㄶ": ("", "ㄴ"),
    "ㅀ": ("", "ㄹ"),
    "ㄵ": ("ㄴ", "ㅈ"),
    "ㄺ": ("ㄹ", "ㄱ"),
    "ㅄ": ("ㅂ", "ㅆ"),
    "ㄼ": ("ㄹ", "ㅂ"),
}
"""What is left of a double final, and what is heard at the start of the next syllable."""
ALIKE = {"ㅐ": "ㅔ", "ㅔ": "ㅐ", "ㅚ": "ㅙ", "ㅙ": "ㅚ", "ㅒ": "ㅖ", "ㅖ": "ㅔ", "ㅢ": "ㅣ"}
ENDINGS = ("!", "!!", "~", "~~", "..", "...", ".", "?", ";;")


def slipped(text: str, rng: random.Random) -> str:
    """Return a message with one or two slips of the kinds that its language knows."""
    kinds: tuple[Callable[[str, random.Random], str], ...] = KOREAN if has_hangul(text) else ENGLISH
    for _ in range(rng.choice((1, 1, 2))):
        text = rng.choice(kinds)(text, rng)
    return unicodedata.normalize("NFC", text)


def joined(text: str, rng: random.Random) -> str:
    """Leave out all spaces, or some of them."""
    share = rng.choice((1.0, 0.5))
    return "".join(letter for letter in text if letter != " " or rng.random() > share)


def by_ear(text: str, rng: random.Random) -> str:
    """Write a final consonant where it is heard: 좋아 as 조아, 싶어 as 시퍼, 싫어 as 시러."""
    letters = list(text)
    for at in range(len(letters) - 1):
        first, second = _apart(letters[at]), _apart(letters[at + 1])
        if first is None or second is None or second[0] != "ㅇ" or first[2] in ("", "ㅇ"):
            continue
        left, moved = SPOKEN.get(first[2], ("", first[2]))
        if moved and moved not in INITIALS:
            continue
        letters[at] = _together(first[0], first[1], left)
        letters[at + 1] = _together(moved or "ㅇ", second[1], second[2])
    return "".join(letters)


def alike(text: str, rng: random.Random) -> str:
    """Swap one vowel for the one that sounds like it (ㅐ and ㅔ)."""
    places = [at for at, letter in enumerate(text) if (parts := _apart(letter)) and parts[1] in ALIKE]
    if not places:
        return text
    at = rng.choice(places)
    initial, vowel, final = _apart(text[at]) or ("", "", "")
    return text[:at] + _together(initial, ALIKE[vowel], final) + text[at + 1 :]


def drawled(text: str, rng: random.Random) -> str:
    """Draw out the last syllable (좋아아, 좋앙) or a word's last letter (sooo)."""
    parts = _apart(text[-1])
    if parts is None:
        return text + text[-1] * rng.randint(1, 3) if text[-1].isalpha() else text
    if parts[2]:
        return text
    if rng.random() < 0.5:
        return text[:-1] + _together(parts[0], parts[1], rng.choice("ㅇㅁㅇ"))
    return text + _together("ㅇ", parts[1], "") * rng.randint(1, 2)


def swapped(text: str, rng: random.Random) -> str:
    """Swap two neighbouring letters inside a word."""
    places = [at for at in range(len(text) - 1) if text[at].isalpha() and text[at + 1].isalpha()]
    if not places:
        return text
    at = rng.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def dropped(text: str, rng: random.Random) -> str:
    """Leave out the apostrophes, or one letter of a long message."""
    if "'" in text:
        return text.replace("'", "")
    at = rng.randrange(len(text))
    return text[:at] + text[at + 1 :] if len(text) > 8 and text[at].isalpha() else text


def ended(text: str, rng: random.Random) -> str:
    """Put a sign at the end that says little."""
    return text + rng.choice(ENDINGS) if text[-1].isalnum() else text


def loud(text: str, rng: random.Random) -> str:
    """Write in capitals, or begin with one."""
    return text.upper() if rng.random() < 0.3 else text[0].upper() + text[1:]


KOREAN = (joined, joined, by_ear, alike, drawled, ended, ended)
ENGLISH = (swapped, dropped, drawled, ended, ended, loud)


def _apart(letter: str) -> tuple[str, str, str] | None:
    if not FIRST <= ord(letter) <= LAST:
        return None
    rest, final = divmod(ord(letter) - FIRST, COUNT_FINALS)
    initial, vowel = divmod(rest, COUNT_VOWELS)
    return INITIALS[initial], VOWELS[vowel], FINALS[final]


def _together(initial: str, vowel: str, final: str) -> str:
    place = (INITIALS.index(initial) * COUNT_VOWELS + VOWELS.index(vowel)) * COUNT_FINALS + FINALS.index(final)
    return chr(FIRST + place)
