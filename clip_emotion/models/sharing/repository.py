"""Repositories on the Hugging Face Hub, and what the Hub's client raises in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.faults import short

LOG_IN = "log in with huggingface-cli login or set HF_TOKEN"
UNREACHABLE = "the Hugging Face Hub cannot be reached; go online, and unset HF_HUB_OFFLINE where it is set"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Repository:
    """A repository on the Hub: ``ORG/NAME``, and who asks (None is the user who is logged in, if any)."""

    name: str
    token: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"'{self.name}' is no name of a Hub repository: write it as ORG/NAME.")

    def is_public(self) -> ModelError:
        """Return the error of a repository that everybody may see where a private one was asked for."""
        return ModelError(
            f"Repository {self.name} exists and is public: make it private in its settings on the Hub, or push to "
            "another name."
        )


@contextmanager
def told(what: str, lacking: str = "it does not hold what is asked for") -> Iterator[None]:
    """Turn what the Hub's client raises in the block into one sentence; ``lacking`` is that of a missing file."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot {what}: {_reason(error, lacking)}.") from error


def _reason(error: Exception, lacking: str) -> str:
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
        (errors.EntryNotFoundError, lacking),
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
