"""Pseudonyms for speakers, and masks for what else tells who somebody is; who is who is written nowhere.

Scores are made of the words as they were said: only what is shown is masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from clip_emotion.text import fold, has_hangul
from scoring.conversation import Fault
from scoring.result import ConversationScore, TurnScore

_WORD = "0-9A-Za-z가-힣"
_NOT_LETTERS = re.compile("[^A-Za-z가-힣]+")
_CAPITALISED = re.compile("[A-Z][a-z]{2,}")
# What a Korean name takes on behind it; the ending itself stays.
_ENDINGS = "님씨아야이쓰군양쌤샘형가은는을를도의에한랑와과로으만까부보처께네요"
_TITLES = "언니|오빠|누나|선배|후배|삼촌|이모|엄마|아빠|선생|대리|과장|차장|부장|팀장|사장"
# Endings of nicknames: who is 지은이 or 하린쓰 in the chat is 지은 and 하린 in the texts.
_NICKNAME_ENDINGS = "아야이쓰님씨"
_SURNAMES = frozenset(
    "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길연"
    "위표명기반라왕금옥육인맹제모탁국어은편용"
)
# Names that are everyday words, and for the most part words of feeling: masked only where the ending is a person's.
_EVERYDAY_WORDS = (
    "사랑 기쁨 슬기 행복 희망 소망 미소 진심 정말 하늘 바다 나라 이슬 가을 여름 겨울 보람 보배 소리 아름 한결 새롬 "
    "하나 우리 여보 자기 친구 누나 오빠 언니 엄마 아빠"
)
_EVERYDAY = frozenset(_EVERYDAY_WORDS.split())

_MASKS = {
    "ko": {"link": "[링크]", "email": "[이메일]", "phone": "[전화번호]", "number": "[번호]"},
    "en": {"link": "[link]", "email": "[e-mail]", "phone": "[phone]", "number": "[number]"},
}
_LINK = (
    r"(?:https?|ftp)://[^\s<>\"]+|www\.[^\s<>\"]+"
    r"|(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,5}(?:com|net|org|kr|io|me|gg|ly|be|jp|us|info|link|app|dev|shop)(?![\w.-]*@)"
    r"(?![a-z0-9-])(?:/[^\s<>\"]*)?"
)
_EMAIL = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
_PHONE = (
    r"(?<![\d-])(?:(?:\+|00)\d{1,3}[-. )]{0,2})?\(?0?1[016789]\)?[-. ]?\d{3,4}[-. ]?\d{4}(?![\d-])"
    r"|(?<![\d-])\(?0\d{1,2}\)?[-. ]?\d{3,4}[-. ]\d{4}(?![\d-])|(?<![\d-])1[5-8]\d{2}-\d{4}(?![\d-])"
    r"|\+\d{1,3}(?:[-. ]?\(?\d{1,4}\)?){2,6}(?!\d)"
)
# Accounts, cards, resident registration: ten digits or more, parted by nothing but hyphens.
_NUMBER = r"(?<![\d-])\d(?:-?\d){9,}(?![\d-])"
_CONTACT = re.compile(
    f"(?P<email>{_EMAIL})|(?P<link>{_LINK})|(?P<phone>{_PHONE})|(?P<number>{_NUMBER})", re.IGNORECASE | re.ASCII
)
_MAY_HOLD_CONTACT = re.compile(r"\d{3}|[@.]\w")


_IMAGE = Path("image")
"""Stands for an image whose name may tell who is in it."""


class Anonymiser:
    """Replaces speakers by 화자 1, 화자 2 … in their order of speaking; Speaker 1 … if no name is in Hangul.

    In texts it masks those names, of full names the given name too, of nicknames also the name without 아, 야, 이, 쓰;
    and telephone numbers, e-mail addresses, links and long numbers. Particles and 님, 씨, 아, 야 stay behind a name.
    A name that is an everyday word (하늘) is masked only where its ending is a person's (하늘아, 하늘이가, @하늘), so
    that the sky stays. Names of one letter are left in texts: they tell nothing and would take words with them. The
    language is settled with the first names that are added.
    """

    def __init__(self) -> None:
        self._pseudonyms: dict[str, str] = {}
        self._forms: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._korean: bool | None = None

    def add(self, names: Iterable[str]) -> None:
        """Give pseudonyms to names that have none yet."""
        new = [name for name in dict.fromkeys(names) if name not in self._pseudonyms]
        if not new:
            return
        if self._korean is None:
            self._korean = any(map(has_hangul, new))
        word = "화자" if self._korean else "Speaker"
        for name in new:
            pseudonym = self._pseudonyms[name] = f"{word} {len(self._pseudonyms) + 1}"
            for form in _spoken_forms(name):
                self._forms.setdefault(form.casefold(), pseudonym)
        self._pattern = _names_pattern(self._pseudonyms)

    def mask(self, text: str) -> str:
        """Return a text without names and ways to reach somebody."""
        if _MAY_HOLD_CONTACT.search(text):
            masks = _MASKS["ko" if self._korean else "en"]
            text = _CONTACT.sub(lambda match: masks[str(match.lastgroup)], text)
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._forms[match[0].casefold()], text)

    def speaker(self, name: str) -> str:
        """Return a speaker's pseudonym; it is given now to one who has none."""
        self.add((name,))
        return self._pseudonyms[name]

    def named(self, shown: str) -> str:
        """Return the speaker whose pseudonym a name is, whatever its case and spacing, or the name itself."""
        by_pseudonym = {fold(pseudonym): name for name, pseudonym in self._pseudonyms.items()}
        return by_pseudonym.get(fold(shown), shown)

    def turn(self, scored: TurnScore) -> TurnScore:
        """Return a scored turn under its speaker's pseudonym, its text masked and without the name of an image."""
        turn = scored.turn
        image = None if turn.image is None else _IMAGE
        masked = replace(turn, speaker=self.speaker(turn.speaker), text=self.mask(turn.text), image=image)
        return replace(scored, turn=masked, error=None if scored.error is None else self.mask(scored.error))

    def fault(self, fault: Fault) -> Fault:
        """Return a fault without its excerpt: a line that could not be read may name somebody nobody knows of."""
        return replace(fault, reason=self.mask(fault.reason), excerpt="")

    def score(self, score: ConversationScore) -> ConversationScore:
        """Return a scored conversation in which everything that is shown is masked; its numbers stay."""
        self.add(score.speakers)
        return replace(
            score,
            name=self.mask(score.name),
            speakers={self.speaker(name): part for name, part in score.speakers.items()},
            turns=tuple(map(self.turn, score.turns)),
            faults=tuple(map(self.fault, score.faults)),
            notices=tuple(map(self.mask, score.notices)),
        )


