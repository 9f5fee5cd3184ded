"""``POST /api/v1/label``: pictures in, the command line's rows out, saved where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clip_emotion.errors import UsageError
from clip_emotion.label import LANGUAGES
from clip_emotion.models.registry import own_vocabulary
from clip_emotion.vocabulary import Vocabulary, shipped_vocabularies
from clip_emotion.web.forms import shown_name
from clip_emotion.web.keeping import keep_labelled, of_batch
from clip_emotion.web.labelling import Asked, Upload, chosen_words
from clip_emotion.web.labelling import Labelled as LabelledPicture
from clip_emotion.web.pictures import Kept
from clip_emotion.web.routes.api.calls import Call, Key, caller
from clip_emotion.web.routes.api.description import SCOPE
from clip_emotion.web.routes.api.fields import Body, Fields, body_of, request_body
from clip_emotion.web.routes.api.problems import WRITES, problems
from clip_emotion.web.routes.api.schemas import Labelled
from clip_emotion.web.security.tokens import LABEL
from clip_emotion.web.security.trail import record

USUAL = "kote44"
LINES = "application/jsonl"
MOST_TOP = 100
may_label = caller(LABEL)
router = APIRouter()


class LabelFields(Fields):
    """What is asked of pictures."""

    vocabulary: str | None = Field(
        None, max_length=80, description=f"A shipped vocabulary; else the model's own words, or {USUAL}.",
        json_schema_extra={"enum": [*shipped_vocabularies()]},
    )  # fmt: skip
    words: str | None = Field(None, max_length=6200, description="Your own words instead, parted by commas.")
    lang: Literal["auto", "ko", "en"] = Field("auto", description="The language of the words.")
    top: int = Field(5, ge=1, le=MOST_TOP, description="How many words a row lists.")
    face: Literal["auto", "each", "none"] = Field(
        "auto", description="auto: the largest face; each: a row for each of the ten largest; none: the whole picture."
    )
    save: bool = Field(False, description="Whether results and pictures are saved in your history.")


BODY = request_body(LabelFields, "pictures", "One to fifty pictures, a file each.", many=True)
ROWS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The rows; as JSON lines where Accept asks for it.", "content": {LINES: {}}}
}


@router.post(
    "/label", summary="Label pictures", response_model=Labelled, openapi_extra=BODY | {SCOPE: LABEL},
    responses={**ROWS, **problems(*WRITES)},
)  # fmt: skip
def label_pictures(
    call: Annotated[Call, Depends(may_label)],
    body: Annotated[Body, Depends(body_of("pictures", may_label))],
    key: Key = None,
) -> Response:
    """Return a row a picture, or a row a face, as ``clip-emotion label --format jsonl`` writes it.

    A picture that cannot be read has a row with an error. Nothing is kept unless ``save`` says so.
    """
    asked, most = body.fields(LabelFields), call.site.settings.most_pictures
    if len(body.files) > most:
        raise UsageError(f"Send at most {most} pictures at once.")
    vocabulary = _words(call, asked)
    call.site.rates.count("api-upload", call.user.id)
    answer, again = call.write(key, body.digest()).once(lambda: _label(call, asked, vocabulary, body))
    return _written(call.request, answer, again)


def _words(call: Call, asked: LabelFields) -> Vocabulary:
    if asked.words is not None and asked.vocabulary is not None:
        raise UsageError("Give either words or a vocabulary.")
    if asked.words is not None:
        return chosen_words("", asked.words if asked.words.strip() else ",")
    if asked.vocabulary is not None:
        return chosen_words(asked.vocabulary)
    return own_vocabulary(call.site.labelling.encoder) or Vocabulary.load(USUAL)


def _label(call: Call, asked: LabelFields, vocabulary: Vocabulary, body: Body) -> dict[str, Any]:
    site = call.site
    uploads = [Upload(shown_name(file.filename), file.file.read) for file in body.files]
    wanted = Asked(vocabulary, asked.lang, asked.top, asked.face)
    if not asked.save:
        bare: list[LabelledPicture[Any]] = site.labelling.label(uploads, wanted)
        return {"rows": [row for one in bare for row in one.rows], "saved": []}
    labelled = site.labelling.label(uploads, wanted, site.pictures.coded)
    return {"rows": [row for one in labelled for row in one.rows], "saved": _save(call, asked, vocabulary, labelled)}


def _save(
    call: Call, asked: LabelFields, vocabulary: Vocabulary, labelled: Sequence[LabelledPicture[Kept]]
) -> list[str]:
    """Save what has words, and return the keys, in the order of the pictures."""
    worthy = [one for one in labelled if one.predictions[0].best is not None]
    if not worthy:
        return []
    site, used = call.site, call.site.labelling.labeller(vocabulary, asked.lang).language
    batch = keep_labelled(site, call.user, vocabulary, used if used in LANGUAGES else "ko", worthy, saved=True)
    with site.database.writing() as db:
        record(db, "results.saved", call.user.id, batch)
        return [result.id for result in of_batch(db, call.user, batch)]


def _written(request: Request, answer: dict[str, Any], again: bool) -> Response:
    headers = {"idempotency-replayed": "true"} if again else None
    if LINES in request.headers.get("accept", ""):
        lines = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in answer["rows"])
        return Response(lines, media_type=LINES, headers=headers)
    return JSONResponse(answer, headers=headers)
