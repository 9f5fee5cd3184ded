"""Embedded pictures on their way into a store, as Parquet parts in a folder that many machines may write to."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clip_emotion.errors import DataError, UsageError
from clip_emotion.files import expanded
from clip_emotion.retrieval.store.records import Picture, Place, StoreCard, StoredFile, StoredRegion
from clip_emotion.types import FaceBox, FaceRegion

SUFFIX = ".parquet"
REGION = ("face", "x", "y", "width", "height", "confidence", "landmarks", "part", "note", "vector")
"""The columns of a region, in the order of those of the store's table of faces."""


@dataclass(frozen=True)
class Part:
    """Pictures that were embedded together, and a sentence for each file that could not be read."""

    pictures: list[Picture] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Parts:
    """A folder of parts: a local path, or a URI such as ``s3://bucket/parts``, where all machines can write.

    A part is there whole or not at all, and carries the card of its store.
    """

    place: str
    card: StoreCard

    def write(self, name: str, part: Part) -> None:
        """Write a part, in place of one of the same name; raises DataError where it cannot be written."""
        import pyarrow.parquet as pq

        content = io.BytesIO()
        pq.write_table(_table(part, self.card), content)
        try:
            files, root = self._open()
            files.create_dir(root)
            # A draft of its own: the same part may be at work in two processes after one was thought dead.
            draft = f"{root}/.{name}.{uuid.uuid4().hex}"
            with files.open_output_stream(draft) as stream:
                stream.write(content.getvalue())
            files.move(draft, f"{root}/{name}{SUFFIX}")
        except OSError as error:
            raise DataError(
                f"Cannot write to {self.place} ({_reason(error)}): make room, or name another place with --parts."
            ) from error

    def read(self, name: str) -> Part | None:
        """Return a part, or None where it is damaged; raises UsageError for one of another store.

        Raises DataError where there is none, as where the machines do not see the same folder.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            files, root = self._open()
            with files.open_input_file(f"{root}/{name}{SUFFIX}") as stream:
                content = stream.read()
        except OSError as error:
            raise DataError(
                f"A part that a worker wrote is not in {self.place} ({_reason(error)}): name a folder with --parts "
                "that all machines see."
            ) from error
        try:
            table = pq.read_table(io.BytesIO(content))
            pairs = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            card = StoreCard.read(pairs)
            part = _part(table.to_pylist())
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError):
            return None
        if card != self.card:
            raise UsageError(
                f"{self.place} holds parts of another model or other face options: import them with the options of the "
                "run that wrote them, or delete them."
            )
        return part

    def names(self) -> list[str]:
        """Return the names of the parts that are there, in order."""
        return sorted(name.removesuffix(SUFFIX) for name in self._listed() if not name.startswith("."))

    def remove(self, name: str) -> None:
        """Delete a part."""
        files, root = self._open()
        files.delete_file(f"{root}/{name}{SUFFIX}")

    def clear_drafts(self) -> None:
        """Delete what killed workers left unfinished."""
        files, root = self._open()
        for name in self._listed():
            if name.startswith("."):
                files.delete_file(f"{root}/{name}")

    def close(self) -> None:
        """Delete the folder where it is empty; a store of objects has none."""
        if "://" not in self.place and (folder := expanded(self.place)).is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _listed(self) -> list[str]:
        from pyarrow import fs

        files, root = self._open()
        found = files.get_file_info(fs.FileSelector(root, allow_not_found=True))
        return [info.base_name for info in found if SUFFIX in info.base_name or info.base_name.startswith(".")]

    def _open(self) -> tuple[Any, str]:
        """Return the file system and the folder's path in it; raises UsageError for a URI that nothing can open."""
        import pyarrow as pa
        from pyarrow import fs

        if "://" not in self.place:
            return fs.LocalFileSystem(), str(Path(expanded(self.place)).absolute())
        try:
            files, root = fs.FileSystem.from_uri(self.place)
        except (pa.ArrowException, ValueError) as error:
            raise UsageError(
                f"{self.place} cannot be opened ({_reason(error)}): name a folder or an s3:// URI."
            ) from error
        return files, root.rstrip("/")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]


def region_type() -> Any:
    """Return the Arrow type of a region."""
    import pyarrow as pa

    numbers = [(name, pa.int32()) for name in REGION[:5]]
    return pa.struct(
        [
            *numbers, ("confidence", pa.float64()), ("landmarks", pa.binary()), ("part", pa.string()),
            ("note", pa.string()), ("vector", pa.binary()),
        ]
    )  # fmt: skip


def region_face(row: dict[str, Any]) -> FaceRegion:
    """Return what the row of a region says of its part of the picture."""
    box = None if row["x"] is None else FaceBox(*(row[side] for side in ("x", "y", "width", "height")))
    return FaceRegion(row["face"], box, row["confidence"], row["part"], row["note"])


def _table(part: Part, card: StoreCard) -> Any:
    import pyarrow as pa

    texts, numbers = ("name", "place", "sha256", "boxes", "error"), ("size", "mtime_ns")
    schema = pa.schema(
        [
            *((name, pa.string()) for name in texts), *((name, pa.int64()) for name in numbers), ("raw", pa.binary()),
            ("regions", pa.list_(region_type())),
        ],
        metadata=card.written(),
    )  # fmt: skip
    rows = [*map(_row, part.pictures), *({"error": sentence} for sentence in part.failures)]
    return pa.Table.from_pylist(rows, schema=schema)


def _row(picture: Picture) -> dict[str, Any]:
    file = picture.file
    return {
        "name": file.name, "place": file.place.text, "raw": file.place.raw, "size": file.size,
        "mtime_ns": file.mtime_ns, "sha256": file.sha256, "boxes": file.boxes, "error": picture.error,
        "regions": None if picture.regions is None else region_rows(picture.regions),
    }  # fmt: skip


def region_rows(regions: Iterable[StoredRegion]) -> list[dict[str, Any]]:
    """Return regions as rows of the Arrow type."""
    return [dict(zip(REGION, region.columns(), strict=True)) for region in regions]


def _part(rows: Sequence[dict[str, Any]]) -> Part:
    part = Part()
    for row in rows:
        if row["sha256"] is None:
            part.failures.append(row["error"])
            continue
        values = (row[name] for name in ("size", "mtime_ns", "sha256", "boxes"))
        file = StoredFile(row["name"], Place(row["place"], row["raw"]), *values)
        regions = row["regions"]
        if regions is not None:
            regions = [StoredRegion(region_face(one), one["landmarks"], one["vector"]) for one in regions]
        part.pictures.append(Picture(file, regions, row["error"], complete=True))
    return part
