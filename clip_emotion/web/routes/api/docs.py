"""The description of the API, for programs as JSON and for people as a page: plain HTML, without any script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clip_emotion.web.routes.api.description import description_of, operations
from clip_emotion.web.texts import all_texts
from clip_emotion.web.visits import Anyone, open_pages

JSON_PATH = "/api/v1/openapi.json"
router: APIRouter = open_pages()


@dataclass(frozen=True)
class Parameter:
    """A part of a request: its name, where it stands, its type, what it is when it is left out, what it means."""

    name: str
    place: str
    type: str
    usual: str
    about: str


@dataclass(frozen=True)
class Operation:
    """One address of the API as the page shows it."""

    key: str
    method: str
    path: str
    summary: str
    about: str
    scope: str
    parameters: tuple[Parameter, ...]
    answers: tuple[tuple[str, str], ...]
    example: str


@router.get(JSON_PATH)
def openapi(request: Request) -> JSONResponse:
    """Send the description as JSON; no token is needed."""
    return JSONResponse(description_of(request))


@router.get("/api")
def description_page(visit: Anyone) -> Response:
    """Show the description."""
    description = description_of(visit.request)
    found = [_operation(*one) for one in operations(description)]
    return visit.page("api.html.j2", operations=found, json_path=JSON_PATH, known=all_texts())


def _operation(method: str, path: str, one: Mapping[str, Any]) -> Operation:
    parameters = [_parameter(each["name"], each["in"], each["schema"], each) for each in one.get("parameters", [])]
    for content in one.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        required = schema.get("required", [])
        parameters += [
            _parameter(name, "body", part, {**part, "required": name in required})
            for name, part in schema["properties"].items()
        ]
    answers = tuple((status, answer["description"]) for status, answer in one["responses"].items())
    (security,) = one["security"]
    scope = " ".join(security["token"])
    about = one.get("description", "").replace("``", "")
    return Operation(
        one["operationId"], method, path, one["summary"], about, scope, tuple(parameters), answers,
        _example(method, path, one),
    )  # fmt: skip


def _parameter(name: str, place: str, schema: Mapping[str, Any], said: Mapping[str, Any]) -> Parameter:
    usual = "required" if said.get("required") else schema.get("default")
    shown = "" if usual is None else str(usual).lower() if isinstance(usual, bool) else str(usual)
    return Parameter(name, place, _type(schema), shown, said.get("description", "").replace("``", ""))


def _type(schema: Mapping[str, Any]) -> str:
    """Return a schema in a few words: its values, its type with bounds, or those that it may be."""
    if "anyOf" in schema:
        outer = {key: value for key, value in schema.items() if key != "anyOf"}
        return " | ".join(_type({**outer, **one}) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return "files"
    if "contentMediaType" in schema:
        return "file"
    bounds = [str(schema[key]) for key in ("minimum", "maximum") if key in schema]
    name = {"date-time": "time"}.get(schema.get("format", ""), schema.get("type", "any"))
    return f"{name} {'–'.join(bounds)}".strip()


def _example(method: str, path: str, one: Mapping[str, Any]) -> str:
    """Return a call of curl that works when the site's address stands in SITE and the token in TOKEN."""
    lines = ['curl -H "Authorization: Bearer $TOKEN"']
    lines += [] if method in ("GET", "POST") else [f"-X {method}"]
    for content in one.get("requestBody", {}).get("content", {}).values():
        files = [name for name, part in content["schema"]["properties"].items() if _type(part) in ("file", "files")]
        lines += [f"-F {name}=@{'chat.txt' if name == 'chat' else 'face.jpg'}" for name in files]
    lines.append(f"$SITE{path}".replace("{key}", "KEY").replace("{name}", "kote44"))
    return " \\\n  ".join(lines)
