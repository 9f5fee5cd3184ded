"""What columns and keys are called, and how their values become a message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from clip_emotion.text import fold
from scoring.readers.cleaning import clean
from scoring.readers.messages import LONGEST_NAME, Message
from scoring.readers.times import read_clock, read_date, read_time

# Compared without case, spaces and underscores.
ALIASES = {
    "speaker": (
        "speaker name user username sender author from nickname who "
        "이름 화자 발신자 발신인 작성자 사용자 보낸사람 보낸이 말한사람 대화명 닉네임 참가자"
    ),
    "text": (
        "text message msg content contents body utterance sentence "
        "메시지 내용 대화내용 메시지내용 말 대화 문장 발화 텍스트 본문 채팅"
    ),
    "time": (
        "time date datetime timestamp createdat sentat 시간 날짜 일시 시각 날짜시간 보낸시간 보낸날짜 작성일시 전송시각"
    ),
    "image": "image picture photo imagepath imagefile 이미지 사진 그림 이미지경로",
    "emotions": "emotions emotionprobabilities probabilities 감정 감정확률",
    "conversation": (
        "conversation dialogue dialog conversationid dialogueid dialogid chatid roomid room chatroom "
        "대화방 채팅방 대화번호 대화id"
    ),
    "media": "media mediatype 첨부",
}
_FIELDS = {alias: field for field, aliases in ALIASES.items() for alias in aliases.split()}
_LATEST_SECONDS = 1e11
_LATEST_NUMBER = 1e18


class FieldError(ValueError):
    """A value that makes its whole row unusable; the message is the reason of a fault."""


@dataclass(frozen=True)
class Row:
    """A row's message, and what is wrong with parts of it that it can do without."""

    message: Message
    flaws: tuple[str, ...] = ()


@lru_cache(maxsize=1024)
def field_of(name: str) -> str | None:
    """Return the field that a column or key names, whatever its case, spaces and underscores, or None."""
    return _FIELDS.get(fold(clean(name)).replace(" ", ""))


def names_of(field: str) -> str:
    """Return what a field may be called, as a sentence lists it."""
    return ", ".join(ALIASES[field].split())


def gather(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return values by field; a field's own name wins over its aliases, and a date and a time are joined."""
    values: dict[str, object] = {}
    for name, value in pairs:
        field = field_of(name)
        if field is None or value is None or value == "":
            continue
        if field == "time" and isinstance(values.get("time"), str) and isinstance(value, str):
            values["time"] = f"{values['time']} {value}"
        elif field not in values or name == field:
            values[field] = value
    return values


def read_row(line: int, values: Mapping[str, object]) -> Row:
    """Return the message that a row's values make; raises FieldError where they make none."""
    speaker = _string(values.get("speaker"), "speaker").strip()
    if not speaker:
        raise FieldError("it names no speaker")
    if len(speaker) > LONGEST_NAME:
        raise FieldError(f"its speaker's name is longer than {LONGEST_NAME} characters")
    message = Message(line, " ".join(speaker.split()), _string(values.get("text"), "text").strip())
    message.emotions = _emotions(values.get("emotions"))
    message.image = _string(values.get("image"), "image").strip() or None
    message.media = _string(values.get("media"), "media").strip() or None
    message.conversation = _string(values.get("conversation"), "conversation").strip()
    if not (message.text or message.image or message.media or message.emotions):
        raise FieldError("it has neither text nor picture nor emotions")
    if message.text:
        message.media = None
    written = values.get("time")
    if written is None:
        return Row(message)
    message.time = _time(written)
    return Row(message, () if message.time else ("its time cannot be read, so the turn has none",))


def _string(value: object, field: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FieldError(f"its {field} is not text")
    return str(value)


def _time(value: object) -> datetime | None:
    if isinstance(value, str):
        text = clean(value)
        if read_clock(text) is None and read_date(text) is None and text.strip().isdecimal():
            value = int(text[:20])
        else:
            return read_time(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _LATEST_NUMBER:
        return None
    # Seconds since 1970, or milliseconds; in UTC, for the file names no other zone.
    seconds = value / 1000 if abs(value) > _LATEST_SECONDS else float(value)
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).replace(tzinfo=None)
    except (OverflowError, OSError, ValueError):
        return None


def _emotions(value: object) -> dict[str, float] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise FieldError("its emotions are not a JSON object of numbers") from None
    if value is None or value == {}:
        return None
    if not isinstance(value, Mapping):
        raise FieldError("its emotions are not an object of numbers by label")
    emotions: dict[str, float] = {}
    for label, number in value.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise FieldError("an emotion's value is not a number")
        if not 0 <= number < 1e300:
            raise FieldError("an emotion's value is negative or not finite")
        emotions[clean(label).strip()] = float(number)
    if sum(emotions.values()) <= 0:
        raise FieldError("its emotions are all zero")
    return emotions
