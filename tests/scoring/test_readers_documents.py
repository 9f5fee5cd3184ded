"""JSON of Telegram, Instagram, Facebook and Discord: pieces of text, mis-encoded text, notices, media, spoilt files."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_emotion.errors import ClipEmotionError, DataError
from scoring.conversation import Conversation
from scoring.readers import ReadOptions, read_conversations, read_stream
from scoring.readers.cleaning import clean
from scoring.readers.layouts import DOCUMENT_LAYOUTS
from scoring.readers.meta.message_files import mended
from tests.support.chat_writers import (
    Said,
    discord,
    meta,
    millis,
    misencoded,
    telegram,
    telegram_chat,
    telegram_message,
)

WHEN = datetime(2026, 1, 25, 21, 5)
TALK = [Said("민수", "안녕", WHEN), Said("Kim", "hi ❤️", WHEN)]


def read(document: Any, layout: str = "auto") -> Conversation:
    text = document if isinstance(document, str) else json.dumps(document)
    (chat,) = read_stream(io.StringIO(text), "chat.json", ReadOptions(layout))
    return chat


def said(chat: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text or f"<{turn.media}>") for turn in chat.turns]


def test_telegram_reads_pieces_media_and_leaves_notices_out() -> None:
    base = telegram_message(2, TALK[0])
    more = [
        {**base, "text": ["보러 ", {"type": "link", "text": "example.com"}, " 와"]},
        {**base, "text": "", "photo": "photos/1.jpg"},
        {**base, "text": "", "media_type": "sticker", "sticker_emoji": "😂", "file": "x.webp"},
        {**base, "text": "", "file": "(File not included.)"},
        {**base, "text": "", "media_type": "voice_message"},
        {**base, "from": None, "text": "left long ago"},
        {**base, "type": "service", "action": "phone_call", "text": ""},
    ]
    chat = read({"name": "x", "type": "personal_chat", "id": 1, "messages": more})
    assert said(chat) == [
        ("민수", "보러 example.com 와"),
        *(("민수", "<photo>"), ("민수", "<emoticon>"), ("민수", "<file>"), ("민수", "<voice>")),
        ("user2", "left long ago"),
    ]
    assert (chat.layout, chat.system_lines, chat.faults) == ("telegram", 1, ())


def test_telegram_of_all_chats_is_a_conversation_each() -> None:
    chats = [telegram_chat([TALK[0]], "민수"), {"type": "saved_messages", "id": 1, "messages": []}]
    chats += [telegram_chat([TALK[1]], "Kim"), telegram_chat([TALK[1]], "Kim")]
    text = json.dumps({"about": "x", "contacts": {"list": [{"messages": 1}]}, "chats": {"about": "x", "list": chats}})
    found = read_stream(io.StringIO(text), "result.json")
    assert [chat.name for chat in found] == ["result.json:민수", "result.json:Kim", "result.json:Kim (4)"]
    assert [len(chat.turns) for chat in found] == [1, 1, 1]


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_misencoded_text_comes_back(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    assert mended(misencoded(text)) == text


def test_text_that_is_not_misencoded_stays() -> None:
    assert [mended(text) for text in ("안녕", "café", "a", 3)] == ["안녕", "café", "a", 3]


def test_instagram_drops_reactions_and_notices() -> None:
    def entry(**more: Any) -> dict[str, Any]:
        return {"sender_name": misencoded("민수"), "timestamp_ms": millis(WHEN), **more}

    entries = [
        entry(content=misencoded("마지막"), reactions=[{"reaction": misencoded("❤"), "actor": "x"}]),
        entry(content=misencoded("Reacted ❤️ to your message ")),
        entry(content="Liked a message"),
        entry(content=misencoded("민수님이 그룹 이름을 여행(으)로 변경했습니다.")),
        entry(content="You named the group Trip."),
        entry(content=misencoded("민수 sent an attachment."), share={"link": "x"}),
        entry(photos=[{"uri": "your_instagram_activity/messages/inbox/x_1/photos/1.jpg"}]),
        entry(content="x", is_unsent=True),
        entry(),
        entry(content="Kim added sugar"),
        entry(content=misencoded("처음")),
    ]
    chat = read({"participants": [], "messages": entries, "title": "x"})
    assert [text for _, text in said(chat)] == ["처음", "Kim added sugar", "<deleted>", "<photo>", "<file>", "마지막"]
    assert (chat.layout, chat.system_lines, chat.faults) == ("meta", 5, ())
    assert chat.turns[0].time == WHEN


def test_the_parts_of_a_chat_in_an_archive_are_one(tmp_path: Path) -> None:
    later = [Said("Kim", "later", datetime(2026, 1, 26))]
    path = tmp_path / "instagram.zip"
    with zipfile.ZipFile(path, "w") as archive:
        inbox = "your_instagram_activity/messages/inbox"
        archive.writestr(f"{inbox}/kim_1/message_1.json", meta(later))
        archive.writestr(f"{inbox}/kim_1/message_2.json", meta(TALK))
        archive.writestr(f"{inbox}/lee_2/message_1.json", meta(TALK))
        archive.writestr("personal_information/account.json", '{"name": "x"}')
    first, second = read_conversations(path)
    assert [turn.text for turn in first.turns] == ["안녕", "hi ❤️", "later"]
    assert [turn.index for turn in first.turns] == [1, 2, 3]
    assert first.name == f"instagram.zip/{inbox}/kim_1"
    assert (len(second.turns), first.faults, second.faults) == (2, (), ())


def test_messenger_writes_its_text_as_it_was_said() -> None:
    entry = {"senderName": "민수", "timestamp": millis(WHEN), "type": "text", "isUnsent": False, "media": []}
    entries = [
        {**entry, "text": "café"},
        {**entry, "text": "", "media": [{"uri": "1.jpg"}]},
        {**entry, "text": "x", "isUnsent": True},
        {**entry, "text": "You added Kim.", "type": "placeholder"},
    ]
    chat = read({"participants": ["민수"], "threadName": "x", "messages": entries})
    assert said(chat) == [("민수", "<deleted>"), ("민수", "<photo>"), ("민수", "café")]
    assert (chat.layout, chat.system_lines) == ("messenger", 1)


def test_discord_keeps_what_people_said() -> None:
    entry = {"type": "Default", "timestamp": "2026-01-25T21:05:00.123+09:00", "content": "", "author": {"name": "kim"}}
    entries = [
        {**entry, "content": "hi", "author": {"name": "kim", "nickname": "킴"}},
        {**entry, "type": "Reply", "content": "re"},
        {**entry, "type": "GuildMemberJoin", "content": "Joined the server."},
        {**entry, "attachments": [{"fileName": "a.PNG", "url": "chat_files/a.png"}]},
        {**entry, "stickers": [{"name": "x"}]},
        {**entry, "embeds": []},
    ]
    chat = read({"guild": {}, "channel": {}, "messages": entries})
    assert said(chat) == [("킴", "hi"), ("kim", "re"), ("kim", "<photo>"), ("kim", "<emoticon>")]
    assert chat.turns[0].time == datetime(2026, 1, 25, 21, 5, 0, 123000)
    assert (chat.layout, chat.system_lines, chat.faults) == ("discord", 2, ())


def test_a_picture_beside_the_document_is_the_turns(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"x")
    entry = {**telegram_message(2, TALK[0]), "text": "", "photo": "photos/1.jpg"}
    gone = {**entry, "photo": "photos/2.jpg"}
    out = {**entry, "photo": "../../etc/passwd.jpg"}
    (tmp_path / "result.json").write_text(json.dumps({"id": 1, "messages": [entry, gone, out]}))
    (chat,) = read_conversations(tmp_path / "result.json")
    assert [(turn.image and turn.image.name, turn.media) for turn in chat.turns] == [
        *(("1.jpg", None), (None, "photo"), (None, "photo")),
    ]


@pytest.mark.parametrize("write", [telegram, meta, discord])
def test_a_document_that_was_cut_off_is_read_as_far_as_it_goes(write: Any) -> None:
    text = write([Said("A", f"word {at}", WHEN) for at in range(20)])
    chat = read(text[: len(text) * 2 // 3])
    assert 5 < len(chat.turns) < 20
    (entry,) = chat.faults
    assert entry.reason == "it is no valid JSON, so that it and what follows are left out"
    assert entry.line > 10


def test_entries_that_are_no_messages_are_faults_and_reading_goes_on() -> None:
    good = telegram_message(2, TALK[0])
    entries: list[Any] = [good, 7, None, {**good, "from": "x" * 300}, {**good, "date": "yesterday"}, good]
    chat = read(json.dumps({"id": 1, "messages": entries}, indent=1))
    assert len(chat.turns) == 3
    assert [entry.reason for entry in chat.faults] == [
        *("it is not a JSON object", "it is not a JSON object", "its speaker's name is longer than 200 characters"),
        "its time cannot be read, so the turn has none",
    ]
    assert [entry.line for entry in chat.faults] == sorted(entry.line for entry in chat.faults)


def test_an_entry_of_megabytes_is_not_parsed() -> None:
    good = telegram_message(2, TALK[0])
    bomb = json.dumps({"id": 1, "messages": [good]})[:-2] + ', {"x": ' + "[" * 2_100_000 + "]" * 2_100_000 + "}]}"
    chat = read(bomb)
    assert (len(chat.turns), [entry.reason for entry in chat.faults]) == (1, ["it is longer than 4,000,000 characters"])
    deep = read(json.dumps({"id": 1, "messages": [good]})[:-2] + ', {"x": ' + "[" * 90_000 + "]" * 90_000 + "}]}")
    assert (len(deep.turns), len(deep.faults)) == (1, 1)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["messages", "chats", "list", "text", "date", "type", "author"]), inner)
    ),
    max_leaves=10,
)


KEYS = ("id", "type", "date", "text", "from", "sender_name", "timestamp_ms", "content", "author", "timestamp")
entries = values | st.fixed_dictionaries(dict.fromkeys(KEYS, values))
documents = st.fixed_dictionaries({"messages": st.lists(entries), "chats": values})


@pytest.mark.parametrize("layout", [*DOCUMENT_LAYOUTS, "auto"])
@settings(max_examples=20, deadline=None)
@given(document=documents, cut=st.integers(0, 30))
def test_any_document_is_read_or_refused_in_one_sentence(layout: str, document: object, cut: int) -> None:
    text = json.dumps(document)
    refusal = ""
    try:
        read_stream(io.StringIO(text[: len(text) - cut]), "x", ReadOptions(layout))
    except ClipEmotionError as error:
        refusal = str(error)
    assert "\n" not in refusal


def test_no_export_is_taken_for_json_lines() -> None:
    with pytest.raises(DataError, match="no export that is known"):
        read('{\n"messages": [{"who": "A"}]}')
    assert clean("x") == "x"
