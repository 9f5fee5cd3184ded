"""Opening every kind of picture file, and finding the files that a user means."""

from __future__ import annotations

import io
import os
import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clip_emotion.data.finding import find_images, resolve_path
from clip_emotion.data.images import ImageSource, open_image, read_source
from clip_emotion.data.pixels import to_rgb
from clip_emotion.errors import ImageError, UsageError
from tests.support.pictures import COLOURS, noise, plain, save


def mean_colour(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=float).mean(axis=(0, 1))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tif", "ppm", "ico"])
def test_every_format_gives_rgb_of_its_colour(tmp_path: Path, suffix: str) -> None:
    image = open_image(save(plain("red"), tmp_path / f"a.{suffix}"))
    assert image.mode == "RGB"
    assert np.allclose(mean_colour(image), COLOURS["red"], atol=6)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_gives_rgb(mode: str) -> None:
    image = to_rgb(
        plain("green").convert("L").convert(mode) if mode in ("I;16", "I", "F") else plain("green").convert(mode)
    )
    assert image.mode == "RGB"
    assert image.size == (48, 48)


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    image = open_image(save(plain("blue").convert("CMYK"), tmp_path / "a.jpg"))
    assert np.allclose(mean_colour(image), COLOURS["blue"], atol=12)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    left_red = Image.new("RGB", (40, 20), COLOURS["blue"])
    left_red.paste(COLOURS["red"], (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    image = open_image(save(left_red, tmp_path / "a.png", exif=exif))
    assert image.size == (20, 40)
    # Orientation 6 turns clockwise: what was left is now above.
    assert image.getpixel((10, 5)) == COLOURS["red"]
    assert image.getpixel((10, 35)) == COLOURS["blue"]
    with Image.open(tmp_path / "a.png") as opened:
        assert np.array_equal(read_source(ImageSource("a", opened)), image)


def test_pictures_in_memory_have_the_same_limit() -> None:
    with pytest.raises(ImageError, match="limit of 2,303"):
        read_source(ImageSource("a", plain("red")), max_pixels=48 * 48 - 1)


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert open_image(save(clear, tmp_path / "a.png")).getpixel((3, 3)) == (255, 255, 255)
    palette = Image.new("P", (20, 20), 0)
    assert open_image(save(palette, tmp_path / "b.png", transparency=0)).getpixel((3, 3)) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    path = save(Image.fromarray(ramp), tmp_path / "a.png")
    values = np.asarray(open_image(path))[..., 0]
    assert np.array_equal(values.ravel(), np.round(ramp.ravel() / 257).astype(int))


def test_floats_keep_their_order(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    values = np.asarray(open_image(save(Image.fromarray(ramp), tmp_path / "a.tif")))[..., 0].ravel()
    assert values[0] == 0
    assert values[-1] == 255
    assert (np.diff(values.astype(int)) >= 0).all()


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_animation_gives_its_first_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    plain("red").save(path, save_all=True, append_images=[plain("blue"), plain("green")], duration=50)
    assert np.allclose(mean_colour(open_image(path)), COLOURS["red"], atol=10)


def test_bad_files_say_why_in_one_sentence(tmp_path: Path) -> None:
    good = save(noise((200, 200)), tmp_path / "good.jpg").read_bytes()
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "cut.jpg").write_bytes(good[: len(good) // 2])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    for name, words in {
        "empty.jpg": "empty",
        "cut.jpg": "truncated",
        "text.png": "Not a picture",
        "photo.heic": "Not a picture",
        "missing.png": "cannot be read",
    }.items():
        with pytest.raises(ImageError, match=words) as caught:
            open_image(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="folder"):
        open_image(tmp_path)


def test_oversized_is_refused_before_decoding() -> None:
    """The header claims 60,000 × 60,000 pixels and no pixel data follows: decoding would fail differently."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    with pytest.raises(ImageError, match="max-pixels"):
        open_image(b"\x89PNG\r\n\x1a\n" + chunks)
    small = io.BytesIO()
    plain("red").save(small, "PNG")
    with pytest.raises(ImageError, match="48 × 48"):
        open_image(small.getvalue(), max_pixels=48 * 48 - 1)
    assert open_image(small.getvalue(), max_pixels=48 * 48).size == (48, 48)


def test_folders_are_walked_sorted_and_hidden_files_passed_over(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "b/1.jpg", "a.webp", ".hidden.png", ".cache/x.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [Path(source.name).relative_to(tmp_path).as_posix() for source in find_images([str(tmp_path)]).sources]
    assert names == ["a.webp", "b/1.jpg", "b/2.PNG"]


def test_globs_lists_and_repeats(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "[c].png", "d.jpg"):
        (tmp_path / name).touch()
    a, b, c, d = (str(tmp_path / name) for name in ("a.png", "b.png", "[c].png", "d.jpg"))
    assert [source.name for source in find_images([str(tmp_path / "?.png"), a]).sources] == [a, b]
    assert len(find_images([a, f"{tmp_path}/../{tmp_path.name}/a.png"]).sources) == 1
    assert [source.name for source in find_images([c]).sources] == [c]
    listed = io.BytesIO(f"\ufeff{a}\r\n\n{d}\n".encode())
    assert [source.name for source in find_images(["-", a], listed).sources] == [a, d]
    assert [source.name for source in find_images(["-"], io.BytesIO(f"{a}\0{d}\0".encode())).sources] == [a, d]


def test_lists_as_korean_windows_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "기쁨 똠.png"
    path.touch()
    for encoding in ("cp949", "utf-16", "utf-8-sig"):
        listed = io.BytesIO(f"{path}\r\n".encode(encoding))
        (source,) = find_images(["-"], listed).sources
        assert (source.name, source.error) == (str(path), None)


def test_missing_paths_are_rows_and_empty_folders_misuse(tmp_path: Path) -> None:
    sources = find_images([str(tmp_path / "no.png"), str(tmp_path / "*.gif")]).sources
    assert [source.content for source in sources] == [None, None]
    assert all(source.error for source in sources)
    with pytest.raises(UsageError, match="holds no pictures"):
        find_images([str(tmp_path)])
    with pytest.raises(UsageError, match="at least one"):
        find_images([])
    with pytest.raises(UsageError, match="no paths"):
        find_images(["-"], io.BytesIO(b"\n"))


def test_decomposed_korean_names_are_found_and_shown_composed(tmp_path: Path) -> None:
    composed = "행복/기쁨.png"
    decomposed = unicodedata.normalize("NFD", composed)
    save(plain("red"), tmp_path / decomposed)
    for given in (composed, decomposed):
        (source,) = find_images([str(tmp_path / given)]).sources
        assert source.name == str(tmp_path / composed)
        assert isinstance(source.content, Path)
        assert open_image(source.content).size == (48, 48)
    (walked,) = find_images([str(tmp_path)]).sources
    assert walked.name == str(tmp_path / composed)


@pytest.mark.skipif(os.name == "nt", reason="file names are bytes on POSIX only")
def test_undecodable_names_survive(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    try:
        Path(os.fsdecode(raw)).touch()
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    (source,) = find_images([str(tmp_path)]).sources
    assert source.name.encode("utf-8").endswith(rb"\xff\xfe.png")
    assert isinstance(source.content, Path)
    assert source.content.exists()


def test_resolve_path_knows_what_is_not_there(tmp_path: Path) -> None:
    assert resolve_path(str(tmp_path / "a" / "b.png")) is None
    assert resolve_path("no such file.png") is None
    assert resolve_path(str(tmp_path)) == tmp_path
