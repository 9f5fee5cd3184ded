"""Messages of telephones: imessage-exporter's text, and the XML of SMS Backup & Restore."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import pytest

from clip_emotion.errors import DataError
from scoring.conversation import Conversation
from scoring.readers import read_conversations, read_stream

IMESSAGE = """May 17, 2026  5:29:42 PM (Read by you after 1 hour, 49 seconds)
민수
첫 줄

셋째 줄
Tapbacks:
    Loved by Me
    Liked by Kim

May 17, 2026  5:30:00 PM
Me
/Users/me/Library/Messages/Attachments/0f/15/IMG_0001.HEIC

    May 17, 2026  5:31:00 PM
    민수
    a reply, which comes again

May 17, 2026  5:30:30 PM You named the conversation Trip

May 17, 2026  5:31:00 PM
민수
a reply, which comes again
This message responded to an earlier message.

Dec  1, 2026 12:00:05 AM
Me
Dec  1, 2026 12:00:05 AM first
Edited 3 seconds later: second
Sent with Confetti

"""
HEAD = "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n<!--File Created By SMS Backup & Restore v10-->\n"
SMS = f"""{HEAD}<?xml-stylesheet type="text/xsl" href="sms.xsl"?>
<smses count="6" backup_set="x">
  <sms protocol="0" address="+82 10-1234-5678" date="1769375100000" type="1" body="안녕 &#55357;&#56832;&#10;둘째 줄"
       read="1" status="-1" contact_name="민수" />
  <sms protocol="0" address="+821012345678" date="1769375000000" type="2" body="먼저" contact_name="민수" />
  <sms protocol="0" address="02-123-4567" date="1769375200000" type="1" body="[광고] 세일" contact_name="(Unknown)" />
  <sms protocol="0" address="02-123-4567" date="1769375200000" type="3" body="초안" contact_name="(Unknown)" />
  <mms date="1769375300000" msg_box="1" address="010-1~010-2" contact_name="민수, Kim">
    <parts>
      <part seq="-1" ct="application/smil" text="&lt;smil/&gt;" />
      <part seq="0" ct="image/jpeg" text="null" data="AAAA" />
      <part seq="0" ct="text/plain" text="모두 안녕" />
    </parts>
    <addrs><addr address="010-2" type="137" charset="106" /><addr address="010-1" type="151" /></addrs>
  </mms>
  <mms date="1769375400000" msg_box="2" address="010-1~010-2" contact_name="민수, Kim">
    <parts><part seq="0" ct="image/jpeg" text="null" data="AAAA" /></parts>
  </mms>
</smses>
"""


def read(text: str) -> tuple[Conversation, ...]:
    return read_stream(io.StringIO(text), "chat")


def said(chat: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text or f"<{turn.media}>") for turn in chat.turns]


def test_imessage() -> None:
    (chat,) = read(IMESSAGE)
    assert said(chat) == [
        ("민수", "첫 줄\n\n셋째 줄"),
        ("Me", "<photo>"),
        ("민수", "a reply, which comes again"),
        ("Me", "second"),
    ]
    assert [chat.turns[0].time, chat.turns[3].time] == [
        datetime(2026, 5, 17, 17, 29, 42),
        datetime(2026, 12, 1, 0, 0, 5),
    ]
    assert (chat.layout, chat.faults) == ("imessage-exporter", ())


def test_sms_is_a_conversation_for_each_contact() -> None:
    first, second, group = read(SMS)
    assert [chat.name for chat in (first, second, group)] == ["chat:민수", "chat:021234567", "chat:민수, Kim"]
    assert said(first) == [("나", "먼저"), ("민수", "안녕 😀\n둘째 줄")]
    assert said(second) == [("02-123-4567", "[광고] 세일")]
    assert said(group) == [("010-2", "모두 안녕"), ("나", "<photo>")]
    assert (first.layout, first.system_lines, first.faults) == ("sms-backup", 1, ())
    # Milliseconds since 1970, in UTC.
    assert first.turns[0].time == datetime(2026, 1, 25, 21, 3, 20)


def test_sms_in_english_are_by_me() -> None:
    text = '<smses count="1"><sms address="1" date="1769375100000" type="2" body="x" contact_name="Kim" /></smses>'
    assert said(read(text)[0]) == [("Me", "x")]


def test_a_backup_that_declares_entities_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    bomb = "".join(f'<!ENTITY a{at} "{f"&a{at - 1};" * 10 if at else "x" * 10}">' for at in range(9))
    row = '<sms address="1" date="1769375100000" type="1" body="{}" contact_name="A" />'
    for declared, body in ((bomb, "&a8;"), (f'<!ENTITY a SYSTEM "{secret.as_uri()}">', "&a;")):
        for doctype in (f"<!DOCTYPE smses [{declared}]>", f'<!DOCTYPE smses SYSTEM "{secret.as_uri()}">'):
            text = f"<?xml version='1.0'?>{doctype}<smses>{row.format(body)}</smses>"
            path = tmp_path / "sms.xml"
            path.write_text(text)
            with pytest.raises(DataError) as caught:
                read_conversations(path)
            assert "\n" not in str(caught.value)


def test_a_backup_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    chats = read(SMS[: SMS.index("  <mms")])
    assert [len(chat.turns) for chat in chats] == [2, 1]
    assert [entry.reason for entry in chats[0].faults] == [
        "it is no valid XML, so that it and what follows are left out"
    ]
