"""What a text is taken for: plain only where it is plain, another program's export by that program's name."""

from __future__ import annotations

import io
import json

import pytest

from clip_emotion.errors import DataError
from scoring.readers import LiveReader, ReadOptions, read_stream


def refusal(text: str, layout: str = "auto") -> str:
    with pytest.raises(DataError) as caught:
        read_stream(io.StringIO(text), "chat.txt", ReadOptions(layout))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "app"),
    [
        ("Minsu, [05.01.2026 15:12]\nhello\nKim, [05.01.2026 15:13]\nhi\n", "Telegram"),
        ("[05.01.2026 15:12] Minsu: hello\n", "Telegram"),
        ("====\nGuild: Friends\nChannel: Text / general\n====\n\n[05-Jan-26 03:12 PM] minsu\nhello\n", "Discord"),
        ("민수 — 오늘 오후 3:12\n안녕\n영희 — 오늘 오후 3:13\n응\n", "Discord"),
        ("Minsu — 01/05/2026 3:12 PM\nhello\n", "Discord"),
        ("<!DOCTYPE html>\n<html>\n<title>Telegram export</title>\nname: x\n", "Telegram"),
    ],
)
def test_forms_that_are_not_read_are_named_with_the_form_that_is(text: str, app: str) -> None:
    assert f"looks like what {app} shows or copies, which is not read: export the" in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"name": "민수", "type": "text"}], indent=2, ensure_ascii=False),
        json.dumps({"name": "민수", "messages": [{"text": "x"}, {"b": 2}]}, indent=1, ensure_ascii=False),
        '[{"speaker": "A", "text": "x"},\n{"speaker": "B", "text": "y"}]\n',
    ],
)
def test_json_is_only_ever_read_as_json(text: str) -> None:
    assert "JSON document, not JSON Lines" in refusal(text)


def test_a_web_page_is_no_chat() -> None:
    assert "is a web page" in refusal("<html>\nname: x\nother: y\n")


def test_plain_text_explains_nine_lines_in_ten() -> None:
    said = "".join(f"{name}: 말 {number}\n" for number in range(9) for name in ("민수", "영희"))
    assert read_stream(io.StringIO(said + "딸린 줄\n딸린 줄\n"), "chat")[0].layout == "plain"
    assert "only 18 of its first 21 lines begin with a name" in refusal(said + "딸린 줄\n" * 3)
    assert len(read_stream(io.StringIO(said + "딸린 줄\n" * 3), "chat", ReadOptions("plain"))[0].turns) == 18
    one_colon = "어느 날의 일기.\n" * 40 + "할 일: 우유\n"
    assert "only 1 of its first 41 lines" in refusal(one_colon)


def test_indented_lines_go_on_with_a_plain_message() -> None:
    (chat,) = read_stream(io.StringIO("민수: 하나\n  둘\n  셋\n영희: 넷\n"), "chat")
    assert [turn.text for turn in chat.turns] == ["하나\n  둘\n  셋", "넷"]


def test_plain_speakers_come_again_and_are_no_keys() -> None:
    recipe = "".join(
        f"{name}: 100 g\n" for name in ["우유", "밀가루", "설탕", "소금", "버터", "달걀", "이스트", "물", "꿀", "호두"]
    )
    assert "10 names stand before a colon in 10 lines, as in a list" in refusal(recipe)
    assert "No speaker was recognised" in refusal('  "name": "x",\n  "type": "y"\n')
    assert "No speaker was recognised" in refusal("<a>: 1\n{b}: 2\n12: 3\n")


def test_a_pasted_line_of_another_program_changes_nothing() -> None:
    text = "2024년 3월 1일 오후 3:12, 민수 : 이거 봐\n1/5/26, 3:12 PM - Kim: hello\n"
    (chat,) = read_stream(io.StringIO(text), "chat")
    assert [turn.text for turn in chat.turns] == ["이거 봐\n1/5/26, 3:12 PM - Kim: hello"]


def test_live_conversations_of_other_programs_are_refused_too() -> None:
    reader = LiveReader()
    with pytest.raises(DataError, match="Discord"):
        reader.feed(["민수 — 오늘 오후 3:12", "안녕"])
    with pytest.raises(DataError, match="JSON document"):
        LiveReader().feed(["{", '  "name": "x"'])


WHATSAPP = "".join(f"25/01/2026, 21:0{at} - {'AB'[at % 2]}: 말 {at}\n" for at in range(8))
KAKAOTALK = "".join(f"2026년 1월 25일 오후 9:1{at}, {'AB'[at % 2]} : 말 {at}\n" for at in range(8))


