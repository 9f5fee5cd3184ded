"""Two hundred pictures without a face, to count a finder's false finds on: photographs, cuttings, drawings, textures.

60 tiles of photographs (scikit-learn's china and flower; scikit-image's and any folder of photographs where they are
there, each looked at by a person beforehand); 40 cuttings of London portraits that show background, hair or clothes;
20 London portraits cut into tiles and shuffled, so that no face is whole; 40 drawn scenes with round and paired
things in them; 40 textures, pages and charts.
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = (640, 480)
SKIMAGE = [
    "brick.png",
    "cell.png",
    "chelsea.png",
    "chessboard_RGB.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "color.png",
    "grass.png",
    "gravel.png",
    "horse.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
]
"""scikit-image's pictures without a person; chelsea is a cat."""


def faceless(portraits: Sequence[Image.Image], photographs: Sequence[Path]) -> Iterator[tuple[str, Image.Image]]:
    """Yield 200 pictures with the name of their kind, the same ones every time."""
    rng = random.Random(0)
    files = [*sample_photographs(), *sorted(photographs)]
    for at in range(60):
        yield "photograph", tile(Image.open(files[at % len(files)]).convert("RGB"), rng)
    for at in range(40):
        yield "cutting", cutting(portraits[at % len(portraits)], at % 4)
    for at in range(20):
        yield "shuffled", shuffled(portraits[2 * at % len(portraits)], rng)
    for _ in range(40):
        yield "drawing", drawing(rng)
    for at in range(40):
        yield "texture", TEXTURES[at % len(TEXTURES)](np.random.default_rng(at))


def sample_photographs() -> list[Path]:
    """Return the photographs without a person that scikit-learn and, where it is installed, scikit-image carry."""
    found = []
    for package, folder, names in (
        ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")),
        ("skimage", "data", tuple(SKIMAGE)),
    ):
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations if spec else None) or ():
            found += [Path(place) / folder / name for name in names if (Path(place) / folder / name).is_file()]
    return found


def tile(image: Image.Image, rng: random.Random) -> Image.Image:
    """Cut a random part of at least two fifths of a picture and scale it to the common size."""
    share = rng.uniform(0.4, 1.0)
    width, height = (max(8, round(side * share)) for side in image.size)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height)).resize(SIZE)


def cutting(portrait: Image.Image, place: int) -> Image.Image:
    """Cut background, hair or clothes out of a London portrait: upper left, upper right, lower left, lower edge."""
    width, height = portrait.size
    boxes = (
        (0, 0, 0.25, 0.5),
        (0.75, 0, 1, 0.5),
        (0, 0.5, 0.25, 1),
        (0.1, 0.88, 0.9, 1),
    )
    left, top, right, bottom = boxes[place]
    cut = portrait.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))
    return cut.resize((cut.width * 2, cut.height * 2))


def shuffled(portrait: Image.Image, rng: random.Random, tiles: int = 8) -> Image.Image:
    """Cut a portrait into tiles and put them together in another order and turned by quarters."""
    side = portrait.width // tiles
    places = [(column * side, row * side) for row in range(tiles) for column in range(tiles)]
    order = rng.sample(places, len(places))
    result = portrait.copy()
    for (left, top), place in zip(order, places, strict=True):
        piece = portrait.crop((left, top, left + side, top + side))
        result.paste(piece.rotate(90 * rng.randrange(4)), place)
    return result


def drawing(rng: random.Random) -> Image.Image:
    """Draw a scene: houses with windows, cars with lamps, sockets, buttons and balls on a sky of two colours."""
    width, height = SIZE
    upper, lower = (tuple(rng.randint(40, 250) for _ in range(3)) for _ in range(2))
    ramp = np.linspace(0, 1, height)[:, None, None]
    sky = (np.array(upper) * (1 - ramp) + np.array(lower) * ramp) * np.ones((1, width, 1))
    image = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(5, 14)):
        side = rng.randint(30, 220)
        x, y = rng.randint(-20, width - side), rng.randint(-20, height - side)
        colour = tuple(rng.randint(0, 255) for _ in range(3))
        dark = tuple(value // 3 for value in colour)
        rng.choice((_house, _socket, _ball))(draw, (x, y, x + side, y + side), colour, dark)
    return image


Box = tuple[int, int, int, int]
Colour = tuple[int, ...]


def _house(draw: ImageDraw.ImageDraw, box: Box, colour: Colour, dark: Colour) -> None:
    x, y, right, bottom = box
    side = right - x
    draw.rectangle(box, fill=colour)
    for across in (0.15, 0.6):
        draw.rectangle((x + across * side, y + 0.2 * side, x + (across + 0.25) * side, y + 0.45 * side), fill=dark)
    draw.rectangle((x + 0.38 * side, y + 0.6 * side, x + 0.62 * side, bottom), fill=dark)


def _socket(draw: ImageDraw.ImageDraw, box: Box, colour: Colour, dark: Colour) -> None:
    x, y, right, _ = box
    side = right - x
    draw.rounded_rectangle(box, side // 6, fill=colour)
    for across in (0.28, 0.62):
        draw.ellipse((x + across * side, y + 0.35 * side, x + (across + 0.12) * side, y + 0.47 * side), fill=dark)
    draw.arc((x + 0.3 * side, y + 0.5 * side, x + 0.7 * side, y + 0.8 * side), 0, 360, fill=dark, width=3)


def _ball(draw: ImageDraw.ImageDraw, box: Box, colour: Colour, dark: Colour) -> None:
    draw.ellipse(box, fill=colour, outline=dark, width=4)
    draw.line(box, fill=dark, width=4)


def _smooth_noise(rng: np.random.Generator) -> Image.Image:
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    return small.resize(SIZE, Image.Resampling.BICUBIC)


def _natural_noise(rng: np.random.Generator) -> Image.Image:
    """Noise whose amplitude falls as one over the frequency, as that of photographs does."""
    width, height = SIZE
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    frequency[0, 0] = 1
    planes = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(height, width))) / frequency).real for _ in range(3)]
    values = np.stack(planes, axis=2)
    values = (values - values.min()) / (values.max() - values.min())
    return Image.fromarray((255 * values).astype(np.uint8))


def _stripes(rng: np.random.Generator) -> Image.Image:
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    waves = np.sin(columns / rng.uniform(3, 40)) * np.sin(rows / rng.uniform(3, 40))
    return Image.fromarray((127 + 127 * waves).astype(np.uint8)).convert("RGB")


def _page(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    letters = "abcdefghijklmnopqrstuvwxyz     ooo8800()"
    for row in range(20, SIZE[1] - 20, 14):
        draw.text((20, row), "".join(rng.choice(list(letters), 95)), fill="black")
    return image


def _chart(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    for x, y, size in rng.integers((20, 20, 3), (620, 460, 30), (60, 3)):
        draw.ellipse((x, y, x + size, y + size), fill=tuple(int(value) for value in rng.integers(0, 255, 3)))
    return image


TEXTURES = (_smooth_noise, _natural_noise, _stripes, _page, _chart)
