"""``GET /api/v1/export``: all saved results as JSON lines, CSV or Parquet, block by block."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import selectinload, undefer
from starlette.responses import Response, StreamingResponse

from clip_emotion.csv_text import BOM, csv_line
from clip_emotion.web.database.tables import Result
from clip_emotion.web.downloads import draft, send
from clip_emotion.web.history import in_blocks
from clip_emotion.web.routes.api.calls import Call, caller
from clip_emotion.web.routes.api.description import SCOPE
from clip_emotion.web.routes.api.history import Filters
from clip_emotion.web.routes.api.problems import problems
from clip_emotion.web.security.tokens import EXPORT
from clip_emotion.web.security.trail import record

BLOCK = 500
TEXTS = (
    "id", "kind", "created", "batch", "title", "vocabulary", "language", "model", "fingerprint", "leading",
    "leading_name", "family",
)  # fmt: skip
COLUMNS = (*TEXTS, "measure", "corrected", "confirmed")
MEDIA = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A file with a row a result, the newest first.",
        "content": {media.partition(";")[0]: {} for media in MEDIA.values()},
    }
}
router = APIRouter()


@router.get(
    "/export", summary="Download saved results", response_class=Response, openapi_extra={SCOPE: EXPORT},
    responses={**FILES, **problems()}
)  # fmt: skip
def export(
    call: Annotated[Call, Depends(caller(EXPORT))],
    filters: Annotated[Filters, Depends()],
    format: Annotated[Literal["jsonl", "csv", "parquet"], Query(description="How rows are written.")] = "jsonl",
) -> Response:
    """Return saved results: their columns, and in JSON lines and Parquet also their payload (Parquet: as JSON text).

    CSV begins with a BOM, so that spreadsheets show Hangul; a text that one would run as a formula has an apostrophe.
    """
    options = (undefer(Result.payload), selectinload(Result.pictures))
    results = in_blocks(call.site.database, filters.of(call.user), BLOCK, *options)
    with call.site.database.writing() as db:
        record(db, "data.exported", call.user.id)
    name = f"clip-emotion-history.{format}"
    if format == "parquet":
        with draft(call.site.settings.temporary, ".parquet") as path:
            _write_parquet(results, path)
            return send(path, MEDIA[format], name)
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    lines = map(_json_line, results) if format == "jsonl" else _csv_lines(results)
    return StreamingResponse(lines, media_type=MEDIA[format], headers=headers)


def _row(result: Result) -> dict[str, Any]:
    """Return a result's columns; of several pictures the first one's word counts."""
    picture = result.pictures[0] if result.pictures else None
    values = {name: getattr(result, name) for name in (*TEXTS, "measure")}
    reviewed = {"corrected": picture.corrected if picture else None, "confirmed": bool(picture and picture.confirmed)}
    return {**values, "created": result.created.isoformat(), **reviewed}


def _json_line(result: Result) -> str:
    return json.dumps({**_row(result), "payload": result.payload}, ensure_ascii=False) + "\n"


def _csv_lines(results: Iterator[Result]) -> Iterator[str]:
    yield BOM + csv_line(COLUMNS)
    for result in results:
        yield csv_line([*_row(result).values()])


def _write_parquet(results: Iterator[Result], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    reviewed = [("measure", pa.float64()), ("corrected", pa.string()), ("confirmed", pa.bool_())]
    schema = pa.schema([*((name, pa.string()) for name in TEXTS), *reviewed, ("payload", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        block: list[dict[str, Any]] = []
        for result in results:
            block.append({**_row(result), "payload": json.dumps(result.payload, ensure_ascii=False)})
            if len(block) == BLOCK:
                writer.write_table(pa.Table.from_pylist(block, schema=schema))
                block = []
        writer.write_table(pa.Table.from_pylist(block, schema=schema))
