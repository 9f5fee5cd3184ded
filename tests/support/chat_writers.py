"""Writers of chats in the form of each program, for round trips through the readers; no program's own code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import quoteattr

WEEKDAYS_KO, WEEKDAYS_JA = "월화수목금토일", "月火水木金土日"


@dataclass(frozen=True)
class Said:
    """One message of a made-up chat."""

    speaker: str
    text: str
    time: datetime


Talk = Sequence[Said]
Writer = Callable[[Talk], str]


def clock(time: datetime, language: str = "en", *, seconds: bool = False, space: str = " ") -> str:
    """Return a clock time of twelve hours in Korean, Japanese or English."""
    digits = f"{time.hour % 12 or 12}:{time:%M:%S}" if seconds else f"{time.hour % 12 or 12}:{time:%M}"
    halves = {"ko": ("오전", "오후"), "ja": ("午前", "午後"), "en": ("AM", "PM")}[language]
    half = halves[time.hour >= 12]
    return f"{digits}{space}{half}" if language == "en" else f"{half}{space}{digits}"


def whatsapp_android(stamp: Callable[[datetime], str], notice: str) -> Writer:
    """Return the writer of Android's export with stamps of a country."""

    def write(talk: Talk) -> str:
        first = f"{stamp(talk[0].time)} - {notice}\n"
        return first + "".join(f"{stamp(said.time)} - {said.speaker}: {said.text}\n" for said in talk)

    return write


def whatsapp_ios(stamp: Callable[[datetime], str], notice: str) -> Writer:
    """Return the writer of iOS's export with stamps of a country; a mark stands before what is the program's own."""

    def write(talk: Talk) -> str:
        first = f"[{stamp(talk[0].time)}] Group: \u200e{notice}\r\n"
        return first + "".join(f"[{stamp(said.time)}] {said.speaker}: {said.text}\r\n" for said in talk)

    return write


ENCRYPTED = "Messages and calls are end-to-end encrypted. No one outside of this chat can read them: tap to learn more."
ENCRYPTED_KO = "메시지와 통화는 종단간 암호화됩니다. WhatsApp을 포함하여 대화에 참여하지 않은 사람은 읽을 수 없습니다."


def line_mobile(
    head: Callable[[datetime], str], day: Callable[[datetime], str], hour: Callable[[datetime], str]
) -> Writer:
    """Return the writer of LINE's export in one language."""

    def write(talk: Talk) -> str:
        out, last = [head(talk[-1].time), ""], None
        for said in talk:
            if said.time.date() != last:
                out += ["", day(said.time)]
                last = said.time.date()
            text = '"' + said.text.replace('"', '""') + '"' if "\n" in said.text else said.text
            out.append(f"{hour(said.time)}\t{said.speaker}\t{text}")
        return "\n".join(out) + "\n"

    return write


def line_desktop(talk: Talk) -> str:
    """Write what LINE for Windows saves."""
    out, last = [], None
    for said in talk:
        if said.time.date() != last:
            out.append(f"{said.time:%Y.%m.%d} {WEEKDAYS_KO[said.time.weekday()]}요일")
            last = said.time.date()
        out.append(f"{said.time:%H:%M} {said.speaker} {said.text}")
    return "\n".join(out) + "\n"


def telegram_message(number: int, said: Said) -> dict[str, Any]:
    """Return Telegram's record of a message, with every other text in pieces."""
    pieces: Any = said.text
    if number % 2:
        pieces = [said.text[:1], {"type": "bold", "text": said.text[1:]}]
    return {
        "id": number,
        "type": "message",
        "date": said.time.isoformat(),
        "date_unixtime": str(int(said.time.replace(tzinfo=UTC).timestamp())),
        "from": said.speaker,
        "from_id": f"user{len(said.speaker)}",
        "text": pieces,
        "text_entities": [{"type": "plain", "text": said.text}],
    }


def telegram_chat(talk: Talk, name: str = "Chat") -> dict[str, Any]:
    """Return Telegram's record of a chat, which begins with a note of the program's own."""
    service = {"id": 0, "type": "service", "date": "2020-01-01T00:00:00", "actor": "A", "action": "create", "text": ""}
    messages = [service, *(telegram_message(number, said) for number, said in enumerate(talk, start=1))]
    return {"name": name, "type": "personal_chat", "id": 7, "messages": messages}


