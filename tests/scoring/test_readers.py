"""Transcripts of each layout: what becomes a turn, what is the export's own, what is a fault."""

from __future__ import annotations

import io
import json
from datetime import datetime
from pathlib import Path

import pytest

from clip_emotion.errors import DataError, UsageError
from scoring.conversation import Conversation
from scoring.readers import LAYOUTS, LiveReader, ReadOptions, read_conversations, read_stream

ANDROID = """김민수 님과 카카오톡 대화
저장한 날짜 : 2024년 3월 2일 오후 3:12


2024년 3월 1일 오전 12:05
2024년 3월 1일 오전 12:05, 김민수 : 자?
2024년 3월 1일 오후 12:30, 영희 🌸 : 점심: 뭐 : 먹지
2024년 3월 1일 오후 3:12, 김민수 : 첫 줄

셋째 줄, 쉼표
2024년 3월 1일 오후 3:13, 영희 🌸님이 박철수님을 초대했습니다.
2024년 3월 1일 오후 3:14, 김민수 : 사진
2024년 3월 1일 오후 3:15, 김민수 : 사진 3장
2024년 3월 1일 오후 3:16, 김민수 : 파일: 보고서.pdf
2024년 3월 1일 오후 3:17, 영희 🌸 : 삭제된 메시지입니다.
2024년 3월 1일 오후 3:18, 박철수님이 나갔습니다.
"""
ANDROID_24 = """2024년 3월 1일 15:12
2024년 3월 1일 15:12, A : 안녕
2024년 3월 2일 0:01, B : 자정
"""
ANDROID_EN = """KakaoTalk Chats with Minsu
Date Saved : March 2, 2024 at 3:12 PM

March 1, 2024 at 3:12 PM
March 1, 2024 at 3:12 PM, Minsu : hello : there
March 2, 2024 at 12:01 AM, Younghee : Photo
March 2, 2024, 9:05 p.m., Minsu : Emoticon
May 1, 2024 at 15:12, Minsu joined this chatroom.
"""
IOS = """영희 님과 카카오톡 대화
저장한 날짜 : 2024. 3. 2. 오전 11:02


2024년 3월 1일 금요일
2024. 3. 1. 오후 3:12, 민수 : 첫 줄
둘째 줄 [대괄호] : 콜론
2024. 3. 1. 오후 3:13, 영희 : 음성메시지
2024. 3. 1. 오후 3:14: 철수님이 들어왔습니다.
타인, 기관 등의 사칭에 유의해 주세요.
2024. 3. 1. 오후 3:15: 채팅방 관리자가 메시지를 가렸습니다.
2024. 3. 2. 오전 12:00, 민수 : 자정
"""
IOS_CLOCKS = """우리 방 카카오톡 대화
저장한 날짜 : 2021년 12월 18일 오후 7:17

2021년 12월 29일 수요일
오후 8:36, 민수 : ㅎㅇ
오후 8:37, 영희님이 나갔습니다.
2021년 12월 30일 목요일
오전 12:00, 민수 : 다음날
"""
IOS_EN = """Talk_2026.4.25 10:20-1.txt
Date Saved : Apr 25, 2026 at 10:38

Wednesday, December 31, 2014
Dec 31, 2014 at 19:12: Minsu invited iPad .
Dec 31, 2014 at 19:12, Minsu : Day 1 : https://example.com
continued
Feb 17, 2015 at 9:00\u202fPM, iPad : Photo
"""
WINDOWS = """우리 방
저장한 날짜 : 2024-03-02 11:02:03

--------------- 2024년 3월 1일 금요일 ---------------
[민수] [오전 12:00] 첫 줄
둘째 줄 [대괄호] [아님]
[김[개발]/서울] [오후 3:12] 자정 ] [오후 3:12] 아님
[민수] [오후 3:13] 이모티콘
[민수] [오후 3:13] (이모티콘) 헤헤
철수님이 들어왔습니다.
민수님이 철수님을 초대하였습니다.
메시지가 삭제되었습니다.
--------------- 2024년 3월 2일 토요일 ---------------
[민수] [오후 12:00] 보이스톡 부재중
[민수] [오후 12:01] 보이스톡 3:12
"""
WINDOWS_EN = """Minsu with KakaoTalk Chats
Date Saved : 2024-03-02 11:02:03

--------------- Friday, March 1, 2024 ---------------
[Minsu] [12:00 AM] hello
I left.
[Kim] [9:03 AM] File: a.pdf
Kim left.
[Kim] [AM 9:04] This message was deleted.
"""
MACOS = """Date,User,Message
2024-03-01 15:12:00,"민수","첫 줄, 쉼표

셋째 ""인용"" 줄"
2024-03-01 15:13:00,"영희","사진"
2024-03-01 15:14:00,"","시스템 알림"
2024-03-01 15:15:00,"민수","민수님이 나갔습니다."
"2024-03-01 15:16:00","영희","(이모티콘) "
"""


