"""What pages and API both make of labelled pictures and scored chats: results in the database, found again by batch."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload, undefer
from starlette.exceptions import HTTPException

from clip_emotion.vocabulary import Vocabulary
from clip_emotion.web.database.tables import LABEL, SCORE, Document, Result, User, random_key
from clip_emotion.web.labelling import Labelled
from clip_emotion.web.pictures import Kept
from clip_emotion.web.reports import report_of
from clip_emotion.web.security.trail import record
from clip_emotion.web.site import Site
from clip_emotion.web.wording import family_of
from scoring import ConversationScore
from scoring.output.formats import as_dict


def keep_labelled(
    site: Site,
    owner: User,
    vocabulary: Vocabulary,
    language: str,
    labelled: Sequence[Labelled[Kept]],
    *,
    saved: bool = False,
) -> str:
    """Write the results of one upload with their pictures, and return what they share, their batch."""
    batch = random_key()
    results = [result_of(site, owner, vocabulary, language, one) for one in labelled]
    files: list[str] = []
    try:
        for place, (result, one) in enumerate(zip(results, labelled, strict=True)):
            result.batch, result.saved = batch, saved
            if one.kept is not None:
                result.pictures.append(site.pictures.row(one.kept, owner.id, one.name, place))
                files.append(result.pictures[0].file)
        with site.database.writing() as db:
            db.add_all(results)
    except BaseException:
        site.pictures.remove(files)
        raise
    return batch


def result_of(site: Site, owner: User, vocabulary: Vocabulary, language: str, one: Labelled[Kept]) -> Result:
    """Return the row of a labelled picture, not yet written; its picture is not yet with it."""
    best = one.predictions[0].best
    encoder = site.labelling.encoder
    return Result(
        owner_id=owner.id, kind=LABEL, title=one.name, vocabulary=vocabulary.name, language=language,
        model=encoder.name, fingerprint=encoder.fingerprint, payload={"rows": list(one.rows)},
        leading=best.key[:80] if best else None, leading_name=best.name[:80] if best else None,
        family=family_of(vocabulary, best.key) if best else None, measure=best.probability if best else None,
    )  # fmt: skip


def of_batch(db: Session, owner: User, batch: str) -> list[Result]:
    """Return the owner's results of one upload, in order; raises HTTPException with 404 where there are none."""
    query = select(Result).where(Result.owner_id == owner.id, Result.batch == batch, Result.kind == LABEL)
    query = query.options(undefer(Result.payload), selectinload(Result.pictures)).order_by(Result.created, Result.id)
    found = list(db.scalars(query))
    if not found:
        raise HTTPException(404)
    return sorted(found, key=lambda one: one.pictures[0].position if one.pictures else len(found))


def keep_scored(site: Site, owner: User, score: ConversationScore, *, text: bool) -> str:
    """Write a chat's result with its page, and return its key; without ``text`` nothing that was said is in it."""
    kept = score if text else without_texts(score)
    summary, encoder = kept.conversation, site.labelling.encoder
    strongest = max(summary.contributions.items(), key=lambda one: abs(one[1]), default=(None, 0.0))[0]
    result = Result(
        owner_id=owner.id, kind=SCORE, saved=True, title=kept.name[:200], vocabulary=kept.settings.vocabulary,
        language=kept.language, model=encoder.name, fingerprint=encoder.fingerprint, measure=summary.score,
        leading=strongest, leading_name=kept.labels.get(strongest or "", strongest),
        payload=as_dict(kept),
    )  # fmt: skip
    with site.database.writing() as db:
        db.add(result)
        db.flush()
        db.add(Document(result_id=result.id, kind="page", content=report_of(kept, site.settings.temporary).packed()))
        if text:
            said = "\n".join(f"{one.turn.speaker}: {one.turn.text}" for one in kept.turns)
            db.add(Document(result_id=result.id, kind="text", content=zlib.compress(said.encode("utf-8"))))
        record(db, "result.saved", owner.id, result.id)
    return result.id


def without_texts(score: ConversationScore) -> ConversationScore:
    """Return a scored chat without anything that was said: neither texts nor lines that could not be read."""
    turns = tuple(replace(one, turn=replace(one.turn, text="", image=None)) for one in score.turns)
    return replace(score, turns=turns, faults=tuple(replace(fault, excerpt="") for fault in score.faults))
