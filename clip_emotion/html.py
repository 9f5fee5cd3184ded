"""One environment for every page: the base page and style sheet of this package beside a package's own templates."""

from __future__ import annotations

import base64
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


@cache
def environment(package: str) -> Environment:
    """Return the Jinja environment of a package's ``templates``, where ``base.html.j2`` is the page to extend.

    Text is escaped in ``.html.j2`` files, and an undefined name is an error.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("clip_emotion")]),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_uri(content: bytes, media_type: str = "image/png") -> str:
    """Return a file's content as a URI that a self-contained page can hold."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
