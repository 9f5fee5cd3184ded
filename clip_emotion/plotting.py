"""One style for every plot, with Hangul rendered; no global matplotlib setting is changed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path

from matplotlib import font_manager, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clip_emotion.errors import ClipEmotionError

DPI = 150
FONT_PACKAGE = "koreanize-matplotlib"
FONT_FILE = "NanumGothic.ttf"
BLUE, ORANGE, GREY = "#2f6db3", "#d9822b", "#9aa3ad"


@cache
def korean_font() -> str:
    """Return the family name of a font with Hangul, registered with matplotlib; raises as ``korean_font_file``."""
    path = str(korean_font_file())
    font_manager.fontManager.addfont(path)
    return font_manager.FontProperties(fname=path).get_name()


@cache
def korean_font_file() -> Path:
    """Return the file of a font with Hangul, for what draws words without matplotlib too.

    It is the NanumGothic that koreanize-matplotlib carries. The file is looked up among the package's files, because
    importing that package changes rcParams. Raises ClipEmotionError where the package is not installed whole.
    """
    try:
        files = metadata.files(FONT_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    path = next((Path(str(file.locate())) for file in files if file.name == FONT_FILE), None)
    if path is None or not path.is_file():
        raise ClipEmotionError(f"The Korean font is missing: run pip install --force-reinstall {FONT_PACKAGE}.")
    return path


@contextmanager
def figure_style() -> Iterator[None]:
    """Within the block figures are drawn with the Korean font; outside nothing has changed."""
    # NanumGothic has no Unicode minus, so that an ASCII one is drawn.
    with rc_context({"font.family": [korean_font(), "DejaVu Sans"], "axes.unicode_minus": False}):
        yield


def figure_png(figure: Figure) -> bytes:
    """Return a figure as PNG bytes."""
    buffer = io.BytesIO()
    with figure_style():
        FigureCanvasAgg(figure)
        figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