def read(text: str, layout: str = "auto", **options: bool) -> Conversation:
    (conversation,) = read_stream(io.StringIO(text), "chat", ReadOptions(layout, **options))
    return conversation


def said(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text or f"<{turn.media}>") for turn in conversation.turns]


def march(hour: int, minute: int, day: int = 1) -> datetime:
    return datetime(2024, 3, day, hour, minute)


def test_android() -> None:
    chat = read(ANDROID)
    assert chat.layout == "kakaotalk-android"
    assert said(chat) == [
        ("김민수", "자?"),
        ("영희 🌸", "점심: 뭐 : 먹지"),
        ("김민수", "첫 줄\n\n셋째 줄, 쉼표"),
        ("김민수", "<photo>"),
        ("김민수", "<photo>"),
        ("김민수", "<file>"),
        ("영희 🌸", "<deleted>"),
    ]
    assert [turn.time for turn in chat.turns[:3]] == [march(0, 5), march(12, 30), march(15, 12)]
    assert [turn.index for turn in chat.turns] == list(range(1, 8))
    assert chat.system_lines == 5
    assert chat.faults == ()


def test_android_with_a_24_hour_clock() -> None:
    chat = read(ANDROID_24)
    assert chat.layout == "kakaotalk-android"
    assert [turn.time for turn in chat.turns] == [march(15, 12), march(0, 1, day=2)]
    assert chat.system_lines == 1


def test_android_in_english() -> None:
    chat = read(ANDROID_EN)
    assert chat.layout == "kakaotalk-android"
    assert said(chat) == [("Minsu", "hello : there"), ("Younghee", "<photo>"), ("Minsu", "<emoticon>")]
    assert [turn.time for turn in chat.turns] == [march(15, 12), march(0, 1, day=2), march(21, 5, day=2)]
    assert (chat.system_lines, chat.faults) == (4, ())


def test_ios() -> None:
    chat = read(IOS)
    assert chat.layout == "kakaotalk-ios"
    assert said(chat) == [("민수", "첫 줄\n둘째 줄 [대괄호] : 콜론"), ("영희", "<voice>"), ("민수", "자정")]
    assert [turn.time for turn in chat.turns] == [march(15, 12), march(15, 13), march(0, 0, day=2)]
    assert (chat.system_lines, chat.faults) == (6, ())


def test_ios_with_clock_times_under_date_lines() -> None:
    chat = read(IOS_CLOCKS)
    assert chat.layout == "kakaotalk-ios"
    assert [turn.time for turn in chat.turns] == [datetime(2021, 12, 29, 20, 36), datetime(2021, 12, 30)]
    assert (chat.system_lines, chat.faults) == (5, ())


def test_ios_in_english() -> None:
    chat = read(IOS_EN)
    assert chat.layout == "kakaotalk-ios"
    assert said(chat) == [("Minsu", "Day 1 : https://example.com\ncontinued"), ("iPad", "<photo>")]
    assert [turn.time for turn in chat.turns] == [datetime(2014, 12, 31, 19, 12), datetime(2015, 2, 17, 21)]
    assert (chat.system_lines, chat.faults) == (4, ())


