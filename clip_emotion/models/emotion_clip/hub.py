"""Checkpoints on the Hugging Face Hub: pushed only when they load, and kept only when they are whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.files import draft_of, is_taken, publish
from clip_emotion.models.emotion_clip.checkpoint import DESCRIPTION, MODEL_CARD, load_checkpoint, read_card
from clip_emotion.models.faults import short
from clip_emotion.models.hub import TIMEOUT, knock

LOG_IN = "log in with huggingface-cli login or set HF_TOKEN"
UNREACHABLE = "the Hugging Face Hub cannot be reached; go online, and unset HF_HUB_OFFLINE where it is set"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Repository:
    """A model repository on the Hub: ``ORG/NAME``, and who asks (None is the user who is logged in, if any)."""

    name: str
    token: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"'{self.name}' is no name of a Hub repository: write it as ORG/NAME.")


def push_checkpoint(folder: Path, repository: Repository, *, private: bool = False) -> str:
    """Upload a checkpoint's folder in one commit, and return the address of that commit.

    The repository is made where there is none. Raises ModelError where the folder does not load (nothing is sent then),
    where a private one was asked for and it is public, and where the Hub is out of reach or refuses.
    """
    from huggingface_hub import HfApi

    load_checkpoint(folder)
    card = read_card(folder)
    api = HfApi(token=repository.token)
    with _told(f"push to {repository.name}"):
        knock()
        api.create_repo(repository.name, private=private, exist_ok=True)
        if private and not api.model_info(repository.name, timeout=TIMEOUT).private:
            raise ModelError(
                f"Repository {repository.name} exists and is public: make it private in its settings on the Hub, or "
                "push to another name."
            )
        commit = api.upload_folder(
            repo_id=repository.name,
            folder_path=folder,
            allow_patterns=[*card.parts, MODEL_CARD, DESCRIPTION],
            commit_message=f"{card.name} by clip-emotion {card.code.get('clip-emotion', '')}".rstrip(),
        )
    return str(commit.commit_url)


def pull_checkpoint(repository: Repository, folder: Path, revision: str | None = None) -> str:
    """Download a checkpoint into a folder and return the commit it is of; an older checkpoint there is replaced.

    It arrives in a neighbour of the folder and moves only when it loads. Raises UsageError for a folder that holds
    other things, ModelError where the repository has no whole checkpoint or the Hub is out of reach or refuses.
    """
    from huggingface_hub import HfApi

    if is_taken(folder) and not (folder / DESCRIPTION).is_file():
        raise UsageError(f"{folder} holds other things than a checkpoint: name a new folder.")
    api = HfApi(token=repository.token)
    with _told(f"pull {repository.name}" + (f" at {revision}" if revision else "")), draft_of(folder) as draft:
        knock()
        commit = str(api.model_info(repository.name, revision=revision, timeout=TIMEOUT).sha)
        api.hf_hub_download(repository.name, DESCRIPTION, revision=commit, local_dir=draft)
        try:
            # Only the files that the description lists are fetched: what else a repository holds is none of ours.
            parts = [*read_card(draft).parts, MODEL_CARD]
            api.snapshot_download(repository.name, revision=commit, local_dir=draft, allow_patterns=parts)
            load_checkpoint(draft)
        except ModelError as error:
            raise ModelError(str(error).replace(str(draft), repository.name)) from error
        # The downloader's own notes on what it fetched.
        shutil.rmtree(draft / ".cache", ignore_errors=True)
        publish(draft, folder, [name for name in [*parts, DESCRIPTION] if (draft / name).is_file()])
    return commit


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn what the Hub's client raises in the block into one sentence."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot {what}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    from huggingface_hub import errors

    reasons: list[tuple[type[Exception], str]] = [
        (errors.LocalEntryNotFoundError, UNREACHABLE),
        (errors.LocalTokenNotFoundError, f"the Hub does not know you, so {LOG_IN}"),
        (errors.GatedRepoError, f"it is gated, so ask for access on its page on the Hub, and {LOG_IN}"),
        (
            errors.RepositoryNotFoundError,
            f"the Hub shows you no such model; check its name, for a private one {LOG_IN}",
        ),
        (errors.RevisionNotFoundError, "it has no such revision; look at its branches, tags and commits on the Hub"),
        (errors.EntryNotFoundError, f"it holds no {DESCRIPTION}, so clip-emotion push has not written it"),
    ]
    for kind, reason in reasons:
        if isinstance(error, kind):
            return reason
    if isinstance(error, errors.HfHubHTTPError):
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            return f"the Hub refuses it, so {LOG_IN}, with a token that may do that"
        return f"the Hub answered '{short(error)}', so try again later"
    # A disk's error carries a number, a connection's does not.
    if (
        isinstance(error, OSError)
        and error.errno is not None
        and not isinstance(error, (ConnectionError, TimeoutError))
    ):
        return f"{error.filename or 'the folder'} cannot be written ({error.strerror})"
    return UNREACHABLE if isinstance(error, OSError) else short(error)
