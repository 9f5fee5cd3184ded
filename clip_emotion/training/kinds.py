"""The kinds of training as their configurations tell them: read and checked before torch is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from clip_emotion.config import Config, apply_override, read_yaml, validate
from clip_emotion.errors import UsageError
from clip_emotion.training.classifier.config import ClassifierRunConfig
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.kobert.config import KobertKoteConfig
from clip_emotion.training.mini.answers_config import SentenceTeacherConfig
from clip_emotion.training.mini.chats_config import MiniChatsConfig
from clip_emotion.training.mini.comments_config import CommentTeacherConfig
from clip_emotion.training.mini.image_config import MiniImageConfig
from clip_emotion.training.mini.messages_config import MiniMessagesConfig
from clip_emotion.training.mini.text_config import MiniTextConfig
from clip_emotion.training.mini.words_config import MiniWordsConfig
from clip_emotion.training.renamed import renamed


def kind_of(config: type[Config]) -> str:
    """Return the kind that a configuration is of: the one value that its ``kind`` may have."""
    return str(get_args(config.model_fields["kind"].annotation)[0])


CONFIGS: dict[str, type[Config]] = {
    kind_of(config): config
    for config in (
        MiniTextConfig,
        MiniWordsConfig,
        MiniImageConfig,
        MiniChatsConfig,
        MiniMessagesConfig,
        SentenceTeacherConfig,
        CommentTeacherConfig,
        KobertKoteConfig,
        FinetuneConfig,
        ClassifierRunConfig,
    )
}


@dataclass(frozen=True)
class PlannedConfig:
    """A configuration that was read and validated, its kind, and the file that it comes from."""

    kind: str
    config: Any
    source: str


def config_of(kind: str, source: str) -> type[Config]:
    """Return the configuration of a kind of training; raises UsageError that lists the kinds for an unknown one."""
    if kind not in CONFIGS:
        raise UsageError(f"{source} has kind '{kind}': known kinds are {', '.join(CONFIGS)}.")
    return CONFIGS[kind]


def read_config(path: Path, overrides: Sequence[str] = ()) -> PlannedConfig:
    """Read a configuration with its overrides and validate it; raises UsageError for an unknown kind and any fault."""
    values = read_yaml(path)
    for override in overrides:
        apply_override(values, override)
    return validated(values, str(path))


def validated(values: dict[str, Any], source: str) -> PlannedConfig:
    """Validate the settings of a training run; raises UsageError for an unknown kind and any fault."""
    kind = str(values.get("kind"))
    config = config_of(kind, source)
    return PlannedConfig(kind, validate(config, renamed(values), source), source)
