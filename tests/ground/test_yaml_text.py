"""YAML within bounds: plain values, no bombs, one sentence for what cannot be read."""

from __future__ import annotations

import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.errors import UsageError
from clip_emotion.yaml_text import parse_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(string.ascii_letters + "가나다 ", max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_dumped_is_read_back(values: object) -> None:
    assert parse_yaml(yaml.safe_dump(values, allow_unicode=True), "x") == values


def test_yes_and_no_are_words() -> None:
    assert parse_yaml("labels: [yes, no, on, off, y, n]", "x") == {"labels": ["yes", "no", "on", "off", "y", "n"]}
    assert parse_yaml("[true, False]", "x") == [True, False]


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(UsageError, match="aliases"):
        parse_yaml("\n".join(lines), "bomb.yaml")
    with pytest.raises(UsageError, match="aliases"):
        parse_yaml("a: &a [*a]", "loop.yaml")
    assert parse_yaml("a: &a [1, 2]\nb: *a", "x") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "{a: " * 300_000,
        "- " * 300_000,
        "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000))]),
        "a: 2026-99-99",
        "a: 2026-02-30",
        "a: " + "9" * 5000,
        "a: !!python/object:os.system x",
        "a: [1",
        "\x00",
        "a: *b",
    ],
)
def test_what_cannot_be_read_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"^bad\.yaml [^\n]*\.$"):
        parse_yaml(text, "bad.yaml")


def test_a_text_without_end_is_not_parsed() -> None:
    with pytest.raises(UsageError, match="8,000,000 at most"):
        parse_yaml("a" * 8_000_001, "long.yaml")
