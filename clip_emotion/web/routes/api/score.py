"""``POST /api/v1/score``: a chat export in, the command line's JSON out; kept only as far as that is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import JSONResponse, Response

from clip_emotion.errors import DataError
from clip_emotion.web.forms import shown_name
from clip_emotion.web.keeping import keep_scored
from clip_emotion.web.routes.api.calls import Call, Key, caller
from clip_emotion.web.routes.api.description import SCOPE
from clip_emotion.web.routes.api.fields import Body, Fields, body_of, request_body
from clip_emotion.web.routes.api.problems import WRITES, problems
from clip_emotion.web.routes.api.schemas import Scored
from clip_emotion.web.security import tokens
from scoring import ConversationScore, anonymised
from scoring.output.formats import as_dict

LONGEST_NAME = 180
"""Bytes of a file's name, within what every file system takes."""
may_score = caller(tokens.SCORE)
router = APIRouter()


class ScoreFields(Fields):
    """What is asked of a chat."""

    names: Literal["ko", "en"] = Field("ko", description="The language in which emotions are named.")
    mask: bool = Field(False, description="Whether names are masked in all that is answered and kept.")
    keep: Literal["nothing", "numbers", "text"] = Field(
        "nothing", description="What is kept in your history of the first chat: also what was said only with text."
    )


BODY = request_body(ScoreFields, "chat", "A chat export of any layout that clip-emotion score reads.")


@router.post(
    "/score", summary="Score a chat", response_model=Scored, openapi_extra=BODY | {SCOPE: tokens.SCORE},
    responses=problems(*WRITES)
)  # fmt: skip
def score_chat(
    call: Annotated[Call, Depends(may_score)],
    body: Annotated[Body, Depends(body_of("chat", may_score))],
    key: Key = None,
) -> Response:
    """Return each chat of an export as ``clip-emotion score --format json`` writes it.

    Nothing is kept unless ``keep`` says so. An answer holds what was said, so that it is not kept for an
    Idempotency-Key either: the same request is scored anew, and kept once.
    """
    asked = body.fields(ScoreFields)
    if len(body.files) > 1:
        raise DataError("Send one chat at a time.")
    call.site.rates.count("api-upload", call.user.id)
    content, name = body.files[0].file.read(), file_name(body.files[0].filename)
    scores: list[ConversationScore] = []

    def score() -> None:
        found = call.site.scoring.score(content, name, asked.names)
        found = [replace(found[0], name=name)] if len(found) == 1 else found
        scores.extend(anonymised(one) if asked.mask else one for one in found)

    def score_and_keep() -> dict[str, Any]:
        score()
        if asked.keep == "nothing":
            return {"saved": None}
        return {"saved": keep_scored(call.site, call.user, scores[0], text=asked.keep == "text")}

    answer, again = call.write(key, body.digest()).once(score_and_keep)
    if again:
        score()
    headers = {"idempotency-replayed": "true"} if again else None
    return JSONResponse({"conversations": [as_dict(one) for one in scores], **answer}, headers=headers)


def file_name(given: str | None) -> str:
    """Return a file's name that may be written into a folder of its own: no path, and not too long."""
    name = shown_name(given).encode("utf-8", "ignore")[-LONGEST_NAME:].decode("utf-8", "ignore")
    return name if name.strip(". ") else "chat.txt"
