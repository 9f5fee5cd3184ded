"""The API: tokens alone come in, rows are the command line's, faults are problem details, writes are done once."""

from __future__ import annotations

import csv
import io
import json
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from clip_emotion.csv_text import unguarded
from clip_emotion.models.registry import load_encoder
from clip_emotion.web import Settings
from clip_emotion.web.database.tables import IdempotencyKey, Picture, Result, User, now
from clip_emotion.web.idempotency import ABANDONED, KEPT, Write
from clip_emotion.web.labelling import Labelling
from clip_emotion.web.scoring import Scoring
from clip_emotion.web.security.secret import hashed
from tests.support.api import PREFIX, Caller, add_account, picture, token_of
from tests.support.commands import runner
from tests.support.postgres import sqlite_alone
from tests.support.site import Browser, make_site, site_of

PROBLEM = "application/problem+json"
CHAT = "하린: 오늘 정말 고마워\n도윤: 나야말로 하린아\n하린: 보고 싶었어\n도윤: 나도 많이\n"


@pytest.fixture
def program(app: FastAPI, request: pytest.FixtureRequest) -> Caller:
    return Caller(app, f"api-{abs(hash(request.node.nodeid))}@example.org")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Caller:
    """A program at a site with the bundled model."""
    folder = Path(tmp_path_factory.mktemp("real"))
    app = make_site(folder)
    encoder = load_encoder("mini", "cpu")
    settings = Settings(data=folder, batch_size=2, batch_wait=1)  # two pictures share a batch, as in the command
    site = site_of(app)
    object.__setattr__(site, "labelling", Labelling(encoder, settings))
    object.__setattr__(site, "scoring", Scoring(encoder, "cpu"))
    return Caller(app, "real@example.org")


