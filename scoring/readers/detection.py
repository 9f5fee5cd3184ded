"""Which layout a text is in, or why it is in none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from clip_emotion.errors import DataError
from scoring.readers.json_text import DocumentText
from scoring.readers.layouts import DOCUMENT_LAYOUTS, LINE_LAYOUTS
from scoring.readers.messages import DocumentLayout, Layout
from scoring.readers.other_apps import app_of_line, app_of_page, form_of
from scoring.readers.plain import PLAIN, PlainEvidence
from scoring.readers.table import TOLD_BY, unknown_header

ACCEPTED = (
    "a chat export (KakaoTalk, WhatsApp, LINE, Telegram, Instagram, Facebook, Discord, iMessage or SMS), lines of "
    "이름: 말, JSON Lines or a table with the columns speaker and text"
)
_SAMPLE = 500
"""Lines with something on them by which a text's layout is told."""
_CHECKED = 2000
"""Lines, evenly over a text, of which it is asked whether another layout claims them."""
_FEW, _SHARE = 5, 0.1
"""So many lines, and this share of them, may be left unexplained."""
_HEAD = 20_000
"""Characters at the beginning of a web page in which its program is looked for."""


class Detector:
    """Tells a text's layout from its lines, given one by one; ``name`` is what errors call the text.

    JSON is read as JSON alone. Plain text is what no other layout and no known program writes, and what
    ``PlainEvidence`` takes for a chat. ``head`` is the text's beginning where it is known; none where lines come live.
    """

    def __init__(self, name: str, head: str = "") -> None:
        self._name = name
        self._head = head
        self._seen = 0
        self._plain = PlainEvidence()
        self._claims: Counter[str] = Counter()
        self._app: str | None = None
        self._table: Layout | None = None
        self._first: list[str] = []

    def feed(self, line: str) -> Layout | None:
        """Return the layout that a line is unmistakably in, plain text excluded, or None where it tells nothing.

        Raises DataError, with the program's name, for a line that another program writes and no layout is in.
        """
        found = self.look(line)
        if found is None and self._app:
            raise DataError(_foreign(self._name, self._app))
        return found

    def look(self, line: str) -> Layout | None:
        """Return the layout that a line is unmistakably in, or None; remembers what another program writes."""
        if not line.strip():
            return None
        first, self._seen = self._seen == 0, self._seen + 1
        if self._seen <= TOLD_BY:
            self._first.append(line)
        if first:
            _refuse_document(line.strip(), self._head, self._name)
        found = claimant(line, first)
        if found is not None:
            self._claims[found.name] += 1
            self._table = found if first and found.is_table else self._table
        elif self._app is None:
            self._app = app_of_line(line)
        self._plain.add(line)
        return found

    @property
    def is_plain(self) -> bool:
        """Whether the lines so far are plain text's."""
        return self._plain.holds

    def conclude(self) -> Layout:
        """Return the layout that claimed a line first, for what is pasted into an export stands behind its beginning.

        A table is one by its header. Plain text is what begins so and explains nine lines in ten by itself. Raises
        DataError where no layout is told.
        """
        if self._table is not None:
            return self._table
        is_plain = self.is_plain and self._plain.begins_with_a_name
        if self._claims and not (is_plain and sum(self._claims.values()) <= _SHARE * self._seen):
            return LINE_LAYOUTS[next(iter(self._claims))]
        if self.is_plain:
            return PLAIN
        if self._app:
            raise DataError(_foreign(self._name, self._app))
        why = self._plain.why_not
        if amiss := unknown_header(self._first, surely=self._name.lower().endswith((".csv", ".tsv"))):
            raise DataError(f"{self._name} {amiss}.")
        if why is None:
            raise DataError(f"No speaker was recognised in {self._name}: give {ACCEPTED}.")
        raise DataError(f"{self._name} is not read as a chat, for {why}: give {ACCEPTED}; --layout plain forces it.")


def claimant(line: str, first: bool) -> Layout | None:
    """Return the layout, plain text excluded, that a line is unmistakably in, or None."""
    layouts = (layout for layout in LINE_LAYOUTS.values() if layout is not PLAIN)
    return next((layout for layout in layouts if layout.recognise(line, first)), None)


def detect_document(text: str) -> DocumentLayout | None:
    """Return the layout of a document (JSON, XML), or None where a text is none of those that are read."""
    if text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "<"):
        return None
    document = DocumentText(text)
    return next((layout for layout in DOCUMENT_LAYOUTS.values() if layout.recognise(document)), None)


def detect_layout(lines: Iterable[str], name: str) -> Layout:
    """Return the layout of a text's (cleaned) lines; raises DataError, with what the text is instead, for none."""
    sample = [line for line, _ in zip((line for line in lines if line.strip()), range(_SAMPLE), strict=False)]
    detector = Detector(name, "\n".join(sample)[:_HEAD])
    for line in sample:
        detector.look(line)
    return detector.conclude()


def check_explained(lines: Sequence[str], layout: Layout, faults: int, name: str) -> None:
    """Raise DataError where a layout that was recognised explains less than nine lines in ten.

    Unexplained are as many lines as there are ``faults``, and those that another layout claims, judged by a sample.
    """
    said = [line for line in lines if line.strip()]
    step = max(1, len(said) // _CHECKED)
    others: Counter[str] = Counter()
    for line in said[::step]:
        found = claimant(line, False)
        if found is not None and found is not layout:
            others[found.name] += 1
    missed = faults + sum(others.values()) * step
    if missed <= max(_FEW, _SHARE * len(said)):
        return
    share = max(0, 100 * (len(said) - missed) // len(said))
    also = f", and {others.most_common(1)[0][0]} claims some" if others else ""
    raise DataError(
        f"{layout.name} explains only {share} % of the lines of {name}{also}: say with --layout what it is, "
        f"--layout {layout.name} if it is that."
    )


def _refuse_document(first: str, head: str, name: str) -> None:
    """Raise DataError where a text's first line is that of a JSON document or a web page."""
    if first in ("{", "[", "[]", "{}") or first.startswith(("[{", '["', "[[")):
        if not head:
            raise DataError(f"{name} is a JSON document, not JSON Lines: it is read as a whole, so leave out --follow.")
        raise DataError(
            f"{name} is a JSON document, not JSON Lines, and no export that is known: write one object with speaker "
            "and text a line, for instance with jq -c '.[]'."
        )
    if first.lower().startswith(("<!doctype html", "<html")):
        app = app_of_page(head or first)
        raise DataError(_foreign(name, app) if app else f"{name} is a web page, not a transcript: give {ACCEPTED}.")


def _foreign(name: str, app: str) -> str:
    return f"{name} looks like what {app} shows or copies, which is not read: {form_of(app)}."
