"""Pictures that people agreed on, as a data set in a .zip: an image folder, Parquet, or a Hugging Face data set."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager, undefer

from clip_emotion.retrieval.exports.export import export
from clip_emotion.retrieval.exports.options import ExportOptions
from clip_emotion.retrieval.exports.records import FaceLabels, Judgement, LabelledImage
from clip_emotion.retrieval.labelling.rows import from_row
from clip_emotion.types import FaceBox, FaceRegion
from clip_emotion.vocabulary import shipped_vocabularies
from clip_emotion.web.database.tables import Picture, Result, User
from clip_emotion.web.naming import word_names
from clip_emotion.web.pictures import SUFFIX
from clip_emotion.web.site import Site

FORMATS = ("imagefolder", "parquet", "dataset")
"""Formats of the house's exports that pages offer; the first is chosen at the start."""
PARTS = ("faces", "whole")
STORED = (".jpg", ".png", ".parquet", ".arrow")
"""Files that compressing makes no smaller."""
BLOCK = 200
REVIEWER = "reviewer"
"""What an export calls whoever reviewed; nobody's address or key is given away."""


def write_export(site: Site, owner: User, format: str, options: ExportOptions, target: Path) -> None:
    """Write the .zip of an export; raises DataError where no picture has a word."""
    with tempfile.TemporaryDirectory(dir=site.settings.temporary) as scratch:
        folder = Path(scratch) / "out"
        chosen = replace(options, only="confirmed", words=_names(site, owner), max_pixels=site.settings.max_pixels)
        export(agreed(site, owner), format, folder, chosen)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    kind = zipfile.ZIP_STORED if path.suffix in STORED else zipfile.ZIP_DEFLATED
                    archive.write(path, path.relative_to(folder), kind)


def agreed(site: Site, owner: User) -> Iterator[LabelledImage]:
    """Yield the pictures of which a person said a word, with the largest face of each; names are random ones."""
    query = select(Picture).join(Picture.result).where(Picture.owner_id == owner.id, Picture.corrected.is_not(None))
    query = query.options(contains_eager(Picture.result).options(undefer(Result.payload))).limit(BLOCK)
    last = ""
    while True:
        with site.database.reading() as db:
            block = list(db.scalars(query.where(Picture.id > last).order_by(Picture.id)))
        yield from (_image(site, picture) for picture in block)
        if len(block) < BLOCK:
            return
        last = block[-1].id


def count_agreed(site: Site, owner: User) -> int:
    """Return how many pictures have a person's word."""
    with site.database.reading() as db:
        found = select(func.count()).where(Picture.owner_id == owner.id, Picture.corrected.is_not(None))
        return db.scalar(found) or 0


def _image(site: Site, picture: Picture) -> LabelledImage:
    path = site.pictures.path(picture)
    if not path.is_file():
        return LabelledImage(f"{picture.id}{SUFFIX}", path, error="The file does not exist.")
    row = from_row(picture.result.payload["rows"][0])
    when = picture.reviewed.isoformat() if picture.reviewed else ""
    said = Judgement(picture.corrected or "", REVIEWER, when)
    face = FaceLabels(_kept_region(site, picture, row.face), row.labels, (said,))
    result = picture.result
    return LabelledImage(f"{picture.id}{SUFFIX}", path, (face,), result.fingerprint, result.vocabulary)


def _kept_region(site: Site, picture: Picture, region: FaceRegion) -> FaceRegion:
    """Return a face's region in the pixels of the kept file, which may be smaller than the labelled picture."""
    scale = min(1.0, site.pictures.side / max(picture.width, picture.height))
    if region.box is None or scale == 1:
        return region
    box = region.box
    small = FaceBox(
        int(box.x * scale), int(box.y * scale), max(1, round(box.width * scale)), max(1, round(box.height * scale))
    )
    return replace(region, box=small)


def _names(site: Site, owner: User) -> dict[str, str]:
    """Return the names of the words of all shipped vocabularies that the owner's pictures were labelled with."""
    with site.database.reading() as db:
        query = select(Result.vocabulary, Result.language).where(Result.owner_id == owner.id, Result.saved.is_(True))
        used = db.execute(query.distinct()).all()
    found: dict[str, str] = {}
    for vocabulary, language in used:
        if vocabulary in shipped_vocabularies():
            found = {**word_names(vocabulary, language), **found}
    return found
