"""Cuts a face out of a picture: upright by its eyes where they are known, square around its box where they are not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_emotion.data.faces.finder import Face, Landmarks
from clip_emotion.types import FaceBox

SMALL_SIDE = 64
"""Pictures with a shorter side below this many pixels are taken for face crops, and no face is looked for in them."""
MARGIN = 0.02
"""With this margin the crop is as wide as FER-2013's, where the cascade's box spans 0.96 of the picture."""
ALREADY_CROPPED = 0.75
"""A picture that is square-ish and at most as much larger than its face's crop as this tells is a face crop already."""
EYES_AT = (0.5, 0.39)
"""Where the middle between the eyes lies in a crop, in shares of its side: the mean of FER-2013 and muxspace."""
EYE_DISTANCE = 0.365
"""The distance between the eyes in a crop, likewise."""
EYES_TO_MOUTH = 0.42
"""The most that may lie between eyes and mouth: a face in half profile, or with its jaw dropped, gets a wider crop."""
LARGEST_CROP = 448
"""A crop's side in pixels at most; no encoder here reads more."""


def crop_face(image: Image.Image, face: Face) -> Image.Image:
    """Cut a face out of an RGB picture as a square, turned upright where its landmarks are known."""
    if face.landmarks is None:
        return crop_box(image, face.box)
    return crop_upright(image, face.landmarks)


def crop_box(image: Image.Image, box: FaceBox, margin: float = MARGIN) -> Image.Image:
    """Cut a square around the box's centre, ``margin`` of its side wider on every side.

    The square is shifted inwards at the picture's edge, and is smaller only where the whole picture is smaller.
    """
    side = min(round(max(box.width, box.height) * (1 + 2 * margin)), *image.size)
    left = min(max(0, round(box.x + box.width / 2 - side / 2)), image.width - side)
    top = min(max(0, round(box.y + box.height / 2 - side / 2)), image.height - side)
    return image.crop((left, top, left + side, top + side))


def crop_upright(image: Image.Image, landmarks: Landmarks) -> Image.Image:
    """Cut the square in which the eyes lie level and where FER-2013 has them; the edge is repeated beyond the picture.

    The crop keeps the picture's scale, but for those larger than ``LARGEST_CROP``.
    """
    import cv2

    side, matrix = upright(landmarks)
    size = max(1, min(round(side), LARGEST_CROP))
    corner = np.abs(matrix[:, :2]).sum(axis=1)
    centre = matrix @ (side / 2, side / 2, 1)
    area = _inside(image, centre - corner * side / 2, centre + corner * side / 2)
    part = image.crop(area)
    reduced = min(1.0, 1.5 * size / side)
    if reduced < 1:
        part = part.resize([max(1, round(length * reduced)) for length in part.size], Image.Resampling.BICUBIC)
    # From the crop's pixels to those of the cut and reduced part; whole numbers are the pixels' middles.
    scale = np.array(part.size) / (area[2] - area[0], area[3] - area[1])
    matrix = np.column_stack((matrix[:, :2] * side / size, matrix[:, 2] - area[:2]))
    matrix[:, 2] += (matrix[:, :2] * 0.5).sum(axis=1)
    matrix = matrix * scale[:, None]
    matrix[:, 2] -= 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(np.asarray(part), matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return Image.fromarray(turned)


def upright(landmarks: Landmarks) -> tuple[float, NDArray[np.float64]]:
    """Return the crop's side in the picture's pixels and the matrix [2, 3] from places in the crop to the picture's."""
    points = np.asarray(landmarks, dtype=np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    between = points[1] - points[0]
    distance = float(np.hypot(*between))
    side = max(distance / EYE_DISTANCE, float(np.hypot(*(mouth - eyes))) / EYES_TO_MOUTH, 1.0)
    level = between / distance if distance else np.array([1.0, 0.0])
    turn = np.column_stack((level, (-level[1], level[0])))
    return side, np.column_stack((turn, eyes - turn @ (np.array(EYES_AT) * side)))


def _inside(image: Image.Image, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """Return the part of the picture within corners, with a pixel around it to interpolate from; never empty."""
    size = np.array(image.size)
    low = np.clip(np.floor(low).astype(int) - 2, 0, size - 1)
    high = np.clip(np.ceil(high).astype(int) + 2, low + 1, size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def is_face_crop(image: Image.Image, face: Face | None = None) -> bool:
    """Tell whether a picture is a face crop already: very small, or square-ish and filled by the face found in it."""
    shorter, longer = sorted(image.size)
    if shorter < SMALL_SIDE:
        return True
    if face is None or longer > 1.3 * shorter:
        return False
    if face.landmarks is not None:
        return upright(face.landmarks)[0] >= ALREADY_CROPPED * longer
    return min(face.box.width, face.box.height) >= ALREADY_CROPPED * shorter
