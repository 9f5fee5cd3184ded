"""What tells one person's face from another's between frames: python benchmarks/tracking.py --data london_dev.zip.

Each of some people, smiling and not, is put into frames at several sizes and turns, and found again. All pairs of these
faces are compared by what the tracker compares, and by the embedding of the encoder that labels. Printed are the area
under the curve that tells pairs of one person from pairs of two, and how far apart the pairs are.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score

from clip_emotion.arrays import FloatArray
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.faces.parts import PartChooser
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.embedding import embed_pixels
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.video.appearance import appearance, unlikeness

GROUND, SIZE = (70, 80, 90), (640, 360)
SIDES, TURNS = (110, 160, 220), (-20, 0, 15)


def frames(picture: Image.Image, seed: int) -> Iterator[Image.Image]:
    """Yield frames with a picture in them, one of each size, at a turn drawn at random."""
    random = np.random.default_rng(seed)
    for side in SIDES:
        turned = picture.resize((side, side)).rotate(random.choice(TURNS), Image.Resampling.BICUBIC, fillcolor=GROUND)
        frame = Image.new("RGB", SIZE, GROUND)
        frame.paste(turned, (200, 50))
        yield frame


def faces(data: Path, people: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield people's faces as they are cut out of frames, each with the person's number."""
    choose = PartChooser(FaceOptions(mode="each", no_face="skip"))
    with zipfile.ZipFile(data) as archive:
        names = [name for name in archive.namelist() if name.startswith("happy/")][:people]
        for person, name in enumerate(names):
            for mood in ("happy", "neutral"):
                picture = Image.open(io.BytesIO(archive.read(name.replace("happy", mood, 1)))).convert("RGB")
                for frame in frames(picture, person):
                    yield from ((person, part.image) for part in choose(frame, "") if part.image is not None)


def tell(name: str, distances: FloatArray, same: FloatArray) -> None:
    """Print how well distances tell pairs of one person from pairs of two."""
    one, two = distances[same > 0], distances[same == 0]
    area = roc_auc_score(1 - same, distances)
    print(
        f"{name:>10}: area {area:.4f}; one person {np.median(one):.2f}, 99 in 100 below {np.quantile(one, 0.99):.2f}; "
        f"two people {np.median(two):.2f}, 99 in 100 above {np.quantile(two, 0.01):.2f}"
    )


def main() -> int:
    """Print a line for each way to compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the London set: happy/ and neutral/ in a .zip")
    parser.add_argument("--people", type=int, default=24)
    options = parser.parse_args()
    encoder: ImageTextEncoder = load_encoder("mini")
    found = list(faces(options.data, options.people))
    pairs = [(at, other) for at in range(len(found)) for other in range(at)]
    same = np.array([float(found[at][0] == found[other][0]) for at, other in pairs])
    looks = [appearance(image) for _, image in found]
    tell("appearance", np.array([unlikeness(looks[at], looks[other]) for at, other in pairs]), same)
    vectors = embed_pixels(encoder, [encoder.preprocess(image) for _, image in found])
    tell("embedding", np.array([1 - float(vectors[at] @ vectors[other]) for at, other in pairs]), same)
    return 0


if __name__ == "__main__":
    sys.exit(main())
