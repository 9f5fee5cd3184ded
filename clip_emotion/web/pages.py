"""Pages: the house's base page and look, with style and script as files of their own, so that none is inline."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from markupsafe import Markup

from clip_emotion import html
from clip_emotion.resources import PACKAGE
from clip_emotion.web.menu import ADMIN_MENU, MENU
from clip_emotion.web.texts import all_texts

if TYPE_CHECKING:
    from clip_emotion.web.visits import Visit

STATIC = Path(__file__).resolve().parent / "static"
MEDIA = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """A file that pages load: its content, its media type, and what changes with the content."""

    content: bytes
    media: str
    version: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return the files that pages load by their names: the house's style sheet and everything in ``static``."""
    files = {"house.css": PACKAGE / "templates" / "style.css"} | {path.name: path for path in STATIC.iterdir()}
    contents = {name: path.read_bytes() for name, path in files.items() if path.suffix in MEDIA}
    return {
        name: Asset(content, MEDIA[Path(name).suffix], hashlib.sha256(content).hexdigest()[:16])
        for name, content in contents.items()
    }


def asset_path(name: str) -> str:
    """Return the address of a file that pages load; a new content has a new address."""
    return f"/static/{name}?v={assets()[name].version}"


@cache
def environment() -> Environment:
    """Return the templates of the web app over those of the house."""
    made = html.environment("clip_emotion.web")
    made.globals["asset"] = asset_path
    return made


def render(template: str, visit: Visit, values: Mapping[str, Any]) -> str:
    """Return a page.

    A template knows ``visit``, ``t``, ``language``, ``user`` (None for a visitor), ``guard`` (the hidden field that
    every form with ``method="post"`` must hold), ``said`` and ``fault`` (texts told above the page).
    """
    said = visit.request.query_params.get("said", "")
    fault = values.get("fault")
    context = {
        "visit": visit,
        "t": visit.t,
        "language": visit.language,
        "user": visit.account,
        "menu": (*MENU, *(ADMIN_MENU if visit.account and visit.account.is_admin else ())),
        "guard": Markup('<input type="hidden" name="csrf" value="{}">').format(visit.token),
        "said": visit.t(said) if said in all_texts() else None,
        **values,
        "fault": visit.t(fault) if fault in all_texts() else fault,
    }
    return environment().get_template(template).render(context)
