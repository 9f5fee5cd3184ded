"""Every table, in one place to import them from."""

from clip_emotion.web.database.accounts import (
    ADMIN,
    USER,
    AccessToken,
    AuditEvent,
    FailedLogin,
    IdempotencyKey,
    LoginSession,
    User,
)
from clip_emotion.web.database.columns import Base, now, random_key
from clip_emotion.web.database.results import INTERVIEW, LABEL, SCORE, Document, Picture, Result

__all__ = [
    "ADMIN",
    "INTERVIEW",
    "LABEL",
    "SCORE",
    "USER",
    "AccessToken",
    "AuditEvent",
    "Base",
    "Document",
    "FailedLogin",
    "IdempotencyKey",
    "LoginSession",
    "Picture",
    "Result",
    "User",
    "now",
    "random_key",
]