def test_windows() -> None:
    chat = read(WINDOWS)
    assert chat.layout == "kakaotalk-windows"
    assert said(chat) == [
        ("민수", "첫 줄\n둘째 줄 [대괄호] [아님]"),
        ("김[개발]/서울", "자정 ] [오후 3:12] 아님"),
        ("민수", "<emoticon>"),
        ("민수", "헤헤"),
        ("민수", "<call>"),
        ("민수", "<call>"),
    ]
    assert [turn.time for turn in chat.turns][:2] == [march(0, 0), march(15, 12)]
    assert chat.turns[-1].time == march(12, 1, day=2)
    assert (chat.system_lines, chat.faults) == (7, ())


def test_windows_in_english() -> None:
    chat = read(WINDOWS_EN)
    assert chat.layout == "kakaotalk-windows"
    assert said(chat) == [("Minsu", "hello\nI left."), ("Kim", "<file>"), ("Kim", "<deleted>")]
    assert [turn.time for turn in chat.turns] == [march(0, 0), march(9, 3), march(9, 4)]
    assert (chat.system_lines, chat.faults) == (4, ())


def test_macos() -> None:
    chat = read(MACOS)
    assert chat.layout == "kakaotalk-macos"
    assert said(chat) == [("민수", '첫 줄, 쉼표\n\n셋째 "인용" 줄'), ("영희", "<photo>"), ("영희", "<emoticon>")]
    assert [turn.time for turn in chat.turns] == [march(15, 12), march(15, 13), march(15, 16)]
    assert (chat.system_lines, chat.faults) == (3, ())


@pytest.mark.parametrize("text", [ANDROID, ANDROID_EN, IOS, IOS_CLOCKS, IOS_EN, WINDOWS, WINDOWS_EN, MACOS])
def test_line_ends_marks_and_encodings_make_no_difference(text: str, tmp_path: Path) -> None:
    expected = read(text)
    for number, raw in enumerate(
        [
            text.replace("\n", "\r\n").encode("utf-8-sig"),
            text.encode("utf-16"),
            text.replace("\n", "\r").encode(),
            *([text.encode("cp949")] if "🌸" not in text and "\u202f" not in text else []),
        ]
    ):
        path = tmp_path / f"{number}.txt"
        path.write_bytes(raw)
        (chat,) = read_conversations(path)
        assert chat.turns == expected.turns
        assert chat.system_lines == expected.system_lines
        assert chat.name == path.name


def test_a_name_with_a_colon_is_known_from_the_title() -> None:
    chat = read("팀 : 서울 님과 카카오톡 대화\n2024년 3월 1일 오후 3:12, 팀 : 서울 : 안녕\n")
    assert said(chat) == [("팀 : 서울", "안녕")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2024년 2월 30일 오후 3:12, 민수 : 안녕", "does not exist"),
        ("2024년 3월 1일 오후 3:75, 민수 : 안녕", "does not exist"),
        ("2024년 3월 1일 오후 3:12, 이름만 있음", "no name"),
        ("2024년 3월 1일 오후 3:12, 민수 : \ufffd\ufffd", "not text"),
    ],
)
def test_malformed_lines_are_faults_and_reading_goes_on(line: str, reason: str) -> None:
    chat = read(f"맨 앞의 줄\n{ANDROID_24}{line}\n딸린 줄\n2024년 3월 2일 15:13, B : 계속\n")
    assert [turn.text for turn in chat.turns] == ["안녕", "자정", "계속"]
    assert [entry.line for entry in chat.faults] == [1, 5, 6]
    assert reason in chat.faults[1].reason
    assert chat.faults[1].excerpt == line
    assert "follows" in chat.faults[2].reason


def test_excerpts_are_short() -> None:
    (entry,) = read(f"{ANDROID_24}2024년 3월 1일 15:12, {'가' * 500}\n").faults
    assert len(entry.excerpt) == 60


def test_plain() -> None:
    text = "민수: 안녕\n영희： 응, 3:12에 봐: 꼭\n  이어지는 줄\nhttps://example.com\n12:30에 만나\nA:웅\n"
    chat = read(text, layout="plain")
    assert chat.layout == "plain"
    assert said(chat) == [
        ("민수", "안녕"),
        ("영희", "응, 3:12에 봐: 꼭\n  이어지는 줄\nhttps://example.com\n12:30에 만나"),
        ("A", "웅"),
    ]
    assert all(turn.time is None for turn in chat.turns)
    assert (chat.system_lines, chat.faults) == (0, ())


