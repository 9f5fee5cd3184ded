"""What goes wrong is said in the visitor's language, says what to do, and names nothing of this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from clip_emotion.errors import DataError
from clip_emotion.web.pages import assets
from clip_emotion.web.scoring import Scoring
from clip_emotion.web.showing import chat_fault, unreadable
from clip_emotion.web.texts import translator
from tests.support.fakes import FakeEncoder
from tests.support.site import PASSWORD, Browser

GARBAGE = b"no picture at all"


@pytest.fixture
def korean(app: FastAPI, request: pytest.FixtureRequest) -> Browser:
    return Browser(app, "ko").sign_up(f"{abs(hash(request.node.nodeid))}@example.org")


def told(page: str) -> str:
    """Return what a page's main part says, without what is Korean's own: names of files and formats."""
    main = re.sub(r"<bdi>.*?</bdi>", "", page[page.index('<div id="content"') : page.index("<footer")], flags=re.S)
    return " ".join(re.findall(r'class="(?:told fault|warm)"[^>]*>([^<]+)|<h1>[^<]+</h1>\s*<p>([^<]+)', main)[0])


def test_a_picture_that_cannot_be_read_is_told_in_korean(korean: Browser) -> None:
    files = [("pictures", ("a.png", GARBAGE, "image/png"))]
    place = korean.post("/label", {"words": "red,green"}, files=files).headers["location"]
    assert told(korean.get(place).text).strip() == (
        "이 사진은 읽을 수 없어요. JPEG, PNG, WEBP, GIF 같은 사진 파일로 올려 주세요."
    )
    tried = korean.post("/try", {}, files=[("picture", ("a.png", b"", "image/png"))])
    assert told(tried.text).strip() == "이 사진은 읽을 수 없어요. 파일이 비어 있어요."


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("The picture has 9 × 9 pixels, more than the limit of 4: make it smaller.", "too large"),
        ("Not a picture in a format that can be read: HEIC needs pillow-heif, run pip install 'x'.", "HEIC"),
        ("The picture is damaged or truncated and cannot be decoded (x).", "damaged"),
    ],
)
def test_reasons_say_what_to_do_without_a_command_line(error: str, told: str) -> None:
    said = unreadable(error, "en")
    assert said is not None
    assert told in said
    assert "pip" not in said
    assert unreadable(None, "en") is None


@pytest.mark.parametrize("path", ["/label", "/try", "/interview"])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_words_that_cannot_be_taken_leave_the_form_and_what_was_typed(app: FastAPI, path: str, language: str) -> None:
    person = Browser(app, language).sign_up(f"{language}{path[1:]}@example.org")
    field = "picture" if path == "/try" else "pictures"
    answer = person.post(path, {"words": "x" * 61}, files=[(field, ("a.png", GARBAGE, "image/png"))])
    assert answer.status_code == 422
    assert f'value="{"x" * 61}"' in answer.text
    assert ("쉼표로 나눠서" if language == "ko" else "at most 60 letters") in told(answer.text)
    assert ("Give" in told(answer.text)) == (language == "en")


def test_a_form_of_far_too_many_pictures_says_how_many_may_come(korean: Browser) -> None:
    files = [("pictures", (f"{number}.png", GARBAGE, "image/png")) for number in range(60)]
    answer = korean.post("/label", {}, files=files)
    assert answer.status_code == 400
    assert "한 번에 50장까지 올릴 수 있어요." in answer.text
    assert "Too many files" not in answer.text


def test_a_chat_that_cannot_be_read_names_no_path_of_this_machine(
    tmp_path: Path, korean: Browser, app: FastAPI
) -> None:
    with pytest.raises(DataError, match=r"^chat\.txt is neither UTF-8") as raised:
        Scoring(FakeEncoder(), temporary=tmp_path).score(b"\xff\xd8\xff\xe0\x80" * 9, "chat.txt", "en")
    assert str(tmp_path) not in str(raised.value)
    picture = [("chat", ("a.txt", b"\xff\xd8\xff\xe0\x80" * 9, "text/plain"))]
    assert told(korean.post("/score", {}, files=picture).text).startswith("이 파일은 대화로 읽을 수 없어요. 앱에서")
    english = Browser(app).sign_up("english@example.org").post("/score", {}, files=picture).text
    assert "chat.txt is neither" in english
    assert "/chat.txt" not in english


AMBIGUOUS = "".join(
    f"[0{day}/05/2024, 09:1{day}:00] {name}: hello\n" for day, name in ((2, "Anna"), (3, "Ben"), (4, "Anna"))
)


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        (
            "en",
            ["cannot be read as a chat. The dates of chat.txt do not tell day", "under “Is the file read"],
        ),
        ("ko", ["이 파일은 대화로 읽을 수 없어요. 아래 ‘파일이 제대로 읽히지 않나요?’에서"]),
    ],
)
def test_a_chat_that_wants_to_be_explained_leads_to_the_fields(app: FastAPI, language: str, wanted: list[str]) -> None:
    person = Browser(app, language).sign_up(f"dates-{language}@example.org")
    answer = person.post("/score", {}, files=[("chat", ("a.txt", AMBIGUOUS.encode(), "text/plain"))])
    assert answer.status_code == 422
    assert all(one in told(answer.text) for one in wanted)
    assert "--" not in told(answer.text)
    assert "<details open>" in answer.text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("a.txt is not read as a chat, for x: give a file; --layout plain forces it.", "for x: give a file. Choose"),
        ("plain explains only 8 % of a.txt: say with --layout what it is, --layout plain if it is.", "a.txt. Choose"),
        ("No turn could be read as plain. Leave --layout out, or name another one.", "as plain. Choose"),
        ("Give UTF-8.", "as a chat. Give UTF-8."),
    ],
)
def test_faults_of_chats_name_no_option_of_the_command_line(error: str, said: str) -> None:
    told = chat_fault(DataError(error), "en")
    assert said in told
    assert "--" not in told


def test_one_is_not_many() -> None:
    t = translator("en")
    assert [t("label.count", count=count) for count in (0, 1, 2)] == ["0 pictures", "1 picture", "2 pictures"]
    assert t("history.count", count="1") == "1 result"


def test_forms_of_pictures_say_that_they_are_worked_on_and_how_many_may_come(korean: Browser) -> None:
    for path, waiting in {
        "/label": "사진을 살펴보고",
        "/": "사진을",
        "/score": "대화를 읽고",
        "/interview": "표정을",
    }.items():
        page = korean.get(path).text
        assert re.search(rf'<form[^>]*enctype[^>]* data-wait="{waiting}[^"]+ 이 페이지를 열어 두세요\."', page), path
    assert 'data-most="50" data-too-many="한 번에 50장까지 올릴 수 있어요."' in korean.get("/label").text


def test_nothing_is_offered_to_be_saved_where_nothing_could_be_read(korean: Browser) -> None:
    files = [("pictures", ("a.png", GARBAGE, "image/png"))]
    page = korean.get(korean.post("/label", {"words": "red"}, files=files).headers["location"]).text
    assert 'value="save"' not in page


def test_times_are_named_as_utc_until_the_script_makes_them_local(korean: Browser) -> None:
    form = {"name": "mine", "days": "30", "scope": "label", "password": PASSWORD}
    page = korean.post("/account/tokens", form).text
    assert re.search(r'<time class="nowrap" datetime="[^"]+\+00:00">\d{4}-\d\d-\d\d \d\d:\d\d UTC</time>', page)
    assert b"time[datetime]" in assets()["site.js"].content
