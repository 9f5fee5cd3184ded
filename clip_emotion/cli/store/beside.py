"""What goes with ``--store`` in the verbs that otherwise look at pictures, and what does not."""

from __future__ import annotations

import typer

from clip_emotion.errors import UsageError

SETTLED = ("face", "finder", "min_face", "max_faces", "no_face", "boxes")
"""The options that were settled when a store was filled."""
_REASONS = {
    "paths": "the pictures are those of the store",
    "engine": "no picture is embedded",
    "resume": "rows from a store take seconds",
}


def model_beside_store(context: typer.Context, model: str, *others: str) -> str | None:
    """Return the model that the user wrote, or None for the one that filled the store.

    Raises UsageError where the user also wrote an option that a store has settled, or one of ``others``.
    """
    for name in (*SETTLED, *others):
        if _is_written(context, name):
            option = "PATHS" if name == "paths" else f"--{name.replace('_', '-')}"
            reason = _REASONS.get(name, "a store's faces were found when it was filled")
            raise UsageError(f"{option} and --store do not go together, since {reason}: leave one of them out.")
    return model if _is_written(context, "model") else None


def _is_written(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE" and context.params.get(name) not in (None, [], ())
