"""Every setting of every kind of training, read off the configurations' own models."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from clip_emotion.training.registry import STAGES, stage_of
from clip_emotion.training.stage import Stage

ALL = "all"
HEADING = """# Configuration

Every setting of every kind of training. A file in `configs/train` holds some of them; what it leaves out has the
default given here. On the command line `key=value` after the file sets any of them, as in `fit.steps=100`.

This page is made by `clip-emotion train --schema all`.
"""
BOUNDS = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}


@dataclass(frozen=True)
class Setting:
    """One key of a configuration: its dotted name, its type, its default ('required' without one), its meaning."""

    key: str
    type: str
    default: str
    meaning: str


def kinds_table() -> str:
    """Return the kinds of training, a line each: name, tab, and what its run does."""
    return "\n".join(f"{kind}\t{_about(stage)}" for kind, stage in STAGES.items())


def settings_table(kind: str) -> str:
    """Return every setting of a kind, or of ``all``, as Markdown; raises UsageError for an unknown kind."""
    if kind == ALL:
        return "\n".join([HEADING, *map(_section, STAGES)])
    stage_of(kind, "--schema")
    return _section(kind)


def settings_of(model: type[BaseModel], head: str = "") -> Iterator[Setting]:
    """List the settings of a configuration and of the groups in it, in the order in which they are written down."""
    meanings = meanings_of(model)
    for name, field in model.model_fields.items():
        key = f"{head}{name}"
        group, suffix = _group(field.annotation)
        if group is None:
            yield Setting(key, _type(field.annotation, field), _default(field), meanings.get(name, ""))
            continue
        yield Setting(key, "list of groups" if suffix else "group", _default(field), meanings.get(name, ""))
        yield from settings_of(group, f"{key}{suffix}.")


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """Return what a configuration's source says of each of its settings, in a string after the setting.

    pydantic could read them too, but would do so for every class of every process that imports one.
    """
    found: dict[str, str] = {}
    for one in reversed([base for base in model.__mro__ if issubclass(base, BaseModel) and base is not BaseModel]):
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]
        assert isinstance(body, ast.ClassDef)
        for setting, after in pairwise(body.body):
            match setting, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split()).replace("|", "\\|")
    return found


def _about(stage: Stage[Any]) -> str:
    return (inspect.getdoc(stage.run) or "").partition("\n")[0].rstrip(".")


def _section(kind: str) -> str:
    rows = [f"| `{one.key}` | {one.type} | {one.default} | {one.meaning} |" for one in settings_of(STAGES[kind].config)]
    header = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {kind}", "", f"{_about(STAGES[kind])}.", "", *header, *rows, ""])


def _group(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the configuration that a setting's value is, and ``[]`` where it is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    for argument in get_args(annotation):
        group, suffix = _group(argument)
        if group is not None and get_origin(annotation) is not dict:
            return group, "[]" if get_origin(annotation) is tuple else suffix
    return None, ""


def _type(annotation: Any, field: FieldInfo | None = None) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    bounds = _bounds(field.metadata) if field else ""
    if origin is Annotated:
        inner, *about = arguments
        return _type(inner) + "".join(_bounds(one.metadata) for one in about if isinstance(one, FieldInfo))
    if origin is Literal:
        return " \\| ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, types.UnionType):
        return " \\| ".join("null" if one is types.NoneType else _type(one) for one in arguments) + bounds
    if origin is tuple:
        inner = [_type(one) for one in arguments if one is not Ellipsis]
        return (f"list of {inner[0]}" if Ellipsis in arguments else f"[{', '.join(inner)}]") + bounds
    if origin is dict:
        return f"map of {_type(arguments[0])} to {_type(arguments[1])}"
    return NAMES.get(annotation, getattr(annotation, "__name__", str(annotation))) + bounds


NAMES: Mapping[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true \\| false", Path: "path"}


def _bounds(metadata: list[Any]) -> str:
    found = [f"{BOUNDS[type(one)]} {next(iter(vars_of(one)))}" for one in metadata if type(one) in BOUNDS]
    found += [f"at least {one.min_length}" for one in metadata if isinstance(one, MinLen)]
    return f", {', '.join(found)}" if found else ""


def vars_of(bound: Any) -> Iterator[Any]:
    """Yield the value of a bound, whatever the bound is called."""
    yield from (getattr(bound, name) for name in ("ge", "gt", "le", "lt") if hasattr(bound, name))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return ""
    plain = value if value is None or isinstance(value, (bool, int, float, str, dict)) else _plain(value)
    return f"`{json.dumps(plain, ensure_ascii=False)}`"


def _plain(value: Any) -> Any:
    return (
        [_plain(one) for one in value]
        if isinstance(value, (tuple, list))
        else value
        if _is_plain(value)
        else str(value)
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str)) or value is None
