"""Files that came back, laid beside rows of ``label``: images with the model's words and people's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clip_emotion.retrieval.exports.records import KnownWords, LabelledImage
from clip_emotion.retrieval.exports.rows import read_label_rows
from clip_emotion.retrieval.imports.matching import images_of, matched
from clip_emotion.retrieval.imports.reading import read_returned
from clip_emotion.vocabulary import Vocabulary, shipped_vocabularies


@dataclass(frozen=True)
class Judged:
    """Images of which people judged a face, the words that were met, and what could not be used, each in a sentence."""

    images: tuple[LabelledImage, ...]
    words: KnownWords
    errors: tuple[str, ...]


def judged_images(
    file: Path, rows: Path | None = None, images: Path | None = None, vocabulary: Vocabulary | None = None
) -> Judged:
    """Read what people said from a file, and what the model said from ``rows``, else from the file itself.

    ``images`` is the folder below which images lie. People's spellings are matched to the words of ``vocabulary`` and
    of the rows, and to the synonyms of shipped vocabularies that the rows name. Raises UsageError and DataError for
    files that cannot be read.
    """
    returned = read_returned(file, images)
    errors = list(returned.errors)
    if rows is not None:
        found = list(read_label_rows(rows, images))
    elif returned.images:
        found = list(returned.images)
    else:
        found, lost = images_of(returned.corrections, images)
        errors += lost
    words = KnownWords()
    for image in found:
        words.add_faces(image.faces)
    if vocabulary is not None:
        words.add_vocabulary(vocabulary)
    for name in dict.fromkeys(image.vocabulary for image in found):
        if name in shipped_vocabularies():
            words.add_vocabulary(Vocabulary.load(name))
    # Without rows, an image that a correction speaks of is missing only where that was told already.
    known = {image.path for image in found}
    corrections = [one for one in returned.corrections if rows is not None or one.path in known]
    judged, unmatched = matched(found, corrections, words)
    said = tuple(image for image in judged if any(face.judgements for face in image.faces))
    return Judged(said, words, (*errors, *unmatched))
