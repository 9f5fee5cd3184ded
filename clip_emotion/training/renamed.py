"""Settings that were renamed: their old names are read for one release, with a notice."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any

from clip_emotion.dotted import put

logger = logging.getLogger(__name__)

EVERY_KIND = {"fit.keep": "fit.select"}
RENAMED: dict[str, dict[str, str]] = {
    "mini_text": {"deepen.fit.keep": "deepen.fit.select"},
    "mini_image": {},
    "mini_chats": {"keep": "anchor_weight", "keep_batch": "anchor_batch"},
    "kobert_kote": {"rates.head": "lr_scale.head", "rates.layer_decay": "lr_scale.layer_decay"},
    "emotion_clip": {
        "keep.words": "distillation.words",
        "keep.pictures": "distillation.images",
        "keep.batch": "distillation.batch",
    },
}
"""By the kind of training: each setting's dotted name in releases up to 0.1, and its name today."""
_noticed: set[str] = set()
_ABSENT = object()


def renamed(values: Mapping[str, Any], *, notice: bool = True) -> dict[str, Any]:
    """Return a run's settings under today's names; each old name is told once a process.

    ``values`` are nested as in the YAML file and say their ``kind``. Where both names stand, the old one counts: it can
    only come from the command line, and what stands there overrides the file.
    """
    found = copy.deepcopy(dict(values))
    for old, new in {**EVERY_KIND, **RENAMED.get(str(values.get("kind")), {})}.items():
        taken = _taken(found, old.split("."))
        if taken is not _ABSENT:
            put(found, new, taken)
            if notice:
                _tell(old, new)
    return found


def _taken(values: dict[str, Any], path: list[str]) -> Any:
    """Take the value at a path out of nested groups, and with it every group that it leaves empty."""
    name, *rest = path
    if not rest:
        return values.pop(name, _ABSENT)
    group = values.get(name)
    if not isinstance(group, dict):
        return _ABSENT
    taken = _taken(group, rest)
    if taken is not _ABSENT and not group:
        del values[name]
    return taken


def _tell(old: str, new: str) -> None:
    if old not in _noticed:
        _noticed.add(old)
        logger.warning("The setting %s is now called %s: the old name is read until the next release.", old, new)
