"""Chats of all programs: what was said comes back in every form, and no form is taken for another."""

from __future__ import annotations

import io
import re
from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from clip_emotion.errors import DataError
from scoring.conversation import Conversation
from scoring.readers import LAYOUTS, LiveReader, ReadOptions, read_stream
from scoring.readers.json_text import DocumentText
from scoring.readers.layouts import DOCUMENT_LAYOUTS, LINE_LAYOUTS
from scoring.readers.line.mobile import unquoted
from tests.scoring.test_readers import ANDROID, ANDROID_EN, IOS, IOS_CLOCKS, MACOS, WINDOWS, WINDOWS_EN
from tests.support.chat_writers import WRITERS, Said

quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIGNS = "가나다라마ㅋㅎㅠabcXYZ .,!?~[]()\"'♥😀👍🏽-"
lines = st.text(SIGNS, max_size=20).map(str.rstrip)
texts = st.lists(lines, min_size=1, max_size=4).map("\n".join).map(str.strip).filter(bool)
# Two people, as in most chats; the owner of a file of SMS is named nowhere in it.
talks = st.lists(
    st.builds(
        Said, st.sampled_from(["나", "민수[개발]"]), texts, st.datetimes(datetime(2016, 1, 1), datetime(2030, 12, 31))
    ),
    min_size=1,
    max_size=8,
).map(
    lambda talk: sorted(
        (Said(one.speaker, one.text, one.time.replace(second=0, microsecond=0)) for one in talk),
        key=lambda said: said.time,
    )
)
NAMES = list(WRITERS)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"\n"', '"\n"'),
        ('""', '""'),
        ('"a\nb"', "a\nb"),
        ('"a ""b""\nc"', 'a "b"\nc'),
        ('"""\n"""', '"\n"'),
        ('"a"', '"a"'),
    ],
)
def test_quotes_of_the_program_are_taken_off_and_those_of_people_stay(written: str, meant: str) -> None:
    assert unquoted(written) == meant


def read(text: str, options: ReadOptions | None = None) -> Conversation:
    (chat,) = read_stream(io.StringIO(text, newline=""), "chat", options)
    return chat


def said(chat: Conversation) -> list[Said]:
    return [Said(turn.speaker, turn.text, turn.time or datetime.min) for turn in chat.turns]


@pytest.mark.parametrize("name", NAMES)
@quick
@given(talk=talks)
def test_a_chat_survives_every_form(name: str, talk: list[Said]) -> None:
    layout, order, write = WRITERS[name]
    if name == "LINE desktop":
        # There a word that stands behind a name in four messages is the name's, and quotes around several lines are
        # the program's.
        talk = talk[:3]
        assume(not any(one.text[0] == one.text[-1] == '"' for one in talk))
    chat = read(write(talk), ReadOptions(date_order=order))
    assert chat.layout == layout
    assert said(chat) == talk
    assert chat.faults == ()


@pytest.mark.parametrize("name", [name for name in NAMES if WRITERS[name][1]])
@quick
@given(talk=talks)
def test_dates_are_told_rightly_or_not_at_all(name: str, talk: list[Said]) -> None:
    try:
        chat = read(WRITERS[name][2](talk))
    except DataError as error:
        refusal = str(error)
        chat = None
    assert "--date-order" in refusal if chat is None else said(chat) == talk


@pytest.mark.parametrize(
    "name", [name for name in NAMES if WRITERS[name][0] in LINE_LAYOUTS and name != "LINE desktop"]
)
@quick
@given(talk=talks)
def test_a_live_chat_is_the_whole_one(name: str, talk: list[Said]) -> None:
    layout, order, write = WRITERS[name]
    reader = LiveReader(layout, ReadOptions(date_order=order))
    turns = reader.feed(io.StringIO(write(talk))) + reader.finish()
    assert [(turn.speaker, turn.text, turn.time) for turn in turns] == [
        (one.speaker, one.text, one.time) for one in talk
    ]


