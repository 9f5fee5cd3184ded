"""WhatsApp: its notices, what it leaves out, the order of its dates, lines that were pasted, its archive."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from clip_emotion.errors import DataError
from scoring.conversation import Conversation
from scoring.readers import LiveReader, ReadOptions, read_conversations, read_stream

ANDROID = """25/01/2026, 21:05 - Messages and calls are end-to-end encrypted. Tap to learn more.
25/01/2026, 21:05 - Minsu created group "Trip"
25/01/2026, 21:06 - Minsu: first line
- a list: with a colon

last line
25/01/2026, 21:07 - Kim changed the subject from "a: b" to "c: d"
25/01/2026, 21:08 - Kim: <Media omitted>
25/01/2026, 21:09 - +82 10-1234-5678: IMG-20260125-WA0001.jpg (file attached)
25/01/2026, 21:10 - Minsu: IMG-20260125-WA0002.jpg (file attached)
what a day
25/01/2026, 21:11 - Kim: This message was deleted
25/01/2026, 21:12 - Kim: see you <This message was edited>
25/01/2026, 21:13 - Kim left
"""
ANDROID_KO = """2026. 1. 25. 오후 9:05 - 메시지와 통화는 종단간 암호화됩니다. 자세히 알아보려면 누르세요.
2026. 1. 25. 오후 9:06 - 민수: 안녕: 뭐해
둘째 줄
2026. 1. 25. 오후 9:07 - 영희: <미디어 파일 제외됨>
2026. 1. 25. 오후 9:08 - 영희: 이 메시지는 삭제되었습니다
2026. 1. 26. 오전 12:01 - 민수: 자?
2026. 1. 26. 오전 12:02 - 영희님이 나갔습니다.
"""
IOS = """[25.01.26, 21:05:01] Trip: \u200eNachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.
[25.01.26, 21:05:02] Trip: \u200eMinsu hat diese Gruppe erstellt
[25.01.26, 21:06:00] ~\u202fMinsu: hallo
\u200e[25.01.26, 21:07:00] Kim: \u200e<Anhang: 00000012-PHOTO-2026-01-25-21-07-00.jpg>
\u200e[25.01.26, 21:08:00] Kim: Schau mal \u200e<Anhang: 00000013-PHOTO-2026-01-25-21-08-00.jpg>
[25.01.26, 21:09:00] \u202a+49 170 1234567\u202c: \u200eBild weggelassen
[25.01.26, 21:10:00] Kim: bis dann \u200e<Diese Nachricht wurde bearbeitet.>
"""


def read(text: str, order: str | None = None, layout: str = "auto") -> Conversation:
    (chat,) = read_stream(io.StringIO(text, newline=""), "chat.txt", ReadOptions(layout, order))
    return chat


def said(chat: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text or f"<{turn.media}>") for turn in chat.turns]


def test_android() -> None:
    chat = read(ANDROID)
    assert (chat.layout, chat.system_lines, chat.faults) == ("whatsapp", 4, ())
    assert said(chat) == [
        ("Minsu", "first line\n- a list: with a colon\n\nlast line"),
        ("Kim", "<file>"),
        ("+82 10-1234-5678", "<photo>"),
        ("Minsu", "what a day"),
        ("Kim", "<deleted>"),
        ("Kim", "see you"),
    ]
    assert chat.turns[0].time == datetime(2026, 1, 25, 21, 6)


def test_android_in_korean() -> None:
    chat = read(ANDROID_KO)
    assert said(chat) == [("민수", "안녕: 뭐해\n둘째 줄"), ("영희", "<file>"), ("영희", "<deleted>"), ("민수", "자?")]
    assert chat.turns[-1].time == datetime(2026, 1, 26, 0, 1)
    assert (chat.system_lines, chat.faults) == (2, ())


def test_ios_tells_by_its_marks_what_nobody_says_in_any_language() -> None:
    chat = read(IOS.replace("\n", "\r\n"))
    assert said(chat) == [
        ("Minsu", "hallo"),
        ("Kim", "<photo>"),
        ("Kim", "Schau mal"),
        ("+49 170 1234567", "<photo>"),
        ("Kim", "bis dann"),
    ]
    assert (chat.system_lines, chat.faults) == (2, ())
    live = LiveReader()
    assert tuple(live.feed(io.StringIO(IOS)) + live.finish()) == chat.turns


def test_a_person_may_speak_of_what_notices_speak_of() -> None:
    words = [
        "Mum added sugar to it",
        "I like that they use end-to-end encryption for all of it, really",
        "철수님이 왔습니다",
    ]
    text = "".join(f"25/01/2026, 21:0{at} - Kim: {word}\n" for at, word in enumerate(words))
    assert [turn.text for turn in read(text).turns] == words


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("25/1/26, 9:05 p. m. - ", datetime(2026, 1, 25, 21, 5)),
        ("25/1/26, 9:05\u202fpm - ", datetime(2026, 1, 25, 21, 5)),
        ("1/25/26, 12:05\u202fAM - ", datetime(2026, 1, 25, 0, 5)),
        ("25.01.26, 21:05 - ", datetime(2026, 1, 25, 21, 5)),
        ("25.1.2026 klo 21.05 - ", datetime(2026, 1, 25, 21, 5)),
        ("26/1/25 오후 9:05 - ", datetime(2026, 1, 25, 21, 5)),
        ("26/1/25 PM 9:05 - ", datetime(2026, 1, 25, 21, 5)),
        ("2026-01-25 21:05 - ", datetime(2026, 1, 25, 21, 5)),
        ("2026/01/25 21:05 - ", datetime(2026, 1, 25, 21, 5)),
        ("2026년 1월 25일 오후 9:05 - ", datetime(2026, 1, 25, 21, 5)),
        ("25-01-2026 21:05 - ", datetime(2026, 1, 25, 21, 5)),
        ("[25/01/26, 21:05:09] ", datetime(2026, 1, 25, 21, 5, 9)),
        ("[1/25/26, 9:05:09\u202fPM] ", datetime(2026, 1, 25, 21, 5, 9)),
        ("[2026. 1. 25. 오후 9:05:09] ", datetime(2026, 1, 25, 21, 5, 9)),
        ("[2026/01/25 21:05:09] ", datetime(2026, 1, 25, 21, 5, 9)),
        ("[25.1.2026 klo 21.05.09] ", datetime(2026, 1, 25, 21, 5, 9)),
    ],
)
def test_stamps_of_many_countries(stamp: str, moment: datetime) -> None:
    chat = read(f"{stamp}민수: 안녕\n{stamp}영희: 응\n")
    assert said(chat) == [("민수", "안녕"), ("영희", "응")]
    assert chat.turns[0].time == moment


AMBIGUOUS = "3/4/26, 15:12 - Minsu: hello\n3/5/26, 15:13 - Kim: hi\n"


def test_day_and_month_are_asked_for_where_nothing_tells_them_apart() -> None:
    with pytest.raises(DataError, match=r"3/4/26 may be 2026-04-03 or 2026-03-04.*--date-order dmy or mdy") as caught:
        read(AMBIGUOUS)
    assert "\n" not in str(caught.value)
    assert read(AMBIGUOUS, "dmy").turns[1].time == datetime(2026, 5, 3, 15, 13)
    assert read(AMBIGUOUS, "mdy").turns[1].time == datetime(2026, 3, 5, 15, 13)


@pytest.mark.parametrize(
    ("more", "last"),
    [
        ("13/5/26, 15:14 - Kim: x\n", datetime(2026, 5, 13, 15, 14)),
        ("3/13/26, 15:14 - Kim: x\n", datetime(2026, 3, 13, 15, 14)),
        ("1/6/26, 15:14 - Kim: x\n", datetime(2026, 6, 1, 15, 14)),
        ("4/2/26, 15:14 - Kim: x\n", datetime(2026, 4, 2, 15, 14)),
        ("3/6/26, 15:14 - Kim: <미디어 파일 제외됨>\n4/1/26, 15:14 - Kim: x\n", datetime(2026, 4, 1, 15, 14)),
    ],
)
def test_one_date_tells_the_order_of_all(more: str, last: datetime) -> None:
    assert read(AMBIGUOUS + more).turns[-1].time == last


def test_a_wrong_order_is_a_fault_of_each_line() -> None:
    with pytest.raises(DataError, match="line 1: its date or time does not exist"):
        read("25/01/2026, 21:05 - Kim: x\n", "mdy")


def test_live_times_come_once_the_order_is_told() -> None:
    reader = LiveReader()
    turns = reader.feed(io.StringIO(AMBIGUOUS + "3/13/26, 15:14 - Kim: x\n")) + reader.finish()
    assert [turn.time for turn in turns] == [None, None, datetime(2026, 3, 13, 15, 14)]
    known = LiveReader("whatsapp", ReadOptions(date_order="mdy"))
    assert [turn.time for turn in known.feed(io.StringIO(AMBIGUOUS))] == [datetime(2026, 3, 4, 15, 12)]


@pytest.mark.parametrize(
    "pasted",
    [
        "[1/25, 3:12 PM] Kim: as WhatsApp copies it",
        "25.01.26, 15:12 - Kim: of another country",
        "25/01/2026, 20:00 - Stranger: of another day",
        "25/01/2026, 21:05 - Kim: where is it",
        "2026년 1월 25일 오후 3:12, 민수 : 카카오톡",
        "15:12\tKim\tLINE",
    ],
)
def test_pasted_lines_stay_in_their_message(pasted: str) -> None:
    head = "25/01/2026, 21:05 - Kim: where is it\n25/01/2026, 21:06 - Minsu: look what they wrote\n"
    tail = "25/01/2026, 21:07 - Kim: I see\n"
    chat = read(f"{head}{pasted}\n{tail}")
    assert said(chat)[1:] == [("Minsu", f"look what they wrote\n{pasted}"), ("Kim", "I see")]


def test_a_message_that_was_sent_late_is_nobody_elses() -> None:
    text = "25/01/2026, 21:05 - A: 1\n25/01/2026, 23:06 - B: 2\n25/01/2026, 21:30 - A: late\n25/01/2026, 23:07 - B: 3\n"
    assert [turn.text for turn in read(text).turns] == ["1", "2", "late", "3"]


def test_the_archive_of_a_phone(tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat - Kim.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_chat.txt", IOS)
        archive.writestr("00000014-list.txt", "민수: 보낸 파일\n영희: 응\n")
        archive.writestr("00000012-PHOTO-2026-01-25-21-07-00.jpg", b"x")
    (chat,) = read_conversations(path)
    assert (chat.name, len(chat.turns), chat.faults) == ("WhatsApp Chat - Kim.zip", 5, ())


def test_a_picture_beside_the_export_is_the_turns(tmp_path: Path) -> None:
    name = "IMG-20260125-WA0001.jpg"
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "chat.txt").write_text(ANDROID, "utf-8")
    (chat,) = read_conversations(tmp_path / "chat.txt")
    shown = [(turn.image and turn.image.name, turn.media) for turn in chat.turns if turn.image or turn.media == "photo"]
    assert shown == [(name, None)]
    assert chat.faults == ()
