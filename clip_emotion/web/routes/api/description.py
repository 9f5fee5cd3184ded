"""The description of the API (OpenAPI 3.1): what FastAPI knows of the routes, with problems and scopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.requests import Request

from clip_emotion.web.routes.api.problems import Fault, Problem

ABOUT = (
    "Emotion words for pictures of faces, and how warm chats are, in Korean and English. Words are a model's guess at "
    "how a face looks, not at what a person feels: not for decisions about people."
)
SCOPE = "x-scope"
"""Where a route says which scope a token needs."""


def described(app: FastAPI) -> dict[str, Any]:
    """Return the description of the app's API."""
    made = get_openapi(
        title=app.title, version=app.version, summary="The API of the clip-emotion web app.", description=ABOUT,
        routes=app.routes, servers=[{"url": "/"}],
    )  # fmt: skip
    _, models = models_json_schema(
        [(Problem, "serialization"), (Fault, "serialization")], ref_template="#/components/schemas/{model}"
    )
    schemas = made["components"]["schemas"]
    schemas.update(models["$defs"])
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for _, _, operation in operations(made):
        scope = operation.pop(SCOPE, "")
        operation["security"] = [{"token": [scope] if scope else []}]
        operation.pop("tags", None)
    return made


def operations(description: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of each operation, in order."""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def description_of(request: Request) -> dict[str, Any]:
    """Return the description of the app's API, made once."""
    state = request.app.state
    if not hasattr(state, "description"):
        state.description = described(request.app)
    made: dict[str, Any] = state.description
    return made


def known_query(request: Request) -> None:
    """See that a query holds only what the description knows, once; raises RequestValidationError else.

    A filter that is spelt wrongly would else be left out without a word.
    """
    name = request.scope["endpoint"].__name__
    found = (one for _, _, one in operations(description_of(request)) if one["operationId"] == name)
    known = {part["name"] for one in found for part in one.get("parameters", []) if part["in"] == "query"}
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known or names.count(name) > 1:
            raise RequestValidationError(
                [{"type": "extra_forbidden", "loc": ("query", name), "msg": "Unknown or twice."}]
            )
