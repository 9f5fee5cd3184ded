"""Raw data as published: a folder, a zip or one file, read by relative NFC names and within safe limits."""

from __future__ import annotations

import gzip
import io
import os
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from clip_emotion.archive_faults import ARCHIVE_FAULTS
from clip_emotion.data.system_files import is_system_name
from clip_emotion.errors import DataError, ImageError
from clip_emotion.text import nfc

IMAGE_LIMIT = 64 * 2**20
"""Most bytes of one encoded picture."""
TABLE_LIMIT = 4 * 2**30
"""Most bytes of one table, uncompressed."""
MEMBER_LIMIT = 5_000_000
RATIO_LIMIT = 200
"""Most times that a zip member of more than ``RATIO_FROM`` bytes may inflate."""
RATIO_FROM = 16 * 2**20
UTF8_NAME = 0x800
ENCRYPTED = 0x1


class Source(Protocol):
    """Files under relative names: sorted, NFC-normalised, with forward slashes, hidden and system files left out."""

    location: Path

    def names(self) -> list[str]:
        """Return every file's name."""
        ...

    def read(self, name: str) -> bytes:
        """Return a picture file's bytes; raises ImageError when it is missing, unreadable or over the limit."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open a table's bytes; raises DataError when it is missing or unreadable."""
        ...


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a folder, a .zip or a single file as a Source; a folder that holds nothing but one zip is that zip.

    Raises DataError when the path does not exist or the zip is damaged, encrypted or unsafe.
    """
    if path.is_dir():
        files = [file for file in path.iterdir() if not is_system_name(file.name)]
        if len(files) != 1 or files[0].suffix.lower() != ".zip":
            yield FolderSource(path)
            return
        path = files[0]
    if not path.is_file():
        raise DataError(f"{path} does not exist: give the folder, .zip or file that holds the data.")
    if path.suffix.lower() == ".zip":
        with _open_zip(path) as archive:
            yield ZipSource(path, archive)
    else:
        yield FolderSource(path.parent, only=path, location=path)


@contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except ARCHIVE_FAULTS as error:
        raise DataError(f"{path} is not a readable .zip ({error}): fetch it again.") from error
    with archive:
        yield archive


class FolderSource:
    """A folder on disk, or one file of it; other files named by a table are found relative to the folder."""

    def __init__(self, root: Path, only: Path | None = None, location: Path | None = None) -> None:
        self.location = location or root
        self._root = root
        files = [only] if only else _walk(root)
        self._paths = {nfc(file.relative_to(root).as_posix()): file for file in files}

    @property
    def root(self) -> Path:
        """The folder from which names start."""
        return self._root

    def names(self) -> list[str]:
        """Return every file's name."""
        return sorted(self._paths)

    def read(self, name: str) -> bytes:
        """Return a picture file's bytes."""
        path = self._find(name)
        try:
            info = path.stat()
            if not stat.S_ISREG(info.st_mode):
                raise ImageError("not a regular file")
            _check_size(info.st_size, IMAGE_LIMIT)
            return path.read_bytes()
        except OSError as error:
            raise ImageError(error.strerror or str(error)) from error

    def open(self, name: str) -> IO[bytes]:
        """Open a table's bytes."""
        path = self._find(name)
        try:
            return path.open("rb")
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error

    def _find(self, name: str) -> Path:
        # A table may name files beyond the listing (absolute, or beside a single file), in either Unicode form.
        listed = self._paths.get(nfc(name))
        if listed:
            return listed
        forms = [self._root / unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
        return next((path for path in forms if path.exists()), forms[0])


class ZipSource:
    """A .zip read in place: nothing is unpacked to disk, and every member is checked before it is opened."""

    def __init__(self, location: Path, archive: zipfile.ZipFile) -> None:
        self.location = location
        self._archive = archive
        members = archive.infolist()
        if len(members) > MEMBER_LIMIT:
            raise DataError(f"{location} holds {len(members)} files, more than the limit of {MEMBER_LIMIT}.")
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            name = _safe_name(member, location)
            if not member.is_dir() and not any(map(is_system_name, name.split("/"))):
                self._members[name] = member

    def names(self) -> list[str]:
        """Return every file's name."""
        return sorted(self._members)

    def read(self, name: str) -> bytes:
        """Return a picture file's bytes."""
        member = self._members.get(nfc(name))
        if member is None:
            raise ImageError("not in the zip")
        try:
            self._check(member, IMAGE_LIMIT)
            return self._archive.read(member)
        except ARCHIVE_FAULTS as error:
            raise ImageError(f"damaged in the zip ({error})") from error

    def open(self, name: str) -> IO[bytes]:
        """Open a table's bytes."""
        member = self._members.get(nfc(name))
        if member is None:
            raise DataError(f"{self.location} holds no {name}.")
        try:
            self._check(member, TABLE_LIMIT)
            return self._archive.open(member)
        except (*ARCHIVE_FAULTS, ImageError) as error:
            raise DataError(f"Cannot read {name} in {self.location}: {error}.") from error

    @staticmethod
    def _check(member: zipfile.ZipInfo, limit: int) -> None:
        # Reading stops at the declared size, so a declared size within limits bounds what is inflated.
        if member.flag_bits & ENCRYPTED:
            raise ImageError("encrypted in the zip")
        _check_size(member.file_size, limit)
        if member.file_size > max(RATIO_FROM, RATIO_LIMIT * member.compress_size):
            raise ImageError(f"inflates more than {RATIO_LIMIT} times")


class LimitedReader(io.RawIOBase):
    """A byte stream that fails once more than ``limit`` bytes came out of it: a guard around decompressors."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, limit: int, name: str) -> None:
        super().__init__()
        self._stream, self._left, self._name = stream, limit, name

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; raises DataError past the limit and on damaged gzip data."""
        try:
            chunk = self._stream.read(len(buffer))
        except ARCHIVE_FAULTS as error:
            raise DataError(f"{self._name} is damaged ({error}): fetch it again.") from error
        self._left -= len(chunk)
        if self._left < 0:
            raise DataError(f"{self._name} is larger than the limit of {TABLE_LIMIT} bytes.")
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        """Close the stream beneath as well."""
        self._stream.close()
        super().close()


def open_table(source: Source, name: str) -> IO[bytes]:
    """Open a table's bytes, decompressed where its name ends in ``.gz``, guarded against growing without end."""
    raw = source.open(name)
    stream = gzip.GzipFile(fileobj=raw) if name.lower().endswith(".gz") else raw
    return io.BufferedReader(LimitedReader(stream, TABLE_LIMIT, name), 1 << 16)


def _safe_name(member: zipfile.ZipInfo, location: Path) -> str:
    name = member.filename
    if not member.flag_bits & UTF8_NAME:
        # Windows in Korean writes CP949 names without saying so; Python reads such names as CP437.
        for encoding in ("utf-8", "cp949"):
            try:
                name = name.encode("cp437").decode(encoding)
                break
            except UnicodeError:
                continue
    name = nfc(name.replace("\\", "/"))
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or ":" in name.split("/")[0]:
        raise DataError(f"{location} holds the unsafe path '{name}': do not use this archive.")
    return str(path)


def _walk(root: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not is_system_name(name)]
        found += [Path(folder) / name for name in files if not is_system_name(name)]
    return found


def _check_size(size: int, limit: int) -> None:
    if size == 0:
        raise ImageError("empty file")
    if size > limit:
        raise ImageError(f"{size} bytes, more than the limit of {limit}")
