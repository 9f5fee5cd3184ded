"""What one process of the site holds, made once by ``create_app``; routes reach it as ``visit.site``."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from clip_emotion.web.database import Database
from clip_emotion.web.labelling import Labelling
from clip_emotion.web.metrics import Metrics
from clip_emotion.web.pictures import Pictures
from clip_emotion.web.scoring import Scoring
from clip_emotion.web.security.passwords import Passwords
from clip_emotion.web.security.rates import Rates
from clip_emotion.web.security.secret import Secret
from clip_emotion.web.security.sessions import Sessions
from clip_emotion.web.settings import Settings


@dataclass(frozen=True)
class Site:
    """The settings and everything that is made of them."""

    settings: Settings
    database: Database
    secret: Secret
    sessions: Sessions
    passwords: Passwords
    rates: Rates
    labelling: Labelling
    scoring: Scoring
    pictures: Pictures
    metrics: Metrics

    @classmethod
    def of(cls, connection: HTTPConnection) -> Site:
        """Return the site that a request came to."""
        site: Site = connection.app.state.site
        return site
