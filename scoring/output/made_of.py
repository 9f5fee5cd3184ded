"""What a score was made of, for people: where emotions and weights come from, and what was read, English and Korean."""

from __future__ import annotations

import re

from scoring.emotions.base import GIVEN
from scoring.emotions.given import ALL_ZERO, NOT_GIVEN
from scoring.emotions.image import NO_IMAGE
from scoring.emotions.text import NO_FEELING, NOT_FINITE

Both = tuple[str, str]
"""The same in English and in Korean."""
_ALSO = ", else "
_EMOTIONS: dict[str, Both] = {
    "text": ("the model {} reading the text", "글을 읽은 모델 {}"),
    "kobert": ("KoBERT ({}) reading the text", "글을 읽은 KoBERT({})"),
    "picture": ("the model {} looking at the pictures", "사진을 본 모델 {}"),
}
_WEIGHTS: tuple[tuple[re.Pattern[str], Both], ...] = (
    (
        re.compile(r"judged in (.+) \((\d+) labels\)"),
        ("set in the word list {} ({} words)", "단어 목록 {}에 적힌 값(단어 {}개)"),
    ),
    (re.compile(r"judged in (.+)"), ("set in the word list {}", "단어 목록 {}에 적힌 값")),
    (re.compile(r"set by hand: (.+)"), ("set by hand for {}", "직접 정한 값({})")),
    (re.compile(r"set by hand"), ("set by hand", "직접 정한 값")),
    (re.compile(r"less (.+)"), ("less how near words are to {}", "{}에 가까운 정도를 뺀 값")),
    (re.compile(r"(.+?): (.+)"), ("how near words are to {1} (model {0})", "{1}에 가까운 정도(모델 {0})")),
)
_LAYOUTS: dict[str, Both] = {
    "kakaotalk-android": ("a KakaoTalk chat from Android", "안드로이드에서 저장한 카카오톡 대화"),
    "kakaotalk-ios": ("a KakaoTalk chat from an iPhone", "아이폰에서 저장한 카카오톡 대화"),
    "kakaotalk-windows": ("a KakaoTalk chat from Windows", "Windows에서 저장한 카카오톡 대화"),
    "kakaotalk-macos": ("a KakaoTalk chat from a Mac", "Mac에서 저장한 카카오톡 대화"),
    "whatsapp": ("a WhatsApp chat", "WhatsApp 대화"),
    "line": ("a LINE chat", "라인(LINE) 대화"),
    "imessage-exporter": ("an iMessage chat", "iMessage 대화"),
    "discord": ("a Discord channel", "Discord 채널"),
    "discord-csv": ("a Discord channel", "Discord 채널"),
    "telegram": ("a Telegram chat", "텔레그램 대화"),
    "meta": ("an Instagram or Facebook chat", "인스타그램이나 페이스북 대화"),
    "messenger": ("a Messenger chat", "메신저(Messenger) 대화"),
    "sms-backup": ("text messages", "문자 메시지"),
    "jsonl": ("JSON lines", "JSON Lines 파일"),
    "table": ("a table", "표"),
    "plain": ("lines of the form name: text", "‘이름: 말’로 적은 글"),
    "given": ("turns given by a program", "프로그램이 건넨 말"),
}
_REASONS = {
    NO_FEELING: "링크나 이름뿐이에요",
    NOT_FINITE: "모델이 이 말에 값을 내지 못했어요",
    NO_IMAGE: "사진이 없어요",
    NOT_GIVEN: "파일에 이 말의 감정이 없어요",
    ALL_ZERO: "적힌 감정이 모두 0이에요",
    "no words": "말이 없어요",
    "the export holds no picture": "내보낸 파일에 사진이 없어요",
    "the message was deleted": "지운 메시지예요",
    "the export left it out": "내보낸 파일에 들어 있지 않아요",
}


def emotions_made(source: str) -> Both:
    """Return where the emotions of turns come from; ``source`` is as a score holds it."""
    if source == GIVEN:
        return "as given in the file", "파일에 적힌 감정"
    if source.startswith(GIVEN + _ALSO):
        english, korean = emotions_made(source.removeprefix(GIVEN + _ALSO))
        return f"as given in the file, else {english}", f"파일에 적힌 감정, 없으면 {korean}"
    parts = [_judge(part) for part in source.split(" + ")]
    return " and ".join(english for english, _ in parts), ", ".join(korean for _, korean in parts)


def weights_made(source: str) -> Both:
    """Return where the weights of labels come from; ``source`` is as a score holds it."""
    parts = [_weights(part) for part in source.split("; ")]
    return ", ".join(english for english, _ in parts), ", ".join(korean for _, korean in parts)


def layout_read(name: str) -> Both:
    """Return what was read, by the name of its layout."""
    return _LAYOUTS.get(name, (name, name))


def reason_told(reason: str | None) -> Both | None:
    """Return why a turn has no score; what is of no known kind is told in Korean without its reason."""
    if not reason:
        return None
    return reason, korean_reason(reason)


def korean_reason(reason: str) -> str:
    """Return why a turn, or a part of it, could not be used."""
    return _REASONS.get(reason.rpartition(": ")[2], "점수를 낼 수 없었어요")


def _judge(source: str) -> Both:
    kind, parted, name = source.partition(": ")
    if not parted or kind not in _EMOTIONS:
        return source, source
    english, korean = _EMOTIONS[kind]
    return english.format(name), korean.format(name)


def _weights(source: str) -> Both:
    for pattern, (english, korean) in _WEIGHTS:
        if found := pattern.fullmatch(source):
            return english.format(*found.groups()), korean.format(*found.groups())
    return source, source
