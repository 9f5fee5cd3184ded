"""Archives, e-mails, and what would take gigabytes: read within bounds, or refused in one sentence."""

from __future__ import annotations

import io
import json
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from clip_emotion.errors import DataError
from scoring.conversation import Conversation
from scoring.readers import containers, read_conversations, read_stream
from scoring.readers.follow import FileTail
from scoring.readers.messages import LONGEST_TEXT
from tests.support.archives import damaged_zips

CHAT = "2024년 3월 1일 오후 3:12, 민수 : 안녕\n2024년 3월 1일 오후 3:13, 영희 : 응\n"


def zipped(path: Path, members: dict[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_conversations(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def said(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text or f"<{turn.media}>") for turn in conversation.turns]


def test_a_zip_export_is_read_without_unpacking(tmp_path: Path) -> None:
    name = "0123456789abcdef0123456789abcdef.jpg"
    path = zipped(
        tmp_path / "chat.zip", {"KakaoTalkChats.txt": f"{CHAT}2024년 3월 1일 오후 3:14, 민수 : {name}\n", name: b"x"}
    )
    (chat,) = read_conversations(path)
    assert (chat.name, chat.layout) == ("chat.zip", "kakaotalk-android")
    assert said(chat) == [("민수", "안녕"), ("영희", "응"), ("민수", "<photo>")]
    assert list(tmp_path.iterdir()) == [path]
    (stream,) = read_stream(io.TextIOWrapper(io.BytesIO(path.read_bytes())), "stdin")
    assert said(stream) == said(chat)


def test_a_zip_of_several_chats(tmp_path: Path) -> None:
    members = {
        "../../evil.txt": CHAT,
        "b/둘.jsonl": json.dumps({"speaker": "A", "text": "x"}),
        "b/readme.txt": "그냥 글이다.\n",
        "__MACOSX/b.txt": CHAT,
        ".hidden.txt": CHAT,
    }
    chats = read_conversations(zipped(tmp_path / "many.zip", dict(members)))
    assert [chat.name for chat in chats] == ["many.zip/b/둘.jsonl", "many.zip/evil.txt"]
    (entry,) = chats[0].faults
    assert entry.reason == "a file in the archive could not be read as a conversation"
    assert entry.excerpt.startswith("many.zip/b/readme.txt: No speaker was recognised")
    assert list(tmp_path.iterdir()) == [tmp_path / "many.zip"]
    assert not (tmp_path.parent / "evil.txt").exists()


def test_archives_beyond_their_bounds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {"a.txt": b"0" * 3_000_000, "b.txt": b"0" * 3_000_000})
    assert bomb.stat().st_size < 10_000
    monkeypatch.setattr(containers, "LARGEST", 5_000_000)
    assert "more than 5 MB" in refusal(bomb)
    monkeypatch.setattr(containers, "_MOST_MEMBERS", 3)
    assert "more than 3 files" in refusal(zipped(tmp_path / "count.zip", {f"{at}.txt": CHAT for at in range(4)}))
    monkeypatch.setattr(containers, "_MOST_TRANSCRIPTS", 1)
    assert "more than 1 transcripts" in refusal(zipped(tmp_path / "two.zip", {"a.txt": CHAT, "b.txt": CHAT}))
    assert "holds no transcript" in refusal(zipped(tmp_path / "none.zip", {"a.jpg": b"x"}))
    large = tmp_path / "large.txt"
    large.write_bytes(b"0" * 5_000_001)
    assert "is larger than 5 MB" in refusal(large)
    whole = zipped(tmp_path / "whole.zip", {"a.txt": CHAT * 100}).read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 5):
        (tmp_path / "cut.zip").write_bytes(whole[:cut])
        assert "damaged archive" in refusal(tmp_path / "cut.zip")
    spoilt = bytearray(whole)
    spoilt[60:70] = b"\xff" * 10
    (tmp_path / "spoilt.zip").write_bytes(spoilt)
    assert "damaged archive" in refusal(tmp_path / "spoilt.zip")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [(6, 1, "locked with a password"), (8, 9, "packed in a way that is not read")],  # its flags, and Deflate64
)
def test_an_archive_that_is_whole_and_cannot_be_read_is_told_why(
    tmp_path: Path, field: int, value: int, told: str
) -> None:
    raw = bytearray(zipped(tmp_path / "whole.zip", {"a.txt": CHAT}).read_bytes())
    # The same two fields stand before the content and, two bytes later, in the directory at the end.
    for place in (field, raw.index(b"PK\x01\x02") + field + 2):
        raw[place : place + 2] = value.to_bytes(2, "little")
    (tmp_path / "other.zip").write_bytes(raw)
    assert told in refusal(tmp_path / "other.zip")


