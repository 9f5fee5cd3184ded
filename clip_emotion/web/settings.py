"""Every setting of the web app, from arguments or from environment variables that begin with CLIP_EMOTION_WEB_."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from limits import parse
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from clip_emotion.files import expanded

MIB = 2**20
BODIES = {
    "/": 1 * MIB,
    "/try": 20 * MIB,
    "/label": 200 * MIB,
    "/score": 64 * MIB,
    "/interview": 512 * MIB,
    "/api/v1/label": 200 * MIB,
    "/api/v1/score": 64 * MIB,
}
"""Most bytes of a request's body by the path that it goes to, the longest fitting path deciding."""
RATES = {
    "login-account": "10/15minutes",
    "login-everywhere": "100/hour",
    "login-address": "60/15minutes",
    "register-address": "20/hour",
    "password-account": "10/15minutes",
    "try-address": "30/5minutes",
    "upload-account": "60/5minutes",
    "upload-address": "240/5minutes",
    "export-account": "20/hour",
    "api-token": "600/minute",
    "api-account": "1200/minute",
    "api-upload": "240/5minutes",
    "api-wrong-address": "60/minute",
}
"""How often what may be done, in the notation of the package limits.

``login-account`` counts log-ins to one account from one address, so that nobody locks others out by wrong passwords;
``login-everywhere`` those to one account from all addresses together.
"""


def default_data() -> Path:
    """Return the folder where the web app keeps its data when nobody names one; it is not made here."""
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return expanded(Path(home) / "clip-emotion" / "web")


class Settings(BaseSettings):
    """The web app's settings; frozen, validated before anything begins."""

    model_config = SettingsConfigDict(env_prefix="CLIP_EMOTION_WEB_", frozen=True, extra="forbid")

    data: Path = Field(default_factory=default_data)
    """Holds the database, the pictures and the secret; readable by its owner alone."""
    database: str | None = None
    """A database's URL; None for SQLite in the data folder."""
    secret: SecretStr | None = None
    """Signs tokens; None for one that is made once and kept in the data folder."""
    model: str = "mini"
    device: str = "auto"
    loopback: bool = False
    """Whether the site is reached over plain HTTP from this very machine alone, so that cookies need no TLS."""
    proxies: tuple[str, ...] = ()
    """Addresses of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    hosts: tuple[str, ...] = ()
    """The host names that the site answers to; empty for any."""
    languages: tuple[str, ...] = ("ko", "en")
    registration: bool = True
    """Whether anybody may make an account."""
    session_idle: timedelta = timedelta(days=1)
    session_absolute: timedelta = timedelta(days=14)
    reauthentication: timedelta = timedelta(minutes=10)
    """For how long after a password was given an admin's pages are open."""
    unsaved: timedelta = timedelta(hours=1)
    """How long results stay that were neither saved nor discarded."""
    failures_kept: timedelta = timedelta(days=30)
    """How long failed log-ins, which hold addresses, are kept."""
    bodies: dict[str, int] = Field(default_factory=lambda: dict(BODIES))
    rates: dict[str, str] = Field(default_factory=lambda: dict(RATES))
    """What differs from ``RATES``; ``bodies`` what differs from ``BODIES``."""
    max_pixels: int = Field(50_000_000, ge=1)
    most_pictures: int = Field(50, ge=1)
    """Pictures of one upload."""
    stored_side: int = Field(1600, ge=64)
    """The longer side, in pixels, at which pictures are kept."""
    queue: int = Field(256, ge=1)
    """Pictures that may wait for the model; more are refused with 503."""
    batch_wait: float = Field(0.01, ge=0, le=1)
    """Seconds for which a picture waits for others to be embedded with it."""
    batch_size: int = Field(32, ge=1)
    workers: int = Field(2, ge=1)
    """Threads that decode pictures and look for faces."""

    @field_validator("bodies")
    @classmethod
    def _all_bodies(cls, given: dict[str, int]) -> dict[str, int]:
        return {**BODIES, **given}

    @field_validator("rates")
    @classmethod
    def _all_rates(cls, given: dict[str, str]) -> dict[str, str]:
        unknown = given.keys() - RATES
        if unknown:
            raise ValueError(f"there is no rate {', '.join(sorted(unknown))}: choose of {', '.join(RATES)}")
        for rate in given.values():
            parse(rate)
        return {**RATES, **given}

    @property
    def pictures(self) -> Path:
        """The folder of kept pictures."""
        return self.data / "pictures"

    @property
    def temporary(self) -> Path:
        """The folder of what lives for one request: chats while they are read, downloads until they are sent."""
        return self.data / "temporary"

    @property
    def database_url(self) -> str:
        """The database's URL, SQLite's in the data folder where none was given."""
        return self.database or f"sqlite:///{self.data / 'site.db'}"

    def body_limit(self, path: str) -> int:
        """Return the most bytes of a request's body to this path."""
        fitting = [prefix for prefix in self.bodies if prefix == "/" or path == prefix or path.startswith(prefix + "/")]
        return self.bodies[max(fitting, key=len)] if fitting else MIB

    def prepare(self) -> None:
        """Make the data folder, its owner's alone; raises OSError where it cannot be made."""
        for folder in (self.data, self.pictures, self.temporary):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data.chmod(0o700)