TALK = [
    Said(
        "나" if at % 3 else "민수",
        f"말 {at}: 그래\n둘째 줄" if at % 4 == 0 else f"말 {at}",
        datetime(2026, 1, 25, 9, 5) + timedelta(hours=5 * at),
    )
    for at in range(12)
]
SAMPLES: dict[str, tuple[str, str]] = {
    **{name: (layout, write(TALK)) for name, (layout, _, write) in WRITERS.items()},
    "KakaoTalk Android": ("kakaotalk-android", ANDROID),
    "KakaoTalk Android, English": ("kakaotalk-android", ANDROID_EN),
    "KakaoTalk iOS": ("kakaotalk-ios", IOS),
    "KakaoTalk iOS, clocks": ("kakaotalk-ios", IOS_CLOCKS),
    "KakaoTalk Windows": ("kakaotalk-windows", WINDOWS),
    "KakaoTalk Windows, English": ("kakaotalk-windows", WINDOWS_EN),
    "KakaoTalk macOS": ("kakaotalk-macos", MACOS),
    "JSON Lines": ("jsonl", '{"speaker": "A", "text": "x"}\n{"speaker": "B", "text": "y"}\n'),
    "table": ("table", "speaker,text\nA,x\nB,y\n"),
    "plain": ("plain", "민수: 안녕\n영희: 응\n"),
}
# A program's table is a table too, and a document on one line is an object: the programs are asked first.
GENERAL = {
    *(("kakaotalk-macos", "table"), ("discord-csv", "table"), ("messenger", "jsonl")),
    ("kakaotalk-android", "kakaotalk-ios"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_no_other_layout_claims_a_file(name: str) -> None:
    own, text = SAMPLES[name]
    cleaned = [
        line for line in text.replace("\u200e", "").replace("\r", "").replace("\u202f", " ").split("\n") if line.strip()
    ]
    claims = {
        layout.name
        for layout in LINE_LAYOUTS.values()
        if layout.name != "plain" and any(layout.recognise(line, at == 0) for at, line in enumerate(cleaned))
    } | {layout.name for layout in DOCUMENT_LAYOUTS.values() if layout.recognise(DocumentText(text))}
    assert claims - {other for file, other in GENERAL if file == own} == ({own} - {"plain"})
    assert read(text).layout == own


def test_a_file_that_is_forced_into_another_layout_is_refused() -> None:
    tables = {"kakaotalk-macos", "discord-csv", "table"}
    for name, (own, text) in SAMPLES.items():
        for other in set(LAYOUTS) - {own, "plain", "table", "jsonl"}:
            if own.startswith("kakaotalk") or {own, other} <= tables:
                continue
            refused = ""
            try:
                read(text, ReadOptions(other, "dmy"))
            except DataError as error:
                refused = str(error)
            assert refused, f"{name} was read as {other}"


# Lines of every kind; "#" becomes the line's number, so that each can be found again.
KINDS = {
    "whatsapp": [
        *("25/01/2026, 21:05 - A: 말 <#>", "25/01/2026, 21:06 - B: 말: <#>", "25/01/2026, 21:05 - A left"),
        *("31/02/2026, 21:05 - A: 말 <#>", "25/01/2026, 99:05 - A: 말 <#>", "[25/01/2026, 21:05:01] A: 말 <#>"),
        *("25/01/2026, 20:05 - C: 말 <#>", "이어지는 줄 <#>", "깨진 \ufffd 줄 <#>", "", "  "),
    ],
    "line": [
        *("21:05\tA\t말 <#>", "오후 9:06\tB\t말 <#>", "21:07\tA left the group.", "99:07\tA\t말 <#>"),
        *("2026/01/25(일)", "2026/02/31(일)", "Sun, 25/01/2026", "[LINE] A", "저장한 날짜 : 2026/01/25"),
        *("이어지는 줄 <#>", "깨진 \ufffd 줄 <#>", "", "  "),
    ],
}


@pytest.mark.parametrize("layout", KINDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_line_ends_in_exactly_one_place(layout: str, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(KINDS[layout]), max_size=25))
    lines = [kind.replace("#", str(number)) for number, kind in enumerate(kinds, start=1)]
    reader = LiveReader(layout, ReadOptions(date_order="dmy"))
    turns = reader.feed(lines) + reader.finish()
    marks = [int(mark) for turn in turns for mark in re.findall(r"<(\d+)>", turn.text)]
    places = Counter([*marks, *(entry.line for entry in reader.faults)])
    assert max(places.values(), default=1) == 1
    kept = sum(sum(bool(line.strip()) for line in turn.text.split("\n")) for turn in turns)
    assert kept + len(reader.faults) + reader.system_lines == sum(bool(line.strip()) for line in lines)
