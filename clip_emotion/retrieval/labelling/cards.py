"""The card of a labeller's rows: what they have in common, the same from the command line and from the web."""

from __future__ import annotations

from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.rows import RunCard


def run_card(labeller: ZeroShotLabeller, top: int, face: str) -> RunCard:
    """Return what the rows of a labeller have in common; ``face`` are the face settings as rows show them."""
    settings = {
        "lang": labeller.language,
        "face": face,
        "words": labeller.index.card.prompts[:12],
        **labeller.faces.settings(),
    }
    if labeller.rated is not None:
        settings["dimensions"] = labeller.rated.index.card.prompts[:12]
    return RunCard(
        labeller.encoder.fingerprint, labeller.vocabulary.name, top, settings, dimensions=labeller.rated is not None
    )
