"""YAML configurations as frozen pydantic models, with ``key=value`` overrides; every fault is reported at once."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from clip_emotion.dotted import put
from clip_emotion.errors import UsageError
from clip_emotion.text import LIKENESS, read_text
from clip_emotion.yaml_text import parse_yaml


class Config(BaseModel):
    """Base of every configuration: frozen, and an unknown key or a number that is not finite is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def load_config(kind: type[ConfigT], path: Path, overrides: list[str] | None = None) -> ConfigT:
    """Read a YAML file into ``kind``, after applying dotted ``key=value`` overrides.

    Raises UsageError that lists every fault: not YAML, an unknown key, a wrong type, a value out of range.
    """
    values = read_yaml(path)
    for override in overrides or []:
        apply_override(values, override)
    return validate(kind, values, str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's top-level mapping; raises UsageError where it is not one."""
    values = parse_yaml(read_text(path), str(path))
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds no 'key: value' lines: see the YAML files that come with clip-emotion.")
    return values


def validate(kind: type[ConfigT], values: dict[str, Any], source: str) -> ConfigT:
    """Build ``kind`` from a mapping; raises UsageError with one line per fault, each naming its key."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {_reason(kind, e)}" for e in error.errors())
        raise UsageError(f"{source} has {error.error_count()} fault(s): {faults}.") from error


def plain(fault: ErrorDetails) -> str:
    """Return what is wrong with a value, without pydantic's words before it."""
    return fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".")


def _reason(kind: type[BaseModel], fault: ErrorDetails) -> str:
    if fault["type"] != "extra_forbidden":
        return plain(fault)
    schema = kind.model_json_schema()
    known = {name for part in (schema, *schema.get("$defs", {}).values()) for name in part.get("properties", {})}
    near = get_close_matches(str(fault["loc"][-1]), sorted(known), cutoff=LIKENESS)
    return "no such setting" + (f" (near it: {', '.join(near)})" if near else "")


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set ``a.b=value`` in a nested mapping in place; the value is read as YAML. Raises UsageError when malformed."""
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise UsageError(f"Override '{override}' is not of the form key=value.")
    value = parse_yaml(text, f"The value of the override '{override}'")
    try:
        put(values, key, value)
    except KeyError as error:
        parent = error.args[0]
        raise UsageError(f"Override '{override}': '{parent}' is a single value, not a group of settings.") from error
