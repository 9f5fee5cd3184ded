"""``create_app``: the one place where the web app is wired together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from clip_emotion import __version__
from clip_emotion.web.database import Database
from clip_emotion.web.database.migrating import migrate
from clip_emotion.web.faults import add_fault_pages
from clip_emotion.web.labelling import Labelling
from clip_emotion.web.metrics import Metrics, MetricsMiddleware
from clip_emotion.web.pictures import Pictures
from clip_emotion.web.routes import ROUTERS
from clip_emotion.web.scoring import Scoring
from clip_emotion.web.security.bodies import BodyLimitMiddleware
from clip_emotion.web.security.forgery import OriginMiddleware
from clip_emotion.web.security.headers import HeadersMiddleware
from clip_emotion.web.security.passwords import Passwords
from clip_emotion.web.security.paths import PathMiddleware
from clip_emotion.web.security.rates import Rates
from clip_emotion.web.security.secret import Secret
from clip_emotion.web.security.sessions import Sessions
from clip_emotion.web.settings import Settings
from clip_emotion.web.site import Site
from clip_emotion.web.sweeping import keep_swept, sweep

THREADS = 48
"""Requests that are worked on at once, beside those that wait for the model, each of which waits in a thread too."""


def create_app(settings: Settings | None = None, *, labelling: Labelling | None = None) -> FastAPI:
    """Return the web app: data folder, database and model are ready when it is returned.

    ``labelling`` stands for the settings' model. Raises UsageError, ModelError or DataError where something of it
    cannot be had, OSError where the data folder cannot be made.
    """
    settings = settings or Settings()
    site = _site(settings, labelling)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = settings.queue + THREADS
        await anyio.to_thread.run_sync(sweep, site)
        async with anyio.create_task_group() as group:
            group.start_soon(keep_swept, site)
            yield
            group.cancel_scope.cancel()
        await anyio.to_thread.run_sync(_close, site)

    app = FastAPI(
        title="clip-emotion", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        openapi_url=None,  # routes/api/docs.py serves it
        redirect_slashes=False,  # such a redirect would name whatever host the request named
    )  # fmt: skip
    app.state.site = site
    for router in ROUTERS:
        app.include_router(router)
    add_fault_pages(app)
    _add_middleware(app, settings, site.metrics)
    return app


def _site(settings: Settings, labelling: Labelling | None) -> Site:
    settings.prepare()
    secret = Secret.of(settings)
    database = Database(settings.database_url)
    migrate(database.engine)
    labelling = labelling or Labelling.load(settings)
    return Site(
        settings, database, secret, Sessions(database, settings), Passwords(), Rates(settings),
        labelling, Scoring(labelling.encoder, settings.device, settings.temporary), Pictures(settings),
        Metrics(labelling),
    )  # fmt: skip


def _add_middleware(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Add what every request passes, the innermost first: sizes, origins, paths, hosts, headers, numbers, the proxy."""
    app.add_middleware(BodyLimitMiddleware, limit=settings.body_limit)
    app.add_middleware(OriginMiddleware)
    app.add_middleware(PathMiddleware)
    if settings.hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.hosts), www_redirect=False)
    app.add_middleware(HeadersMiddleware, loopback=settings.loopback)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    if settings.proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.proxies))


def _close(site: Site) -> None:
    steps: tuple[Callable[[], None], ...] = (site.labelling.close, site.database.close)
    for step in steps:
        step()