def telegram(talk: Talk) -> str:
    """Write result.json of one chat."""
    return json.dumps(telegram_chat(talk), ensure_ascii=False, indent=1)


def telegram_all(talk: Talk) -> str:
    """Write result.json of all chats, which are one."""
    chats = {"about": "This page lists all chats.", "list": [telegram_chat(talk)]}
    return json.dumps({"about": "Here is the data.", "personal_information": {"user_id": 1}, "chats": chats}, indent=1)


def misencoded(text: str) -> str:
    """Return a text as Meta writes it: each byte of its UTF-8 form as a letter."""
    return text.encode().decode("latin-1")


def millis(time: datetime) -> int:
    """Return a time in milliseconds since 1970."""
    return int(time.replace(tzinfo=UTC).timestamp() * 1000)


def meta(talk: Talk) -> str:
    """Write message_1.json, newest first."""
    messages = [
        {"sender_name": misencoded(said.speaker), "timestamp_ms": millis(said.time), "content": misencoded(said.text)}
        for said in reversed(talk)
    ]
    people = [{"name": misencoded(name)} for name in {said.speaker for said in talk}]
    return json.dumps(
        {"participants": people, "messages": messages, "title": "x", "thread_path": "inbox/x_1"}, indent=2
    )


def messenger(talk: Talk) -> str:
    """Write what Messenger saves of an encrypted chat."""
    messages = [
        {"isUnsent": False, "media": [], "senderName": said.speaker, "text": said.text, "timestamp": millis(said.time)}
        | {"type": "text"}
        for said in reversed(talk)
    ]
    return json.dumps({"participants": ["x"], "threadName": "x", "messages": messages}, ensure_ascii=False)


def discord(talk: Talk) -> str:
    """Write DiscordChatExporter's JSON."""
    messages = [
        {"id": str(number), "type": "Default", "timestamp": said.time.isoformat() + "+00:00", "content": said.text}
        | {"author": {"id": "1", "name": "user", "nickname": said.speaker}, "attachments": [], "embeds": []}
        for number, said in enumerate(talk)
    ]
    head = {"guild": {"id": "0", "name": "x"}, "channel": {"id": "1", "name": "x"}, "dateRange": {}}
    return json.dumps({**head, "messages": messages, "messageCount": len(messages)}, ensure_ascii=False, indent=2)


def discord_csv(stamp: Callable[[datetime], str]) -> Writer:
    """Return the writer of DiscordChatExporter's CSV with dates in one form."""

    def write(talk: Talk) -> str:
        out = io.StringIO()
        out.write("AuthorID,Author,Date,Content,Attachments,Reactions\n")
        rows = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        rows.writerows(["123456789012345678", said.speaker, stamp(said.time), said.text, "", ""] for said in talk)
        return out.getvalue()

    return write


def imessage(talk: Talk) -> str:
    """Write imessage-exporter's text."""
    stamps = (f"{said.time:%b %d, %Y} {said.time.hour % 12 or 12:2}:{said.time:%M:%S %p}" for said in talk)
    return "".join(f"{stamp}\n{said.speaker}\n{said.text}\n\n" for stamp, said in zip(stamps, talk, strict=True))


def sms(talk: Talk) -> str:
    """Write SMS Backup & Restore's XML; whoever is not the one contact is the file's owner."""
    contact = next((said.speaker for said in talk if said.speaker not in ("Me", "나")), "민수")
    rows = [
        f'  <sms protocol="0" address="010-1" date="{millis(said.time)}" type="{1 if said.speaker == contact else 2}" '
        f"body={quoteattr(said.text, {chr(10): '&#10;'})} contact_name={quoteattr(contact)} />"
        for said in talk
    ]
    head = "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n<!--File Created By SMS Backup & Restore-->\n"
    return f'{head}<smses count="{len(rows)}">\n' + "\n".join(rows) + "\n</smses>\n"


def _korean_day(time: datetime) -> str:
    return f"{time.year}. {time.month}. {time.day}."


