"""Chats spoilt at random: each is read, or refused in one sentence, in bounded time, and nothing is written.

The seeds are fixed, so that a failure comes again. More of them by hand: ``CLIP_EMOTION_FUZZ=20000 pytest
tests/integration/test_fuzz_chats.py``.
"""

from __future__ import annotations

import email.message
import io
import json
import os
import random
import time
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from clip_emotion.errors import ClipEmotionError
from scoring.output.anonymise import Anonymiser
from scoring.readers import LiveReader, read_conversations
from tests.support.chat_writers import Said, discord, messenger, meta, sms, telegram, telegram_all

CHATS = int(os.environ.get("CLIP_EMOTION_FUZZ", "300"))
LONGEST_SECONDS = 10.0
"""For one chat of some kilobytes, on a machine with other work to do."""
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
LINES = [
    "2024년 3월 1일 오후 3:12, 민수 : 안녕 01012345678",
    "2024년 13월 41일 오후 13:75, 민수 : 안녕",
    "2024. 3. 1. 오후 3:12, 팀 : 서울 : 안녕",
    "오후 7:00, 철수 : 붙여넣기",
    "[민수] [오후 3:12] 사진 3장을 보냈습니다.",
    "[] [오후 3:12] 톡게시판 공지가 등록되었어요.",
    "[みな] [2026年1月5日 午後 3:12] こんにちは",
    "--------------- 2024년 3월 1일 금요일 ---------------",
    "-" * 20,
    "Date,User,Message",
    '2024-03-01 15:12:00,"민수","열린 ""인용',
    "speaker;text;time;emotions",
    '{"speaker": "A", "text": "x", "time": 1e999, "emotions": {"a": [[[[{}]]]]}}',
    '{"speaker": {"a": 1' + "0" * 400 + '}, "text": "\\ud800"}',
    "[" * 500,
    "1/5/26, 3:12 PM - Minsu: hello",
    "\u200e[25.01.26, 15:12:33] Minsu: \u200e<Anhang: a.jpg>",
    "99/99/99, 99:99 - 민수: <미디어 파일 제외됨>",
    "[LINE] 민수님과의 대화",
    '오후 3:12\t민수\t"열린 인용',
    "Sat, 31/02/2026",
    "2026.01.25 일요일",
    "21:05 민수 안녕",
    "Feb 30, 2026  5:29:42 PM",
    "AuthorID,Author,Date,Content,Attachments,Reactions",
    '"123456789012345678","a","3/4/2026 1:00 AM","x","",""',
    "민수: 말 https://example.com",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed; boundary=b",
    "이름 : " * 300,
    "가 님과 카카오톡 대화",
    "저장한 날짜 : 2024년 3월 1일",
    "\u202e\u200d\ufeff\ud7ff 9999-99-99T99:99",
]


NAMES = ["../../evil.txt", "/etc/evil.csv", "a.jsonl", "방/둘.txt", "c:\\d.eml", "x" * 300 + ".txt"]
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]
KEYS = ["speaker", "text", "time", "emotions", "image", "media", "conversation"]


def spoilt_text(draw: random.Random) -> bytes:
    """A sample or lines of many kinds, with lines moved, doubled, cut and glued."""
    sample = draw.choice(sorted(EXAMPLES.glob("*_sample.txt"))).read_text("utf-8").split("\n")
    lines = draw.choices(LINES, k=draw.randint(1, 40)) if draw.random() < 0.6 else sample[: draw.randint(1, 60)]
    for _ in range(draw.randint(0, 12)):
        at = draw.randrange(len(lines))
        lines[at] = draw.choice(
            [
                lines[at][: draw.randrange(len(lines[at]) + 1)],
                lines[at] + draw.choice(LINES),
                draw.choice(LINES) * draw.randint(1, 30),
                draw.choice(lines),
            ]
        )
    return draw.choice(["\n", "\r\n", "\r"]).join(lines).encode(draw.choice(["utf-8", "utf-16", "utf-8-sig"]))


