"""Pseudonyms: who spoke and how to reach them are nowhere in what is read."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.conversation import Conversation
from scoring.output.anonymise import Anonymiser
from scoring.readers import LiveReader, read_conversations, read_stream
from scoring.result import TurnScore


def shown(conversation: Conversation) -> Conversation:
    """The conversation as results show it."""
    anonymiser = Anonymiser()
    anonymiser.add(conversation.speakers)
    turns = (anonymiser.turn(TurnScore(turn, None, None, {}, {})).turn for turn in conversation.turns)
    faults = tuple(map(anonymiser.fault, conversation.faults))
    return replace(conversation, name=anonymiser.mask(conversation.name), turns=tuple(turns), faults=faults)


def read(text: str) -> Conversation:
    (conversation,) = read_stream(io.StringIO(text), "chat")
    return shown(conversation)


def masked(text: str, *names: str) -> str:
    chat = read("".join(f"{name}: x\n" for name in names) + f"{names[0]}: {text}\n")
    return chat.turns[-1].text


def test_speakers_are_numbered_in_the_order_in_which_they_speak() -> None:
    chat = read("영희: 하나\n민수: 둘\n영희: 셋\n")
    assert [turn.speaker for turn in chat.turns] == ["화자 1", "화자 2", "화자 1"]
    assert read("Kim: a\nLee: b\n").speakers == ("Speaker 1", "Speaker 2")
    assert read("Kim: a\n민수: b\n").speakers == ("화자 1", "화자 2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("민수야 뭐해", "화자 1야 뭐해"),
        ("민수님, 민수씨! @민수", "화자 1님, 화자 1씨! @화자 1"),
        ("나는 민수가 좋아 (민수)", "나는 화자 1가 좋아 (화자 1)"),
        ("우리국민수업은 민수기다", "우리국민수업은 민수기다"),
        ("영희랑 민수", "화자 2랑 화자 1"),
    ],
)
def test_names_in_texts_keep_their_endings(text: str, expected: str) -> None:
    assert masked(text, "민수", "영희") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("김민수 씨, 민수야!", "화자 1 씨, 화자 1야!"),
        ("사랑해 사랑이 뭐길래", "사랑해 사랑이 뭐길래"),
        ("김사랑! 사랑아 사랑해", "화자 2! 화자 2아 사랑해"),
        ("kim이랑 KIM, kimchi", "화자 3이랑 화자 3, kimchi"),
        ("나 A형이야", "나 A형이야"),
        ("이지은! 지은이가 왔어", "화자 5! 화자 5이가 왔어"),
        ("Will came, he will stay, Smith too", "화자 6 came, he will stay, 화자 6 too"),
    ],
)
def test_full_names_and_everyday_words(text: str, expected: str) -> None:
    assert masked(text, "김민수", "김사랑", "Kim", "A", "이지은/서울 95", "Will Smith") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("010-1234-5678", "[전화번호]"),
        ("01012345678로 해", "[전화번호]로 해"),
        ("+82 10-1234-5678", "[전화번호]"),
        ("02-123-4567, 1588-1234", "[전화번호], [전화번호]"),
        ("a.b+c@mail.example.co.kr로", "[이메일]로"),
        ("https://a.com/x?y=민수 봐", "[링크] 봐"),
        ("www.a.com 또 open.kakao.com/o/abc", "[링크] 또 [링크]"),
        ("900101-1234567, 110-123-456789", "[번호], [번호]"),
        ("2024-03-01 15:12에 3.5점, 12,000원", "2024-03-01 15:12에 3.5점, 12,000원"),
        ("좋아...그럼 ok.그래 1.2.3", "좋아...그럼 ok.그래 1.2.3"),
    ],
)
def test_ways_to_reach_somebody_are_masked(text: str, expected: str) -> None:
    assert masked(text, "민수") == expected


def test_masks_speak_english_where_names_do() -> None:
    assert masked("mail a@b.com, call 010-1234-5678", "Kim") == "mail [e-mail], call [phone]"


def test_names_are_masked_before_their_owner_speaks_and_in_the_input_name(tmp_path: Path) -> None:
    path = tmp_path / "KakaoTalk_Chats_with_박영희.txt"
    path.write_text("A: 박영희 왔어?\n박영희: 응\n  2024년 쪽지\n", encoding="utf-8")
    (chat,) = map(shown, read_conversations(path))
    assert chat.turns[0].text == "화자 2 왔어?"
    assert "박영희" not in repr(chat)


def test_faults_lose_their_excerpts() -> None:
    chat = read("제삼자 이름\n2024년 3월 1일 15:12, 민수 : 안녕\n")
    assert [(entry.line, entry.excerpt) for entry in chat.faults] == [(1, "")]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("가나다라마바사", min_size=3, max_size=5), min_size=1, max_size=5, unique=True))
def test_no_name_of_three_letters_is_left_anywhere(names: list[str]) -> None:
    chat = read("".join(f"{name}: 야 {other}, {other}님!\n" for name in names for other in names))
    for turn in chat.turns:
        assert not any(name in turn.text for name in names)


def test_live_pseudonyms_are_the_whole_ones_for_names_that_have_spoken() -> None:
    text = "민수: 안녕\n영희: 민수야 010-1234-5678\n민수: 영희님\n"
    reader, anonymiser = LiveReader(), Anonymiser()
    turns = reader.feed(io.StringIO(text)) + reader.finish()
    live = tuple(anonymiser.turn(TurnScore(turn, None, None, {}, {})).turn for turn in turns)
    assert live == read(text).turns


def test_hundreds_of_speakers_are_masked_in_time() -> None:
    names = [
        f"{first}{second}{third}" for first in "김이박최정" for second in "민서지현수" for third in "우진아영호준혁원"
    ]
    text = "".join(f"{names[i % len(names)]}: 오늘 정말 좋았어 고마워 김민우\n" for i in range(5000))
    started = time.perf_counter()
    assert all("김민우" not in turn.text for turn in read(text).turns)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("김민수", "민수쓰 민수야 민수오빠 민수형", "화자 1쓰 화자 1야 화자 1오빠 화자 1형"),
        ("지은이", "지은아 지은이가 지은쓰", "화자 1아 화자 1가 화자 1쓰"),
        ("하린쓰", "하린아, 하린이는?", "화자 1아, 화자 1이는?"),
        ("하늘", "하늘이 파랗다. 하늘은 넓고 하늘을 봐", "하늘이 파랗다. 하늘은 넓고 하늘을 봐"),
        ("하늘", "하늘아! 하늘이가 하늘이랑 @하늘 하늘님", "화자 1아! 화자 1이가 화자 1이랑 @화자 1 화자 1님"),
        ("김하늘", "하늘 좋다, 하늘씨, 김하늘", "하늘 좋다, 화자 1씨, 화자 1"),
    ],
)
def test_nicknames_and_the_sky(name: str, text: str, expected: str) -> None:
    assert masked(text, name) == expected
