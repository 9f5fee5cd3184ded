"""Finding the pictures that a user means: files, folders, globs and lists."""

from __future__ import annotations

import codecs
import glob
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clip_emotion.data.images import SUFFIXES, ImageSource
from clip_emotion.data.system_files import is_system_name
from clip_emotion.errors import UsageError
from clip_emotion.text import nfc

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for names in ("mp4 m4v mov qt 3gp 3g2 mkv webm avi wmv asf flv", "ts mts m2ts mpg mpeg vob ogv mxf ivf h264 hevc")
    for name in names.split(" ")
)


@dataclass(frozen=True)
class FoundImages:
    """The pictures that the arguments mean, and how many other files lay in their folders, by suffix."""

    sources: tuple[ImageSource, ...]
    passed_over: Mapping[str, int]

    def notice(self) -> str | None:
        """Say in one sentence which files were passed over, or None where there were none."""
        return passed_over_notice(self.passed_over)


def passed_over_notice(counts: Mapping[str, int]) -> str | None:
    """Say in one sentence how many files are no pictures, the commonest suffixes first, or None for no files."""
    total = sum(counts.values())
    if not total:
        return None
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{count:,} {suffix}" for suffix, count in most[:5])
    return f"Passed over {total:,} file(s) that are no pictures: {shown}{' …' if most[5:] else ''}."


def find_images(paths: Sequence[str], stdin: BinaryIO | None = None, advice: str = "") -> FoundImages:
    """Find the pictures that the arguments mean: files, folders (recursive, sorted), globs, ``-`` for a list on stdin.

    A file is listed once, however often it is named. A path that does not exist is listed with its error.
    Raises UsageError for no path at all, and for a folder that holds no pictures; ``advice`` is what it says to those
    who have videos there.
    """
    if not paths:
        raise UsageError("Name at least one picture, folder or glob, or - for a list on standard input.")
    seen: set[str] = set()
    names: set[str] = set()
    sources: list[ImageSource] = []
    passed_over: Counter[str] = Counter()
    for source in _candidates(paths, stdin, passed_over, advice):
        # Not resolved: two links to one picture are two pictures to the user who named them.
        place = os.path.abspath(source.content) if isinstance(source.content, Path) else source.name  # noqa: PTH100
        if place in seen:
            continue
        seen.add(place)
        # Two files can differ in nothing but their names' Unicode form; the second then shows its name as stored.
        name = source.name if source.name not in names else str(source.content)
        names.add(name)
        sources.append(ImageSource(name, source.content, source.error))
    return FoundImages(tuple(sources), passed_over)


def _candidates(
    paths: Sequence[str], stdin: BinaryIO | None, passed_over: Counter[str], advice: str
) -> Iterator[ImageSource]:
    for path in paths:
        if path == "-":
            for line in _listed(stdin):
                yield from _expand(line, passed_over, advice)
        elif glob.has_magic(path) and resolve_path(path) is None:
            matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - the pattern may be absolute
            if not matches:
                yield ImageSource(display_name(path), None, "No file matches this pattern.")
            for match in matches:
                yield from _expand(match, passed_over, advice)
        else:
            yield from _expand(path, passed_over, advice)


def _listed(stdin: BinaryIO | None) -> Iterable[str]:
    """Yield the paths on standard input, one a line, or NUL-separated as ``find -print0`` writes them."""
    content = stdin.read() if stdin is not None else b""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # what PowerShell's > writes
        content = content.decode("utf-16", "replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    lines = content.split(b"\0") if b"\0" in content else content.splitlines()
    paths = [_listed_path(line) for line in lines if line.strip()]
    if not paths:
        raise UsageError("Standard input holds no paths: give one a line, as find . -name '*.jpg' does.")
    return paths


def _listed_path(line: bytes) -> str:
    """Decode a path: UTF-8, else the raw name of a file that is there, else CP949, which Korean Windows writes."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        if os.path.lexists(line):
            return os.fsdecode(line)
    return line.decode("cp949", "replace")


def _expand(path: str, passed_over: Counter[str], advice: str) -> Iterator[ImageSource]:
    """Yield the file, or every picture below the folder, or a source with the reason why there is neither."""
    real = resolve_path(path)
    if real is None:
        yield ImageSource(display_name(path), None, "There is no such file or folder.")
    elif real.is_dir():
        found = list(_walk(real, passed_over))
        if not found:
            others = passed_over_notice(passed_over)
            raise UsageError(
                f"Folder {display_name(path)} holds no pictures ({', '.join(sorted(SUFFIXES)[:8])} …)."
                + (f" {others}" if others else "")
                + (f" {advice}" if advice and VIDEO_SUFFIXES & passed_over.keys() else "")
            )
        yield from found
    else:
        yield ImageSource(display_name(str(real)), real)


def _walk(folder: Path, passed_over: Counter[str]) -> Iterator[ImageSource]:
    """Yield the pictures below a folder in sorted order, leave hidden and system files out, and count the others."""
    locked: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=locked.append):
        folders[:] = sorted((name for name in folders if not is_system_name(name)), key=nfc)
        for name in sorted(files, key=nfc):
            path = Path(parent, name)
            if is_system_name(name):
                continue
            if path.suffix.lower() in SUFFIXES:
                yield ImageSource(display_name(str(path)), path)
            else:
                passed_over[path.suffix.lower() or "without a suffix"] += 1
    for error in locked:
        yield ImageSource(display_name(str(error.filename)), None, f"The folder cannot be read ({error.strerror}).")


def display_name(path: str) -> str:
    """Return a path as people and UTF-8 files can read it: NFC, with undecodable bytes written out."""
    return nfc(path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def resolve_path(path: str) -> Path | None:
    """Find the file or folder that a path means, whichever Unicode form its name is stored in, or None."""
    for form in (path, nfc(path), unicodedata.normalize("NFD", path)):
        if os.path.lexists(form):
            return Path(form)
    parent, name = os.path.split(path)
    if not name or not parent or parent == path:
        return _twin(Path(), name) if name and not parent else None
    folder = resolve_path(parent)
    return _twin(folder, name) if folder is not None and folder.is_dir() else None


def _twin(folder: Path, name: str) -> Path | None:
    """Find an entry whose name equals ``name`` in composed form."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return None
    return next((entry for entry in entries if nfc(entry.name) == nfc(name)), None)
