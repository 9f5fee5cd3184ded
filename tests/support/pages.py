"""What every HTML page of the project keeps to, as far as that is seen without a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

LOADED = ("src", "srcset", "href", "data", "poster", "action")
"""Attributes from which a browser would fetch something."""
VOID = {"meta", "input", "img", "source", "br", "link"}


class Page(HTMLParser):
    """A page, read: its words in each language, what it would load, and which tables cannot scroll by themselves."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str]]] = []
        self.language = ""
        self.title = ""
        self.loads: list[str] = []
        self.words: dict[str, list[str]] = {"ko": [], "en": []}
        self.headings: list[str] = []
        self.loose: list[str] = []
        self.checked: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.loads += [values[name] for name in LOADED if name in values]
        if tag == "html":
            self.language = values["lang"]
        if tag == "input" and "checked" in values:
            self.checked.append(values["id"])
        if tag == "table" and not any("wide" in outer.get("class", "").split() for _, outer in self.open):
            self.loose.append(self.getpos().__repr__())
        if tag not in VOID:
            self.open.append((tag, values))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self.open]
        if "title" in tags:
            self.title += data
        language = next(
            (values["lang"] for tag, values in reversed(self.open) if tag != "html" and "lang" in values), ""
        )
        if language and data.strip():
            self.words[language].append(data.strip())
            if {"h1", "h2"} & set(tags):
                self.headings.append(data.strip())


def read_page(path: Path) -> Page:
    """Read a page and see that it keeps to what all pages do."""
    source = path.read_text("utf-8")
    page = Page(source)
    style = source.split("<style>")[1].split("</style>")[0]
    assert "width=device-width" in source
    # It stands alone: data inside it, and pages beside it by their plain names.
    beside = {name for name in page.loads if not name.startswith("data:image/")}
    assert all(re.fullmatch(r"[\w-]+\.html(#[\w-]+)?|#[\w-]+", name) for name in beside), beside
    # What it leads to within itself is there.
    assert {name[1:] for name in beside if name.startswith("#")} <= set(re.findall(r'id="([^"]+)"', source))
    assert not re.search(r"@import|url\(|https?:|<link|<iframe|<object|fetch\(|XMLHttpRequest", source)
    # On a telephone what is wider than the screen scrolls inside itself, and figures too.
    assert page.loose == []
    assert re.search(r"\.wide \{[^}]*overflow-x: auto", style)
    assert re.search(r"figure \{[^}]*overflow-x: auto", style)
    assert "prefers-color-scheme: dark" in style
    # It is in both languages, and opens in the one it says it is in.
    assert page.checked == [f"in-{page.language}"]
    assert len(page.words["ko"]) == len(page.words["en"]) > 3
    assert all(re.search("[가-힣]", heading) for heading in page.headings[1::2])
    return page
