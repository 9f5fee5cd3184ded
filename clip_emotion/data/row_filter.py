"""Filters such as ``age>=20 and age<40``: a small language over the columns of a table, read and never run.

Python's parser reads the text and only what stands below is understood: comparisons of a column with numbers and
texts, ``in``, ``and``, ``or``, ``not`` and parentheses. A column whose name is no plain word stands in backticks.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from clip_emotion.errors import UsageError
from clip_emotion.text import MISSING, fold, nfc

Cells = Mapping[str, str]
Answer = bool | None
"""None is "not known": what a cell that says nothing answers to every question."""
Ask = Callable[[Cells], Answer]
Value = float | str

LONGEST = 1000
"""Most letters of a filter."""
MOST_PARTS = 100
"""Most comparisons, words and parentheses of a filter, which bounds how deep it nests."""
NUMBERS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq,
}  # fmt: skip
_PARTS = re.compile(r"""("[^"]*"|'[^']*')|`([^`]+)`""")
EXAMPLE = "write it as age>=20 and age<40, or 성별 == '여' and not region in ('서울', '부산')"


@dataclass(frozen=True)
class RowFilter:
    """A filter that was read: its text, the columns that it asks about, and what it answers."""

    text: str
    columns: tuple[str, ...]
    ask: Ask

    def keeps(self, cells: Cells) -> bool:
        """Tell whether a row is kept; one whose cells leave the answer open is not, whatever ``not`` stands before."""
        return self.ask(cells) is True


def parse_filter(text: str) -> RowFilter:
    """Read a filter; raises UsageError for anything but the language above. Nothing of the text is ever run.

    Texts are compared without regard to case, spacing and Unicode form. A cell that is empty, ``NA`` or, beside a
    number, no number, makes a comparison unknown, as in SQL.
    """
    reader = _Reader(text)
    ask = reader.condition(reader.tree())
    return RowFilter(text, tuple(dict.fromkeys(reader.columns)), ask)


class _Reader:
    """Turns one text into a function of cells, and gathers the columns that it names."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.columns: list[str] = []
        self.quoted: dict[str, str] = {}

    def tree(self) -> ast.expr:
        text = nfc(self.text).strip()
        if len(text) > LONGEST:
            raise UsageError(f"The filter has {len(text):,} letters, more than {LONGEST:,}: shorten it.")
        try:
            tree = ast.parse(_PARTS.sub(self._unquoted, text), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            self._refuse("cannot be read")
        if sum(1 for _ in ast.walk(tree)) > 4 * MOST_PARTS:
            self._refuse("has too many parts")
        return tree.body

    def _unquoted(self, found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        name = f"_quoted_{len(self.quoted)}"
        self.quoted[name] = found[2].strip()
        return name

    def _refuse(self, why: str) -> NoReturn:
        raise UsageError(f"The filter '{' '.join(self.text.split())[:80]}' {why}: {EXAMPLE}.")

    def condition(self, node: ast.expr) -> Ask:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return _every([self.condition(value) for value in values])
            case ast.BoolOp(op=ast.Or(), values=values):
                return _negated(_every([_negated(self.condition(value)) for value in values]))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _negated(self.condition(operand))
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = itertools.pairwise([left, *others])
                pairs = [self._comparison(one, op, other) for (one, other), op in zip(sides, ops, strict=True)]
                return _every(pairs)
        self._refuse("holds something that is no comparison of a column")

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Ask:
        if isinstance(op, ast.In | ast.NotIn):
            one_of = _any_equal(self._column(left), self._values(right))
            return one_of if isinstance(op, ast.In) else _negated(one_of)
        mirrored = MIRRORED.get(type(op))
        if mirrored is None:
            self._refuse("compares with what it cannot; it knows < <= > >= == != and in (…)")
        if isinstance(left, ast.Name):
            return self._with_value(self._column(left), type(op), self._value(right))
        return self._with_value(self._column(right), mirrored, self._value(left))

    def _with_value(self, column: str, op: type[ast.cmpop], value: Value) -> Ask:
        if op in NUMBERS:
            if isinstance(value, str):
                self._refuse(f"asks whether {column} is more or less than the text '{value[:40]}', not a number")
            return _compared(column, NUMBERS[op], value)
        equal = _any_equal(column, [value])
        return equal if op is ast.Eq else _negated(equal)

    def _column(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            self._refuse("compares two values and no column")
        name = self.quoted.get(node.id, node.id)
        self.columns.append(name)
        return name

    def _values(self, node: ast.expr) -> list[Value]:
        # Python reads ('서울') as one text.
        return [self._value(one) for one in (node.elts if isinstance(node, ast.Tuple | ast.List) else [node])]

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=str(value)):
                return value
            case ast.Constant(value=int(value) | float(value)) if not isinstance(value, bool):
                return self._number(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value) | float(value))):
                return self._number(-value)
            case ast.Name(id=name):
                shown = self.quoted.get(name, name)
                self._refuse(f"compares a column with {shown}, which is no number and no text in quotes")
        self._refuse("holds a value that is neither a number nor a text in quotes")

    def _number(self, value: float) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        return number if math.isfinite(number) else self._refuse("holds a number that is too large")


def _every(asks: list[Ask]) -> Ask:
    """Return Kleene's and: False where one is, else unknown where one is, else True."""

    def ask(cells: Cells) -> Answer:
        answers = [one(cells) for one in asks]
        return False if False in answers else None if None in answers else True

    return ask


def _negated(ask: Ask) -> Ask:
    def negated(cells: Cells) -> Answer:
        answer = ask(cells)
        return None if answer is None else not answer

    return negated


def _compared(column: str, holds: Callable[[float, float], bool], value: float) -> Ask:
    def ask(cells: Cells) -> Answer:
        number = _number_in(cells.get(column, ""))
        return None if number is None else holds(number, value)

    return ask


def _any_equal(column: str, values: Sequence[Value]) -> Ask:
    texts = {fold(value) for value in values if isinstance(value, str)}
    numbers = {value for value in values if not isinstance(value, str)}

    def ask(cells: Cells) -> Answer:
        cell = cells.get(column, "").strip()
        if cell.casefold() in MISSING:
            return None
        if fold(cell) in texts:
            return True
        number = _number_in(cell) if numbers else None
        if number is None and not texts:
            return None
        return number in numbers

    return ask


def _number_in(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
