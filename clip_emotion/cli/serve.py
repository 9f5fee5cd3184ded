"""``clip-emotion serve``: the site for people who never open a terminal, started by one command."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clip_emotion import outputs
from clip_emotion.cli import options
from clip_emotion.cli.common import say
from clip_emotion.errors import MissingExtraError, UsageError
from clip_emotion.files import expanded

if TYPE_CHECKING:
    from clip_emotion.web import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PASSWORD_VARIABLE = "CLIP_EMOTION_WEB_ADMIN_PASSWORD"
PACKAGES = frozenset(
    {"fastapi", "uvicorn", "sqlalchemy", "alembic", "pwdlib", "argon2", "limits", "multipart", "python_multipart",
     "pydantic_settings", "zxcvbn", "starlette", "prometheus_client"}
)  # fmt: skip
"""What the extra ``web`` brings."""


def serve(
    host: str = typer.Option("127.0.0.1", "--host", help="The address to listen on; 0.0.0.0 for every network."),
    port: int = typer.Option(8000, "--port", min=0, max=65535, help="The port; 0 for any free one."),
    data: Path = typer.Option(
        None, "--data", help="The folder of database, pictures and secret [default: ~/.local/share/clip-emotion/web]."
    ),
    model: str = options.MODEL,
    device: options.Device = options.DEVICE,
    database: str = typer.Option(None, "--database", help="A PostgreSQL URL [default: SQLite in the data folder]."),
    proxy_headers: bool = typer.Option(
        False, "--proxy-headers", help="Behind a proxy on this machine with TLS: believe its X-Forwarded headers."
    ),
    tunnel: bool = typer.Option(False, "--tunnel", help="Make the site reachable from outside through ngrok."),
    create_admin: str = typer.Option(
        None, "--create-admin", metavar="EMAIL", help="Make this account an admin, ask its password if new, and end."
    ),
) -> None:
    """Serve the web app: sign-up, label, score, history. The first start makes all that it needs.

    Exit code: 0 stopped, 1 failed, 2 misuse.
    """
    local = host in LOOPBACK and not proxy_headers and not tunnel
    settings = _settings(
        {
            "data": None if data is None else expanded(data),
            "model": model,
            "device": device.value,
            "database": database,
            "loopback": local,
            "hosts": LOOPBACK if local else None,
            "proxies": LOOPBACK if (proxy_headers or tunnel) and not os.environ.get(_variable("proxies")) else None,
        }
    )
    try:
        settings.prepare()
    except OSError as error:
        raise UsageError(f"Cannot make the data folder {settings.data}: {error.strerror or error}.") from error
    if create_admin:
        _create_admin(settings, create_admin)
        return
    if not settings.loopback and not settings.proxies:
        say("Note: without TLS no browser keeps the site's cookies; put a proxy in front and add --proxy-headers.")
    with ExitStack() as held:
        if settings.database is None:  # SQLite and its folder belong to one process
            held.enter_context(outputs.held(settings.data / "site"))
        _run(settings, _listen(host, port), tunnel)


def _variable(name: str) -> str:
    return f"CLIP_EMOTION_WEB_{name.upper()}"


def _settings(chosen: dict[str, Any]) -> Settings:
    try:
        from pydantic import ValidationError

        from clip_emotion.web import Settings
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in PACKAGES:
            raise MissingExtraError("serve", package, "web") from error
        raise
    try:
        return Settings(**{name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        from clip_emotion.config import plain

        first = error.errors()[0]
        name = _variable(".".join(map(str, first["loc"])))
        raise UsageError(f"{name} is not right: {plain(first)}.") from error


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512
        )
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {host} port {port} ({error.strerror or error}): choose another --port."
        ) from error


def _run(settings: Settings, listening: socket.socket, tunnel: bool) -> None:
    import uvicorn

    from clip_emotion.web import create_app

    say(f"Loading the model {settings.model} …")
    app = create_app(settings)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    if tunnel:
        from clip_emotion.web.tunnel import open_tunnel

        say(f"Reachable from outside, by anybody who knows the address: {open_tunnel(port)}")
    say(f"Open http://{shown}:{port} in a browser. Data: {settings.data}. Stop with Ctrl-C.")
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, proxy_headers=False, server_header=False, timeout_keep_alive=20
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        say("Stopped.")


def _create_admin(settings: Settings, email: str) -> None:
    from clip_emotion.web.admins import is_user, make_admin

    new = not is_user(settings, email)
    password = os.environ.get(PASSWORD_VARIABLE, "") if new else ""
    if new and not password:
        password = typer.prompt("Password (12 letters or more)", hide_input=True, confirmation_prompt=True, err=True)
    make_admin(settings, email, password)
    say(f"{email} is an admin now.")
