"""Following a growing file or a pipe, with a clock and a sleep of the tests' own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.errors import DataError
from scoring.conversation import Turn
from scoring.readers import LiveReader
from scoring.readers.follow import FileTail, FollowOptions, PipeLines, Update, follow


class Steps:
    """A clock that moves only while asleep; at each sleep the next step happens, and after the last one all ends."""

    def __init__(self, steps: Iterable[Callable[[], object]]) -> None:
        self.steps: Iterator[Callable[[], object]] = iter(steps)
        self.now = 0.0
        self.over = False

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        step = next(self.steps, None)
        if step is None:
            self.over = True
        else:
            step()

    def options(self) -> FollowOptions:
        return FollowOptions(interval=1.0, quiet=2.5, sleep=self.sleep, clock=lambda: self.now, stop=lambda: self.over)


def nothing() -> None:
    """Let an interval pass."""


def texts(turns: Iterable[Turn]) -> list[str]:
    return [turn.text for turn in turns]


def appending(path: Path, content: bytes) -> Callable[[], object]:
    def step() -> None:
        with path.open("ab") as file:
            file.write(content)

    return step


def run(path: Path, *steps: Callable[[], object]) -> tuple[list[str], int]:
    replaced: list[int] = []
    turns = follow(FileTail(path), LiveReader, lambda: replaced.append(1), Steps(steps).options())
    return texts(turns), len(replaced)


def test_turns_come_as_lines_are_added(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("가영: 하나\n".encode())
    said = [appending(path, f"나래: {word}\n".encode()) for word in ("둘", "셋")]
    assert run(path, *said) == (["하나", "둘", "셋"], 0)


def test_a_partial_line_waits_for_its_end_even_inside_a_letter(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("가영: 안녕\n".encode())
    line = "나래: 반가워\n".encode()
    assert len(line[:12].decode(errors="ignore").encode()) < 12
    seen: list[str] = []
    steps = Steps(
        [appending(path, line[:12]), *[nothing] * 5, lambda: waiting.append(list(seen)), appending(path, line[12:])]
    )
    waiting: list[list[str]] = []
    for turn in follow(FileTail(path), LiveReader, nothing, steps.options()):
        seen.append(turn.text)
    assert waiting == [["안녕"]]
    assert seen == ["안녕", "반가워"]


def test_a_message_that_may_go_on_comes_after_a_quiet_time(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("가영: 하나\n".encode())
    steps = Steps([nothing] * 9)
    turns = follow(FileTail(path), LiveReader, nothing, steps.options())
    assert next(turns).text == "하나"
    assert 2.5 <= steps.now <= 4
    assert not steps.over


def test_a_message_that_goes_on_at_once_is_one_turn(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("가영: 하나\n".encode())
    found, _ = run(path, appending(path, "그리고 둘\n".encode()), appending(path, "나래: 셋\n".encode()))
    assert found == ["하나\n그리고 둘", "셋"]


def test_an_unended_last_line_counts_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("가영: 하나\n나래: 둘".encode())
    assert run(path)[0] == ["하나", "둘"]


@pytest.mark.parametrize(
    "after",
    ["다온: 새로\n", "다온: 새로운 이야기가 예전 것보다 훨씬 더 길게 이어진다\n라온: 정말\n"],
    ids=["shorter", "longer"],
)
def test_a_rewritten_file_is_read_from_its_beginning(tmp_path: Path, after: str) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("가영: 하나\n나래: 둘\n".encode())
    found, replaced = run(path, lambda: path.write_bytes(after.encode()))
    assert replaced == 1
    assert found == ["하나", "둘", *(line.split(": ")[1] for line in after.splitlines())]


def test_truncation_then_new_lines(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("가영: 하나\n나래: 둘\n".encode())
    found, replaced = run(path, lambda: os.truncate(path, 0), appending(path, "다온: 셋\n".encode()))
    assert (found, replaced) == (["하나", "둘", "셋"], 1)


def test_rotation_is_waited_for_and_noticed(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("가영: 하나\n".encode())
    found, replaced = run(
        path,
        lambda: path.rename(tmp_path / "old.txt"),
        nothing,
        lambda: path.write_bytes("나래: 둘\n".encode()),
    )
    assert (found, replaced) == (["하나", "둘"], 1)


def test_a_copy_that_only_grew_is_the_same_file(tmp_path: Path) -> None:
    path, draft = tmp_path / "chat.txt", tmp_path / "draft.txt"
    path.write_bytes("가영: 하나\n".encode())
    draft.write_bytes("가영: 하나\n나래: 둘\n".encode())
    assert run(path, lambda: draft.replace(path)) == (["하나", "둘"], 0)


def test_encodings_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "가영: 하나\r\n".encode())
    assert run(path, appending(path, "나래: 똠방각하\r\n".encode("cp949")))[0] == ["하나", "똠방각하"]
    path.write_bytes("가영: 하나\n".encode("utf-16"))
    with pytest.raises(DataError, match="UTF-8"):
        run(path)


def test_what_is_no_file_is_said_at_once(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(DataError, match="Cannot read"):
            FileTail(path)


@given(st.lists(st.binary(max_size=7), max_size=30))
def test_lines_are_the_same_however_the_bytes_arrive(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("tail") / "chat.txt"
    path.write_bytes(b"-")
    tail, lines = FileTail(path), []
    for part in [b"", *parts]:
        appending(path, part)()
        lines += tail.poll().lines
    lines += tail.rest()
    path.write_bytes(b"-" + b"".join(parts))
    again = FileTail(path)
    assert lines == [*again.poll().lines, *again.rest()]


def test_large_files_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.readers.follow.CHUNK", 16)
    path = tmp_path / "chat.txt"
    path.write_bytes(b"".join(b"a: %d\n" % number for number in range(50)))
    tail, updates = FileTail(path), []
    while not updates or updates[-1].more:
        updates.append(tail.poll())
    assert len(updates) > 10
    assert [line for update in updates for line in update.lines] == [f"a: {number}" for number in range(50)]
    assert tail.poll() == Update()


def test_a_pipe_is_followed_until_it_closes() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source:
        lines = PipeLines(source)
        assert lines.poll().lines == []
        os.write(writing, "가영: 하나\n나래: ".encode())
        deadline = time.monotonic() + 30
        found: list[str] = []
        while not found and time.monotonic() < deadline:
            found = lines.poll().lines
        assert found == ["가영: 하나"]
        os.write(writing, "둘".encode())
        os.close(writing)
        while not lines.poll().ended and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lines.rest() == ["나래: 둘"]
