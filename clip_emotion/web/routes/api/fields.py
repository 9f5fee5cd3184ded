"""Bodies of the API: a multipart form, read after the token was looked at, its fields checked by a model."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from clip_emotion.text import nfc
from clip_emotion.web.idempotency import digest
from clip_emotion.web.site import Site

MULTIPART = "multipart/form-data"
CHUNK = 1 << 20


class Fields(BaseModel):
    """The fields of a body that are no files; nothing else may stand in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Kind = TypeVar("Kind", bound=Fields)


class Body:
    """A body as it was sent: its texts, and its files by the field that they came in."""

    def __init__(self, data: FormData, file_field: str) -> None:
        self.files = [
            value for name, value in data.multi_items() if isinstance(value, UploadFile) and name == file_field
        ]
        self.texts = [(name, value) for name, value in data.multi_items() if isinstance(value, str)]
        strange = [n for n, value in data.multi_items() if isinstance(value, UploadFile) and n != file_field]
        strange += [name for name, _ in self.texts if name == file_field]
        if strange:
            raise _fault(strange[0], f"Send files in the field '{file_field}', and nothing else in it.")
        if not self.files:
            raise _fault(file_field, "Field required")

    def fields(self, kind: type[Kind]) -> Kind:
        """Return the texts as a model; raises RequestValidationError for what does not fit it."""
        names = [name for name, _ in self.texts]
        for name in names:
            if names.count(name) > 1:
                raise _fault(name, "Send this field once.")
        try:
            return kind.model_validate({name: nfc(value) for name, value in self.texts})
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in faults]) from None

    def digest(self) -> str:
        """Return what tells this body from any other: texts, file names and contents, but not how they were packed."""
        parts: list[str | bytes] = [part for name, value in sorted(self.texts) for part in (name, value)]
        for file in self.files:
            whole = hashlib.sha256()
            while chunk := file.file.read(CHUNK):
                whole.update(chunk)
            file.file.seek(0)
            parts += [file.filename or "", whole.digest()]
        return digest(*parts)


def body_of(file_field: str, caller: Callable[..., Any]) -> Callable[..., AsyncIterator[Body]]:
    """Return what reads a body of files, once ``caller`` has let the request in."""
    from fastapi import Depends

    async def read(request: Request, call: Any = Depends(caller)) -> AsyncIterator[Body]:  # noqa: B008
        if request.headers.get("content-type", "").partition(";")[0].strip().casefold() != MULTIPART:
            raise HTTPException(415, f"Send the body as {MULTIPART}.", {"accept-post": MULTIPART})
        async with request.form(max_files=Site.of(request).settings.most_pictures + 1, max_fields=50) as data:
            yield Body(data, file_field)

    return read


def request_body(kind: type[Fields], file_field: str, about: str, *, many: bool = False) -> dict[str, Any]:
    """Return the description of such a body for OpenAPI."""
    schema = kind.model_json_schema()
    file: dict[str, Any] = {"type": "string", "contentMediaType": "application/octet-stream"}
    files = {"type": "array", "items": file, "minItems": 1} if many else file
    schema["properties"] = {file_field: {**files, "description": about}, **schema["properties"]}
    schema["required"] = [file_field, *schema.get("required", [])]
    return {"requestBody": {"required": True, "content": {MULTIPART: {"schema": schema}}}}


def _fault(field: str, said: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body", field), "msg": said}])


Reader = Callable[..., Awaitable[Body]]
