"""Labelling: pictures in, ranked words beside them, saved or discarded."""

from __future__ import annotations

from sqlalchemy import update
from starlette.responses import Response

from clip_emotion.errors import UsageError
from clip_emotion.web.database.tables import Result
from clip_emotion.web.history import delete_results
from clip_emotion.web.keeping import keep_labelled, of_batch
from clip_emotion.web.labelling import Asked, chosen_words
from clip_emotion.web.security.trail import record
from clip_emotion.web.showing import shown, words_fault
from clip_emotion.web.sweeping import sweep_unsaved
from clip_emotion.web.visits import Own, Posted, Visit, own_pages
from clip_emotion.web.wording import OFFERED, offers

TOPS = ("5", "3", "10")
router = own_pages()


@router.get("/label")
def label_form(visit: Own) -> Response:
    """Ask for pictures and words."""
    return _form(visit)


@router.post("/label")
def label(visit: Own, form: Posted) -> Response:
    """Label pictures and lead to their results, which stay for an hour unless they are saved."""
    site, uploads = visit.site, form.pictures("pictures")
    visit.count_upload()
    if not uploads:
        return _form(visit, 422, fault="label.no_picture")
    if len(uploads) > site.settings.most_pictures:
        return _form(visit, 422, fault=visit.t("label.too_many", count=site.settings.most_pictures))
    own = form.text("words")
    try:
        vocabulary = chosen_words(form.choice("vocabulary", OFFERED), own)
        asked = Asked(vocabulary, "auto" if own.strip() else visit.language, int(form.choice("top", TOPS)))
        labelled = site.labelling.label(uploads, asked, site.pictures.coded)
    except UsageError as error:
        return _form(visit, 422, fault=words_fault(error, visit.language), own=own)
    sweep_unsaved(site)
    batch = keep_labelled(site, visit.user, vocabulary, visit.language, labelled)
    return visit.redirect(f"/label/{batch}")


@router.get("/label/{batch}")
def results(visit: Own, batch: str) -> Response:
    """Show the results of one upload."""
    with visit.site.database.reading() as db:
        found = of_batch(db, visit.user, batch)
    cards = [shown(result, visit.language) for result in found]
    return visit.page("labelled.html.j2", batch=batch, cards=cards, saved=found[0].saved)


@router.post("/label/{batch}")
def settle(visit: Own, form: Posted, batch: str) -> Response:
    """Save or discard the results of one upload; those without words go either way."""
    mine = (Result.owner_id == visit.user.id) & (Result.batch == batch)
    saving = form.choice("do", ("discard", "save")) == "save"
    gone = mine & Result.leading.is_(None) if saving else mine
    with visit.site.database.writing() as db:
        of_batch(db, visit.user, batch)
        files = delete_results(db, gone)
        db.execute(update(Result).where(mine).values(saved=True))
        record(db, "results.saved" if saving else "results.discarded", visit.user.id, batch)
    visit.site.pictures.remove(files)
    return visit.redirect("/label", "label.saved" if saving else "label.discarded")


def _form(visit: Visit, status: int = 200, own: str = "", **values: object) -> Response:
    most = visit.site.settings.most_pictures
    return visit.page("label.html.j2", status, offers=offers(visit.language), most=most, tops=TOPS, own=own, **values)
