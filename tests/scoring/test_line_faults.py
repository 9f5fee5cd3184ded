"""Why lines and chats could not be read, in Korean: every reason that a reader gives has one of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoring.output.line_faults import FAILED, OTHER, korean_failure, korean_fault, korean_notice

READERS = Path(__file__).parents[2] / "scoring" / "readers"
SAID_BY = {"FieldError": 0, "refuse": 1, "fault": 1}
"""The calls that say why a line could not be read, and which of their arguments does."""


def reasons() -> Iterator[str]:
    """Yield each reason that is written in a call of the readers, or in a constant or variable for one."""
    for path in READERS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            written: ast.expr | None = None
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                place = SAID_BY.get(name)
                written = node.args[place] if place is not None and place < len(node.args) else None
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in (
                "reason",
                "BEFORE_FIRST",
                "AFTER_FAULT",
            ):
                written = node.value
            if isinstance(written, ast.Constant):
                yield str(written.value)
            elif isinstance(written, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in written.values)


def test_every_reason_of_the_readers_is_told_in_korean() -> None:
    found = sorted(set(reasons()))
    assert len(found) >= 25
    assert [reason for reason in found if korean_fault(reason) == OTHER] == []


def test_numbers_and_names_of_files_stay() -> None:
    assert korean_fault("it has 3 columns, the header 2") == "열이 3개인데 첫 줄에는 2개예요"
    assert korean_fault("2024: chat.txt: its time does not exist") == "2024: chat.txt: 없는 날짜나 시간이에요"
    assert korean_fault("it is longer than 100,000 characters") == "100,000자보다 길어요"
    assert korean_fault("something new") == OTHER


@pytest.mark.parametrize(
    ("error", "korean"),
    [
        ("빈.txt is empty: give a KakaoTalk export.", "빈.txt: 비어 있어요."),
        ("a.bin is a binary file, not a transcript: give text.", "a.bin: 글이 아닌 파일이에요."),
        ("Cannot read a: b.txt: Permission denied.", "a: 파일을 열 수 없어요."),
        ("The moon is full.", FAILED),
    ],
)
def test_failures_are_told_by_kind(error: str, korean: str) -> None:
    assert korean_failure(error) == korean


def test_what_was_not_used_is_told_with_its_turn() -> None:
    notice = "2 turns were scored without a part that could not be used: turn 4, there is no picture."
    said = korean_notice(notice)
    assert said is not None
    assert said.startswith("말 2개는 쓰지 못한 부분 없이 점수를 냈어요. 예를 들어 4번째 말: ")
    assert (
        korean_notice("'기쁨' is the only word, and so it gets 100 % whatever the picture: give two or more.") is None
    )
