"""Pages that the command line writes, shown inside the site's: the same content, under a strict policy.

A report holds its style inline, which the site forbids. Here every ``style`` attribute becomes a rule of one style
element, and the policy of the answer allows that element by its hash and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from markupsafe import Markup

from clip_emotion.resources import PACKAGE
from clip_emotion.web.security.headers import policy
from scoring import ConversationScore, write_report

_MAIN = re.compile(r"<main>(.*)</main>", re.DOTALL)
_SWITCH = re.compile(r'<form class="languages".*?</form>', re.DOTALL)
_COMMAND = re.compile(r' ?<span class="command">.*?</span>')
"""What a report says to people at a command line."""
_STYLE = re.compile(r' style="([^"<>{}]*)"')


@dataclass(frozen=True)
class Report:
    """A report's content and the style that it needs."""

    content: str
    style: str

    @property
    def body(self) -> Markup:
        """The content, taken unescaped: the house's own templates made it and escaped what is in it."""
        return Markup(self.content)

    @property
    def rules(self) -> Markup:
        """The style, as a template puts it between the tags of a style element, with nothing around it."""
        return Markup(self.style)

    @property
    def policy(self) -> str:
        """The content security policy of a page that shows the report."""
        digest = base64.b64encode(hashlib.sha256(self.style.encode("utf-8")).digest()).decode("ascii")
        return policy(style_src=f"'self' 'sha256-{digest}'")

    @property
    def page(self) -> str:
        """The report as a file that stands alone."""
        house = (PACKAGE / "templates" / "style.css").read_text("utf-8")
        head = f'<!doctype html>\n<meta charset="utf-8">\n<style>\n{house}{self.style}\n</style>\n'
        return f"{head}<main>{self.content}</main>\n"

    def packed(self) -> bytes:
        """Return the report as a database keeps it."""
        return zlib.compress(json.dumps(asdict(self), ensure_ascii=False).encode("utf-8"))

    @classmethod
    def unpacked(cls, content: bytes) -> Report:
        """Return a report that was packed."""
        return cls(**json.loads(zlib.decompress(content)))


def report_of(score: ConversationScore, temporary: Path | None = None) -> Report:
    """Return the page of ``score --report`` for one conversation; it is written into a temporary folder and read."""
    with tempfile.TemporaryDirectory(dir=temporary) as folder:
        return inside(write_report([score], Path(folder)).read_text("utf-8"))


def inside(page: str) -> Report:
    """Return the main part of a report of the house's, its style attributes turned into rules."""
    found = _MAIN.search(page)
    content = _COMMAND.sub("", _SWITCH.sub("", found[1] if found else page))
    names: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        name = names.setdefault(match[1], f"r{len(names)}")
        return f' data-rule="{name}"'

    content = _STYLE.sub(named, content)
    style = "".join(f'[data-rule="{name}"]{{{rule}}}' for rule, name in names.items())
    return Report(content, style)
