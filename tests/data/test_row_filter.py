"""Filters of rows: what they keep against Python's own answer, what they never run, and what they say of mistakes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clip_emotion.data.row_filter import RowFilter, parse_filter
from clip_emotion.errors import UsageError

TRUTH = {True: 2, None: 1, False: 0}
"""Kleene's order, in which and is the minimum and or the maximum."""


def keeps(text: str, **cells: str) -> bool:
    return parse_filter(text).keeps(cells)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> tuple[str, object]:
    """Draw a condition on the columns a and 나이, and a function that tells its truth of two numbers or None."""
    kind = draw(st.sampled_from(["leaf", "and", "or", "not"] if depth else ["leaf"]))
    if kind == "leaf":
        name = draw(st.sampled_from(["a", "나이"]))
        sign = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
        number = draw(st.integers(-3, 3))
        return (
            f"{name} {sign} {number}",
            lambda row: None if row[name] is None else eval(f"{row[name]} {sign} {number}"),
        )
    first, tells = draw(conditions(depth - 1))
    if kind == "not":
        return f"not ({first})", lambda row: None if tells(row) is None else not tells(row)
    second, other = draw(conditions(depth - 1))
    choose = min if kind == "and" else max
    return f"({first}) {kind} ({second})", lambda row: choose((tells(row), other(row)), key=TRUTH.__getitem__)


cell_values = st.one_of(st.none(), st.integers(-4, 4))


@given(conditions(), cell_values, cell_values)
def test_it_answers_as_logic_does(condition: tuple[str, object], a: int | None, age: int | None) -> None:
    text, tells = condition
    cells = {"a": "NA" if a is None else str(a), "나이": "" if age is None else f" {age}.0 "}
    assert parse_filter(text).ask(cells) is tells({"a": a, "나이": age})


@given(st.text(max_size=60))
@example("(" * 900)
@example("not " * 240 + "a==1")
@example("a==1" + " and a==1" * 110)
@example("-" * 999)
@example("a == 1e999")
@example("a == 9" + "9" * 400)
@example("a\0==1")
def test_any_text_is_a_filter_or_one_sentence(text: str) -> None:
    found: RowFilter | str
    try:
        found = parse_filter(text)
    except UsageError as error:
        found = str(error)
    if isinstance(found, str):
        assert "\n" not in found
    else:
        assert found.columns
        assert found.keeps({}) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch /tmp/x')",
        "age.__class__ == 1",
        "(lambda: 1)() == age",
        "[x for x in (1,)] == age",
        "f'{age}' == '3'",
        "age == b'3'",
        "age == (1, 2)",
        "age if age > 3 else age",
        "(age := 3) == 3",
        "age + 1 > 3",
        "age",
        "age > other",
        "1 < 2",
        "age = 3",
        "age > '3'",
        "age is 3",
        "age == True",
        "age == None",
        "3 in age",
        "",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="filter"):
        parse_filter(text)


def test_korean_names_and_values_in_either_unicode_form() -> None:
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, "성별 == '여' and 나이 >= 20 and 직업 not in ('학생', '무직')")
        found = parse_filter(text)
        assert found.columns == ("성별", "나이", "직업")
        assert found.keeps({"성별": "여", "나이": "29", "직업": "전문직"})
        assert not found.keeps({"성별": "남", "나이": "29", "직업": "전문직"})
        assert not found.keeps({"성별": "여", "나이": "29", "직업": "학생"})
        assert found.keeps({"성별": unicodedata.normalize("NFD", "여"), "나이": "20", "직업": "전문직"})


def test_texts_numbers_lists_and_chains() -> None:
    assert keeps("20 <= age < 40", age="39.5")
    assert not keeps("20 <= age < 40", age="40")
    assert keeps("sex == 'Female'", sex="female ")
    assert keeps("city in ('서울')", city="서울")
    assert keeps("level in [1, 2, 'high']", level="2.0")
    assert keeps("level in [1, 2, 'high']", level="High")
    assert not keeps("level in [1, 2, 'high']", level="low")
    assert keeps("`나이 (세)` > 3 and `class` == 'a`b'", **{"나이 (세)": "4", "class": "a`b"})
    assert parse_filter("`face-age` > -3").columns == ("face-age",)


@pytest.mark.parametrize("cell", ["", "NA", "null", "스물", "nan", "inf"])
def test_who_is_not_known_is_in_neither_half(cell: str) -> None:
    for text in ("age >= 20", "not age >= 20", "age == 20", "age != 20", "age in (20, 30)", "age not in (20, 30)"):
        assert not keeps(text, age=cell)
        assert not keeps(text)
    assert keeps("age >= 20 or sex == 'f'", age=cell, sex="f")
