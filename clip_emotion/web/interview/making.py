"""A rehearsal's report is made of frames with times, from wherever they come, and kept as a result of its own kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from clip_emotion.data.faces.parts import NO_FACE
from clip_emotion.errors import DataError
from clip_emotion.vocabulary import Vocabulary
from clip_emotion.web.database.tables import INTERVIEW, Result, User
from clip_emotion.web.interview.frames import Frame, seconds_of
from clip_emotion.web.labelling import Asked, Labelled
from clip_emotion.web.pictures import Kept
from clip_emotion.web.security.trail import record
from clip_emotion.web.site import Site
from clip_emotion.web.wording import family_of

BLOCK = 32
PATIENCE = 120.0
"""Seconds for which a rehearsal that has begun waits for room, so that what was labelled of it is not lost."""
DIGITS = 4
TITLE, QUESTIONS = 80, 40
"""Longest title of a question, and most questions."""


def make(site: Site, owner: User, frames: Iterable[Frame], vocabulary: Vocabulary, language: str, title: str) -> str:
    """Label frames in their order, keep them with their shares, and return the key of the result.

    Frames that are no pictures are left out. Raises DataError where no frame shows a face, Busy where too many wait
    before the first frames; later ones wait for room.
    """
    asked = Asked(vocabulary, language, top=len(vocabulary), faces="auto")
    rows: list[dict[str, Any]] = []
    sent = 0
    result = Result(
        owner_id=owner.id, kind=INTERVIEW, saved=True, title=title[:200], vocabulary=vocabulary.name,
        language=language if language != "auto" else "ko", model=site.labelling.encoder.name,
        fingerprint=site.labelling.encoder.fingerprint,
    )  # fmt: skip
    try:
        for block, labelled in _labelled(site, frames, asked):
            sent += len(block)
            for frame, one in zip(block, labelled, strict=True):
                if one.kept is not None:
                    picture = site.pictures.row(one.kept, owner.id, one.name, len(rows))
                    picture.time = frame.time
                    result.pictures.append(picture)
                    rows.append(_row(frame, one, vocabulary))
        _complete(result, rows, vocabulary, sent)
        with site.database.writing() as db:
            db.add(result)
            db.flush()
            record(db, "result.saved", owner.id, result.id)
    except BaseException:
        site.pictures.remove([picture.file for picture in result.pictures])
        raise
    return result.id


def _labelled(site: Site, frames: Iterable[Frame], asked: Asked) -> Iterator[tuple[list[Frame], list[Labelled[Kept]]]]:
    rest, patience = iter(frames), 0.0
    while block := list(islice(rest, BLOCK)):
        uploads = [frame.upload for frame in block]
        yield block, site.labelling.label(uploads, asked, site.pictures.coded, patience)
        patience = PATIENCE


def _row(frame: Frame, one: Labelled[Kept], vocabulary: Vocabulary) -> dict[str, Any]:
    prediction = one.predictions[0]
    shares = {label.label: label.probability for label in prediction.labels}
    seen = bool(shares) and prediction.face.note != NO_FACE
    return {
        "time": frame.time,
        "face": seen,
        "box": prediction.face.to_dict()["box"],
        "shares": [round(shares.get(key, 0.0), DIGITS) for key in vocabulary.keys] if seen else None,
    }


def _complete(result: Result, rows: list[dict[str, Any]], vocabulary: Vocabulary, sent: int) -> None:
    seen = [row["shares"] for row in rows if row["face"]]
    if not seen:
        raise DataError("No picture shows a face.")
    mean = np.asarray(seen, dtype=np.float64).mean(axis=0)
    best = vocabulary.labels[int(mean.argmax())]
    words = [[label.key, label.name(result.language)] for label in vocabulary.labels]
    result.payload = {"words": words, "frames": rows, "questions": [[0, ""]], "left_out": sent - len(rows)}
    result.leading, result.leading_name = best.key[:80], best.name(result.language)[:80]
    result.family, result.measure = family_of(vocabulary, best.key), float(mean.max())


def questions_of(text: str, frames: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """Return the questions that lines tell: ``1:30 title`` by the time, ``#4 title`` by the picture's number.

    What comes before the first of them is a question without a title. Raises ValueError for a line that is neither.
    """
    found: dict[int, str] = {}
    for line in (line.strip() for line in text.splitlines()[:QUESTIONS]):
        if line:
            place, _, title = re.sub(r"\s+", " ", line).partition(" ")
            found[_begin(place, frames)] = title[:TITLE]
    return begun(found, len(frames))


def begun(found: dict[int, str], frames: int) -> list[list[Any]]:
    """Return questions in order by the frames that they begin at; one begins at the first frame."""
    chosen = {0: "", **{begin: title for begin, title in found.items() if 0 <= begin < frames}}
    return [[begin, chosen[begin]] for begin in sorted(chosen)][:QUESTIONS]


def _begin(place: str, frames: Sequence[dict[str, Any]]) -> int:
    if place.startswith("#"):
        if not (place[1:].isascii() and place[1:].isdigit() and 1 <= int(place[1:6]) <= len(frames)):
            raise ValueError(f"{place} is no picture")
        return int(place[1:]) - 1
    seconds = seconds_of(place)
    later = [at for at, frame in enumerate(frames) if frame["time"] is not None and frame["time"] >= seconds - 1e-6]
    if not later:
        raise ValueError(f"no picture is as late as {place}")
    return later[0]
