"""The API under ``/api/v1``: a family of addresses a file; programs come in by personal access tokens alone."""

from fastapi import APIRouter, Depends

from clip_emotion.web.routes.api import docs, export, history, label, score, words
from clip_emotion.web.routes.api.description import known_query

PREFIX = "/api/v1"
pages = docs.router
router = APIRouter(
    prefix=PREFIX, dependencies=[Depends(known_query)], generate_unique_id_function=lambda route: route.name
)
for _family in (label, score, history, words, export):
    router.include_router(_family.router, tags=["api"])
