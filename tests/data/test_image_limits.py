"""What a single picture may cost, and which files of a folder are pictures at all."""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.image_memory import kinds, peak_of
from clip_emotion.data import image_limits, images, pixels
from clip_emotion.data.cards import load_card
from clip_emotion.data.finding import find_images
from clip_emotion.data.image_limits import MAX_PIXELS
from clip_emotion.data.images import open_image
from clip_emotion.data.pixels import TILE, tiles, to_rgb
from clip_emotion.data.recipes.base import Request
from clip_emotion.data.recipes.images import read_image_folder
from clip_emotion.data.sources import open_source
from clip_emotion.errors import ImageError, UsageError
from tests.support.pictures import noise, plain, save
from tests.support.raw_files import png, write, zipped

PIXELS = 1_500_000
BYTES_A_PIXEL = 600 / (MAX_PIXELS / 2**20)
"""What the limit of 600 MiB at the largest picture leaves each pixel."""


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's high-water mark is read")
def test_memory_stays_within_twelve_bytes_a_pixel() -> None:
    allowed = PIXELS / 2**20 * BYTES_A_PIXEL + 16  # and what the converter's tiles take, whatever the size
    for name, make in kinds(PIXELS):
        content = make()
        open_image(content, max_pixels=PIXELS)
        peak, outcome = peak_of(lambda content=content: open_image(content, max_pixels=PIXELS))
        assert outcome == "opened", name
        assert peak < allowed, name


def test_tiles_cover_every_pixel_once() -> None:
    for size in ((3, 5), (1, 3_000_000), (3_000_000, 1), (2_000, 1_500)):
        area = 0
        for left, top, right, bottom in tiles(*size):
            assert 0 < (right - left) * (bottom - top) <= TILE
            area += (right - left) * (bottom - top)
        assert area == size[0] * size[1]


@pytest.mark.parametrize("mode", ["I;16", "I", "F", "RGBA", "LA", "PA"])
def test_a_picture_of_several_tiles_is_that_of_one(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (37, 53))
    image = {
        "I;16": lambda: Image.fromarray(values.astype(np.uint16)),
        "I": lambda: Image.fromarray(values.astype(np.int32) * 7),
        "F": lambda: Image.fromarray(values.astype(np.float32)),
        "RGBA": lambda: Image.fromarray(np.random.default_rng(1).integers(0, 256, (37, 53, 4), dtype=np.uint8)),
        "LA": lambda: noise((53, 37)).convert("LA"),
        "PA": lambda: noise((53, 37)).convert("P").convert("PA"),
    }[mode]()
    whole = to_rgb(image)
    monkeypatch.setattr(pixels, "TILE", 100)
    assert np.array_equal(to_rgb(image), whole)


def test_a_jpeg_of_very_many_scans_is_refused_and_a_usual_one_opened() -> None:
    usual = encoded(noise((64, 64)), "JPEG", progressive=True)
    assert 5 < usual.count(b"\xff\xda") < 24
    assert open_image(usual).size == (64, 64)
    last = usual.rindex(b"\xff\xda")
    scan = usual[last:-2]
    with pytest.raises(ImageError, match=r"has \d+ scans, more than the limit of 1000"):
        open_image(usual[:-2] + scan * 1200 + usual[-2:])


def test_the_more_pixels_the_fewer_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = encoded(noise((64, 64)), "JPEG", progressive=True)
    monkeypatch.setattr(image_limits, "USUAL_SCANS", 3)
    monkeypatch.setattr(image_limits, "MAX_SCANNED", 64 * 64 * 4)
    with pytest.raises(ImageError, match="more than the limit of 4 for its size"):
        open_image(usual)


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_limits, "MAX_BYTES", 1000)
    path = save(noise((64, 64)), tmp_path / "a.png")
    for source in (path, path.read_bytes()):
        with pytest.raises(ImageError, match="bytes, more than the limit of 1,000"):
            open_image(source)


def test_the_limit_is_fifty_megapixels_and_no_library_warns_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_PIXELS == 50_000_000
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_478_485)  # Pillow's own, which `label` sets in its process
    large = encoded(Image.new("1", (12_000, 10_000)), "PNG")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ImageError, match=r"12000 × 10000 pixels, more than the limit of 50,000,000"):
            open_image(large)
    assert [str(one.message) for one in caught] == []


def test_heic_opens_with_its_extra_and_names_it_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(plain("red", (64, 64))).save(str(tmp_path / "a.heic"))
    image = open_image(tmp_path / "a.heic")
    assert image.mode == "RGB"
    assert np.allclose(np.asarray(image, dtype=float).mean(axis=(0, 1)), (250, 5, 5), atol=12)
    monkeypatch.setattr(images, "_formats", lambda: ["JPEG", "PNG"])
    for source in (tmp_path / "a.heic", (tmp_path / "a.heic").read_bytes()):
        with pytest.raises(ImageError, match=r"pip install 'clip-emotion\[heic\]'"):
            open_image(source)


SYSTEM = ["@eaDir/a.jpg", "__MACOSX/a.jpg", ".thumbnails/a.jpg", "#recycle/a.jpg", "$RECYCLE.BIN/a.jpg", "Thumbs.db"]
SYSTEM += ["sub/@eaDir/x/a.jpg", "@Recycle/a.jpg", "._a.jpg", "desktop.ini", "System Volume Information/a.jpg"]


def test_system_folders_are_no_data_and_other_files_are_counted(tmp_path: Path) -> None:
    others = ["paper.pdf", "film.MP4", "b.mp4", "README"]
    write(tmp_path / "f", dict.fromkeys([*SYSTEM, *others, "sub/real.jpg"], b"x"))
    found = find_images([str(tmp_path / "f")])
    assert [Path(source.name).name for source in found.sources] == ["real.jpg"]
    assert found.passed_over == {".pdf": 1, ".mp4": 2, "without a suffix": 1}
    assert found.notice() == "Passed over 4 file(s) that are no pictures: 2 .mp4, 1 .pdf, 1 without a suffix."
    assert find_images([str(tmp_path / "f" / "sub")]).notice() is None
    write(tmp_path / "none", {"a.pdf": b"x"})
    with pytest.raises(UsageError, match=r"holds no pictures.*Passed over 1 file\(s\).*1 \.pdf"):
        find_images([str(tmp_path / "none")])


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_system_folders_are_no_classes(tmp_path: Path, as_zip: bool) -> None:
    files = {**{f"happy/{name}": b"x" for name in SYSTEM}, "happy/real.png": png(1), "happy/film.mp4": b"x"}
    place = zipped(tmp_path / "a.zip", files) if as_zip else write(tmp_path / "a", files)
    with open_source(place) as source:
        reading = read_image_folder(source, Request(load_card("image_folder")))
        assert reading is not None
        assert len(list(reading.rows)) == 1
        assert reading.passed_over == {".mp4": 1}
