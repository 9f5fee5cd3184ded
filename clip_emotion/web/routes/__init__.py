"""The routes, a family of pages a file; a new family adds its router here."""

from fastapi import APIRouter

from clip_emotion.web.routes import (
    account,
    admin,
    api,
    credentials,
    dashboard,
    health,
    history,
    interview,
    label,
    pictures,
    review,
    score,
    site,
    start,
    tokens,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    site.files,
    site.router,
    start.router,
    credentials.router,
    credentials.own,
    account.router,
    tokens.router,
    api.router,
    api.pages,
    admin.router,
    label.router,
    score.router,
    pictures.router,
    history.router,
    dashboard.router,
    review.router,
    interview.router,
)
