"""Where an open_clip model comes from: a known tag, a file, a folder or the Hub, and why it cannot be had."""

from __future__ import annotations

import difflib
import logging
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
from safetensors import SafetensorError

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.files import expanded
from clip_emotion.models.faults import short
from clip_emotion.models.hub import knock
from clip_emotion.text import LIKENESS

logger = logging.getLogger(__name__)

HUB_PREFIX = "hf-hub:"
FOLDER_PREFIX = "local-dir:"


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from: what open_clip is to build, the weights' file, and the settings of their tag."""

    architecture: str
    weights: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def find_source(spec: str, cache_dir: Path | None = None) -> ModelSource:
    """Find what a model's spec means and have its weights on disk; raises UsageError or ModelError."""
    if spec.startswith(FOLDER_PREFIX):
        folder = expanded(spec.removeprefix(FOLDER_PREFIX))
        if not (folder / "open_clip_config.json").is_file():
            raise ModelError(f"Model folder {folder} has no open_clip_config.json: name a folder that open_clip saved.")
        return ModelSource(FOLDER_PREFIX + str(folder))
    if spec.startswith(HUB_PREFIX):
        _fetch(spec, spec.removeprefix(HUB_PREFIX), ["open_clip_config.json"], cache_dir)
        return ModelSource(spec)
    architecture, weights = [*re.split("[/:]", spec, maxsplit=1), ""][:2]
    if architecture not in open_clip.list_models():
        raise UsageError(_unknown_architecture(spec, architecture))
    settings = open_clip.get_pretrained_cfg(architecture, weights) if weights else {}
    if settings:
        return ModelSource(architecture, _tagged_weights(spec, settings, cache_dir), settings)
    file = expanded(weights)
    if weights and file.is_file():
        return ModelSource(architecture, str(file))
    raise _unknown_weights(architecture, weights)


def _unknown_architecture(spec: str, architecture: str) -> str:
    place = expanded(spec)
    if spec and place.is_dir():
        lacks = f"Folder {spec} holds no mini.yaml and no checkpoint.yaml"
        return f"{lacks}: name a model that open_clip saved as local-dir:{spec}."
    if place.is_file():
        return f"Checkpoint {spec} does not tell its architecture: name it too, as in ViT-B-32:{spec}."
    close = difflib.get_close_matches(architecture, open_clip.list_models(), n=4, cutoff=LIKENESS)
    hint = f"did you mean {', '.join(close)}" if close else "see open_clip.list_models()"
    return f"Unknown model '{spec}': it is neither mini, nor a checkpoint's folder, nor an open_clip name/tag ({hint})."


def _unknown_weights(architecture: str, weights: str) -> Exception:
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    known = f"{architecture}/{{{', '.join(tags)}}}" if tags else "a local file only"
    if weights.endswith((".pt", ".pth", ".bin", ".safetensors", ".ckpt")):
        return ModelError(f"Checkpoint {weights} for {architecture} does not exist: give its path after the colon.")
    what = f"has no weights tagged '{weights}'" if weights else "needs weights"
    return UsageError(f"Model {architecture} {what}: use {known} or {architecture}:FILE.")


def _tagged_weights(spec: str, settings: Mapping[str, Any], cache_dir: Path | None) -> str:
    """Return the weights' file of a known tag, from the cache where it is there."""
    hub = str(settings.get("hf_hub") or "")
    if not hub:
        try:
            return str(open_clip.download_pretrained(settings, cache_dir=str(cache_dir) if cache_dir else None))
        except (OSError, RuntimeError) as error:
            raise _unreachable(spec, cache_dir) from error
    repository, _, name = hub.rpartition("/")
    plain = name or "open_clip_pytorch_model.bin"
    safe = "open_clip_model.safetensors" if not name else str(Path(name).with_suffix(".safetensors"))
    return _fetch(spec, repository, list(dict.fromkeys((safe, plain))), cache_dir)


def _fetch(spec: str, repository: str, names: list[str], cache_dir: Path | None) -> str:
    """Return the first of some files that a Hub repository has: from the cache, else over the network, trying once."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        for name in names:
            cached = try_to_load_from_cache(repository, name, cache_dir=cache_dir)
            if isinstance(cached, str):
                return cached
        knock()
        for name in names:
            try:
                return str(hf_hub_download(repository, name, cache_dir=cache_dir))
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                continue
    except RepositoryNotFoundError as error:
        raise ModelError(f"The Hugging Face Hub has no public model '{repository}': check its name.") from error
    except (OSError, ValueError) as error:
        raise _unreachable(spec, cache_dir) from error
    raise ModelError(f"Model {repository} on the Hub holds none of {', '.join(names)}: it is not an open_clip model.")


def _unreachable(spec: str, cache_dir: Path | None) -> ModelError:
    from huggingface_hub.constants import HF_HUB_CACHE

    return ModelError(
        f"Model {spec} is not in the cache folder {cache_dir or HF_HUB_CACHE} and the Hub cannot be reached: "
        "go online once to fetch it, or use --model mini, which came with the installation."
    )


def explain(error: Exception, spec: str, source: ModelSource, cache_dir: Path | None) -> ModelError:
    """Tell apart weights that cannot be fetched, are damaged, or belong to another architecture."""
    if source.weights is None and source.architecture.startswith(FOLDER_PREFIX):
        return ModelError(f"Model folder {spec.removeprefix(FOLDER_PREFIX)} cannot be loaded: {short(error)}.")
    if isinstance(error, (pickle.UnpicklingError, SafetensorError, EOFError)) or "PytorchStreamReader" in str(error):
        return ModelError(f"Checkpoint {source.weights} is damaged or holds more than tensors: fetch it again.")
    if "TorchScript" in str(error):
        return ModelError(
            f"Checkpoint {source.weights} is a TorchScript archive, which holds code: use {source.architecture}/openai "
            "for OpenAI's weights, or save the tensors alone."
        )
    if isinstance(error, RuntimeError) and "state_dict" in str(error):
        return ModelError(f"Checkpoint {source.weights} does not fit the architecture {source.architecture}.")
    if isinstance(error, OSError) or source.weights is None:
        return _unreachable(spec, cache_dir)
    return ModelError(f"Model {spec} cannot be loaded: {short(error)}.")


def tell_activation(source: ModelSource, config: Mapping[str, Any]) -> None:
    """Say that a file's activation is not known, where weights of its architecture are published with either.

    A file does not tell which one it was trained with, and the other one gives wrong embeddings without any error.
    """
    if source.weights is None or source.settings or config.get("quick_gelu"):
        return
    tags = open_clip.list_pretrained_tags_by_model(source.architecture)
    quick = [tag for tag in tags if open_clip.get_pretrained_cfg(source.architecture, tag).get("quick_gelu")]
    if quick:
        logger.warning(
            "%s is run with GELU; weights trained with QuickGELU, as those of %s's %s, need --model %s-quickgelu:%s.",
            source.weights,
            source.architecture,
            ", ".join(quick[:3]),
            source.architecture,
            source.weights,
        )
