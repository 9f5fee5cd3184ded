"""The face finders by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clip_emotion.data.faces.finder import FaceFinder, FinderOptions
from clip_emotion.data.faces.haar import HaarFinder
from clip_emotion.data.faces.mtcnn import MtcnnFinder
from clip_emotion.data.faces.yunet import YunetFinder
from clip_emotion.errors import UsageError
from clip_emotion.files import expanded

DEFAULT_FINDER = "mtcnn"
FINDERS: dict[str, Callable[[FinderOptions], FaceFinder]] = {
    "mtcnn": MtcnnFinder,
    "yunet": YunetFinder,
    "haar": HaarFinder,
}


def make_finder(name: str = DEFAULT_FINDER, options: FinderOptions | None = None) -> FaceFinder:
    """Return the finder of this name; ``yunet:FILE`` also says where its model lies.

    Raises UsageError for an unknown name or a file that is not there.
    """
    name, _, file = name.partition(":")
    if name not in FINDERS:
        raise UsageError(f"Unknown face finder '{name}': choose one of {', '.join(FINDERS)}.")
    options = options or FinderOptions()
    if file and not expanded(file).is_file():
        raise UsageError(f"--finder {name}:{file}: there is no such file.")
    return FINDERS[name](replace(options, model=expanded(file)) if file else options)
