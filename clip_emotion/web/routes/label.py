"""Labelling: pictures in, ranked words beside them, saved or discarded."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload, undefer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from clip_emotion.errors import UsageError
from clip_emotion.vocabulary import Vocabulary
from clip_emotion.web.database.tables import LABEL, Result, User, random_key
from clip_emotion.web.history import delete_results
from clip_emotion.web.labelling import Asked, Labelled, chosen_words
from clip_emotion.web.pictures import Kept
from clip_emotion.web.security.trail import record
from clip_emotion.web.showing import Card, card, words_fault
from clip_emotion.web.site import Site
from clip_emotion.web.sweeping import sweep_unsaved
from clip_emotion.web.visits import Own, Posted, Visit, own_pages
from clip_emotion.web.wording import OFFERED, family_of, offers

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
    batch = keep(site, visit.user, vocabulary, visit.language, labelled)
    return visit.redirect(f"/label/{batch}")


def keep(
    site: Site,
    owner: User,
    vocabulary: Vocabulary,
    language: str,
    labelled: Sequence[Labelled[Kept]],
    *,
    saved: bool = False,
) -> str:
    """Write the results of one upload with their pictures, and return what they share, their batch."""
    batch = random_key()
    results = [result_of(site, owner, vocabulary, language, one) for one in labelled]
    files: list[str] = []
    try:
        for place, (result, one) in enumerate(zip(results, labelled, strict=True)):
            result.batch, result.saved = batch, saved
            if one.kept is not None:
                result.pictures.append(site.pictures.row(one.kept, owner.id, one.name, place))
                files.append(result.pictures[0].file)
        with site.database.writing() as db:
            db.add_all(results)
    except BaseException:
        site.pictures.remove(files)
        raise
    return batch


def result_of(site: Site, owner: User, vocabulary: Vocabulary, language: str, one: Labelled[Kept]) -> Result:
    """Return the row of a labelled picture, not yet written; its picture is not yet with it."""
    best = one.predictions[0].best
    encoder = site.labelling.encoder
    return Result(
        owner_id=owner.id, kind=LABEL, title=one.name, vocabulary=vocabulary.name, language=language,
        model=encoder.name, fingerprint=encoder.fingerprint, payload={"rows": list(one.rows)},
        leading=best.key[:80] if best else None, leading_name=best.name[:80] if best else None,
        family=family_of(vocabulary, best.key) if best else None, measure=best.probability if best else None,
    )  # fmt: skip


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


def of_batch(db: Session, owner: User, batch: str) -> list[Result]:
    """Return the owner's results of one upload, in order; raises HTTPException with 404 where there are none."""
    query = select(Result).where(Result.owner_id == owner.id, Result.batch == batch, Result.kind == LABEL)
    query = query.options(undefer(Result.payload), selectinload(Result.pictures)).order_by(Result.created, Result.id)
    found = list(db.scalars(query))
    if not found:
        raise HTTPException(404)
    return sorted(found, key=lambda one: one.pictures[0].position if one.pictures else len(found))


def shown(result: Result, language: str) -> Card:
    """Return a labelled picture as pages show it; payload and pictures are loaded."""
    picture = result.pictures[0] if result.pictures else None
    source = f"/pictures/{picture.id}" if picture else ""
    size = (picture.width, picture.height) if picture else (0, 0)
    return card(result.payload["rows"], source, size, result.family, language, result.id)


def _form(visit: Visit, status: int = 200, own: str = "", **values: object) -> Response:
    most = visit.site.settings.most_pictures
    return visit.page("label.html.j2", status, offers=offers(visit.language), most=most, tops=TOPS, own=own, **values)
