"""The documentation: every command in it exists with its options, and every relative link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from clip_emotion.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands_in(text: str) -> list[list[str]]:
    """Return the words after ``clip-emotion`` (or ``python cli.py``) of every command line in fenced blocks."""
    found = []
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s[|]\s", line.removeprefix("$ ")):
                match = re.match(r"(?:\S*/)?(?:clip-emotion|python cli\.py)\s+(.+)", part.strip())
                if match:
                    found.append(shlex.split(match.group(1), comments=True))
    return found


def faults(words: list[str]) -> list[str]:
    """Name the sub-commands and options of a command line that do not exist."""
    command: Any = get_command(app)
    wrong, rest = [], list(words)
    while hasattr(command, "commands"):
        names = [word for word in rest if not word.startswith("-")]
        if not names:
            break
        if names[0] not in command.commands:
            return [names[0]]
        command = command.commands[names[0]]
        rest = rest[rest.index(names[0]) + 1 :]
    known = {name for param in command.params for name in param.opts} | {"-h", "--help"}
    wrong += [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    wrong = [(" ".join(words), faults(words)) for words in commands_in(page.read_text(encoding="utf-8"))]
    assert [entry for entry in wrong if entry[1]] == []


def test_the_check_sees_commands_and_faults() -> None:
    text = (
        "```\nfind . | clip-emotion label - --top 3 > a  # why\n$ clip-emotion data nothing\n```\nclip-emotion prose\n"
    )
    assert commands_in(text) == [["label", "-", "--top", "3", ">", "a"], ["data", "nothing"]]
    assert faults(["label", "-", "--top", "3"]) == []
    assert faults(["label", "--tip", "3"]) == ["--tip"]
    assert faults(["data", "nothing"]) == ["nothing"]
    assert faults(["lable", "a.jpg"]) == ["lable"]


def test_the_how_tos_show_commands() -> None:
    for name in ("labelling.md", "data.md", "training.md"):
        assert len(commands_in((ROOT / "docs" / name).read_text(encoding="utf-8"))) >= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_anchor_is_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            there = page.parent / target if target else page
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{target}#{anchor}"
