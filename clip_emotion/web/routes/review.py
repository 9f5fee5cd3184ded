"""Review: a picture after the other, each with a key a word; and what was agreed on as a data set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from clip_emotion.errors import DataError
from clip_emotion.retrieval.exports.options import ExportOptions, Origin
from clip_emotion.web import reviewing
from clip_emotion.web.database.tables import Picture
from clip_emotion.web.downloads import ZIP, draft, send
from clip_emotion.web.exporting import FORMATS, PARTS, count_agreed, write_export
from clip_emotion.web.naming import word_names
from clip_emotion.web.security.trail import record
from clip_emotion.web.showing import card
from clip_emotion.web.visits import Own, Posted, Visit, own_pages

KEYS = 5
"""Words that have a key of their own, 1 to 5."""
OTHER, NONE = "other", "none"
LICENCES = ("cc-by-4.0", "cc-by-nc-4.0", "cc0-1.0", "")
router = own_pages()


@router.get("/review")
def queue(visit: Own, after: str = "") -> Response:
    """Show the next picture that nobody reviewed."""
    with visit.site.database.reading() as db:
        picture = reviewing.waiting(db, visit.user.id, _key(after))
    return _page(visit, picture, skipped=bool(after))


@router.post("/review/undo")
def undo(visit: Own) -> Response:
    """Take back the last review, and show its picture again."""
    with visit.site.database.writing() as db:
        key = reviewing.last_reviewed(db, visit.user.id)
        if key is None:
            return visit.redirect("/review", "review.nothing_to_undo")
        reviewing.take_back(reviewing.picture_of(db, visit.user, key))
    return visit.redirect(f"/review/{key}", "review.undone")


@router.get("/review/export")
def export_form(visit: Own) -> Response:
    """Ask how what was agreed on is to be exported."""
    return _export_form(visit)


@router.post("/review/export")
def export(visit: Own, form: Posted) -> Response:
    """Send what was agreed on as a .zip."""
    visit.site.rates.count("export-account", visit.user.id)
    sources = tuple(line.strip() for line in form.text("sources").splitlines() if line.strip())
    origin = Origin(form.text("title", 120), sources, form.choice("licence", LICENCES), form.text("about"))
    options = ExportOptions(part=form.choice("part", PARTS), origin=origin)
    format = form.choice("format", FORMATS)
    try:
        with draft(visit.site.settings.temporary, ".zip") as path:
            write_export(visit.site, visit.user, format, options, path)
            with visit.site.database.writing() as db:
                record(db, "pictures.exported", visit.user.id)
            return send(path, ZIP, f"faces-{format}.zip")
    except DataError:
        return _export_form(visit, 422, fault="review.nothing_agreed")


@router.get("/review/{key}")
def one(visit: Own, key: str) -> Response:
    """Show a picture to be reviewed, or reviewed anew."""
    with visit.site.database.reading() as db:
        picture = reviewing.picture_of(db, visit.user, _key(key))
    return _page(visit, picture)


@router.post("/review/{key}")
def settle(visit: Own, form: Posted, key: str) -> Response:
    """Note a person's word for a picture, and show the next one."""
    pick = form.text("pick", reviewing.LONGEST)
    with visit.site.database.writing() as db:
        picture = reviewing.picture_of(db, visit.user, _key(key))
        known = {word for word, _ in reviewing.candidates(picture.result, visit.language)}
        given = pick.removeprefix("word:")
        word = given if given != pick and given in known else reviewing.word_of(picture.result, form.text("word"))
        if word is None and pick != NONE:
            return visit.redirect(f"/review/{picture.id}", "review.no_word")
        reviewing.settle(picture, None if pick == NONE else word, visit.user)
    return visit.redirect("/review")


def _page(visit: Visit, picture: Picture | None, *, skipped: bool = False) -> Response:
    with visit.site.database.reading() as db:
        progress = reviewing.progress(db, visit.user.id)
        last = reviewing.last_reviewed(db, visit.user.id)
    values: dict[str, Any] = {"progress": progress, "last": last, "skipped": skipped}
    if picture is None:
        return visit.page("review_done.html.j2", **values)
    result = picture.result
    source, size = f"/pictures/{picture.id}", (picture.width, picture.height)
    shown = card(result.payload["rows"], source, size, result.family, visit.language, result.id)
    words, names = reviewing.candidates(result, visit.language), word_names(result.vocabulary, visit.language)
    return visit.page(
        "review.html.j2", picture=picture, result=result, card=replace(shown, faces=shown.faces[:1]),
        words=words[:KEYS], shares=shown.faces[0].bars if shown.faces else (),
        all_words=[*names.values()], answer=names.get(picture.corrected or "", picture.corrected), **values,
    )  # fmt: skip


def _export_form(visit: Visit, status: int = 200, **values: object) -> Response:
    return visit.page(
        "review_export.html.j2", status, count=count_agreed(visit.site, visit.user), formats=FORMATS, parts=PARTS,
        licences=LICENCES, **values,
    )  # fmt: skip


def _key(text: str) -> str:
    """Return a key as databases take it; raises HTTPException with 404 for a text that can be none."""
    if len(text) > 22 or not text.isprintable():
        raise HTTPException(404)
    return text
