"""Data sets to the Hugging Face Hub: a folder of Parquet files with its data card, in one commit."""

from __future__ import annotations

from pathlib import Path

from clip_emotion.models.hub import TIMEOUT, knock
from clip_emotion.models.sharing.repository import Repository, told

KIND = "dataset"
SENT = ["README.md", "data/*.parquet"]


def push_data_set(folder: Path, repository: Repository, title: str, *, private: bool = False) -> str:
    """Upload a folder's data card and Parquet files, and return the commit's address.

    The repository is made where there is none. Raises ModelError where a private one was asked for and it is public,
    and where the Hub is out of reach or refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=repository.token)
    with told(f"push to {repository.name}"):
        knock()
        api.create_repo(repository.name, repo_type=KIND, private=private, exist_ok=True)
        if private and not api.dataset_info(repository.name, timeout=TIMEOUT).private:
            raise repository.is_public()
        commit = api.upload_folder(
            repo_id=repository.name, repo_type=KIND, folder_path=folder, allow_patterns=SENT, commit_message=title
        )
    return str(commit.commit_url)
