"""The folder of a search: free, or this very search going on, or an earlier one that is to be replaced."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import yaml

from clip_emotion.errors import UsageError
from clip_emotion.files import write_atomic
from clip_emotion.outputs import WriteOptions, claim_folder, mark_folder, mark_of, refuse_inputs
from tuning.config import SearchConfig
from tuning.report import places

SNAPSHOT = "search.yaml"
MADE = "search"
"""What such a folder is, by its mark; searches of the first release have only their snapshot."""
FREE = ("out", "engine", "resources", "trials", "final", "keep_weights")
"""What may differ when a search goes on."""
FOLDERS = ("trials", "final", "ray", "best")


def claim_search(config: SearchConfig, base: Mapping[str, Any], writing: WriteOptions) -> None:
    """See that the folder is free, or holds the same search and is to go on; then leave the search's settings there.

    With ``writing.overwrite`` an earlier search goes, its own files only. Raises UsageError where the folder holds
    another search or other things, or cannot be written.
    """
    kept = {"search": config.model_dump(mode="json", exclude=set(FREE)), "base": base}
    text = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)
    snapshot = config.out / SNAPSHOT
    for path in (snapshot, *places(config.out).values()):
        refuse_inputs(path, [config.base])
    if not snapshot.is_file() and mark_of(config.out) != MADE:
        claim_folder(config.out, MADE, writing, resumable=True)
    elif writing.overwrite:
        _delete(config)
    elif not writing.resume:
        raise UsageError(
            f"{config.out} holds a search already: go on with --resume, choose another out=FOLDER, or add --overwrite "
            "to delete that search."
        )
    elif snapshot.is_file() and snapshot.read_text("utf-8") != text:
        raise UsageError(
            f"{config.out} holds a search with other settings or another base configuration: choose another "
            "out=FOLDER, or restore the settings."
        )
    write_atomic(snapshot, text)
    mark_folder(config.out, MADE)


def _delete(config: SearchConfig) -> None:
    for name in FOLDERS:
        shutil.rmtree(config.out / name, ignore_errors=True)
    for path in (config.out / SNAPSHOT, *places(config.out).values()):
        path.unlink(missing_ok=True)
