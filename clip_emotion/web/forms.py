"""What a form sent: texts cut to a length, choices among known ones, files within limits."""

from __future__ import annotations

from starlette.datastructures import FormData, UploadFile

from clip_emotion.text import nfc
from clip_emotion.web.labelling import Upload

LONGEST = 2000


class Form:
    """The fields of a form."""

    def __init__(self, data: FormData) -> None:
        self.data = data

    def text(self, name: str, longest: int = LONGEST) -> str:
        """Return a field's text, NFC-normalised and cut, without the control signs; empty where it is missing."""
        value = self.data.get(name)
        if not isinstance(value, str):
            return ""
        return "".join(sign for sign in nfc(value[:longest]) if sign.isprintable() or sign in "\n\t")

    def password(self, name: str) -> str:
        """Return a password as it was typed, NFC-normalised, so that every keyboard gives the same."""
        value = self.data.get(name)
        return nfc(value[:LONGEST]) if isinstance(value, str) else ""

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """Return a field's value where it is a known one, else the first of those."""
        value = self.text(name, 200)
        return value if value in known else known[0]

    def ticked(self, name: str) -> bool:
        """Tell whether a box is ticked."""
        return bool(self.text(name, 20))

    def texts(self, name: str, longest: int = 200) -> list[str]:
        """Return the texts of all fields of a name."""
        return [nfc(value[:longest]) for value in self.data.getlist(name) if isinstance(value, str)]

    def files(self, name: str) -> list[UploadFile]:
        """Return the files of a field, less such as have neither name nor content."""
        found = [value for value in self.data.getlist(name) if isinstance(value, UploadFile)]
        return [file for file in found if file.filename or file.size]

    def pictures(self, name: str) -> list[Upload]:
        """Return the files of a field as pictures to label; their bytes are read when a worker comes to them."""
        return [Upload(shown_name(file.filename), file.file.read) for file in self.files(name)]


def shown_name(name: str | None) -> str:
    """Return a file's name without folders and control signs, to be shown and never to be opened."""
    bare = nfc((name or "").replace("\\", "/").rsplit("/", 1)[-1])
    return "".join(sign for sign in bare if sign.isprintable())[:120] or "picture"
