"""KakaoTalk's rarer forms: notices, rules, pasted lines, names with colons, dates, placeholders, Japanese."""

from __future__ import annotations

import io
from datetime import datetime

import pytest

from scoring.conversation import Conversation
from scoring.readers import LiveReader, read_stream


def read(text: str) -> Conversation:
    (conversation,) = read_stream(io.StringIO(text), "chat")
    assert conversation.faults == ()
    return conversation


def said(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text or f"<{turn.media}>") for turn in conversation.turns]


def test_a_notice_with_an_empty_name_is_nobodys_turn() -> None:
    chat = read(
        "[민수] [오후 3:11] 안녕\n[] [오후 3:12] 톡게시판 공지가 등록되었어요.\n둘째 줄\n[영희] [오후 3:13] 응\n"
    )
    assert said(chat) == [("민수", "안녕"), ("영희", "응")]
    assert chat.system_lines == 2
    android = read("2024년 3월 1일 오후 3:11, 민수 : 안녕\n2024년 3월 1일 오후 3:12,  : 공지\n")
    assert said(android) == [("민수", "안녕")]
    assert said(read("2024. 3. 1. 오후 3:11, 민수 : 안녕\n2024. 3. 1. 오후 3:12, : 공지\n")) == [("민수", "안녕")]


def test_rules_of_hyphens_around_a_date_are_the_exports_own() -> None:
    rule = "-" * 15
    text = f"[민수] [오후 3:11] 안녕\n{rule}\n2024년 3월 2일 토요일\n{rule}\n[영희] [오전 9:00] 응\n{rule}\n"
    chat = read(text)
    assert said(chat) == [("민수", "안녕"), ("영희", "응")]
    assert chat.system_lines == 4
    assert chat.turns[1].time == datetime(2024, 3, 2, 9)


def test_a_rule_within_a_message_stays() -> None:
    rule = "-" * 15
    assert said(read(f"[민수] [오후 3:11] 위\n{rule}\n\n아래\n")) == [("민수", f"위\n{rule}\n\n아래")]


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        # Another style than the export's own.
        (
            "2024. 3. 1. 오후 3:12, 민수 : 이거 봐\n오후 7:00, 철수 : 안녕\n2024. 3. 1. 오후 3:13, 영희 : ㅋㅋ\n",
            [("민수", "이거 봐\n오후 7:00, 철수 : 안녕"), ("영희", "ㅋㅋ")],
        ),
        (
            "[민수] [오후 3:12] 이거 봐\n[철수] [2024. 1. 1. 오후 3:12] 안녕\n[영희] [오후 3:13] ㅋㅋ\n",
            [("민수", "이거 봐\n[철수] [2024. 1. 1. 오후 3:12] 안녕"), ("영희", "ㅋㅋ")],
        ),
        # A stranger whose clock runs back.
        (
            "[민수] [오후 9:00] 이거 봐\n[철수] [오후 7:00] 안녕\n[영희] [오후 9:01] ㅋㅋ\n",
            [("민수", "이거 봐\n[철수] [오후 7:00] 안녕"), ("영희", "ㅋㅋ")],
        ),
        # A stranger from the evening before: the clock runs back behind the pasted lines.
        (
            "[민수] [오전 12:09] 자?\n[민수] [오전 12:10] 이거 봐\n[철수] [오후 11:50] 안녕\n[철수] [오후 11:51] 뭐해\n"
            "[영희] [오전 12:11] ㅋㅋ\n[민수] [오전 12:12] 그치\n[영희] [오전 12:13] 응\n",
            [
                ("민수", "자?"),
                ("민수", "이거 봐\n[철수] [오후 11:50] 안녕\n[철수] [오후 11:51] 뭐해"),
                *[("영희", "ㅋㅋ"), ("민수", "그치"), ("영희", "응")],
            ],
        ),
        # Somebody quoted hours later, with a date in every stamp.
        (
            "2024년 3월 1일 오전 9:00, 영희 : 밥 먹자\n2024년 3월 1일 오후 3:12, 민수 : 네가\n"
            "2024년 3월 1일 오전 9:00, 영희 : 밥 먹자\n2024년 3월 1일 오후 3:13, 영희 : ㅋㅋ\n",
            [
                ("영희", "밥 먹자"),
                ("민수", "네가\n2024년 3월 1일 오전 9:00, 영희 : 밥 먹자"),
                ("영희", "ㅋㅋ"),
            ],
        ),
    ],
)
def test_pasted_lines_stay_in_their_message(text: str, turns: list[tuple[str, str]]) -> None:
    assert said(read(text)) == turns


def test_an_hour_set_back_in_autumn_loses_nobodys_words() -> None:
    clocks = ["1:50", "1:55", "1:05", "1:10", "2:00"]
    text = "".join(f"[{'AB'[at % 2]}] [{clock} AM] {at}\n" for at, clock in enumerate(clocks))
    assert len(read(text).turns) == 5


def test_an_export_in_no_order_of_time_is_read_as_it_stands() -> None:
    text = "".join(f"2024. 3. {day}. 오후 3:12, {'AB'[day % 2]} : {day}\n" for day in range(28, 0, -1))
    assert len(read(text).turns) == 28