WRITERS: dict[str, tuple[str, str | None, Writer]] = {
    "WhatsApp Android, Korean": (
        "whatsapp",
        "ymd",
        whatsapp_android(lambda time: f"{_korean_day(time)} {clock(time, 'ko')}", ENCRYPTED_KO),
    ),
    "WhatsApp Android, short Korean": (
        "whatsapp",
        "ymd",
        whatsapp_android(lambda time: f"{time:%y}/{time.month}/{time.day} {time:%H:%M}", ENCRYPTED_KO),
    ),
    "WhatsApp Android, American": (
        "whatsapp",
        "mdy",
        whatsapp_android(
            lambda time: f"{time.month}/{time.day}/{time:%y}, {clock(time, space=chr(0x202F))}", ENCRYPTED
        ),
    ),
    "WhatsApp Android, British": (
        "whatsapp",
        "dmy",
        whatsapp_android(lambda time: f"{time:%d/%m/%Y, %H:%M}", ENCRYPTED),
    ),
    "WhatsApp Android, German": (
        "whatsapp",
        "dmy",
        whatsapp_android(lambda time: f"{time:%d.%m.%y, %H:%M}", ENCRYPTED),
    ),
    "WhatsApp Android, Dutch": ("whatsapp", "dmy", whatsapp_android(lambda time: f"{time:%d-%m-%Y %H:%M}", ENCRYPTED)),
    "WhatsApp iOS, Korean": (
        "whatsapp",
        "ymd",
        whatsapp_ios(lambda time: f"{_korean_day(time)} {clock(time, 'ko', seconds=True)}", ENCRYPTED_KO),
    ),
    "WhatsApp iOS, American": (
        "whatsapp",
        "mdy",
        whatsapp_ios(lambda time: f"{time:%m/%d/%y}, {clock(time, seconds=True, space=chr(0x202F))}", ENCRYPTED),
    ),
    "WhatsApp iOS, Finnish": (
        "whatsapp",
        "dmy",
        whatsapp_ios(lambda time: f"{time.day}.{time.month}.{time.year} klo {time:%H.%M.%S}", ENCRYPTED),
    ),
    "LINE, Korean": (
        "line",
        None,
        line_mobile(
            lambda time: f"[LINE] 민수님과의 대화\n저장한 날짜 : {time:%Y/%m/%d %H:%M}",
            lambda time: f"{time:%Y.%m.%d} {WEEKDAYS_KO[time.weekday()]}요일",
            lambda time: clock(time, "ko"),
        ),
    ),
    "LINE, English": (
        "line",
        "mdy",
        line_mobile(
            lambda time: f"[LINE] Chat history with Minsu\nSaved on: {time:%m/%d/%Y, %H:%M}",
            lambda time: f"{time:%a, %m/%d/%Y}",
            lambda time: clock(time, space=""),
        ),
    ),
    "LINE, Japanese": (
        "line",
        None,
        line_mobile(
            lambda time: f"[LINE] みなとのトーク履歴\n保存日時：{time:%Y/%m/%d %H:%M}",
            lambda time: f"{time:%Y/%m/%d}({WEEKDAYS_JA[time.weekday()]})",
            lambda time: f"{time:%H:%M}",
        ),
    ),
    "LINE desktop": ("line", None, line_desktop),
    "Telegram": ("telegram", None, telegram),
    "Telegram, all chats": ("telegram", None, telegram_all),
    "Instagram": ("meta", None, meta),
    "Messenger": ("messenger", None, messenger),
    "Discord": ("discord", None, discord),
    "Discord CSV": ("discord-csv", None, discord_csv(lambda time: f"{time:%d-%b-%y %I:%M %p}")),
    "Discord CSV, ISO": ("discord-csv", None, discord_csv(lambda time: time.isoformat() + ".0000000+03:00")),
    "Discord CSV, American": (
        "discord-csv",
        "mdy",
        discord_csv(lambda time: f"{time.month}/{time.day}/{time.year} {clock(time)}"),
    ),
    "iMessage": ("imessage-exporter", None, imessage),
    "SMS": ("sms-backup", None, sms),
}
"""By name: the layout that reads a form, the order of its dates where numbers alone do not tell it, and its writer."""
