"""``/api/v1/vocabularies`` and ``/api/v1/models``: what pictures can be labelled with."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException

from clip_emotion.vocabulary import Vocabulary, shipped_vocabularies
from clip_emotion.web.routes.api.calls import Known
from clip_emotion.web.routes.api.problems import problems
from clip_emotion.web.routes.api.schemas import (
    FullVocabulary,
    Model,
    Models,
    Term,
    Vocabularies,
    VocabularyEntry,
)

router = APIRouter()


@router.get("/vocabularies", summary="List vocabularies", response_model=Vocabularies, responses=problems())
def list_vocabularies(call: Known) -> Vocabularies:
    """Return the shipped vocabularies."""
    return _vocabularies()


@router.get(
    "/vocabularies/{name}", summary="One vocabulary", response_model=FullVocabulary, responses=problems(404)
)  # fmt: skip
def read_vocabulary(call: Known, name: Annotated[str, Path(max_length=80, description="Its name.")]) -> FullVocabulary:
    """Return a shipped vocabulary with its words in both languages."""
    if name not in shipped_vocabularies():
        raise HTTPException(404)
    found = Vocabulary.load(name)
    terms = [Term(key=one.key, names=one.names, families=list(one.families)) for one in found.labels]
    return FullVocabulary(name=found.name, count=len(found), labels=terms)


@router.get("/models", summary="List models", response_model=Models, responses=problems())
def list_models(call: Known) -> Models:
    """Return the model that labels here: one a process."""
    encoder = call.site.labelling.encoder
    one = Model(name=encoder.name, fingerprint=encoder.fingerprint, languages=list(encoder.languages))
    return Models(items=[one])


@cache
def _vocabularies() -> Vocabularies:
    found = [(name, len(Vocabulary.load(name))) for name in shipped_vocabularies()]
    return Vocabularies(items=[VocabularyEntry(name=name, count=count) for name, count in found])