def test_live_pasted_lines_stay_where_what_came_before_tells_it() -> None:
    reader = LiveReader()
    lines = ["[민수] [오후 9:00] 이거 봐", "[철수] [오후 7:00] 안녕", "[영희] [오후 9:01] ㅋㅋ"]
    turns = reader.feed(lines) + reader.finish()
    assert [turn.text for turn in turns] == ["이거 봐\n[철수] [오후 7:00] 안녕", "ㅋㅋ"]


def test_names_with_colons_are_told_from_groups_named_so() -> None:
    title = "팀 : 서울 님과 카카오톡 대화\n"
    line = "2024년 3월 1일 오후 3:1{}, {}\n"
    assert said(read(title + line.format(1, "팀 : 서울 : 안녕"))) == [("팀 : 서울", "안녕")]
    group = title + line.format(1, "팀 : 서울 : 어디?") + line.format(2, "팀 : 부산이야")
    assert said(read(group)) == [("팀", "서울 : 어디?"), ("팀", "부산이야")]
    untold = "".join(line.format(at, f"민수 : 개발 : 말 {at}") for at in range(3))
    assert said(read(untold)) == [("민수 : 개발", f"말 {at}") for at in range(3)]
    lists = line.format(0, "민수 : 준비물 : 물") + line.format(1, "민수 : 준비물 : 컵") + line.format(2, "민수 : 끝")
    assert {turn.speaker for turn in read(lists).turns} == {"민수"}


@pytest.mark.parametrize(
    ("text", "layout", "time"),
    [
        ("[민수] [2026. 1. 5. 오후 3:12] 안녕\n", "windows", datetime(2026, 1, 5, 15, 12)),
        ("[민수] [2026년 1월 5일 오후 3:12] 안녕\n", "windows", datetime(2026, 1, 5, 15, 12)),
        ("[민수] [2026/01/05 15:12] 안녕\n", "windows", datetime(2026, 1, 5, 15, 12)),
        ("2026/1/5 오후 3:12, 민수 : 안녕\n", "ios", datetime(2026, 1, 5, 15, 12)),
        ("2026-01-05 15:12, 민수 : 안녕\n", "ios", datetime(2026, 1, 5, 15, 12)),
        ("2026년 1월 5일 월요일 오후 3:12, 민수 : 안녕\n", "android", datetime(2026, 1, 5, 15, 12)),
        (
            "--------------- 2026/01/05 ---------------\n[민수] [오후 3:12] 안녕\n",
            "windows",
            datetime(2026, 1, 5, 15, 12),
        ),
    ],
)
def test_dates_in_other_forms(text: str, layout: str, time: datetime) -> None:
    chat = read(text)
    assert chat.layout == f"kakaotalk-{layout}"
    assert said(chat) == [("민수", "안녕")]
    assert chat.turns[0].time == time


@pytest.mark.parametrize(
    ("words", "media"),
    [
        ("사진을 보냈습니다.", "photo"),
        ("사진 3장을 보냈습니다", "photo"),
        ("동영상을 보냈습니다.", "video"),
        ("음성메시지를 보냈습니다.", "voice"),
        ("이모티콘을 보냈습니다.", "emoticon"),
        ("파일을 보냈습니다.", "file"),
        ("선물과 메시지를 보냈습니다.", "gift"),
        ("선물을 보냈어요!", "gift"),
        ("송금봉투가 도착했어요.", "money"),
        ("10,000원을 보냈어요.", "money"),
        ("위치: 서울특별시 중구 세종대로 110", "map"),
        ("연락처를 보냈습니다.", "contact"),
    ],
)
def test_placeholders_in_sentence_form_are_no_words(words: str, media: str) -> None:
    assert said(read(f"[민수] [오후 3:12] {words}\n")) == [("민수", f"<{media}>")]
    assert said(read(f"[민수] [오후 3:12] 어제 {words} 봤어?\n")) == [("민수", f"어제 {words} 봤어?")]


JAPANESE = """みなさんとのカカオトーク
保存日時 : 2026年1月6日 午前9:00

--------------- 2026年1月5日月曜日 ---------------
[みな] [午後 3:12] こんにちは
[けん] [午後 3:13] 写真
けんさんが退室しました。
[みな] [午前 12:05] またね
"""


def test_japanese() -> None:
    chat = read(JAPANESE.replace("[みな] [午前 12:05]", "--- 2026年1月6日(火) ---\n[みな] [午前 12:05]"))
    assert chat.layout == "kakaotalk-windows"
    assert said(chat) == [("みな", "こんにちは"), ("けん", "<photo>"), ("みな", "またね")]
    assert [turn.time for turn in chat.turns] == [
        datetime(2026, 1, 5, 15, 12),
        datetime(2026, 1, 5, 15, 13),
        datetime(2026, 1, 6, 0, 5),
    ]
    assert chat.system_lines == 5
    android = read("2026年1月5日 午後3:12, みな : こんにちは\n2026年1月5日 午後3:13, けん : スタンプ\n")
    assert said(android) == [("みな", "こんにちは"), ("けん", "<emoticon>")]
