"""What every answer says to the browser, to whom it answers, and where it leads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import Response

from clip_emotion.web.security.headers import HEADERS, policy
from tests.support.attacks import doors, pages, raw
from tests.support.site import OWN, Browser, make_site

STYLES = re.compile(r"style-src 'self'( 'sha256-[A-Za-z0-9+/=]{44}')+;")
INLINE = re.compile(r"<style(?! data-hashed)|<script(?![^>]* src=)|\sstyle=|\son[a-z]+=\"|javascript:", re.IGNORECASE)
OUTSIDE = [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "evil.example",
    "javascript:alert(1)", "data:text/html,x", "/\n/evil.example", "https:evil.example", "///evil.example",
    " //evil.example", "/%0d%0aSet-Cookie:x", "/한글", "http:/\\evil.example", "/\x00/",
]  # fmt: skip


def check(answer: Response, path: str) -> None:
    headers = answer.headers
    for name, value in HEADERS.items():
        if name != "cache-control":
            assert headers[name] == value, (path, name)
    said = headers["content-security-policy"]
    assert said == policy() or STYLES.sub("style-src 'self';", said) == policy(), path
    assert headers["strict-transport-security"].startswith("max-age=63072000"), path
    assert "server" not in headers, path
    assert "x-powered-by" not in headers, path
    cached = headers["cache-control"]
    assert cached == "no-store" or path.startswith(("/static/", "/pictures/", "/thumbnails/")), (path, cached)
    if "html" in headers.get("content-type", "") and answer.content and "sha256-" not in said:
        assert not INLINE.search(answer.text), path
        assert "charset=utf-8" in headers["content-type"], path
        assert re.search(r'<html lang="(ko|en)"', answer.text), path


def test_every_answer_to_every_get_carries_the_headers(app: FastAPI, victim: Browser, prey: list[str]) -> None:
    for browser in (victim, Browser(app)):
        for path, answer in pages(browser, prey).items():
            check(answer, path)


def test_every_refusal_carries_them_too(app: FastAPI, victim: Browser, tmp_path: Path) -> None:
    answers = {"/nowhere": victim.get("/nowhere"), "/api/v1/nowhere": victim.get("/api/v1/nowhere")}
    for door in doors(app, unsafe=True):
        path = door.filled(["x"])[0]
        answers[f"{path} forged"] = victim.client.request(door.method, path)
        answers[f"{path} untold"] = victim.client.request(door.method, path, headers=OWN)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW"):
        answers[f"/account {method}"] = victim.client.request(method, "/account", headers=OWN)
    answers["large"] = victim.client.post("/login", headers={**OWN, "content-length": "99999999999"})
    only = Browser(make_site(tmp_path, hosts=("testserver",)))
    answers["host"] = only.get("/", headers={"host": "evil.example"})
    for path, answer in answers.items():
        assert answer.status_code >= 400, path
        check(answer, path)


def test_a_program_fault_carries_them_and_tells_nothing(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clip_emotion.web.routes.start.offers", lambda language: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        raw(app, "GET", "/")
    visitor = Browser(app)
    visitor.client._transport.raise_server_exceptions = False
    answer = visitor.get("/")
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert "Traceback" not in answer.text
    for name in HEADERS:
        assert name in answer.headers


def test_only_known_hosts_are_answered(tmp_path: Path) -> None:
    """A page that somebody's domain leads here (DNS rebinding) cannot speak with a site on this very machine."""
    visitor = Browser(make_site(tmp_path, hosts=("testserver", "127.0.0.1", "::1")))
    for host in ("evil.example", "testserver.evil.example", "", "127.0.0.1.evil.example", "testserver@evil.example"):
        assert visitor.get("/", headers={"host": host}).status_code == 400, host
    for host in ("testserver", "testserver:8000", "127.0.0.1:8000"):
        assert visitor.get("/", headers={"host": host}).status_code == 200, host


def test_no_answer_repeats_the_host(app: FastAPI, victim: Browser) -> None:
    for path in {door.filled(["x"])[0] for door in doors(app, unsafe=False)}:
        answer = victim.get(path, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
        assert not re.search(r"(href|src|action|url)[^>]{0,9}evil\.example", answer.text), path
        assert "evil.example" not in str(answer.headers), path


@pytest.mark.parametrize("where", OUTSIDE)
def test_nothing_leads_to_another_site(app: FastAPI, victim: Browser, where: str) -> None:
    out = Browser(app)
    answers = [
        out.post("/login", {"email": "victim@example.org", "password": "a sentence of mine", "next": where}),
        out.post("/language", {"language": "ko", "next": where}),
        out.post("/again", {"password": "a sentence of mine", "next": where}),
        out.get("/login", params={"next": where}),
        out.get("/again", params={"next": where}),
    ]
    for answer in answers:
        location = answer.headers.get("location", "/")
        assert answer.status_code in (303, 200, 400)
        assert re.fullmatch(r"/[^/\\].*|/", location), location
        assert "\r" not in location
    assert re.fullmatch(r"/[^/\\].*|/|", "".join(re.findall(r'name="next" value="([^"]*)"', answers[4].text)[-1:]))
