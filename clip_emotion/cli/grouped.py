"""Commands that take records of options: a dozen options travel as one object, and the command still fits a screen."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast, get_type_hints

Command = TypeVar("Command", bound=Callable[..., Any])


def grouped(command: Command) -> Command:
    """Make an option of each field of every parameter that is a dataclass, in the parameter's place.

    A field's annotation and default are Typer's, as those of a parameter would be.
    """
    hints = get_type_hints(command, include_extras=True)
    typed = {name: hint for name, hint in hints.items() if isinstance(hint, type)}
    records: dict[str, type[Any]] = {name: hint for name, hint in typed.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in records:
            parameters += _options(records[name])
        else:
            parameters.append(parameter.replace(annotation=hints.get(name, parameter.annotation)))

    @functools.wraps(command)
    def called(**given: Any) -> Any:
        for name, record in records.items():
            own = {field.name: given.pop(field.name) for field in fields(record)}
            given[name] = record(**own)
        return command(**given)

    described: Any = called
    described.__signature__ = inspect.Signature(parameters, return_annotation=hints.get("return"))
    described.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    # Else the signature of the wrapped command would be looked at.
    del described.__wrapped__
    return cast("Command", described)


def _options(record: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(record, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(record)
    ]