def test_two_exports_in_one_file_are_asked_about() -> None:
    text = refusal(WHATSAPP + KAKAOTALK)
    assert "whatsapp explains only 50 % of the lines of chat.txt, and kakaotalk-android claims some" in text
    assert "--layout whatsapp if it is that" in text
    assert "kakaotalk-android explains only 50 %" in refusal(KAKAOTALK + WHATSAPP)
    assert "kakaotalk-android explains only 20 %" in refusal(KAKAOTALK + WHATSAPP * 4)
    assert len(read_stream(io.StringIO(WHATSAPP + KAKAOTALK), "chat", ReadOptions("whatsapp"))[0].turns) == 8


def test_a_layout_that_is_named_wrongly_is_to_be_left_out() -> None:
    discord = json.dumps({"guild": {}, "messages": [{"author": {}, "timestamp": "", "content": "안녕"}]})
    for text, layout in ((discord, "telegram"), (discord, "line"), (KAKAOTALK, "meta"), (KAKAOTALK, "whatsapp")):
        said = refusal(text, layout)
        assert said.startswith(f"No turn could be read from chat.txt as {layout}")
        assert said.endswith("Leave --layout out, so that its layout is recognised, or name another one.")


def test_an_export_with_many_lines_that_cannot_be_read_is_asked_about() -> None:
    before = "".join(f"말 {at}\n" for at in range(8))
    assert "whatsapp explains only 50 %" in refusal(before + WHATSAPP)
    (chat,) = read_stream(io.StringIO(before + WHATSAPP), "chat", ReadOptions("whatsapp"))
    assert (len(chat.turns), len(chat.faults)) == (8, 8)
    long_messages = WHATSAPP.replace("말", "여러\n줄의\n긴\n말")
    assert read_stream(io.StringIO(long_messages), "chat")[0].turns[0].text == "여러\n줄의\n긴\n말 0"


@pytest.mark.parametrize(
    "line", [WHATSAPP.split("\n")[0], "오후 3:12\t철수\t안녕", "A, [05.01.2026 15:12]", "Jan 5, 2026  3:12:05 PM"]
)
def test_a_line_pasted_into_a_plain_chat_changes_nothing(line: str) -> None:
    said = "".join(f"{name}: 말 {number}\n" for number in range(6) for name in ("민수", "영희"))
    (chat,) = read_stream(io.StringIO(f"{said}{line}\n{said}"), "chat")
    assert (chat.layout, len(chat.turns), chat.turns[11].text) == ("plain", 24, f"말 5\n{line}")


def test_a_header_makes_a_table_whatever_its_rows_look_like() -> None:
    rows = "".join(f"민수,응: {number}\n영희,아니: {number}\n" for number in range(20))
    (chat,) = read_stream(io.StringIO(f"speaker,text\n{rows}"), "chat")
    assert (chat.layout, len(chat.turns), chat.turns[0].text) == ("table", 40, "응: 0")


@pytest.mark.parametrize("head", ["", "민수 님과 카카오톡 대화\n저장한 날짜 : 2026년 1월 25일 오후 9:05\n\n"])
def test_a_transcript_pasted_into_an_export_is_a_message(head: str) -> None:
    pasted = "".join(f"철수: 대사 {number}\n영희: 대사 {number}\n" for number in range(100))
    (chat,) = read_stream(io.StringIO(f"{head}{KAKAOTALK}{pasted}"), "chat")
    assert (chat.layout, len(chat.turns)) == ("kakaotalk-android", 8)
    assert chat.turns[-1].text.count("\n") == 200


@pytest.mark.parametrize("name", ["bad.csv", "chat.txt"])
def test_a_table_of_unknown_columns_tells_them_and_those_that_are_known(name: str) -> None:
    with pytest.raises(DataError) as caught:
        read_stream(io.StringIO('누구,말\n지우,안녕\n민호,"응, 안녕"\n'), name)
    told = str(caught.value)
    assert f"{name} has the columns 누구, 말, of which none is known as the speaker: name the speaker as one of" in told
    assert "이름, 화자" in told
    assert "메시지" not in told


def test_a_table_of_no_known_column_tells_both() -> None:
    with pytest.raises(
        DataError, match=r"none is known as the speaker or the text: .*화자.*; the text as one of .*메시지"
    ):
        read_stream(io.StringIO("a;b\n"), "bad.csv")


def test_prose_with_commas_is_no_table() -> None:
    assert "No speaker was recognised" in refusal("그냥, 글이다.\n이름이 없다.\n쉼표, 셋, 넷\n")


@pytest.mark.parametrize("header", ["speaker,text", "Date,User,Message"])
def test_a_header_alone_is_told_as_such(header: str) -> None:
    assert "is a table with a header and no rows" in refusal(f"{header}\n")
