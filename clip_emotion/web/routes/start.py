"""The start page: what the site does, and one picture tried without an account, of which nothing is kept."""

from __future__ import annotations

from starlette.responses import Response

from clip_emotion.errors import UsageError
from clip_emotion.html import data_uri
from clip_emotion.web.labelling import Asked, chosen_words
from clip_emotion.web.showing import card, unreadable, words_fault
from clip_emotion.web.visits import Anyone, Posted, Visit, open_pages
from clip_emotion.web.wording import OFFERED, family_of, offers

router = open_pages()


@router.get("/")
def start(visit: Anyone) -> Response:
    """Show what the site does."""
    return _page(visit)


@router.get("/try")
def try_again(visit: Anyone) -> Response:
    """Lead a reload of the answer back to the start."""
    return visit.redirect("/")


@router.post("/try")
def try_picture(visit: Anyone, form: Posted) -> Response:
    """Label one picture and show it in the answer itself; it is kept nowhere."""
    site = visit.site
    site.rates.count("try-address", visit.address)
    uploads = form.pictures("picture")[:1]
    if not uploads:
        return _page(visit, 422, fault="start.no_picture")
    own = form.text("words")
    try:
        vocabulary = chosen_words(form.choice("vocabulary", OFFERED), own)
        asked = Asked(vocabulary, "auto" if own.strip() else visit.language)
        (labelled,) = site.labelling.label(uploads, asked, site.pictures.coded)
    except UsageError as error:
        return _page(visit, 422, fault=words_fault(error, visit.language), own=own)
    if labelled.kept is None:
        return _page(visit, 422, fault=unreadable(labelled.error, visit.language))
    best = labelled.predictions[0].best
    family = family_of(vocabulary, best.key) if best else None
    source = data_uri(labelled.kept.content, "image/jpeg")
    size = (labelled.kept.width, labelled.kept.height)
    return _page(visit, card=card(labelled.rows, source, size, family, visit.language))


def _page(visit: Visit, status: int = 200, **values: object) -> Response:
    return visit.page("start.html.j2", status, **{"offers": offers(visit.language), "card": None, "own": "", **values})
