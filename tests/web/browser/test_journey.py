"""What somebody does at the site, from signing up to logging out, in a real browser.

A new family of pages adds a step to ``STEPS``: a function that begins on any page and ends on any page.
"""

from __future__ import annotations

import contextlib
import io
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Error
from web_server import Server

from tests.support.pictures import GRACE_HOPPER
from tests.web.browser.visitor import PASSWORD, Visitor

pytestmark = pytest.mark.real_data  # a server and a browser: a minute and more
CHAT = """하린: 오늘 정말 고마워, 네 덕분에 힘이 났어
도윤: 나야말로 하린아. 같이 있어서 좋았어
하린: 보고 싶었어
도윤: 나도 많이. 주말에 또 만나자
하린: 응, 약속!
"""


def pictures() -> list[dict[str, object]]:
    """Two photographs as a phone sends them: one upright, one turned by its EXIF."""
    turned, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.open(GRACE_HOPPER).convert("RGB").rotate(90, expand=True).save(turned, "JPEG", exif=exif)
    upright = {"name": "그레이스 호퍼.jpg", "mimeType": "image/jpeg", "buffer": GRACE_HOPPER.read_bytes()}
    return [upright, {"name": "IMG_0042.jpg", "mimeType": "image/jpeg", "buffer": turned.getvalue()}]


def try_one(visitor: Visitor) -> None:
    visitor.open("/", "start")
    visitor.page.set_input_files("#picture", pictures()[:1])
    visitor.press("start.do")
    assert visitor.page.locator(".bars li").count() >= 5
    visitor.look("tried")


def sign_up(visitor: Visitor) -> None:
    visitor.sign_up(f"{visitor.name}@example.org")
    assert visitor.page.url.endswith("/label")


def label_two(visitor: Visitor) -> None:
    visitor.open("/label", "label")
    visitor.page.set_input_files("#pictures", pictures())
    visitor.page.fill("#words", "설렘, 당황, 비장함, 기쁨, 차분함")
    visitor.press("label.do")
    assert visitor.page.locator("article.card").count() == 2
    loaded = (
        "[...document.querySelectorAll('.boxed img')].map(image => { image.loading = 'eager'; return image.decode() })"
    )
    visitor.page.evaluate(f"Promise.all({loaded})")
    assert visitor.page.locator(".boxed rect").count() >= 2
    visitor.look("labelled")
    visitor.press("label.save")
    assert visitor.page.get_by_role("status").inner_text() == visitor.t("label.saved")


def score_a_chat(visitor: Visitor) -> None:
    visitor.open("/score", "score")
    chat = {"name": "대화.txt", "mimeType": "text/plain", "buffer": CHAT.encode()}
    visitor.page.set_input_files("#chat", [chat])
    visitor.press("score.do")
    assert "하린" not in visitor.page.locator(".report").inner_text()
    visitor.look("scored")


def correct_one(visitor: Visitor) -> None:
    """Correct the first picture by a word, confirm the second one by its key."""
    visitor.open("/review", "review")
    visitor.page.fill("#word", "차분함")
    visitor.press("review.other_do")
    with visitor.page.expect_navigation():
        visitor.page.keyboard.press("1")
    visitor.page.wait_for_load_state()
    visitor.look("reviewed")


def look_back(visitor: Visitor) -> None:
    visitor.open("/history", "history")
    assert visitor.page.locator('main a[href^="/history/"]').count() >= 3
    visitor.page.locator('main a[href^="/history/"]:not([href*="delete"])').first.click()
    visitor.page.wait_for_load_state()
    visitor.look("one")
    visitor.open("/dashboard", "dashboard")
    visitor.open("/history/delete", "sure")


def rehearse(visitor: Visitor) -> None:
    visitor.open("/interview", "interview")
    visitor.page.set_input_files("#pictures", pictures() * 2)
    visitor.press("interview.do")
    visitor.look("report")


def take_data_set(visitor: Visitor) -> None:
    visitor.open("/review/export", "export")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name=visitor.t("review.download")).click()
    with zipfile.ZipFile(Path(download.value.path())) as archive:
        assert any(name.endswith("metadata.csv") for name in archive.namelist())


def make_token(visitor: Visitor) -> None:
    visitor.open("/api", "api")
    visitor.open("/account/tokens", "tokens")


def export(visitor: Visitor) -> None:
    visitor.open("/account", "account")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name=visitor.t("account.data_do")).click()
    with zipfile.ZipFile(Path(download.value.path())) as archive:
        names = archive.namelist()
    assert sum(name.startswith("pictures/") for name in names) >= 2


def log_out(visitor: Visitor) -> None:
    """Log out; the back button leads to nothing."""
    visitor.open("/account")
    visitor.press("common.log_out", "header")
    for _ in range(3):
        with contextlib.suppress(
            Error
        ):  # the answer to a form is not sent again: Chromium asks first, and shows nothing
            visitor.page.go_back()
        visitor.page.wait_for_load_state("networkidle")
        shown = visitor.page.locator("body").inner_text()
        assert f"{visitor.name}@example.org" not in shown
        assert visitor.page.locator("article.card, .report").count() == 0
    visitor.open("/account")
    assert "/login" in visitor.page.url


def meet_faults(visitor: Visitor) -> None:
    visitor.complaints.clear()
    visitor.page.goto("/nowhere")
    visitor.look("fault")
    visitor.complaints[:] = [one for one in visitor.complaints if "404" not in one]
    visitor.open("/login?next=/account")
    visitor.page.fill("#email", "nobody@example.org")
    visitor.page.fill("#password", PASSWORD + "!")
    visitor.press("common.log_in")
    assert visitor.page.get_by_role("alert").inner_text() == visitor.t("account.login_wrong")
    visitor.look("wrong")
    visitor.complaints[:] = [one for one in visitor.complaints if "401" not in one]


def switch_language(visitor: Visitor) -> None:
    visitor.open("/")
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("button", name="English" if visitor.korean else "한국어").click()
    assert visitor.page.locator("html").get_attribute("lang") == ("en" if visitor.korean else "ko")


STEPS: tuple[Callable[[Visitor], None], ...] = (
    try_one,
    sign_up,
    label_two,
    correct_one,
    score_a_chat,
    look_back,
    rehearse,
    take_data_set,
    make_token,
    export,
    log_out,
    meet_faults,
    switch_language,
)


def test_the_whole_journey(visitor: Visitor) -> None:
    for step in STEPS:
        step(visitor)


def test_an_admins_pages(visitor: Visitor, server: Server) -> None:
    email = f"admin-{visitor.name}@example.org"
    visitor.sign_up(email)
    with contextlib.closing(sqlite3.connect(server.data / "site.db")) as db, db:
        db.execute("UPDATE users SET role = 'admin' WHERE email = ?", [email])
    for name in ("", "/users", "/failures", "/trail"):
        visitor.open(f"/admin{name}", f"admin{name.replace('/', '-')}")
