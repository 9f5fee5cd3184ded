"""The web app's database: its tables, its engine and its migrations."""

from clip_emotion.web.database.engine import Database

__all__ = ["Database"]
