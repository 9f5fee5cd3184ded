"""Chats: an export in, the page of ``score --report`` out; its text is kept only where that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.responses import Response

from clip_emotion.errors import DataError
from clip_emotion.web.database.owned import owned
from clip_emotion.web.database.tables import SCORE, Document, Result
from clip_emotion.web.forms import shown_name
from clip_emotion.web.history import delete_one
from clip_emotion.web.keeping import keep_scored
from clip_emotion.web.reports import Report, report_of
from clip_emotion.web.showing import chat_fault
from clip_emotion.web.visits import Own, Posted, Visit, own_pages
from scoring import ReadOptions, anonymised
from scoring.readers.layouts import AUTO, LAYOUTS
from scoring.readers.written_dates import ORDERS

KEEP = ("numbers", "text", "nothing")
"""What is kept of a chat: the numbers, also what was said, or nothing."""
CHOSEN_LAYOUTS = (AUTO, *LAYOUTS)
CHOSEN_ORDERS = ("", *ORDERS)
"""Orders of dates to choose from where a file does not tell; the first is its own."""
SUFFIXES = (".txt", ".csv", ".jsonl", ".json", ".tsv", ".zip", ".eml", ".xml", ".html")
router = own_pages()


@router.get("/score")
def score_form(visit: Own) -> Response:
    """Ask for a chat export."""
    return ask(visit)


def ask(visit: Visit, status: int = 200, fault: str | None = None) -> Response:
    """Answer with the form that asks for a chat."""
    return visit.page("score.html.j2", status, fault=fault, layouts=CHOSEN_LAYOUTS, orders=CHOSEN_ORDERS)


@router.post("/score")
def score(visit: Own, form: Posted) -> Response:
    """Score a chat and show its page in the answer itself, so that its text is kept nowhere unless asked for."""
    site, files = visit.site, form.files("chat")
    visit.count_upload()
    if not files:
        return ask(visit, 422, "score.no_chat")
    name = shown_name(files[0].filename)
    suffix = PurePath(name).suffix.lower()
    plain = f"chat{suffix if suffix in SUFFIXES else '.txt'}"
    order = form.choice("date_order", CHOSEN_ORDERS)
    reading = ReadOptions(form.choice("layout", CHOSEN_LAYOUTS), order or None)
    try:
        scores = site.scoring.score(files[0].file.read(), plain, visit.language, reading)
    except DataError as error:
        return ask(visit, 422, chat_fault(error, visit.language))
    chosen = replace(scores[0], name=name)
    chosen = anonymised(chosen) if form.ticked("mask") else chosen
    kept = form.choice("keep", KEEP)
    key = None if kept == "nothing" else keep_scored(site, visit.user, chosen, text=kept == "text")
    return show(visit, report_of(chosen, site.settings.temporary), key, more=len(scores) - 1)


@router.get("/score/{key}")
def scored(visit: Own, key: str) -> Response:
    """Show the page of a chat that was kept."""
    with visit.site.database.reading() as db:
        result = owned(db, Result, key, visit.user)
        page = select(Document).where(Document.result_id == result.id, Document.kind == "page")
        document = db.scalars(page).one_or_none()
    if document is None:
        raise HTTPException(404)
    return show(visit, Report.unpacked(document.content), key)


@router.post("/score/{key}/delete")
def forget(visit: Own, key: str) -> Response:
    """Delete a chat that was kept."""
    delete_one(visit.site, visit.user, key, SCORE)
    return visit.redirect("/score", "score.deleted")


def show(visit: Visit, report: Report, key: str | None, more: int = 0) -> Response:
    """Answer with a chat's page inside the site's, its style allowed by its hash."""
    response = visit.page("scored.html.j2", report=report, key=key, more=more)
    response.headers["content-security-policy"] = report.policy
    return response
