"""One spelling for each emoticon, laugh, tear and emoji of a chat message; pure text, no model and no table."""

from __future__ import annotations

import re
import unicodedata
from itertools import chain

from clip_emotion.text import nfc

_DOUBLE_FINALS = {
    "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ",
    "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅅ", "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ",
}  # fmt: skip
"""Alone these are two consonants of slang (ㄳ is ㄱㅅ), but NFKC would hang them under the syllable before them."""

_ALIKE = {
    "ㅜ": "ㅠ", "…": "...", "‥": "..", "〜": "~", "∼": "~", "˜": "~", "‑": "-", "‐": "-", "―": "-", "❗": "!",
    "❕": "!", "‼": "!!", "⁉": "!?", "❓": "?", "❔": "?", "❤": "♥", "🧡": "♥", "💛": "♥", "💚": "♥", "💙": "♥",
    "💜": "♥", "🖤": "♥", "🤍": "♥", "🤎": "♥", "🩷": "♥", "🩵": "♥", "🩶": "♥", "🤣": "😂",
    "☻": "☺", "・": ".", "ㆍ": ".",
}  # fmt: skip


def _letters() -> dict[int, str | None]:
    """Map single characters: full-width and half-width forms, lone conjoining jamo, look-alikes, invisible marks."""
    table: dict[int, str | None] = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    for code in range(0xFFA1, 0xFFDD):
        narrow = unicodedata.decomposition(chr(code)).split()
        if narrow:
            table[code] = chr(int(narrow[1], 16))
    for code in range(0x1100, 0x1200):
        name = unicodedata.name(chr(code), "").split()[-1]
        try:
            table[code] = unicodedata.lookup(f"HANGUL LETTER {name}")
        except KeyError:
            continue  # an old letter that no keyboard types alone
    invisible = chain(
        range(0x00, 0x20), range(0x7F, 0xA0), range(0x200B, 0x2010), range(0x2028, 0x202F), range(0x2060, 0x2070)
    )
    table.update(dict.fromkeys(invisible, None))
    table.update(dict.fromkeys(chain((0x00AD, 0x115F, 0x1160, 0x20E3, 0x3164, 0xFEFF, 0xFFA0), range(0xFE00, 0xFE10))))
    table.update(dict.fromkeys(chain(range(0x1F3FB, 0x1F400), range(0xD800, 0xE000), range(0xE0000, 0xE0200))))
    table.update(dict.fromkeys(map(ord, "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"), " "))
    singles = {**_ALIKE, **_DOUBLE_FINALS}
    table = {code: singles.get(put, put) if put else put for code, put in table.items()}
    return {**table, **{ord(sign): put for sign, put in singles.items()}}


_LETTERS = _letters()
_APART = "(?![0-9A-Za-z가-힣])"
"""What must not follow an emoticon that ends in a bracket, or else it opens a remark: 참고:(내용)."""
_SLIP = "[ㄱㄲㄴㄹㅁㅂㅅㅇㅈㅊㅌㅍㅏㅓㅡㅣ쿠큐크킄큭큨켘]"
_PICTURE = "[\u2600-\u2604\u2607-\u27bf\U0001f300-\U0001faff]"
"""Emoji and the like, less the stars that people rate films with."""
_NO_WORD = "(?<![0-9A-Za-z])"
_FREE = "(?<![0-9A-Za-z가-힣])"
"""What must not stand before a face that may be a number: 결과:3."""

