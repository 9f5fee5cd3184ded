"""Dotted keys of nested settings: ``fit.steps`` names the 5 of ``{"fit": {"steps": 5}}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def look_up(values: Mapping[str, Any], key: str) -> Any:
    """Return the value at a dotted key; raises KeyError where there is none."""
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, Mapping):
            raise KeyError(key)
        found = found[part]
    return found


def put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set the value at a dotted key in place, making the groups above it; raises KeyError with a part that is none."""
    *parents, last = key.split(".")
    target = values
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise KeyError(parent)
    target[last] = value


def flattened(group: Mapping[Any, Any], above: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping from dotted keys to values; an empty group is a value.

    ``{fit: {steps: 5}, "fit.seed": 1}`` gives ``{"fit.steps": 5, "fit.seed": 1}``.
    """
    found: dict[str, Any] = {}
    for key, value in group.items():
        path = f"{above}{key}"
        nested = isinstance(value, dict) and value
        found.update(flattened(value, f"{path}.") if nested else {path: value})
    return found