def anonymised(score: ConversationScore) -> ConversationScore:
    """Return a scored conversation with pseudonyms for its speakers, its texts masked, its numbers as they are."""
    return Anonymiser().score(score)


def _spoken_forms(name: str) -> list[str]:
    """Return the forms in which a name is met in texts: whole, and a Korean full name or English names in it."""
    forms = [name] if len(name) > 1 else []
    for part in _NOT_LETTERS.split(name):
        if _is_korean_full_name(part):
            forms += [part, part[1:]]
        elif part != name and _CAPITALISED.fullmatch(part):
            forms.append(part)
        if len(part) > 2 and part[-1] in _NICKNAME_ENDINGS:
            forms.append(part[:-1])
    return list(dict.fromkeys(forms))


def _is_korean_full_name(name: str) -> bool:
    return len(name) == 3 and all("가" <= sign <= "힣" for sign in name) and name[0] in _SURNAMES


def _names_pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    """Return the pattern of all names, longest first.

    Bounds stand behind the literal, so that the search can skip to a name's first letter.
    """
    parts: dict[str, str] = {}
    for name in names:
        for form in _spoken_forms(name):
            parts[form] = _bounded(form, whole=form == name)
    if not parts:
        return None
    ordered = sorted(parts, key=len, reverse=True)
    return re.compile("|".join(parts[form] for form in ordered), re.IGNORECASE)


def _bounded(form: str, *, whole: bool) -> str:
    literal = re.escape(form)
    if _CAPITALISED.fullmatch(form) and not whole:
        # A part of a name may be a word (Will, May) where it has no capital.
        literal = f"(?-i:{literal})"
    first, last = form[0], form[-1]
    before = f"(?<![{_WORD}]{literal})" if re.match(f"[{_WORD}]", first) and len(form) < 4 else ""
    if re.match("[0-9A-Za-z]", first):
        before = f"(?<![0-9A-Za-z]{literal})"
    if form in _EVERYDAY:
        # 하늘이가, 하늘이랑: nouns take no 이 before these, names do.
        calls = f"[님씨아야쓰](?![{_WORD}])|이(?:가|는|를|랑|도|네|한테|에게)(?![{_WORD}])|한테|에게"
        return f"{literal}{before}(?={calls})|(?<=@){literal}"
    if re.match("[0-9A-Za-z]", last):
        return f"{literal}{before}(?![0-9A-Za-z])"
    if "가" <= last <= "힣" and len(form) < 3:
        return f"{literal}{before}(?![0-9A-Za-z]|(?!{_TITLES}|[{_ENDINGS}])[가-힣])"
    return f"{literal}{before}"
