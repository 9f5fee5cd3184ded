"""The site's secret: given from outside, or made once and kept in the data folder; never a default."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from clip_emotion.errors import UsageError
from clip_emotion.web.settings import Settings

SHORTEST = 32
"""Letters of a secret that is given from outside."""


class Secret:
    """Keys for different ends out of one secret."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    @classmethod
    def of(cls, settings: Settings) -> Secret:
        """Return the settings' secret, or that of the data folder, made where there is none.

        Raises UsageError for a secret that is too short to be one.
        """
        if settings.secret is not None:
            given = settings.secret.get_secret_value()
            if len(given) < SHORTEST:
                raise UsageError(f"CLIP_EMOTION_WEB_SECRET needs at least {SHORTEST} letters: make one at random.")
            return cls(given.encode("utf-8"))
        return cls(_kept(settings.data / "secret"))

    def sign(self, end: str, value: str) -> str:
        """Return the HMAC-SHA256 of a value for one end, in hexadecimal: of no use for another end."""
        return hmac.new(self._value, f"{end}\0{value}".encode(), hashlib.sha256).hexdigest()

    def fits(self, end: str, value: str, signature: str) -> bool:
        """Tell in constant time whether a signature is that of a value for an end."""
        return hmac.compare_digest(self.sign(end, value).encode(), signature.encode("utf-8", "replace"))


def hashed(token: str) -> str:
    """Return the SHA-256 of a random token, under which a database keeps it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _kept(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        content = path.read_bytes().strip()
        if len(content) < SHORTEST:
            raise UsageError(f"{path} holds no secret: remove it, and a new one is made.") from None
        return content
    with os.fdopen(handle, "wb") as file:
        content = secrets.token_urlsafe(48).encode("ascii")
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return content
