"""History: every result, filtered and page by page; one of them; and their deletion."""

from __future__ import annotations

from urllib.parse import urlencode

from sqlalchemy import ColumnElement
from sqlalchemy.orm import selectinload, undefer
from starlette.responses import Response

from clip_emotion.web import history
from clip_emotion.web.database.owned import owned
from clip_emotion.web.database.tables import INTERVIEW, LABEL, SCORE, Result
from clip_emotion.web.history import KINDS, Filter
from clip_emotion.web.naming import ORDER, family_name, word_names
from clip_emotion.web.security.trail import record
from clip_emotion.web.showing import shown
from clip_emotion.web.visits import Own, Posted, Visit, own_pages

PATHS = {LABEL: "/history", SCORE: "/score", INTERVIEW: "/interview"}
"""Where one result of a kind is shown."""
router = own_pages()


@router.get("/history")
def listed(visit: Own, after: str = "") -> Response:
    """Show the results that a filter means, the newest first."""
    chosen = Filter.of(visit.request.query_params)
    with visit.site.database.reading() as db:
        page = history.page_of(db, visit.user.id, chosen, after)
        pictures = history.first_pictures(db, page.results)
        count = history.count_of(db, visit.user.id, chosen)
        vocabularies = history.vocabularies_of(db, visit.user.id)
    families = [(key, family_name(key, visit.language)) for key in ORDER]
    older = urlencode({**chosen.query, "after": page.after}) if page.after else None
    return visit.page(
        "history.html.j2", chosen=chosen, results=page.results, pictures=pictures, count=count, older=older,
        kinds=KINDS, vocabularies=vocabularies, families=families, paths=PATHS, paged=bool(after),
        query=urlencode(chosen.query),
    )  # fmt: skip


@router.post("/history")
def change(visit: Own, form: Posted) -> Response:
    """Delete one result, or delete or save those that are ticked."""
    one = form.text("one", 40)
    keys = [one] if one else form.texts("picked", 40)
    back = Filter.of({name: form.text(name) for name in form.data}).query
    if not keys:
        return visit.redirect("/history", "history.none_picked", **back)
    which = history.among(visit.user.id, keys)
    if not one and form.choice("do", ("delete", "save")) == "save":
        with visit.site.database.writing() as db:
            history.save_results(db, which)
            record(db, "results.saved", visit.user.id)
        return visit.redirect("/history", "history.saved")
    _delete(visit, which)
    return visit.redirect("/history", "history.deleted", **back)


@router.get("/history/delete")
def confirm(visit: Own) -> Response:
    """Ask before all results of a filter are deleted."""
    chosen = Filter.of(visit.request.query_params)
    with visit.site.database.reading() as db:
        count = history.count_of(db, visit.user.id, chosen)
    return visit.page("history_delete.html.j2", chosen=chosen, count=count, query=urlencode(chosen.query))


@router.post("/history/delete")
def delete_all(visit: Own, form: Posted) -> Response:
    """Delete all results of a filter, after they were counted and confirmed."""
    chosen = Filter.of({name: form.text(name) for name in form.data})
    if not form.ticked("sure"):
        return visit.redirect(f"/history/delete?{urlencode(chosen.query)}", "history.not_sure")
    _delete(visit, chosen.where(visit.user.id))
    return visit.redirect("/history", "history.deleted")


@router.get("/history/{key}")
def one(visit: Own, key: str) -> Response:
    """Show one labelled picture; a chat and an interview have pages of their own."""
    with visit.site.database.reading() as db:
        result = owned(db, Result, key, visit.user, undefer(Result.payload), selectinload(Result.pictures))
    if result.kind != LABEL:
        return visit.redirect(f"{PATHS[result.kind]}/{result.id}")
    names = word_names(result.vocabulary, visit.language)
    corrected = [names.get(one.corrected, one.corrected) for one in result.pictures if one.corrected]
    return visit.page("history_one.html.j2", result=result, card=shown(result, visit.language), corrected=corrected)


def _delete(visit: Visit, which: ColumnElement[bool]) -> None:
    with visit.site.database.writing() as db:
        files = history.delete_results(db, which)
        record(db, "results.deleted", visit.user.id)
    visit.site.pictures.remove(files)
