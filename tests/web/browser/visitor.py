"""Somebody at the site with a real browser, who looks at every page as a person, a screen reader and a policy would."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page

from clip_emotion.web.texts import translator

SCREENSHOTS = os.environ.get("CLIP_EMOTION_SCREENSHOTS")
CUT = """[...document.querySelectorAll('select')].filter(one => one.checkVisibility()).flatMap(one => {
  const style = getComputedStyle(one), pen = document.createElement('canvas').getContext('2d');
  pen.font = style.font;
  const room = one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 16;
  return [...one.options].map(option => option.label).filter(text => pen.measureText(text).width > room);
})"""
"""Texts of choices that their field has no room for, beside its arrow."""
HIDDEN = "[...document.querySelectorAll('figure')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
"""How many figures are wider than their place, so that a part of them is out of sight."""
LONELY = """(() => {
  const tops = [...document.querySelectorAll('header nav a, header nav button')].map(one => one.offsetTop);
  return tops.length > 2 && tops.filter(top => top === Math.max(...tops)).length === 1;
})()"""
"""Whether the last word of the menu stands alone in a line."""
SERIOUS = ("serious", "critical")
PASSWORD = "a sentence of mine"


@dataclass(frozen=True)
class Looks:
    """How a browser is set up."""

    locale: str
    width: int
    height: int
    phone: bool = False

    def options(self) -> dict[str, Any]:
        size = {"width": self.width, "height": self.height}
        return {"locale": self.locale, "viewport": size, "is_mobile": self.phone, "has_touch": self.phone}


@dataclass
class Visitor:
    """A page with what went wrong on it."""

    page: Page
    looks: Looks
    name: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    @property
    def korean(self) -> bool:
        return self.looks.locale.startswith("ko")

    def t(self, key: str) -> str:
        """Return a text of the site in the browser's language."""
        return translator("ko" if self.korean else "en")(key)

    def open(self, path: str, look: str | None = None) -> None:
        """Open a page, and look at it under a name."""
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        if look:
            self.look(look)

    def press(self, key: str, within: str = "main") -> None:
        """Press the button of a text and wait for the page that answers."""
        with self.page.expect_navigation():
            self.page.locator(within).get_by_role("button", name=self.t(key), exact=True).first.click()

    def follow(self, path: str) -> None:
        """Follow a link of the menu."""
        with self.page.expect_navigation():
            self.page.locator(f'header nav a[href="{path}"]').click()

    def look(self, name: str) -> None:
        """Look at the page: nothing wider than the screen, nothing that keeps people out, in light and in dark."""
        assert self.page.locator("html").get_attribute("lang") == ("ko" if self.korean else "en")
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} pixels wider than the screen"
        assert self.page.evaluate(HIDDEN) == 0, f"{name} hides a part of a figure"
        assert not self.page.evaluate(LONELY), f"{name} leaves the last word of the menu alone"
        assert self.page.evaluate(CUT) == [], f"{name} cuts choices"
        assert not re.search(r"\{\{|\}\}|\bcommon\.\w|\bNone\b", self.page.locator("body").inner_text()), name
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            if SCREENSHOTS:
                file = Path(SCREENSHOTS) / f"{name}-{self.name}-{scheme}.png"
                self.page.screenshot(path=file, full_page=True)
            found = Axe().run(self.page).response["violations"]
            serious = [
                f"{one['id']} ({scheme}): {[node['html'][:200] for node in one['nodes']]}"
                for one in found
                if one["impact"] in SERIOUS
            ]
            assert not serious, (name, serious)
        self.page.emulate_media(color_scheme="light")

    def sign_up(self, email: str) -> None:
        """Make an account and log in, by hand."""
        self.open("/register", "register")
        self.page.fill("#email", email)
        self.page.fill("#password", PASSWORD)
        self.press("common.register")
        self.look("login")
        self.page.fill("#email", email)
        self.page.fill("#password", PASSWORD)
        self.press("common.log_in")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")
