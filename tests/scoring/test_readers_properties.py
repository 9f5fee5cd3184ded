"""What holds for any conversation and any bytes: round trips, no line lost, no error but the project's own."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clip_emotion.errors import ClipEmotionError
from scoring.conversation import Conversation, Turn
from scoring.readers import LAYOUTS, LiveReader, ReadOptions, read_conversations, read_stream
from scoring.readers.cleaning import clean
from scoring.readers.layouts import LINE_LAYOUTS

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WEEKDAYS = "월화수목금토일"


@dataclass(frozen=True)
class Said:
    speaker: str
    text: str
    time: datetime


# No digits, so that no text looks like a date or a time of its own.
SIGNS = "가나다라마ㅋㅎㅠabcXYZ .,!?~[]()\"'♥😀👍🏽-"
names = st.text("민수영희철박ABcd []#/", min_size=1, max_size=8).map(lambda name: " ".join(name.split())).filter(bool)
lines = st.text(SIGNS, max_size=20).map(str.rstrip)
texts = st.lists(lines, min_size=1, max_size=4).map("\n".join).map(str.strip).filter(bool)
times = st.datetimes(datetime(2000, 1, 1), datetime(2030, 12, 31)).map(
    lambda time: time.replace(second=0, microsecond=0)
)
# An export is in order of time.
talks = st.lists(st.builds(Said, names, texts, times), min_size=1, max_size=8).map(
    lambda talk: sorted(talk, key=lambda said: said.time)
)


def korean_clock(time: datetime) -> str:
    return f"{'오전' if time.hour < 12 else '오후'} {time.hour % 12 or 12}:{time.minute:02d}"


def english_clock(time: datetime) -> str:
    return f"{time.hour % 12 or 12}:{time.minute:02d} {'AM' if time.hour < 12 else 'PM'}"


def korean_day(time: datetime) -> str:
    return f"{time.year}년 {time.month}월 {time.day}일"


def android(talk: list[Said]) -> str:
    stamps = [f"{korean_day(said.time)} {korean_clock(said.time)}" for said in talk]
    body = (f"\n{stamp}\n{stamp}, {said.speaker} : {said.text}\n" for stamp, said in zip(stamps, talk, strict=True))
    return f"방 님과 카카오톡 대화\n저장한 날짜 : {stamps[0]}\n\n{''.join(body)}"


def android_english(talk: list[Said]) -> str:
    stamps = (f"{said.time:%B} {said.time.day}, {said.time.year} at {english_clock(said.time)}" for said in talk)
    return "".join(f"{stamp}, {said.speaker} : {said.text}\n" for stamp, said in zip(stamps, talk, strict=True))


def ios(talk: list[Said]) -> str:
    days = (f"{said.time.year}. {said.time.month}. {said.time.day}." for said in talk)
    return "".join(
        f"\n{korean_day(said.time)} {WEEKDAYS[said.time.weekday()]}요일\n"
        f"{day} {korean_clock(said.time)}, {said.speaker} : {said.text}\n"
        for day, said in zip(days, talk, strict=True)
    )


def windows(talk: list[Said]) -> str:
    rule = "-" * 15
    return "".join(
        f"{rule} {korean_day(said.time)} {WEEKDAYS[said.time.weekday()]}요일 {rule}\n"
        f"[{said.speaker}] [{korean_clock(said.time)}] {said.text}\n"
        for said in talk
    )


def windows_english(talk: list[Said]) -> str:
    rule = "-" * 15
    return "".join(
        f"{rule} {said.time:%A}, {said.time:%B} {said.time.day}, {said.time.year} {rule}\n"
        f"[{said.speaker}] [{english_clock(said.time)}] {said.text}\n"
        for said in talk
    )


def macos(talk: list[Said]) -> str:
    return "Date,User,Message\n" + "".join(
        '{:%Y-%m-%d %H:%M:%S},"{}","{}"\n'.format(
            said.time, said.speaker.replace('"', '""'), said.text.replace('"', '""')
        )
        for said in talk
    )


def tsv(talk: list[Said]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow(["시간", "이름", "내용"])
    writer.writerows((said.time.isoformat(" "), said.speaker, said.text) for said in talk)
    return buffer.getvalue()


def jsonl(talk: list[Said]) -> str:
    rows = ({"speaker": said.speaker, "text": said.text, "time": said.time.isoformat()} for said in talk)
    return "".join(json.dumps(row) + "\n" for row in rows)


WRITERS: dict[str, tuple[str, Callable[[list[Said]], str]]] = {
    "android": ("kakaotalk-android", android),
    "android in English": ("kakaotalk-android", android_english),
    "ios": ("kakaotalk-ios", ios),
    "windows": ("kakaotalk-windows", windows),
    "windows in English": ("kakaotalk-windows", windows_english),
    "macos": ("kakaotalk-macos", macos),
    "tsv": ("table", tsv),
    "jsonl": ("jsonl", jsonl),
}


@pytest.mark.parametrize("writer", WRITERS)
@quick
@given(talk=talks)
def test_a_conversation_survives_every_layout(writer: str, talk: list[Said]) -> None:
    layout, write = WRITERS[writer]
    (chat,) = read_stream(io.StringIO(write(talk)), "chat")
    assert chat.layout == layout
    assert [Said(turn.speaker, turn.text, turn.time or datetime.min) for turn in chat.turns] == talk
    assert chat.faults == ()


@quick
@given(talk=talks)
def test_plain_text_keeps_speakers_and_lines(talk: list[Said]) -> None:
    speakers = [re.sub(r"[^가-힣A-Za-z]", "", said.speaker) or "A" for said in talk]
    text = "".join(f"{speaker}: {said.text}\n" for speaker, said in zip(speakers, talk, strict=True))
    (chat,) = read_stream(io.StringIO(text), "chat", ReadOptions("plain"))
    assert [(turn.speaker, turn.text) for turn in chat.turns] == [
        (speaker, said.text) for speaker, said in zip(speakers, talk, strict=True)
    ]


# Lines of every kind; "#" becomes the line's number, so that each can be found again.
KAKAOTALK_LINES = st.sampled_from(
    [
        "2024년 3월 1일 오후 3:12, 민수 : 말 <#>",
        "2024년 3월 1일 오후 3:12, 영희 : 사진",
        "2024년 3월 1일 오후 3:12, 철수님이 나갔습니다.",
        "2024년 3월 1일 오후 3:12, 알 수 없는 <#>",
        "2024년 2월 30일 오후 3:12, 민수 : 말 <#>",
        "2024년 3월 1일 오후 3:12",
        "2024년 3월 1일 금요일",
        "2024. 3. 1. 오후 3:12, 민수 : 말 <#>",
        "2024. 3. 1. 오후 3:12: 영희님이 들어왔습니다.",
        "2024. 13. 1. 오후 3:12, 민수 : 말 <#>",
        "[민수] [오후 3:12] 말 <#>",
        "[영희] [오후 3:99] 말 <#>",
        "--------------- 2024년 3월 1일 금요일 ---------------",
        "민수 님과 카카오톡 대화",
        "저장한 날짜 : 2024년 3월 1일 오후 3:12",
        "민수님이 영희님을 초대했습니다.",
        "이어지는 줄 <#>",
        "민수: 말 <#>",
        "깨진 \ufffd 줄 <#>",
        "",
        "  ",
    ]
)


@pytest.mark.parametrize("layout", ["kakaotalk-android", "kakaotalk-ios", "kakaotalk-windows", "plain"])
@settings(max_examples=80, deadline=None)
@given(kinds=st.lists(KAKAOTALK_LINES, max_size=25))
def test_every_line_ends_in_exactly_one_place(layout: str, kinds: list[str]) -> None:
    lines = [kind.replace("#", str(number)) for number, kind in enumerate(kinds, start=1)]
    reader = LiveReader(layout)
    turns = reader.feed(lines) + reader.finish()
    in_turns = Counter(int(mark) for turn in turns for mark in re.findall(r"<(\d+)>", turn.text))
    in_faults = Counter(entry.line for entry in reader.faults)
    assert max((in_turns + in_faults).values(), default=1) == 1
    kept = sum(sum(bool(line.strip()) for line in turn.text.split("\n")) or 1 for turn in turns)
    assert kept + len(reader.faults) + reader.system_lines == sum(bool(line.strip()) for line in lines)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(["A,x,1", "B", 'C,"y', 'z",2', "", ",,", 'D,"q ""r""",', "E,a,b,c", ',"n",']), max_size=20)
)
def test_every_row_ends_in_exactly_one_place(rows: list[str]) -> None:
    reader = LiveReader("table")
    turns = reader.feed(["name,text,note", *rows]) + reader.finish()
    kept = sum(sum(bool(line.strip()) for line in turn.text.split("\n")) for turn in turns)
    # A quoted value may hold the line ends, never the rows' other cells, so lines of text are lines of input.
    assert kept + len(reader.faults) + 1 == 1 + sum(bool(row.strip()) for row in rows)
    assert reader.system_lines == 1


