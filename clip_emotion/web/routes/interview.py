"""Interview rehearsals: pictures in their order in, a report of how the face looked out, printed if that is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import selectinload, undefer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from clip_emotion.errors import DataError, UsageError, VideoError
from clip_emotion.html import data_uri
from clip_emotion.web.database.owned import owned
from clip_emotion.web.database.tables import INTERVIEW, Picture, Result
from clip_emotion.web.forms import Form, shown_name
from clip_emotion.web.history import delete_one
from clip_emotion.web.interview.clips import clips_are_read, frames_of_clip
from clip_emotion.web.interview.frames import Frame, frames_of
from clip_emotion.web.interview.making import TITLE, begun, make, questions_of
from clip_emotion.web.interview.printing import chromium, pdf_of
from clip_emotion.web.interview.showing import report_of
from clip_emotion.web.labelling import chosen_words
from clip_emotion.web.pages import assets, render
from clip_emotion.web.showing import words_fault
from clip_emotion.web.visits import Own, Posted, Visit, own_pages
from clip_emotion.web.wording import OFFERED, offers

router = own_pages()


@router.get("/interview")
def interview_form(visit: Own) -> Response:
    """Ask for the pictures of a rehearsal."""
    return _form(visit)


@router.post("/interview")
def interview(visit: Own, form: Posted) -> Response:
    """Make the report of a rehearsal, of a clip or of pictures, and lead to it."""
    site, uploads, clips = visit.site, form.pictures("pictures"), form.files("clip")
    visit.count_upload()
    if not uploads and not clips:
        return _form(visit, 422, fault="label.no_picture")
    if len(uploads) > site.settings.most_pictures:
        return _form(visit, 422, fault=visit.t("label.too_many", count=site.settings.most_pictures))
    try:
        if clips:
            with frames_of_clip(shown_name(clips[0].filename), clips[0].file, site.settings) as read:
                return _made(visit, form, read)
        frames = frames_of(uploads, form.text("times"), form.text("every", 20), by_name=form.ticked("by_name"))
    except ValueError:
        return _form(visit, 422, fault="interview.times_wrong")
    except VideoError:
        return _form(visit, 422, fault="interview.no_clip")
    return _made(visit, form, frames)


def _made(visit: Visit, form: Form, frames: Iterable[Frame]) -> Response:
    own = form.text("words")
    title = form.text("title", 120).strip() or visit.t("interview.title")
    try:
        vocabulary = chosen_words(form.choice("vocabulary", OFFERED), own)
        key = make(visit.site, visit.user, frames, vocabulary, "auto" if own.strip() else visit.language, title)
    except UsageError as error:
        return _form(visit, 422, fault=words_fault(error, visit.language), own=own)
    except VideoError:
        raise
    except DataError:
        return _form(visit, 422, fault="interview.no_face")
    return visit.redirect(f"/interview/{key}")


@router.get("/interview/{key}")
def report(visit: Own, key: str) -> Response:
    """Show the report of a rehearsal."""
    result = _result(visit, key)
    made = report_of(result, visit.language, lambda picture: f"/pictures/{picture.id}/thumbnail")
    lines = _lines(result.payload)
    return visit.page("interview_report.html.j2", result=result, report=made, lines=lines, printer=bool(chromium()))


@router.post("/interview/{key}/cut")
def cut(visit: Own, form: Posted, key: str) -> Response:
    """Cut a rehearsal into questions: at the pictures that are ticked, or as lines tell."""
    with visit.site.database.writing() as db:
        result = owned(db, Result, key, visit.user, undefer(Result.payload))
        if result.kind != INTERVIEW:
            raise HTTPException(404)
        frames = result.payload["frames"]
        try:
            if form.choice("do", ("lines", "ticks")) == "lines":
                questions = questions_of(form.text("questions", 4000), frames)
            else:
                titles = dict(result.payload["questions"])
                ticked = [int(one) for one in form.texts("begins", 6) if one.isascii() and one.isdigit()]
                questions = begun({one: titles.get(one, "")[:TITLE] for one in (0, *ticked)}, len(frames))
        except ValueError:
            return visit.redirect(f"/interview/{result.id}", "interview.lines_wrong")
        result.payload = {**result.payload, "questions": questions}
    return visit.redirect(f"/interview/{key}", "interview.was_cut")


@router.post("/interview/{key}/pdf")
def as_pdf(visit: Own, key: str) -> Response:
    """Send the report as PDF, printed by the machine's Chromium."""
    visit.site.rates.count("export-account", visit.user.id)
    result = _result(visit, key, undefer_thumbnails=True)
    made = report_of(result, visit.language, lambda picture: data_uri(picture.thumbnail, "image/webp"))
    sheet = "".join(assets()[name].content.decode("utf-8") for name in ("house.css", "site.css", "charts.css"))
    page = render("interview_print.html.j2", visit, {"result": result, "report": made, "sheet": sheet})
    headers = {"content-disposition": f'attachment; filename="interview-{result.day.isoformat()}.pdf"'}
    return Response(pdf_of(page, visit.site.settings.temporary), media_type="application/pdf", headers=headers)


@router.post("/interview/{key}/delete")
def forget(visit: Own, key: str) -> Response:
    """Delete a report with its pictures."""
    delete_one(visit.site, visit.user, key)
    return visit.redirect("/interview", "interview.deleted")


def _result(visit: Visit, key: str, *, undefer_thumbnails: bool = False) -> Result:
    pictures = selectinload(Result.pictures)
    loading = pictures.undefer(Picture.thumbnail) if undefer_thumbnails else pictures
    with visit.site.database.reading() as db:
        result = owned(db, Result, key, visit.user, undefer(Result.payload), loading)
    if result.kind != INTERVIEW:
        raise HTTPException(404)
    return result


def _lines(payload: dict[str, Any]) -> str:
    """Return the questions as the lines that would cut them so."""
    return "\n".join(f"#{begin + 1} {title}".strip() for begin, title in payload["questions"])


def _form(visit: Visit, status: int = 200, own: str = "", **values: object) -> Response:
    known = {"offers": offers(visit.language), "most": visit.site.settings.most_pictures, "clips": clips_are_read()}
    return visit.page("interview.html.j2", status, own=own, **known, **values)
