"""What may go wrong, as the description of the API tells it: problem details (RFC 9457) for every fault."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}


class Fault(BaseModel):
    """One part of a request that does not fit."""

    at: list[str] = Field(description="The way to it, such as body, top.")
    detail: str


class Problem(BaseModel):
    """Problem details as of RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = Field(default_factory=list, description="With 422: each part that does not fit.")


SAID = {
    400: "The request cannot be read.",
    401: "No valid token was sent.",
    403: "The token was not made for this.",
    404: "There is no such thing, or it is not yours.",
    409: "The first request with this Idempotency-Key still runs.",
    413: "The body is larger than this address takes.",
    415: "The body is of another media type.",
    422: "The request does not fit this description; also another request with a used Idempotency-Key.",
    429: "Too many requests: wait for Retry-After seconds.",
    500: "Something failed here.",
    503: "Too much waits for the model: try again after Retry-After seconds.",
}
WAITING = frozenset({409, 429, 503})
WRITES = (409, 413, 415, 503)
"""What may go wrong with a body beside what may go wrong with everything."""


def problems(*more: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of faults for a route: of every route, and these."""
    return {status: _described(status) for status in sorted({400, 401, 403, 422, 429, 500, *more})}


def _described(status: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": SAID[status],
        "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}},
    }
    if status in WAITING:
        seconds = {"type": "integer", "minimum": 1}
        described["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": seconds}}
    return described