def summary(turns: list[Turn]) -> list[tuple[object, ...]]:
    return [(turn.index, turn.speaker, turn.text, turn.time, turn.media) for turn in turns]


@quick
@given(
    kinds=st.lists(KAKAOTALK_LINES, max_size=25),
    cuts=st.lists(st.integers(0, 25), max_size=6),
    layout=st.sampled_from(["auto", *LINE_LAYOUTS]),
)
def test_live_turns_do_not_depend_on_the_chunks(kinds: list[str], cuts: list[int], layout: str) -> None:
    whole, parts = LiveReader(layout), LiveReader(layout)
    expected = whole.feed(kinds) + whole.finish()
    found: list[Turn] = []
    bounds = [0, *sorted(cuts), len(kinds)]
    for start, end in pairwise(bounds):
        found += parts.feed(line + "\n" for line in kinds[start:end])
    found += parts.finish()
    assert summary(found) == summary(expected)
    assert parts.faults == whole.faults
    assert parts.system_lines == whole.system_lines


@pytest.mark.parametrize("writer", WRITERS)
@quick
@given(talk=talks)
def test_a_live_conversation_is_the_whole_one(writer: str, talk: list[Said]) -> None:
    text = WRITERS[writer][1](talk)
    (chat,) = read_stream(io.StringIO(text), "chat")
    reader = LiveReader()
    assert tuple(reader.feed(io.StringIO(text)) + reader.finish()) == chat.turns
    assert (reader.layout, reader.system_lines, reader.faults) == (chat.layout, chat.system_lines, chat.faults)


