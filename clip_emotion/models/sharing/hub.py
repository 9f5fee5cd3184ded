"""Models on the Hugging Face Hub: pushed only when they load, and kept only when they are whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.files import draft_of, is_taken, publish
from clip_emotion.models.hub import TIMEOUT, knock
from clip_emotion.models.sharing.kinds import KINDS, README, SharedKind, kind_of
from clip_emotion.models.sharing.repository import Repository, told
from clip_emotion.text import with_article

if TYPE_CHECKING:
    from huggingface_hub import HfApi

DESCRIPTIONS = f"{', '.join(kind.description for kind in KINDS[:-1])} or {KINDS[-1].description}"
LACKING = f"it holds no {DESCRIPTIONS}, so clip-emotion push has not written it"


def push_checkpoint(folder: Path, repository: Repository, *, private: bool = False) -> str:
    """Upload the folder of a checkpoint, classifier or ensemble in one commit, and return the commit's address.

    The repository is made where there is none; a folder without a README.md gets a model card. Raises ModelError where
    the folder does not load (nothing is sent then), where a private one was asked for and it is public, and where the
    Hub is out of reach or refuses.
    """
    from huggingface_hub import HfApi

    kind = kind_of(folder)
    kind.load(folder)
    files, readme = kind.files(folder), kind.card(folder)
    api = HfApi(token=repository.token)
    with told(f"push to {repository.name}"), tempfile.TemporaryDirectory() as place:
        knock()
        api.create_repo(repository.name, private=private, exist_ok=True)
        if private and not api.model_info(repository.name, timeout=TIMEOUT).private:
            raise repository.is_public()
        sent = _with_readme(folder, files, readme, Path(place)) if readme and not (folder / README).exists() else folder
        commit = api.upload_folder(
            repo_id=repository.name, folder_path=sent, allow_patterns=files, commit_message=kind.title(folder)
        )
    return str(commit.commit_url)


def _with_readme(folder: Path, files: Sequence[str], readme: str, place: Path) -> Path:
    """Copy the files of a folder to a place beside a model card: the folder itself stays as it is."""
    for name in (name for name in files if (folder / name).is_file()):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, place / name)
    (place / README).write_text(readme, "utf-8")
    return place


def pull_checkpoint(repository: Repository, folder: Path, revision: str | None = None) -> str:
    """Download a checkpoint, classifier or ensemble and return the commit it is of; an older one there is replaced.

    It arrives in a neighbour of the folder and moves only when it loads. Raises UsageError for a folder that holds
    other things, ModelError where the repository has nothing whole or the Hub is out of reach or refuses.
    """
    from huggingface_hub import HfApi

    there = next((kind for kind in KINDS if (folder / kind.description).is_file()), None)
    if is_taken(folder) and there is None:
        raise UsageError(f"{folder} holds other things than a checkpoint: name a new folder.")
    api = HfApi(token=repository.token)
    with told(f"pull {repository.name}" + (f" at {revision}" if revision else ""), LACKING), draft_of(folder) as draft:
        knock()
        commit = str(api.model_info(repository.name, revision=revision, timeout=TIMEOUT).sha)
        kind = _described(api, repository, commit, draft)
        if there is not None and there is not kind:
            held, wanted = with_article(there.description), with_article(kind.description)
            raise UsageError(f"{folder} holds {held}, not {wanted}: name a new folder.")
        try:
            # Only the files that the description lists are fetched: what else a repository holds is none of ours.
            patterns = [*kind.patterns(draft), README]
            api.snapshot_download(repository.name, revision=commit, local_dir=draft, allow_patterns=patterns)
            kind.load(draft)
            names = [name for name in kind.files(draft) if (draft / name).is_file()]
        except ModelError as error:
            raise ModelError(str(error).replace(str(draft), repository.name)) from error
        _keep_only(draft, names)
        for name in names:
            if folder.exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
        publish(draft, folder, names)
    return commit


def _described(api: HfApi, repository: Repository, commit: str, draft: Path) -> SharedKind:
    """Fetch the description and return its kind; raises the Hub's error where there is none."""
    from huggingface_hub.errors import EntryNotFoundError

    for kind in KINDS[:-1]:
        with suppress(EntryNotFoundError):
            api.hf_hub_download(repository.name, kind.description, revision=commit, local_dir=draft)
            return kind
    api.hf_hub_download(repository.name, KINDS[-1].description, revision=commit, local_dir=draft)
    return KINDS[-1]


def _keep_only(draft: Path, names: Sequence[str]) -> None:
    """Remove what else was fetched, the downloader's own notes among it."""
    shutil.rmtree(draft / ".cache", ignore_errors=True)
    for path in [path for path in draft.rglob("*") if path.is_file()]:
        if path.relative_to(draft).as_posix() not in names:
            path.unlink()
