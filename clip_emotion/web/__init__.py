"""The web app: pages and an API over the same labeller and scorer as the command line. ``create_app`` makes it."""

from clip_emotion.web.app import create_app
from clip_emotion.web.settings import Settings

__all__ = ["Settings", "create_app"]