@quick
@given(kinds=st.lists(KAKAOTALK_LINES, max_size=20), layout=st.sampled_from(sorted(LINE_LAYOUTS)))
def test_flushing_after_each_line_loses_nothing(kinds: list[str], layout: str) -> None:
    lines = [kind.replace("#", str(number)) for number, kind in enumerate(kinds, start=1)]
    whole, flushed = LiveReader(layout), LiveReader(layout)
    expected = whole.feed(lines) + whole.finish()
    found = [turn for line in lines for turn in flushed.feed([line]) + flushed.flush()] + flushed.finish()
    marks = [[mark for turn in turns for mark in re.findall(r"<\d+>", turn.text)] for turns in (expected, found)]
    assert marks[0] == marks[1]
    assert (flushed.faults, flushed.system_lines) == (whole.faults, whole.system_lines)


@quick
@given(st.text())
@example("\ud800: \udfff")
@example("a\u200d\u200b\u200d😀\u200d\u200d😀")
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    once.encode("utf-8")


fragments = st.sampled_from(
    [
        *(
            "2024년 3월 1일 오후 3:12",
            ", ",
            " : ",
            "[민수] [오후 3:12] ",
            "Date,User,Message\n",
            '"',
            "\n",
            "\r",
            "\t",
            "민수: ",
        ),
        *(
            "speaker,text\n",
            '{"speaker": ',
            '"text": "x"}',
            "}",
            "2024. 3. 1. ",
            "---",
            "March 1, 2024 at 3:12 PM",
            "사진",
        ),
        *(
            "\u202e",
            "\u200d",
            "\ud800",
            "\ufffd",
            "님이 나갔습니다.",
            '{"speaker":"A","text":"x","emotions":{"a":1e999}}\n',
        ),
    ]
)
soup = st.lists(st.one_of(fragments, st.text(max_size=8)), max_size=25).map("".join)


def read_or_refused(read: Callable[[], tuple[Conversation, ...]]) -> tuple[Conversation, ...]:
    """What is read, or nothing where it is refused in one sentence; any other error goes through."""
    refusal = ""
    try:
        conversations = read()
    except ClipEmotionError as error:
        conversations, refusal = (), str(error)
    assert bool(conversations) != bool(refusal)
    assert "\n" not in refusal
    return conversations


@settings(max_examples=150, deadline=None)
@given(text=soup, layout=st.sampled_from(["auto", *LAYOUTS]))
def test_any_text_is_read_or_refused_in_one_sentence(text: str, layout: str) -> None:
    conversations = read_or_refused(lambda: read_stream(io.StringIO(text), "soup", ReadOptions(layout)))
    for conversation in conversations:
        assert conversation.turns
        for turn in conversation.turns:
            f"{turn.speaker}{turn.text}".encode()
            assert turn.speaker.strip()
            assert turn.text or turn.media or turn.image or turn.emotions or layout != "jsonl"
        assert all(len(entry.excerpt) <= 60 for entry in conversation.faults)


@settings(max_examples=100, deadline=None)
@given(raw=st.one_of(st.binary(max_size=300), soup.map(lambda text: text.encode("utf-16", "surrogatepass"))))
def test_any_bytes_are_read_or_refused_in_one_sentence(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "soup.txt"
    path.write_bytes(raw)
    for conversation in read_or_refused(lambda: read_conversations(path)):
        assert conversation.turns


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["speaker", "text", "time", "image", "emotions", "conversation", "media", "x"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_turn_or_a_fault(value: object) -> None:
    reader = LiveReader("jsonl")
    turns = reader.feed([json.dumps(value)])
    assert len(turns) == 1 or len(reader.faults) == 1
