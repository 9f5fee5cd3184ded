"""The description of the API (OpenAPI 3.1): what FastAPI knows of the routes, with problems and scopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

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