_RULES: tuple[tuple[str, str], ...] = (
    # Repeats beyond these lengths say no more, and the tokenizer would break them up. They come first, so that no rule
    # below meets a long run.
    (r"([ㅋㅎㅠ])\1{3,}", r"\1\1\1"),
    (r"((?![ㅋㅎㅠ])[ㄱ-ㅣ]|[~;^])\1{2,}", r"\1\1"),
    (r"([^\d\s])\1{3,}", r"\1\1\1"),
    (r"([^\d\s]{2})\1{2,}", r"\1\1"),
    (rf"({_PICTURE})(?:\s*\1)+", r"\1"),
    # Addresses and names of people feel nothing.
    (r"(?:https?://|www\.)[0-9A-Za-z\-._~:/?#\[\]@!$&'()*+,;=%]*[0-9A-Za-z/=&%_#\-]", " "),
    (r"(?<!\S)@[0-9A-Za-z가-힣][0-9A-Za-z_가-힣]*(?:\.[0-9A-Za-z_가-힣]+)*", " "),
    # Emoji carry the sign of a person's sex; a heart may be typed.
    (rf"(?<={_PICTURE})[♀♂]", ""),
    (r"</3", "💔"),
    (r"(?<!\d)<3+(?![\d.])", "♥"),
    # Western faces lie on their side: eyes, perhaps a tear, perhaps a nose, mouth.
    (rf">[:=]['\"]?[-^o]?[(\[/]{_APART}", "😡"),
    (rf"[:=]['\"]?[-^o]?\)+|:['\"]?[-^o]?[\]}}]+{_APART}|{_FREE}:['\"]?[-^]?[3>]{_APART}", ":)"),
    (rf"[:=]['\"]?[-^o]?\(+{_APART}|:['\"]?[-^o]?[\[{{<]+{_APART}|{_FREE}[:=]['\"]?[-^]?c{_APART}", ":("),
    (rf"{_NO_WORD};[-^o]\)+|{_NO_WORD};[-^]?\]+", ";)"),
    (rf"{_NO_WORD};[-^o]?\(+{_APART}", ":("),
    (rf"(?:[:=;][-^]?D+|{_NO_WORD}[:;]d|{_NO_WORD}[xX]D+|{_FREE}8D+){_APART}", ":D"),
    (rf"{_NO_WORD}[:=;xX][-^]?[pP]{_APART}", ":p"),
    (rf"{_NO_WORD}[:=;][-^]?\*+", "😘"),
    (rf"{_FREE}(?::[-^]?[oO0]|=[oO]){_APART}", "😮"),
    (rf"{_NO_WORD}[:=][-^]?[/\\|]+(?![/\w])", ":/"),
    (r"(?<!\S)\([-^]?[:=](?!\S)", ":)"),
    (r"(?<!\S)\)[-^]?[:=](?!\S)", ":("),
    # Eastern faces stand upright: an eye, a mouth, an eye.
    (r"[(*]{0,3}\^[-_.~*&○oO0ㅁㅅㅡㅂㅇ∇▽ω,']?\^+[)*]{0,3}", "^^"),
    (r"\(?ㅠ[-_.,'^oO0ㅅㅁㅇㅗ]ㅠ\)?|ㅠ+ㅡ[ㅠㅡ]*|ㅡ+ㅠ[ㅠㅡ]*", "ㅠㅠ"),
    (rf"\(?(?:{_NO_WORD}(?:T[-._^oO]?T+|t[_.]t|Q[_.]Q|;_;|π[_.]?π){_APART})\)?", "ㅠㅠ"),
    (r"(?<![-\w])-[_.,ㅅㅁ]+-|(?<!\S)--(?=;|$)|ㅡ[_.,ㅅ]+ㅡ|(?<!\S)=_+=", "ㅡㅡ"),
    (r"(?<![<>=-])>(?:[_.ㅁㅅㅂㅡ]/*|/{2,}|)<(?![<>=3-])", ">_<"),
    (r"\*[_.ㅁ-]\*", "*_*"),
    (rf"{_NO_WORD}(?:[oO][_.][oO]|0_0|ㅇ[_.]ㅇ){_APART}|(?<![ㄱ-ㅣ])ㅇㅁㅇ(?![ㄱ-ㅣ])", "😮"),
    # Laughter in which a finger slipped (ㅋㄱㅋㅋ, ㅋ큐ㅋㅋ), and faces made of ㅎ (ㅎㅅㅎ).
    (rf"(?<=ㅋㅋ){_SLIP}(?=ㅋ)|(?<=ㅋ){_SLIP}(?=ㅋㅋ)", ""),
    (r"(?<=ㅎ)[ㄱㄴㄹㅁㅂㅅㅗ](?=ㅎ)", ""),
    # Written together, NFKC would make syllables of them: ㅋㅠㅠ becomes 큐ㅠ.
    (r"([ㄱ-ㅎ])(?=ㅠ|ㅡㅡ)", r"\1 "),
)
_COMPILED = tuple((re.compile(pattern), put) for pattern, put in _RULES)
_PLAIN = re.compile("[가-힣0-9a-z,]+(?: [가-힣0-9a-z,]+)*[.!?]?")
_REPEATED = re.compile(r"([^\d\s])\1{3}|([^\d\s]{2})\2{2}")


def spell(text: str) -> str:
    """Return a message in composed form with one spelling per expression; one pass, which may leave more to do."""
    if _PLAIN.fullmatch(text) and not _REPEATED.search(text):
        return text
    text = nfc(nfc(text).translate(_LETTERS))
    for pattern, put in _COMPILED:
        text = pattern.sub(put, text)
    return " ".join(text.split())
