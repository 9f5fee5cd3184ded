"""What each face finder finds, and how fast, as Markdown tables: ``python benchmarks/faces.py --data DIR``.

DIR holds groups_dev.zip, london_dev.zip and muxspace96.zip, and face_detection_yunet.onnx where yunet is measured.
``--photos`` names folders of photographs without a face that join the faceless pictures. One thread, so that times
compare.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from faceless import faceless
from PIL import Image

from clip_emotion.data.faces.finder import Face, FaceFinder
from clip_emotion.data.faces.makers import make_finder

ROOT = Path(__file__).resolve().parents[1]
TURNS = (0, 20, 30, 45)
TIMED_SIZE = (1280, 960)
MUXSPACE_EVERY = 20


@dataclass(frozen=True)
class Truth:
    """A face that is there: its middle, its portrait's side and its turn to the left in degrees."""

    x: float
    y: float
    side: float
    turn: float = 0


def main() -> None:
    """Measure every finder on every set and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    parser.add_argument("--finders", nargs="*", default=["mtcnn", "yunet", "haar"])
    options = parser.parse_args()
    cv2.setNumThreads(1)
    yunet = options.data / "face_detection_yunet.onnx"
    finders = {
        name: make_finder(f"yunet:{yunet}" if name == "yunet" and yunet.is_file() else name) for name in options.finders
    }
    photographs = [path for folder in options.photos for path in folder.rglob("*") if path.suffix in (".jpg", ".png")]
    portraits = list(pictures(options.data / "london_dev.zip"))
    groups_table(finders, options.data / "groups_dev.zip")
    london_table(finders, portraits)
    muxspace_table(finders, options.data / "muxspace96.zip")
    faceless_table(finders, portraits, photographs)


def pictures(archive: Path, every: int = 1) -> Iterable[Image.Image]:
    """Yield one in ``every`` picture of an archive as RGB."""
    with zipfile.ZipFile(archive) as source:
        names = sorted(name for name in source.namelist() if name.endswith((".jpg", ".png")))
        for name in names[::every]:
            yield Image.open(io.BytesIO(source.read(name))).convert("RGB")


def matched(faces: Sequence[Face], truths: Sequence[Truth]) -> tuple[list[bool], int]:
    """Tell which true faces are found, and how many finds are none of them.

    A find stands for a true face when its middle lies within three tenths of the portrait's side from the true one and
    its size is plausible; each find counts once.
    """
    left = list(faces)
    hits = []
    for truth in truths:
        near = next((face for face in left if _is(face, truth)), None)
        hits.append(near is not None)
        if near is not None:
            left.remove(near)
    return hits, len(left)


def _is(face: Face, truth: Truth) -> bool:
    box = face.box
    away = (abs(box.x + box.width / 2 - truth.x), abs(box.y + box.height / 2 - truth.y))
    return max(away) < 0.3 * truth.side and 0.25 < max(box.width, box.height) / truth.side < 1.3


def groups_table(finders: dict[str, FaceFinder], archive: Path) -> None:
    """Print recall by turn, precision and time a picture of 1280×960."""
    with zipfile.ZipFile(archive) as source:
        truth = json.loads(source.read("truth.json"))
        images = {name: Image.open(io.BytesIO(source.read(name))).convert("RGB") for name in truth}
    print("| groups | recall | 0° | 15° | 30° | precision | ms for 1280×960 |\n|---|---|---|---|---|---|---|")
    for name, finder in finders.items():
        by_turn: dict[float, list[bool]] = {}
        false = 0
        for file, faces in truth.items():
            truths = [Truth(**face) for face in faces]
            hits, wrong = matched(finder.find(images[file]), truths)
            false += wrong
            for hit, one in zip(hits, truths, strict=True):
                by_turn.setdefault(abs(one.turn), []).append(hit)
        every = [hit for hits in by_turn.values() for hit in hits]
        parts = " | ".join(f"{sum(by_turn[turn])} of {len(by_turn[turn])}" for turn in (0, 15, 30))
        precision = sum(every) / max(1, sum(every) + false)
        small = [image.resize(TIMED_SIZE) for image in images.values()]
        print(f"| {name} | {np.mean(every):.2f} | {parts} | {precision:.2f} | {milliseconds(finder, small):.0f} |")


def milliseconds(finder: FaceFinder, images: Sequence[Image.Image], rounds: int = 3) -> float:
    """Return the median processor time that a picture takes on one thread."""
    finder.find(images[0])
    times = []
    for image in list(images) * rounds:
        began = time.process_time()
        finder.find(image)
        times.append(time.process_time() - began)
    return 1000 * statistics.median(times)


def london_table(finders: dict[str, FaceFinder], portraits: Sequence[Image.Image]) -> None:
    """Print, for the portraits turned to the left, how many faces are found, other finds, and the tilt's error."""
    titles = " | ".join(f"{turn}°" for turn in TURNS)
    print(f"\n| London, turned | {titles} | other finds | tilt told wrong by, median |\n|---{'|---' * 6}|")
    for name, finder in finders.items():
        found, other, errors = [], 0, []
        for turn in TURNS:
            hits = 0
            for portrait in portraits:
                faces = finder.find(portrait.rotate(turn, Image.Resampling.BICUBIC, fillcolor=(200, 200, 200)))
                hits += bool(faces)
                other += max(0, len(faces) - 1)
                errors += [abs(tilt(face) - turn) for face in faces[:1] if face.landmarks]
            found.append(f"{hits} of {len(portraits)}")
        error = f"{statistics.median(errors):.1f}°" if errors else "no landmarks"
        print(f"| {name} | {' | '.join(found)} | {other} | {error} |", flush=True)


def tilt(face: Face) -> float:
    """Return by how many degrees the line between the eyes rises to the right."""
    assert face.landmarks is not None
    (x0, y0), (x1, y1) = face.landmarks[:2]
    return float(np.degrees(np.arctan2(y0 - y1, x1 - x0)))


def muxspace_table(finders: dict[str, FaceFinder], archive: Path) -> None:
    """Print how many of muxspace's pictures, nearly filled by one face each, have a find, and other finds."""
    images = list(pictures(archive, MUXSPACE_EVERY))
    print("\n| muxspace, one picture in twenty | with a face | other finds |\n|---|---|---|")
    for name, finder in finders.items():
        counts = [len(finder.find(image)) for image in images]
        others = sum(max(0, count - 1) for count in counts)
        print(f"| {name} | {np.mean([count > 0 for count in counts]):.3f} of {len(images)} | {others} |", flush=True)


def faceless_table(finders: dict[str, FaceFinder], portraits: Sequence[Image.Image], photos: Sequence[Path]) -> None:
    """Print false finds in pictures without a face, by their kind."""
    images = list(faceless(portraits, photos))
    kinds = list(dict.fromkeys(kind for kind, _ in images))
    print(f"\n| {len(images)} pictures without a face | {' | '.join(kinds)} | false finds |")
    print("|---" * (len(kinds) + 2) + "|")
    for name, finder in finders.items():
        counts = dict.fromkeys(kinds, 0)
        for kind, image in images:
            counts[kind] += len(finder.find(image))
        print(f"| {name} | {' | '.join(map(str, counts.values()))} | {sum(counts.values())} |", flush=True)


if __name__ == "__main__":
    main()