def test_rows_are_those_of_label(
    real: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("red", "blue"):
        Path(f"{name}.png").write_bytes(picture(name))
    Path("text.png").write_text("no picture")
    plain: dict[str, str] = {}
    own = {"words": "기쁨,슬픔", "top": "2", "face": "none"}
    for options, fields in (((), plain), (("--labels", "기쁨,슬픔", "--top", "2", "--face", "none"), own)):
        code, out, _ = runner(capfd, "label")("red.png", "blue.png", "--format", "jsonl", *options)
        files = [("pictures", (name, Path(name).read_bytes(), "image/png")) for name in ("red.png", "blue.png")]
        answer = real.call("POST", "/label", files=files, data=fields, headers={"accept": "application/jsonl"})
        assert (code, answer.text) == (0, out)
    files.append(("pictures", ("text.png", b"no picture", "image/png")))
    rows = real.call("POST", "/label", files=files, data=fields).json()["rows"]
    assert [json.dumps(row, ensure_ascii=False) for row in rows[:2]] == out.splitlines()
    assert rows[2]["labels"] == []
    assert "Not a picture" in rows[2]["error"]


def test_a_chat_is_that_of_score(
    real: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("우리.txt").write_text(CHAT, "utf-8")
    files = [("chat", ("우리.txt", CHAT.encode(), "text/plain"))]
    code, out, _ = runner(capfd, "score")("우리.txt", "--format", "json")
    answer = real.call("POST", "/score", files=files)
    assert (code, answer.json()["conversations"]) == (0, [json.loads(out)])
    assert answer.json()["saved"] is None
    masked = real.call("POST", "/score", files=files, data={"mask": "true"}).text
    assert ("하린" in answer.text, "하린" in masked) == (True, False)
    first, again = (
        real.call("POST", "/score", files=files, data={"keep": "numbers"}, headers={"idempotency-key": "one"})
        for _ in range(2)
    )
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "고마워" not in json.dumps(real.get(f"/history/{first.json()['saved']}").json(), ensure_ascii=False)
    with site_of(real.client.app).database.reading() as db:  # type: ignore[arg-type]
        assert db.scalar(select(func.count()).where(Result.owner_id == real.user.id)) == 1
        assert "고마워" not in json.dumps(list(db.scalars(select(IdempotencyKey.body))), ensure_ascii=False)
    assert real.call("POST", "/score", files=[("chat", ("a.txt", b"\x00\x01", "text/plain"))]).status_code == 422


def test_only_valid_tokens_come_in(app: FastAPI, program: Caller, person: Browser) -> None:
    paths = ("/history", "/vocabularies", "/vocabularies/kote44", "/models", "/export", f"/history/{'x' * 22}")
    for path in paths:
        answer = person.get(PREFIX + path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.headers["content-type"] == PROBLEM
    for token in ("", "ce_", "ce_" + "x" * 43, program.token + "x", program.token[:-1]):
        assert program.get("/models").status_code == 200
        wrong = program.call("GET", "/models", headers={"authorization": f"Bearer {token}"})
        assert wrong.status_code == 401
    site = site_of(app)
    with site.database.reading() as db:
        kept = db.execute(select(User.locked).where(User.id == program.user.id)).all()
    assert kept == [(False,)]
    for locked, status in ((True, 401), (False, 200)):
        with site.database.writing() as db:
            db.execute(update(User).where(User.id == program.user.id).values(locked=locked))
        assert program.get("/models").status_code == status


def test_a_token_does_what_it_was_made_for(app: FastAPI) -> None:
    reader = Caller(app, "reader@example.org", "history")
    assert reader.get("/history").status_code == 200
    for method, path in (("POST", "/label"), ("POST", "/score"), ("GET", "/export"), ("DELETE", "/history/x")):
        answer = reader.call(method, path)
        assert answer.status_code == 403
        assert "insufficient_scope" in answer.headers["www-authenticate"]


def test_every_fault_is_a_problem(app: FastAPI, program: Caller) -> None:
    files = [("pictures", ("a.png", picture("red"), "image/png"))]
    asked = {
        400: ("POST", "/label", {"content": b"x", "headers": {"content-type": "multipart/form-data"}}),
        404: ("GET", "/nowhere", {}),
        405: ("PUT", "/label", {}),
        413: ("POST", "/history", {"content": b"x" * (2**20 + 1)}),
        415: ("POST", "/label", {"json": {"words": "red"}}),
        422: ("POST", "/label", {"files": files, "data": {"top": "many", "strange": "1"}}),
    }
    for status, (method, path, options) in asked.items():
        answer = program.call(method, path, **options)
        assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
        assert answer.json()["status"] == status
        assert answer.json()["title"]
    assert answer.json()["errors"][0]["at"] == ["body", "top"]
    for data, sent in (
        ({"words": "a", "vocabulary": "kote44"}, files),
        ({"words": " , "}, files),
        ({"vocabulary": "../basic7"}, files),
        ({"lang": "de"}, files),
        ({}, []),
        ({}, [("other", files[0][1])]),
        ({}, files * 51),
    ):
        answer = program.call("POST", "/label", data=data, files=sent or [("x", ("", b""))])
        assert answer.status_code in (400, 422), data
    for query in (
        {"cursor": "x"},
        {"cursor": "WzEsMl0="},
        {"since": "2026-01-01T00:00:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"limit": "0"},
        {"until": "1.5"},
        {"kind": "x"},
        {"limits": "5"},
    ):
        assert program.get("/history", **query).status_code == 422, query
    unread = program.get("/history", vocabulary="\0")
    assert (unread.status_code, unread.headers["content-type"]) == (400, PROBLEM)


def test_too_much_is_told_with_a_time_to_wait(tmp_path: Path) -> None:
    app = make_site(tmp_path, rates={"api-token": "2/hour", "api-upload": "1/hour"}, queue=1)
    first, other = Caller(app, "first@example.org"), Caller(app, "other@example.org")
    busy = other.label("red", "blue")
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "3")
    limited = other.label("red")
    assert (limited.status_code, limited.headers["content-type"]) == (429, PROBLEM)
    assert [first.get("/models").status_code for _ in range(3)] == [200, 200, 429]
    assert 0 < int(first.get("/models").headers["retry-after"]) <= 3600


def test_results_are_saved_listed_read_and_deleted(app: FastAPI, program: Caller) -> None:
    assert program.label("red", "blue").json()["saved"] == []
    saved = [
        key for colours in (("red", "blue"), ("green",)) for key in program.label(*colours, save=True).json()["saved"]
    ]
    assert len(saved) == 3
    page = program.get("/history", limit=2).json()
    rest = program.get("/history", limit=2, cursor=page["next"]).json()
    listed = page["items"] + rest["items"]
    assert ({one["id"] for one in listed}, rest["next"]) == (set(saved), None)
    assert listed[0]["leading"] == "green"
    assert [one["leading"] for one in program.get("/history", leading="blue").json()["items"]] == ["blue"]
    assert program.get("/history", since="2200-01-01T00:00:00Z").json()["items"] == []
    full = program.get(f"/history/{saved[0]}").json()
    assert full["payload"]["rows"][0]["labels"][0]["label"] == "red"
    stranger = Caller(app, "api-stranger@example.org")
    for method in ("GET", "DELETE"):
        assert stranger.call(method, f"/history/{saved[0]}").status_code == 404
    assert stranger.get("/history").json()["items"] == []
    assert stranger.get("/export").text == ""
    assert program.call("DELETE", f"/history/{saved[0]}").status_code == 204
    assert program.get(f"/history/{saved[0]}").status_code == 404
    with site_of(app).database.reading() as db:
        kept = set(db.scalars(select(Picture.file).where(Picture.owner_id == program.user.id)))
    assert len(kept) == 2
    assert kept <= {path.name for path in site_of(app).pictures.folder.iterdir()}


def test_history_goes_out_in_three_forms(app: FastAPI, program: Caller) -> None:
    program.label("red", "blue", save=True)
    with site_of(app).database.writing() as db:
        mine = Result.owner_id == program.user.id
        db.execute(update(Result).where(mine & (Result.leading == "red")).values(title="=cmd|calc", vocabulary="기쁨"))
    lines = [json.loads(line) for line in program.get("/export").text.splitlines()]
    table = program.get("/export", format="csv")
    cells = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    parquet = pq.read_table(io.BytesIO(program.get("/export", format="parquet").content)).to_pylist()
    assert table.content.startswith(b"\xef\xbb\xbf")
    assert [row["id"] for row in lines] == [unguarded(row["id"]) for row in cells] == [row["id"] for row in parquet]
    assert sorted(row["title"] for row in cells) == ["'=cmd|calc", "blue.png"]
    assert [json.loads(row["payload"]) for row in parquet] == [row["payload"] for row in lines]
    assert len(program.get("/export", vocabulary="기쁨").text.splitlines()) == 1


def test_a_write_with_a_key_is_done_once(app: FastAPI, program: Caller) -> None:
    first, again = (program.label("red", key="once", save=True) for _ in range(2))
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(program.get("/history").json()["items"]) == 1
    other = program.label("blue", key="once", save=True)
    assert (other.status_code, other.headers["content-type"]) == (422, PROBLEM)
    key = first.json()["saved"][0]
    gone = [program.call("DELETE", f"/history/{key}", headers={"idempotency-key": "gone"}) for _ in range(2)]
    assert [answer.status_code for answer in gone] == [204, 204]
    # What failed may be tried again with the same key.
    bad = program.call("DELETE", f"/history/{key}", headers={"idempotency-key": "again"})
    assert bad.status_code == 404
    assert program.label("red", key="again").status_code == 200
    stranger = Caller(app, "other-key@example.org")
    assert stranger.label("blue", key="once").json()["rows"][0]["labels"][0]["label"] == "blue"


def test_of_two_at_once_one_runs(app: FastAPI, program: Caller) -> None:
    database, inside, going = site_of(app).database, threading.Event(), threading.Event()
    done: list[int] = []

    def slow() -> dict[str, int]:
        inside.set()
        assert going.wait(10)
        done.append(1)
        return {"done": 1}

    # As the API would know this request, which comes while the first still runs.
    thread = threading.Thread(target=Write(database, program.user.id, "both", "asked").once, args=(slow,))
    thread.start()
    assert inside.wait(10)
    with database.writing() as db:
        db.execute(update(IdempotencyKey).where(IdempotencyKey.key == "both").values(request="asked"))
    answers = [Write(database, program.user.id, "both", "asked")]
    with pytest.raises(Exception, match="still runs") as told:
        answers[0].once(slow)
    assert told.value.headers == {"retry-after": "2"}  # type: ignore[attr-defined]
    conflict = program.label("red", key="both")
    assert conflict.status_code == 422  # another request under a key that runs
    going.set()
    thread.join()
    assert answers[0].once(slow) == ({"done": 1}, True)
    assert done == [1]


def test_a_killed_request_does_not_block_its_key_for_ever(app: FastAPI, program: Caller) -> None:
    with site_of(app).database.writing() as db:
        old = now() - 2 * ABANDONED
        db.add(IdempotencyKey(owner_id=program.user.id, key="killed", request="x", created=old))
    assert program.label("red", key="killed").status_code == 200
    with site_of(app).database.writing() as db:
        db.execute(update(IdempotencyKey).values(created=now() - 2 * KEPT))
    assert program.label("blue", key="killed").status_code == 200


@sqlite_alone
def test_tokens_are_kept_hashed(app: FastAPI) -> None:
    user = add_account(app, "hashed@example.org")
    token = token_of(app, user)
    raw = (site_of(app).settings.data / "site.db").read_bytes()
    raw += (site_of(app).settings.data / "site.db-wal").read_bytes()
    assert token.encode() not in raw
    assert hashed(token).encode() in raw


def test_words_and_models(program: Caller) -> None:
    listed = {one["name"]: one["count"] for one in program.get("/vocabularies").json()["items"]}
    assert listed["kote44"] == 44
    one = program.get("/vocabularies/kote44").json()
    assert len(one["labels"]) == 44
    assert set(one["labels"][0]["names"]) == {"ko", "en"}
    assert program.get("/vocabularies/nothing").status_code == 404
    assert program.get("/models").json()["items"][0]["languages"] == ["ko", "en"]


def test_the_description_for_programs_and_for_people(program: Caller, visitor: Browser) -> None:
    description = visitor.get(f"{PREFIX}/openapi.json").json()
    page = visitor.get("/api")
    assert page.status_code == 200
    for path, methods in description["paths"].items():
        assert path in page.text
        for operation in methods.values():
            assert operation["responses"]["401"]["content"][PROBLEM]["schema"]["$ref"].endswith("/Problem")
            assert set(operation["security"][0]) == {"token"}
    assert "<script>" not in page.text
    assert "style=" not in page.text
