"""LINE: titles, dates and clocks of each language, quotes, notices, what is left out, and the desktop's form."""

from __future__ import annotations

import io
from datetime import datetime

import pytest

from clip_emotion.errors import DataError
from scoring.conversation import Conversation
from scoring.readers import ReadOptions, read_stream

KOREAN = """[LINE] 민수님과의 대화
저장한 날짜 : 2026/01/26 09:00

2026.01.25 일요일
오후 9:05\t민수\t안녕 "뭐해"
오후 9:06\t영희\t"첫 줄

셋째 ""줄"" 끝"
오후 9:07\t영희\t[스티커]
오후 9:07\t민수\t☎ 통화 시간 3:12
오후 9:08\t영희님이 메시지 보내기를 취소했습니다.
오후 9:09\t\t민수님이 사진을 앨범에 추가했습니다.

2026.01.26 월요일
오전 12:01\t민수\t자?
"""
ENGLISH = """[LINE] Chat history with Minsu
Saved on: 01/26/2026, 09:00

Sun, 01/11/2026
9:05PM\tMinsu\thello
9:06PM\tKim\t[Photo]

Mon, 01/12/2026
12:01AM\tKim\t"up?"
12:02AM\tKim unsent a message.
"""
JAPANESE = """[LINE] みなとのトーク履歴
保存日時：2026/01/26 09:00

2026/01/25(日)
21:05\tみな\tこんにちは
21:06\tけん\t[写真]
午後9:07\tけん\t[スタンプ]
21:08\t\tみながメッセージの送信を取り消しました
"""
DESKTOP = """2026.01.25 일요일
21:05 김 민수 안녕
21:06 영희 첫 줄
둘째 줄
21:06 김 민수 사진
21:07 영희님이 메시지 보내기를 취소했습니다.
21:07 영희 선생님이 좋습니다
21:07 김 민수 뭐해
2026.01.26 월요일
00:01 김 민수 자?
"""


def read(text: str, order: str | None = None) -> Conversation:
    (chat,) = read_stream(io.StringIO(text), "chat.txt", ReadOptions(date_order=order))
    assert chat.faults == ()
    return chat


def said(chat: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text or f"<{turn.media}>") for turn in chat.turns]


def test_korean() -> None:
    chat = read(KOREAN)
    assert said(chat) == [
        ("민수", '안녕 "뭐해"'),
        ("영희", '첫 줄\n\n셋째 "줄" 끝'),
        ("영희", "<emoticon>"),
        ("민수", "<call>"),
        ("민수", "자?"),
    ]
    assert [chat.turns[0].time, chat.turns[-1].time] == [datetime(2026, 1, 25, 21, 5), datetime(2026, 1, 26, 0, 1)]
    assert (chat.layout, chat.system_lines) == ("line", 6)


def test_english_days_of_the_week_tell_day_from_month() -> None:
    chat = read(ENGLISH)
    assert said(chat) == [("Minsu", "hello"), ("Kim", "<photo>"), ("Kim", '"up?"')]
    assert [turn.time for turn in chat.turns] == [
        *(datetime(2026, 1, 11, 21, 5), datetime(2026, 1, 11, 21, 6), datetime(2026, 1, 12, 0, 1)),
    ]
    # 11 January and 1 November 2026 are Sundays both.
    text = ENGLISH.split("\n\nMon,")[0]
    with pytest.raises(DataError, match="--date-order dmy or mdy"):
        read(text)
    assert read(text, "dmy").turns[0].time == datetime(2026, 11, 1, 21, 5)


def test_japanese() -> None:
    chat = read(JAPANESE)
    assert said(chat) == [("みな", "こんにちは"), ("けん", "<photo>"), ("けん", "<emoticon>")]
    assert chat.turns[-1].time == datetime(2026, 1, 25, 21, 7)


def test_a_chat_without_its_title() -> None:
    assert said(read(KOREAN.split("\n", 3)[3])) == said(read(KOREAN))


def test_the_desktop_tells_names_of_several_words_by_all_their_lines() -> None:
    chat = read(DESKTOP)
    assert said(chat) == [
        *(
            ("김 민수", "안녕"),
            ("영희", "첫 줄\n둘째 줄"),
            ("김 민수", "<photo>"),
            ("영희", "선생님이 좋습니다"),
            ("김 민수", "뭐해"),
            ("김 민수", "자?"),
        ),
    ]
    assert (chat.layout, chat.system_lines) == ("line", 3)
    assert chat.turns[-1].time == datetime(2026, 1, 26, 0, 1)


def test_pasted_lines_stay_in_their_message() -> None:
    pasted = "오후 3:12\t철수\t몰라"
    head = "2026.01.25 일요일\n오후 9:05\t민수\t"
    chat = read(f"{head}이거 봐\n{pasted}\n오후 9:06\t영희\tㅋㅋ\n")
    assert said(chat) == [("민수", f"이거 봐\n{pasted}"), ("영희", "ㅋㅋ")]
    whatsapp = "1/5/26, 3:12 PM - Kim: hello"
    assert said(read(f'{head}"봐\n{whatsapp}"\n오후 9:06\t영희\tㅋㅋ\n'))[0] == ("민수", f"봐\n{whatsapp}")
