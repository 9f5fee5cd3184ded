"""An adapter on disk: a small folder of YAML and safetensors, in which nothing is executed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors

from clip_emotion.config import Config, load_config
from clip_emotion.errors import DataError, ModelError, UsageError
from clip_emotion.files import draft_of, expanded, publish, write_atomic
from clip_emotion.label import LANGUAGES
from clip_emotion.outputs import MARK, mark_folder
from clip_emotion.retrieval.adapting.adapter import Adapter, CacheModel
from clip_emotion.vocabulary import Vocabulary

MADE = "word adapter"
"""What the mark of such a folder says."""
DESCRIPTION, WORDS, CACHE = "adapter.yaml", "vocabulary.yaml", "cache.safetensors"
FORMAT = 1


class AdapterFile(Config):
    """``adapter.yaml``: what the adapter was made for, its numbers, and the digest of the file of keys."""

    format: Literal[1]
    encoder: str
    fingerprint: str
    language: str
    temperature: float = Field(gt=0)
    alpha: float = Field(default=0.0, ge=0)
    beta: float = Field(default=1.0, gt=0)
    words: list[str]
    examples: dict[str, int] = Field(default_factory=dict)
    sha256: str | None = None


def save_adapter(adapter: Adapter, path: str | Path) -> None:
    """Write an adapter's folder, which appears whole where it is new; raises UsageError where it cannot be written."""
    folder, cache = expanded(path), adapter.cache
    keys = b"" if cache is None else to_safetensors({"keys": cache.keys, "words": cache.words})
    description = AdapterFile(
        format=FORMAT,
        encoder=adapter.encoder,
        fingerprint=adapter.fingerprint,
        language=adapter.language,
        temperature=adapter.temperature,
        words=list(adapter.vocabulary.keys),
        examples=dict(adapter.examples),
        **({} if cache is None else {"alpha": cache.alpha, "beta": cache.beta, "sha256": _digest(keys)}),
    )
    values = description.model_dump(mode="json", exclude_defaults=True)
    try:
        with draft_of(folder) as draft:
            write_atomic(draft / WORDS, adapter.vocabulary.to_yaml())
            if cache is not None:
                write_atomic(draft / CACHE, keys)
            write_atomic(draft / DESCRIPTION, yaml.safe_dump(values, allow_unicode=True, sort_keys=False))
            mark_folder(draft, MADE)
            # The description comes last: a folder that is replaced and cut short in between is refused when it is read.
            publish(draft, folder, [WORDS, *([CACHE] if cache is not None else []), DESCRIPTION, MARK])
        if cache is None:
            (folder / CACHE).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot write {folder}: {error.strerror or error}.") from error


def load_adapter(path: str | Path) -> Adapter:
    """Read an adapter's folder; raises UsageError where there is none, ModelError where it is damaged."""
    folder = expanded(path)
    if not (folder / DESCRIPTION).is_file():
        what = f"lacks {DESCRIPTION}" if folder.is_dir() else "does not exist"
        raise UsageError(f"The adapter {folder} {what}: name a folder that clip-emotion adapt or calibrate wrote.")
    try:
        told = load_config(AdapterFile, folder / DESCRIPTION)
        vocabulary = Vocabulary.load(folder / WORDS)
    except (UsageError, DataError) as error:
        raise ModelError(f"The adapter {folder} is damaged: {error}") from error
    if told.language not in LANGUAGES or list(vocabulary.keys) != told.words:
        raise ModelError(f"The adapter {folder} is damaged: {WORDS} holds other words than {DESCRIPTION}.")
    cache = None if told.sha256 is None else _cache(folder, told)
    return Adapter(
        vocabulary, told.language, told.encoder, told.fingerprint, told.temperature, cache, told.examples,
    )  # fmt: skip


def _cache(folder: Path, told: AdapterFile) -> CacheModel:
    damaged = f"{folder / CACHE} is damaged, or of another run than {DESCRIPTION} beside it: make the adapter again."
    try:
        content = (folder / CACHE).read_bytes()
        tensors = from_safetensors(content) if _digest(content) == told.sha256 else {}
        keys, words = tensors["keys"], tensors["words"]
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise ModelError(damaged) from error
    known = words.ndim == 1 and words.dtype == np.int64 and ((words >= 0) & (words < len(told.words))).all()
    if not known or keys.dtype != np.float32 or keys.ndim != 2 or len(keys) != len(words):
        raise ModelError(damaged)
    return CacheModel(keys, words, told.alpha, told.beta)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
