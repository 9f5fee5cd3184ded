"""History and dashboard: filters, pages, deletions, counts; and that their queries read indexes alone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from clip_emotion.web.charts import marks, nice, stacked
from clip_emotion.web.counting import counts_of
from clip_emotion.web.database.tables import SCORE, Result, User, now
from clip_emotion.web.history import Filter, count_of, first_pictures, page_of, vocabularies_of
from tests.support.postgres import sqlite_alone
from tests.support.site import Browser, site_of
from tests.support.site_results import plans, result, user_of
from tests.web.test_label_pages import files_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def owner(app: FastAPI, person: Browser, request: pytest.FixtureRequest) -> User:
    return user_of(site_of(app), f"{abs(hash(request.node.nodeid))}@example.org")


def write(app: FastAPI, *results: Result) -> list[str]:
    with site_of(app).database.writing() as db:
        db.add_all(results)
    return [one.id for one in results]


def listed(person: Browser, query: str = "") -> list[str]:
    return re.findall(r'name="picked" value="([^"]+)"', person.get(f"/history{query}").text)


def left(app: FastAPI, owner: User) -> int:
    with site_of(app).database.reading() as db:
        return db.scalar(select(func.count()).select_from(Result).where(Result.owner_id == owner.id)) or 0


def test_filters_choose_by_each_fact(app: FastAPI, person: Browser, owner: User) -> None:
    happy, chat, kote, unsaved, early = write(
        app,
        result(owner, NOON),
        result(owner, NOON + timedelta(minutes=1), kind=SCORE, title="<b>chat</b>", family=None, leading="serious"),
        result(owner, NOON + timedelta(minutes=2), vocabulary="kote44", leading="joy", leading_name="기쁨"),
        result(owner, NOON + timedelta(minutes=3), saved=False, words=("sad",)),
        result(owner, NOON - timedelta(days=10), vocabulary="own", leading="설렘", leading_name="설렘", family=None),
    )
    assert listed(person) == [kote, chat, happy, early]
    assert "&lt;b&gt;chat&lt;/b&gt;" in person.get("/history").text
    for query, wanted in {
        "?kind=score": [chat],
        "?vocabulary=kote44": [kote],
        "?vocabulary=own": [early],
        "?word=happy": [kote, happy],
        "?word=설렘": [early],
        "?word=기쁨": [kote, happy],
        "?word=none": [],
        "?family=happy": [kote, happy],
        "?family=other": [chat, early],
        "?begin=2026-03-02": [kote, chat, happy],
        "?end=2026-03-01": [early],
        "?begin=2026-02-20&end=2026-02-20": [early],
        "?saved=no": [unsaved],
        "?kind=nonsense&begin=9999-12-31x&family=%01&after=nonsense": [kote, chat, happy, early],
    }.items():
        assert listed(person, query) == wanted, query
    with site_of(app).database.reading() as db:
        assert vocabularies_of(db, owner.id) == ["basic8", "kote44", "own"]


def test_a_word_is_found_by_its_name_in_either_language(app: FastAPI, person: Browser, owner: User) -> None:
    (one,) = write(app, result(owner))
    assert listed(person, "?word=행복") == listed(person, "?word=HAPPY") == [one]


def test_pages_follow_each_other_and_none_is_left_out(app: FastAPI, owner: User) -> None:
    same = [result(owner, NOON) for _ in range(5)]
    keys = write(app, *same, *(result(owner, NOON - timedelta(days=day)) for day in range(1, 5)))
    with site_of(app).database.reading() as db:
        cursor, found = "", []
        for _ in range(20):
            page = page_of(db, owner.id, Filter(), cursor, size=2)
            found += [one.id for one in page.results]
            if page.after is None:
                break
            cursor = page.after
        assert found == [*sorted(keys[:5], reverse=True), *keys[5:]]
        for strange in ("AAAA", "!" * 500, "MjAyNiB4", "9" * 30, "\x00"):
            assert len(page_of(db, owner.id, Filter(), strange, 9).results) == 9


def test_what_is_picked_is_deleted_and_nothing_else(app: FastAPI, person: Browser, owner: User) -> None:
    rows = [result(owner, NOON - timedelta(hours=hour), picture=True, words=("red",)) for hour in range(3)]
    files = {row.pictures[0].file for row in rows}
    for name in files:
        (site_of(app).pictures.folder / name).write_bytes(b"a picture")
    first, second, third = write(app, *rows)
    stranger = Browser(app).sign_up("picks@example.org")
    stranger.post("/history", {"one": first})
    stranger.post("/history", {"picked": [second, third], "do": "delete"})
    assert stranger.get(f"/history/{first}").status_code == 404
    assert left(app, owner) == 3
    assert person.post("/history", {"do": "delete"}).headers["location"].endswith("said=history.none_picked")
    assert person.post("/history", {"one": first, "picked": [second], "word": "red"}).headers["location"] == (
        "/history?word=red&said=history.deleted"
    )
    assert listed(person) == [second, third]
    person.post("/history", {"picked": [second, third, "nothing"], "do": "delete"})
    assert left(app, owner) == 0
    assert not files & files_of(app)


def test_all_of_a_filter_go_after_a_confirmation_alone(app: FastAPI, person: Browser, owner: User) -> None:
    write(app, result(owner), result(owner, words=("sad",)), result(owner, words=("sad",), saved=False))
    page = person.get("/history/delete?family=sad")
    assert "1 result goes with its pictures" in page.text
    assert 'name="family" value="sad"' in page.text
    assert (
        person.post("/history/delete", {"family": "sad"}).headers["location"].startswith("/history/delete?family=sad")
    )
    assert left(app, owner) == 3
    person.post("/history/delete", {"family": "sad", "sure": "1"})
    assert left(app, owner) == 2
    assert listed(person, "?saved=no") != []


def test_unsaved_results_are_saved_from_the_list(app: FastAPI, person: Browser, owner: User) -> None:
    (one,) = write(app, result(owner, saved=False))
    person.post("/history", {"picked": [one], "do": "save"})
    assert listed(person) == [one]


def test_one_result_has_its_page(app: FastAPI, person: Browser, owner: User) -> None:
    picture, chat = write(app, result(owner, picture=True), result(owner, kind=SCORE))
    page = person.get(f"/history/{picture}").text
    assert "<bdi>neutral</bdi>" in page
    assert f'name="one" value="{picture}"' in page
    assert person.get(f"/history/{chat}").headers["location"] == f"/score/{chat}"
    assert person.get("/history/nothing").status_code == 404


def test_a_correction_is_named_in_the_visitors_language(app: FastAPI, person: Browser, owner: User) -> None:
    made = result(owner, picture=True, vocabulary="kote44", leading="joy")
    made.pictures[0].corrected = "없음"
    (key,) = write(app, made)
    assert "A person said: no emotion" in person.get(f"/history/{key}").text


def test_deleting_everything_names_no_filter_where_none_is_set(app: FastAPI, person: Browser, owner: User) -> None:
    write(app, result(owner))
    assert "Delete the one result" in person.get("/history").text
    assert "Delete the one of this filter" in person.get("/history?vocabulary=basic8").text


def test_the_dashboard_counts_by_time_and_by_vocabulary(app: FastAPI, person: Browser, owner: User) -> None:
    today = now()
    write(
        app,
        *(result(owner, today, words=("happy",)) for _ in range(3)),
        result(owner, today - timedelta(days=8), words=("sad",)),
        result(owner, today - timedelta(days=8), words=("설렘",), family=None, vocabulary="own"),
        result(owner, today - timedelta(days=200), words=("angry",)),
        result(owner, today, kind=SCORE),
        result(owner, today, saved=False),
    )
    with site_of(app).database.reading() as db:
        counts = counts_of(db, owner.id, "90", "day")
        every = counts_of(db, owner.id, "all", "week")
    assert [column.total for column in counts.columns] == [2, *[0] * 7, 3]
    assert counts.families == {"happy": 3, "sad": 1, "other": 1}
    assert counts.words == {"basic8": {"happy": 3, "sad": 1}, "own": {"설렘": 1}}
    assert every.families["angry"] == 1
    assert all(column.begin.weekday() == 0 for column in every.columns)
    page = person.get("/dashboard?unit=day").text
    assert "5 pictures" in page
    assert re.search(r"<th scope=\"row\"[^>]*>" + today.date().isoformat() + r"</th>.*?>3</td>", page)
    assert "vocabulary=own&amp;word=%EC%84%A4%EB%A0%98" in page
    assert not re.search(r"<style|<script(?![^>]* src=)| style=| on[a-z]+=", page + person.get("/history").text)
    assert "No picture was saved" in Browser(app).sign_up("nothing@example.org").get("/dashboard?period=x").text


def test_years_of_days_are_counted_by_the_week(app: FastAPI, owner: User) -> None:
    write(app, result(owner), result(owner, now() - timedelta(days=500)), result(owner, NOON - timedelta(days=9000)))
    with site_of(app).database.reading() as db:
        counts = counts_of(db, owner.id, "all", "day")
    assert counts.unit == "week"
    assert len(counts.columns) == 530
    assert counts.total == 2


def test_bars_stand_on_each_other_and_fill_the_height() -> None:
    chart = stacked([{"a": 1, "b": 3}, {}, {"b": 2}], ("a", "b"))
    assert chart.ticks == ("5", "2.5", "0")
    assert chart.width == 30
    assert chart.paths == {
        "a": "M1 100.0v-20.0h8v20.0z",
        "b": "M1 80.0v-60.0h8v60.0zM21 100.0v-40.0h8v40.0z",
    }
    assert [nice(value) for value in (0, 1, 3, 10, 11, 5001)] == [1, 1, 5, 10, 20, 10000]
    days = [date(2026, 1, day).isoformat() for day in range(1, 30)]
    assert marks(days) == ["2026-01-01", "2026-01-15", "2026-01-29"]
    assert marks(days[:2]) == days[:2]


@sqlite_alone
def test_lists_and_counts_read_indexes_alone(app: FastAPI, owner: User) -> None:
    write(app, *(result(owner, NOON - timedelta(hours=hour), picture=True) for hour in range(40)))
    chosen = Filter(family="happy", vocabulary="basic8", word="happy", kind="label", begin="2026-01-01")
    with site_of(app).database.reading() as db, plans(site_of(app)) as found:
        after = page_of(db, owner.id, Filter(), "", 5).after or ""
        page = page_of(db, owner.id, chosen, after, 5)
        count_of(db, owner.id, chosen)
        vocabularies_of(db, owner.id)
        counts_of(db, owner.id, "all", "week")
        counts_of(db, owner.id, "365", "day")
        first_pictures(db, page.results)
    assert len(found) >= 14
    assert all("SCAN" not in plan and "ORDER BY" not in plan for plan in found), found
    assert sum("COVERING INDEX ix_results_listed" in plan for plan in found) == 3
    assert sum("COVERING INDEX ix_results_counted" in plan for plan in found) >= 3