def test_words_of_kakaotalk_are_words_elsewhere() -> None:
    assert said(read("A: 사진\nB: 이모티콘\n")) == [("A", "사진"), ("B", "이모티콘")]


def test_jsonl() -> None:
    rows = [
        {
            "speaker": "민수",
            "text": "안녕\r\n둘째",
            "time": "2024-03-01T15:12:00+09:00",
            "emotions": {"기쁨": 1, "슬픔": 0.5},
        },
        {"name": "영희", "message": "응", "date": "2024. 3. 1.", "Time": "오후 3:13"},
        {"user": 7, "content": "seven", "timestamp": 1709305980},
    ]
    chat = read("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    assert chat.layout == "jsonl"
    assert said(chat) == [("민수", "안녕\n둘째"), ("영희", "응"), ("7", "seven")]
    assert [turn.time for turn in chat.turns] == [march(15, 12), march(15, 13), march(15, 13)]
    assert chat.turns[0].emotions == {"기쁨": 1.0, "슬픔": 0.5}
    assert chat.turns[1].emotions is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{oops", "not valid JSON"),
        ("[1, 2]", "not a JSON object"),
        ('{"text": "누구"}', "no speaker"),
        ('{"speaker": "A"}', "neither text"),
        ('{"speaker": "A", "text": ["x"]}', "not text"),
        ('{"speaker": true, "text": "x"}', "not text"),
        ('{"speaker": "A", "text": "x", "emotions": {"joy": "high"}}', "not a number"),
        ('{"speaker": "A", "text": "x", "emotions": {"joy": true}}', "not a number"),
        ('{"speaker": "A", "text": "x", "emotions": {"joy": -0.1}}', "negative"),
        ('{"speaker": "A", "text": "x", "emotions": {"joy": NaN}}', "not finite"),
        ('{"speaker": "A", "text": "x", "emotions": {"joy": 0}}', "zero"),
        ('{"speaker": "A", "text": "x", "emotions": [0.5]}', "not an object"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_bad_json_lines_are_faults_and_reading_goes_on(line: str, reason: str) -> None:
    good = '{"speaker": "A", "text": "x"}'
    chat = read(f"{good}\n{line}\n\n{good}\n")
    assert len(chat.turns) == 2
    assert [entry.line for entry in chat.faults] == [2]
    assert reason in chat.faults[0].reason


def test_a_time_that_cannot_be_read_costs_the_time_alone() -> None:
    chat = read('{"speaker": "A", "text": "x", "time": "어제"}')
    assert chat.turns[0].time is None
    assert "time" in chat.faults[0].reason


def test_conversation_column_parts_the_file() -> None:
    rows = [("b", "A", "1"), ("a", "A", "2"), ("b", "B", "3")]
    table = "Dialogue_ID\tSpeaker\tUtterance\n" + "".join("\t".join(row) + "\n" for row in rows)
    lines = "\n".join(json.dumps(dict(zip(("conversation", "speaker", "text"), row, strict=True))) for row in rows)
    for text in (table, lines):
        first, second = read_stream(io.StringIO(text), "many")
        assert (first.name, [(turn.index, turn.text) for turn in first.turns]) == ("many:b", [(1, "1"), (2, "3")])
        assert (second.name, [(turn.index, turn.text) for turn in second.turns]) == ("many:a", [(1, "2")])


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_tables_in_korean(delimiter: str) -> None:
    rows = [
        ("보낸 사람", "날짜", "메시지"),
        ("민수", "2024-03-01 오후 3:12:00", "안녕"),
        ("영희", "2024/3/1 15:13", "응"),
    ]
    chat = read("\n".join(delimiter.join(row) for row in rows))
    assert chat.layout == "table"
    assert said(chat) == [("민수", "안녕"), ("영희", "응")]
    assert [turn.time for turn in chat.turns] == [march(15, 12), march(15, 13)]
    assert chat.system_lines == 1


def test_a_table_with_emotions() -> None:
    chat = read('speaker,text,emotions\nA,"hi","{""joy"": 0.75, ""fear"": 0.25}"\nB,yo,\nC,no,"{""joy"": ""x""}"\n')
    assert [turn.emotions for turn in chat.turns] == [{"joy": 0.75, "fear": 0.25}, None]
    assert [entry.line for entry in chat.faults] == [4]


def test_bad_rows_cost_themselves_alone() -> None:
    chat = read(
        "name,text,time\n"
        "A,하나,2024-03-01 15:12\n"
        "B,너무,많은,칸이,있다\n"
        "C\n"
        'D,"닫히지 않는,2024-03-01 15:12\n'
        "E,둘,2024-03-01 15:13\n"
    )
    assert [turn.text for turn in chat.turns] == ["하나", "둘"]
    assert [entry.line for entry in chat.faults] == [3, 4, 5]
    assert "never closed" in chat.faults[2].reason


def test_commas_in_an_unquoted_last_column_are_text() -> None:
    assert said(read("name,text\nA,아, 그래, 응\n")) == [("A", "아, 그래, 응")]


def test_a_stray_quote_does_not_take_the_next_row_with_it() -> None:
    chat = read('Date,User,Message\n2024-03-01 15:12:00,"A","열린\n2024-03-01 15:13:00,"B","응"\n')
    assert said(chat) == [("B", "응")]
    assert [entry.line for entry in chat.faults] == [2]


def test_pictures_beside_the_export(tmp_path: Path) -> None:
    name = "0123456789abcdef0123456789abcdef"
    (tmp_path / f"{name}.jpg").write_bytes(b"x")
    (tmp_path / "b.png").write_bytes(b"x")
    path = tmp_path / "chat.txt"
    path.write_text(
        f"2024년 3월 1일 15:12, A : {name}.jpg\n"
        f"2024년 3월 1일 15:12, A : {name}.jpg\nb.png\n"
        f"2024년 3월 1일 15:12, A : {name}0.jpg\n"
        f"2024년 3월 1일 15:12, A : {name}.mp4\n"
        "2024년 3월 1일 15:12, A : c.png\n",
        encoding="utf-8",
    )
    (chat,) = read_conversations(path)
    assert [(turn.image and turn.image.name, turn.text, turn.media) for turn in chat.turns] == [
        (f"{name}.jpg", "", None),
        (f"{name}.jpg", "", None),
        ("b.png", "", None),
        (None, "", "photo"),
        (None, "", "video"),
        (None, "c.png", None),
    ]
    assert [turn.index for turn in chat.turns] == [1, 2, 3, 4, 5, 6]


def test_pictures_outside_the_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path / "out.jpg", folder / "sub" / "얼굴.jpg"):
        place.write_bytes(b"x")
    (folder / "link.jpg").symlink_to(tmp_path / "out.jpg")
    (folder / "ring.jpg").symlink_to(folder / "ring.jpg")
    names = [
        "sub/얼굴.jpg",
        "../out.jpg",
        str(tmp_path / "out.jpg"),
        "link.jpg",
        "ring.jpg",
        "no.jpg",
        "\0",
        "a" * 5000,
        ".",
    ]
    path = folder / "chat.jsonl"
    path.write_text("\n".join(json.dumps({"speaker": "A", "text": "x", "image": name}) for name in names))
    (chat,) = read_conversations(path)
    assert [turn.text for turn in chat.turns] == ["x"] * len(names)
    assert chat.turns[0].image == (folder / "sub" / "얼굴.jpg").resolve()
    assert all(turn.image is None for turn in chat.turns[1:])
    assert {entry.line for entry in chat.faults} >= {2, 3, 4, 5, 6, 8, 9}


def test_a_stream_has_no_pictures() -> None:
    chat = read('{"speaker": "A", "text": "x", "image": "/etc/hostname"}')
    assert chat.turns[0].image is None
    assert "no folder" in chat.faults[0].reason


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("안\u202e녕\u200b \x07끝\ufeff", "안녕 끝"),
        ("가\u200d나 👩\u200d💻 👩\u200d", "가나 👩\u200d💻 👩"),
        ("🏴\U000e0067\U000e007f 숨은\U000e0067말", "🏴\U000e0067\U000e007f 숨은말"),
        ("\u1112\u1161\u11ab글", "한글"),
        ("줄\u2028바꿈\x85없음", "줄 바꿈 없음"),
        ("❤\ufe0f 1\ufe0f\u20e3", "❤\ufe0f 1\ufe0f\u20e3"),
    ],
)
def test_invisible_signs_go_and_joined_emoji_stay(written: str, kept: str) -> None:
    assert said(read(f"민\u200b수: {written}\n")) == [("민수", kept)]
    assert said(read(json.dumps({"speaker": "민\u200b수", "text": written}))) == [("민수", kept)]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \r\n\t\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "binary"),
        (b"\xff\xfe\x00", "neither UTF-8"),
        (b"\xff" * 100 + b"\x80\n", "neither UTF-8"),
        ("그냥 글이다.\n이름이 없다.\n".encode(), "No speaker was recognised"),
        ("민수 님과 카카오톡 대화\n저장한 날짜 : 2024년 3월 1일 오후 3:12\n".encode(), "No speaker was recognised"),
        (b'{"a": 1}\n{"b": 2}\n', "line 1: it names no speaker"),
        (b"speaker,text\n", "a header and no rows"),
    ],
)
def test_what_is_no_transcript_is_one_clear_error(raw: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message) as caught:
        read_conversations(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=message):
        read_stream(io.TextIOWrapper(io.BytesIO(raw), encoding="ascii"), "-")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.txt", Path("a\0b")):
        with pytest.raises(DataError, match="Cannot read"):
            read_conversations(path)