@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("charset", ["utf-8", "euc-kr"])
def test_a_base64_mail(tmp_path: Path, attached: bool, charset: str) -> None:
    mail = EmailMessage()
    mail["Subject"] = "카카오톡 대화"
    mail.set_content("대화 내용입니다: 첨부" if attached else CHAT, charset=charset, cte="base64")
    if attached:
        mail.add_attachment(CHAT.encode(charset), maintype="text", subtype="plain", filename="KakaoTalkChats.txt")
    path = tmp_path / "chat.eml"
    path.write_bytes(bytes(mail))
    assert b"\xec\x95\x88" not in path.read_bytes()
    (chat,) = read_conversations(path)
    assert (chat.name, chat.layout) == ("chat.eml", "kakaotalk-android")
    assert said(chat) == [("민수", "안녕"), ("영희", "응")]
    assert said(read_stream(io.TextIOWrapper(io.BytesIO(bytes(mail))), "stdin")[0]) == said(chat)


def test_a_mail_without_a_transcript(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"MIME-Version: 1.0\nContent-Type: text/html\n\n<p>x</p>\n")
    with pytest.raises(DataError, match="e-mail without a transcript"):
        read_conversations(tmp_path / "a.eml")
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(1500))
    (tmp_path / "deep.eml").write_bytes(b"MIME-Version: 1.0\n" + nested)
    with pytest.raises(DataError, match="e-mail"):
        read_conversations(tmp_path / "deep.eml")


def test_a_word_of_megabytes_is_cut_and_told() -> None:
    word = "가" * (LONGEST_TEXT + 1)
    for text in (
        f"민수: {word}\n영희: 응\n",
        f'{{"speaker": "민수", "text": "{word}"}}\n{{"speaker": "영희", "text": "응"}}\n',
        f"2024년 3월 1일 오후 3:12, 민수 : {word}\n2024년 3월 1일 오후 3:13, 영희 : 응\n",
    ):
        (chat,) = read_stream(io.StringIO(text), "chat")
        assert [len(turn.text) for turn in chat.turns] == [LONGEST_TEXT, 1]
        assert "longer than 100,000 characters" in chat.faults[0].reason


def test_a_line_of_megabytes_is_not_parsed() -> None:
    line = '{"speaker": "A", "text": "' + "x" * 4_000_000 + '"}'
    (chat,) = read_stream(io.StringIO(f'{{"speaker": "A", "text": "x"}}\n{line}\n'), "chat")
    assert (len(chat.turns), [entry.line for entry in chat.faults]) == (1, [2])
    with pytest.raises(DataError, match="line 1: it is longer than 4,000,000 characters"):
        read_stream(io.StringIO(line), "chat")


@pytest.mark.parametrize(
    "row",
    [
        '{"speaker": "A", "text": "x", "time": 1' + "0" * 400 + "}",
        '{"speaker": "A", "text": "x", "time": -1e300}',
        '{"speaker": "A", "text": "x", "time": "1' + "0" * 5000 + '"}',
        '{"speaker": "A", "text": "x", "time": "0000-00-00 99:99"}',
        '{"speaker": "A", "text": "x", "time": "9999-12-31T23:59:59+99:99"}',
        '{"speaker": "A", "text": "x", "time": "2024-02-30"}',
    ],
)
def test_bad_times_and_long_numbers_cost_the_time_alone(row: str) -> None:
    (chat,) = read_stream(io.StringIO(row), "chat")
    assert [turn.text for turn in chat.turns] == ["x"]
    assert chat.turns[0].time is None or chat.turns[0].minute is not None


@pytest.mark.parametrize(
    "row",
    [
        '{"speaker": "A", "text": "x", "time": 1' + "0" * 5000 + "}",
        '{"speaker": 1' + "0" * 400 + ', "text": "x"}',
        '{"speaker": "A", "text": "x", "emotions": {"a": 1' + "0" * 400 + "}}",
        '{"speaker": "A", "text": "x", "emotions": "' + "[" * 90_000 + '"}',
        '{"speaker": "A", "text": ' + "[" * 90_000 + "}",
    ],
)
def test_deep_and_endless_values_are_faults(row: str) -> None:
    (chat,) = read_stream(io.StringIO(f'{{"speaker": "A", "text": "x"}}\n{row}\n'), "chat")
    assert (len(chat.turns), [entry.line for entry in chat.faults]) == (1, [2])


def test_a_followed_line_without_an_end_is_kept_in_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.readers.follow.CHUNK", 1000)
    monkeypatch.setattr("scoring.readers.follow.LONGEST_LINE", 100)
    path = tmp_path / "chat.txt"
    path.write_bytes(b"A: " + b"x" * 10_000 + b"\nB: y\n")
    tail, lines = FileTail(path), []
    while (update := tail.poll()).more or update.lines:
        lines += update.lines
    assert lines[-1] == "B: y"
    assert len(lines[0]) <= 1100


def test_no_damage_to_a_zip_ends_in_anything_but_a_sentence() -> None:
    refused = 0
    for raw in damaged_zips("chat.txt", "가: 안녕\n나: 잘 지냈어?\n".encode() * 60, 60):
        try:
            containers.members(raw, "chat.zip")
        except DataError:
            refused += 1
    assert refused > 120