def spoilt_bytes(draw: random.Random) -> bytes:
    raw = bytearray(spoilt_text(draw))
    for _ in range(draw.randint(1, 30)):
        at = draw.randrange(len(raw))
        raw[at : at + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 4))
    return bytes(raw[: draw.randint(1, len(raw))]) if raw else b""


def spoilt_archive(draw: random.Random) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", draw.choice(METHODS)) as archive:
        for name in draw.sample(NAMES, draw.randint(0, 4)):
            archive.writestr(name, spoilt_text(draw))
    raw = bytearray(held.getvalue())
    for _ in range(draw.randint(0, 6)):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    return bytes(raw)


def spoilt_mail(draw: random.Random) -> bytes:
    mail = email.message.EmailMessage()
    mail.set_content("x")
    mail.add_attachment(spoilt_text(draw), maintype="text", subtype="plain", filename="Talk.txt")
    raw = bytearray(bytes(mail))
    for _ in range(draw.randint(0, 10)):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    return bytes(raw)


def spoilt_json(draw: random.Random) -> bytes:
    def value(depth: int) -> object:
        kinds: list[Callable[[], object]] = [
            lambda: draw.choice([None, True, -1, 1e308, 10**300, "x", "2024-02-30", "\ud800", "가" * 300]),
            lambda: [value(depth + 1) for _ in range(draw.randint(0, 3))],
            lambda: {draw.choice(["speaker", "text", "time", "emotions", "image"]): value(depth + 1)},
        ]
        return draw.choice(kinds if depth < 6 else kinds[:1])()

    rows = [{key: value(0) for key in draw.sample(KEYS, 4)} for _ in range(draw.randint(1, 8))]
    return "\n".join(map(json.dumps, rows)).encode()


def spoilt_document(draw: random.Random) -> bytes:
    """A document of a program with pieces doubled, cut and changed."""
    talk = [Said(draw.choice("AB"), draw.choice(LINES), datetime(2026, 1, 5, 9, at)) for at in range(6)]
    raw = bytearray(draw.choice([telegram, telegram_all, meta, messenger, discord, sms])(talk).encode())
    for _ in range(draw.randint(0, 8)):
        at, length = draw.randrange(len(raw)), draw.randint(0, 40)
        raw[at : at + draw.randint(0, 3)] = draw.choice(
            [raw[at : at + length], b'"', b"{", b"]", b"<", b"&#0;", b"\\u"]
        )
    return bytes(raw[: draw.choice([len(raw), draw.randint(1, len(raw))])])


MAKERS = [spoilt_text, spoilt_bytes, spoilt_archive, spoilt_mail, spoilt_json, spoilt_document]


@pytest.mark.parametrize("make", MAKERS)
def test_spoilt_chats_are_read_or_refused(make: Callable[[random.Random], bytes], tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    read = 0
    for seed in range(CHATS // len(MAKERS)):
        raw = make(random.Random(f"{make.__name__} {seed}"))
        path.write_bytes(raw)
        started = time.perf_counter()
        try:
            conversations = read_conversations(path)
            refusal = ""
        except ClipEmotionError as error:
            conversations, refusal = (), str(error)
        assert "\n" not in refusal, seed
        assert bool(conversations) != bool(refusal), seed
        assert time.perf_counter() - started < LONGEST_SECONDS, seed
        assert [entry.name for entry in tmp_path.iterdir()] == ["chat.txt"], seed
        for conversation in conversations:
            read += 1
            assert conversation.turns, seed
            anonymiser = Anonymiser()
            anonymiser.add(conversation.speakers)
            for turn in conversation.turns:
                anonymiser.mask(turn.text).encode()
    # Not everything is refused: what is left of a chat is read.
    assert read > 0


def test_spoilt_chats_are_followed() -> None:
    for seed in range(CHATS // 4):
        draw = random.Random(f"live {seed}")
        reader = LiveReader()
        lines = draw.choices(LINES, k=draw.randint(1, 40))
        refusal = ""
        try:
            for line in lines:
                reader.feed([line])
                if draw.random() < 0.2:
                    reader.flush()
            reader.finish()
        except ClipEmotionError as error:
            refusal = str(error)
        assert "\n" not in refusal, seed