def test_a_few_bad_bytes_cost_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("민수: 안녕\n".encode() * 200 + b"A: \xea\xb0\n" + "영희: 응".encode() + b"\xea")
    (chat,) = read_conversations(path)
    assert len(chat.turns) == 200
    assert [entry.line for entry in chat.faults] == [201, 202]


def test_layouts_are_chosen_by_name() -> None:
    text = "2024년 3월 1일 15:12, A : x\n"
    assert read(text, "kakaotalk-android").layout == "kakaotalk-android"
    with pytest.raises(UsageError, match=r"use auto or one of .*plain"):
        read(text, "icq")
    with pytest.raises(DataError, match="as jsonl; line 1: it is not valid JSON"):
        read(text, "jsonl")
    with pytest.raises(UsageError, match="icq"):
        LiveReader("icq")
    assert set(LAYOUTS) == {
        "kakaotalk-android",
        "kakaotalk-ios",
        "kakaotalk-windows",
        "kakaotalk-macos",
        "jsonl",
        "table",
        "plain",
        *("whatsapp", "line", "imessage-exporter", "discord-csv"),
        *("telegram", "meta", "messenger", "discord", "sms-backup"),
    }
    with pytest.raises(UsageError, match="leave out --follow"):
        LiveReader("telegram")


def test_a_live_message_is_held_until_it_cannot_go_on() -> None:
    reader = LiveReader()
    assert reader.feed(["[민수] [오후 3:12] 하나\n"]) == []
    assert reader.layout == "kakaotalk-windows"
    assert reader.feed(["둘\n"]) == []
    (turn,) = reader.feed(["[영희] [오후 3:13] 셋\n"])
    assert (turn.index, turn.text) == (1, "하나\n둘")
    (turn,) = reader.flush()
    assert (turn.index, turn.text) == (2, "셋")
    assert reader.flush() == []
    reader.feed(["뒤늦게\n"])
    (turn,) = reader.finish()
    assert (turn.index, turn.speaker, turn.text) == (3, "영희", "뒤늦게")
    assert reader.finish() == []


def test_live_rows_come_at_once() -> None:
    reader = LiveReader()
    assert [turn.text for turn in reader.feed(['{"speaker": "A", "text": "x"}'])] == ["x"]


def test_live_lines_without_a_layout_become_faults() -> None:
    reader = LiveReader()
    assert reader.feed(["글이다.", "", "글이다."]) == []
    assert reader.finish() == []
    assert [entry.line for entry in reader.faults] == [1, 3]
