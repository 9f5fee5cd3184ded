"""Pictures from Python callers: every kind that is taken, and values that are no picture's told from those that are."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clip_emotion.data.images import read_source
from clip_emotion.data.inputs import as_sources
from clip_emotion.errors import UsageError
from tests.support.pictures import noise, plain, save


def test_every_kind_of_picture_is_taken(tmp_path: Path) -> None:
    path, image = save(noise((9, 7)), tmp_path / "a.png"), noise((9, 7))
    content, array = path.read_bytes(), np.array(noise((9, 7)))
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    with path.open("rb") as file:
        items = [path, str(path), content, bytearray(content), memoryview(content), io.BytesIO(content), file]
        items += [image, array, tensor, tensor / 255, array / 255, array.astype(np.uint16) * 257]
        for item in items:
            if hasattr(item, "seek"):
                item.seek(0)
            (source,) = as_sources(item)
            assert np.array_equal(read_source(source), array), type(item)
    assert len(as_sources([path, content, array])) == 3
    assert len(as_sources(torch.stack([tensor, tensor]))) == 2
    assert len(as_sources(np.stack([array, array, array]))) == 3


def test_grey_is_taken_with_and_without_its_channel() -> None:
    grey = np.full((8, 6), 0.5)
    for item in (grey, grey[..., None], torch.from_numpy(grey), torch.from_numpy(grey)[None], grey.astype(np.float16)):
        (source,) = as_sources(item)
        assert source.content.size == (6, 8)
        assert source.content.getpixel((0, 0)) == 128
    (wide,) = as_sources(np.full((4, 4, 3), 65535, np.uint16))
    assert wide.content.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((4, 4, 3), 200.0), "from 0 to 1, and this one runs from 200 to 200: divide it by 255"),
        (np.linspace(0, 255, 48, dtype=np.float32).reshape(4, 4, 3), "runs from 0 to 255: divide it by 255"),
        (np.linspace(-1, 1, 16).reshape(4, 4), r"runs from -1 to 1\.$"),
        (np.full((4, 4), np.nan), "NaN or infinity"),
        (np.array([[0.0, np.inf]]), "NaN or infinity"),
        (np.full((4, 4), 255, np.uint16), "up to 65535, and this one ends at 255: give it as uint8"),
        (np.zeros((4, 4), np.int64), "An array of int64 is no picture"),
        (np.zeros((4, 4), bool), "An array of bool is no picture"),
        (np.zeros((2, 2, 7)), "no picture: give"),
        (np.zeros((0, 4)), "no picture: give"),
        (torch.full((3, 4, 4), 128.0), "divide it by 255"),
        (torch.full((3, 4, 4), float("nan")), "NaN"),
    ],
)
def test_values_outside_a_pictures_range_are_an_error_that_says_what_is_expected(array, words) -> None:
    (source,) = as_sources(array)
    assert source.content is None
    assert source.error is not None

    assert re.search(words, source.error), source.error


def test_the_ends_of_the_range_are_no_error() -> None:
    for array in (np.zeros((4, 4)), np.ones((4, 4, 3)), np.zeros((4, 4), np.uint16), np.full((2, 2), 1.0002)):
        (source,) = as_sources(array)
        assert source.error is None


def test_what_is_no_picture_is_misuse() -> None:
    with pytest.raises(UsageError, match="not int"):
        as_sources(3)
    with pytest.raises(UsageError, match="not dict"):
        as_sources([{}])
    with pytest.raises(UsageError, match="mode 'rb'"):
        as_sources(io.StringIO("text"))
    closed = io.BytesIO(b"x")
    closed.close()
    (source,) = as_sources(closed)
    assert source.error == "The file cannot be read (I/O operation on closed file.)."


def test_a_single_image_in_memory_is_not_changed() -> None:
    image = plain("red")
    (source,) = as_sources(image)
    assert read_source(source) is image
    deep = Image.new("I;16", (3, 3), 65535)
    assert read_source(as_sources(deep)[0]).getpixel((0, 0)) == (255, 255, 255)
    assert deep.mode == "I;16"
