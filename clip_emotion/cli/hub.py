"""``clip-emotion push`` and ``clip-emotion pull``: checkpoints to the Hugging Face Hub and back."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import typer

from clip_emotion.cli.common import say
from clip_emotion.errors import UsageError

TOKEN_VARIABLE = "HF_TOKEN"


def push(
    folder: Path = typer.Argument(..., help="The folder of a checkpoint, classifier or ensemble."),
    repository: str = typer.Argument(..., metavar="ORG/NAME", help="Where it goes on the Hub; made where missing."),
    private: bool = typer.Option(False, "--private", help="Only its owner may see it; refused where it is public."),
    token_from_env: bool = typer.Option(
        False, "--token-from-env", help=f"Only ever use the token in {TOKEN_VARIABLE}, never the stored login."
    ),
) -> None:
    """Upload a checkpoint, classifier or ensemble to the Hugging Face Hub; its commit's address goes to stdout.

    The folder is loaded first: one that is damaged is not sent. Example: clip-emotion push runs/vit/best me/vit-emotion
    """
    from clip_emotion.models.sharing.hub import push_checkpoint
    from clip_emotion.models.sharing.repository import Repository

    target = Repository(repository, token_of_environment() if token_from_env else None)
    print(push_checkpoint(folder, target, private=private))
    say(f"Pushed {folder}: others get it with clip-emotion pull {repository} FOLDER")


def pull(
    repository: str = typer.Argument(..., metavar="ORG/NAME", help="The checkpoint on the Hub."),
    folder: Path = typer.Argument(..., help="Where it goes; an older checkpoint there is replaced."),
    revision: str = typer.Option(None, "--revision", help="A branch, tag or commit [default: main]."),
    token_from_env: bool = typer.Option(
        False, "--token-from-env", help=f"Only ever use the token in {TOKEN_VARIABLE}, never the stored login."
    ),
) -> None:
    """Download a checkpoint from the Hugging Face Hub; its commit goes to stdout.

    The folder appears only when the checkpoint in it is whole. Example: clip-emotion pull me/vit-emotion vit-emotion
    """
    from clip_emotion.models.sharing.hub import pull_checkpoint
    from clip_emotion.models.sharing.repository import Repository

    print(pull_checkpoint(Repository(repository, token_of_environment() if token_from_env else None), folder, revision))
    say(f"Pulled {repository}: use it with --model {shlex.quote(str(folder))}")


def token_of_environment() -> str:
    """Return the token in ``TOKEN_VARIABLE``; raises UsageError where there is none."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise UsageError(f"--token-from-env needs a token in the variable {TOKEN_VARIABLE}: make one on the Hub.")
    return token
