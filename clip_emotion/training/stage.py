"""What a kind of training is: its configuration, its check, its run; and what a run is given and leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from clip_emotion.config import Config
from clip_emotion.dotted import flattened
from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.evaluation.result import ClassTable
from clip_emotion.training.loop.objective import ProgressCallback
from clip_emotion.training.loop.settings import RunSettings
from clip_emotion.training.parallel.process_group import ALONE, ProcessGroup
from clip_emotion.training.sources import RawSource

Made = dict[Path, int]
"""What earlier runs of the same command will have made: folders of towers with their embeddings' width, and of
classifiers with the number of their classes."""


@dataclass(frozen=True)
class RunOptions:
    """What a run is given beside its configuration; ``source`` is the name of the configuration's file."""

    source: str
    report: ProgressCallback
    resume: bool = False
    processes: ProcessGroup = ALONE


@dataclass(frozen=True)
class Outcome:
    """What a run leaves: validation's last metrics, tables of them for people, and what to know and type next."""

    metrics: Measurements
    folder: Path
    notes: tuple[str, ...] = ()
    next_commands: tuple[str, ...] = ()
    tables: tuple[ClassTable, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain values, to be sent to another process."""
        return {
            "metrics": self.metrics.to_list(),
            "folder": str(self.folder),
            "notes": self.notes,
            "next_commands": self.next_commands,
            "tables": [asdict(table) for table in self.tables],
        }

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Outcome:
        """Read what ``to_dict`` returned."""
        return cls(
            Measurements.read(values["metrics"]),
            Path(values["folder"]),
            tuple(values["notes"]),
            tuple(values["next_commands"]),
            tuple(ClassTable(**table) for table in values["tables"]),
        )


ConfigT = TypeVar("ConfigT", bound=Config)


def _no_inputs(config: Any) -> tuple[Path, ...]:
    return ()


@dataclass(frozen=True)
class Stage(Generic[ConfigT]):
    """A kind of training.

    ``check`` sees that a run could start and returns the raw data that it will read; it is told what earlier runs of
    the command will have made, and adds what this one will make. ``run`` trains. ``uncompared`` are the settings, as
    pydantic's ``exclude`` takes them, in which a resumed run may differ: those that ``fit`` compares itself, and those
    that only say where things lie. ``inputs`` are the folders that a run reads and must not overwrite.
    """

    kind: str
    config: type[ConfigT]
    check: Callable[[ConfigT, str, Made], Iterable[RawSource]]
    run: Callable[[ConfigT, RunOptions], Outcome]
    uncompared: Mapping[str, Any] = field(default_factory=dict)
    inputs: Callable[[ConfigT], tuple[Path, ...]] = _no_inputs

    def compared(self, config: ConfigT, **more: Any) -> RunSettings:
        """Return the settings that a resumed run must share with the run that it goes on with, and ``more`` of them."""
        values = config.model_dump(mode="json", exclude=dict(self.uncompared))
        return RunSettings({**values, **more}, defaults_of(self.config))


def defaults_of(model: type[BaseModel], head: str = "") -> dict[str, Any]:
    """Return every setting's default as JSON has it, by its name with dots, those in groups without a default too."""
    found: dict[str, Any] = {}
    for name, one in model.model_fields.items():
        if not one.is_required():
            value = to_jsonable_python(one.get_default(call_default_factory=True))
            found.update(flattened({f"{head}{name}": value}))
        for group in _groups(one.annotation):
            found.update(defaults_of(group, f"{head}{name}."))
    return found


def _groups(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _groups(argument)
