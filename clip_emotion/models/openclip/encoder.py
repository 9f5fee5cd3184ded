"""Any open_clip model as an ImageTextEncoder: a known tag, a local checkpoint, a Hub id or a local folder."""

from __future__ import annotations

import difflib
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image
from safetensors import SafetensorError
from torch import Tensor, nn

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.hub import knock
from clip_emotion.models.quiet import quietly

HUB_PREFIX = "hf-hub:"
FOLDER_PREFIX = "local-dir:"
TEXT_BATCH = 256
MULTILINGUAL_TOKENIZERS = dict.fromkeys(
    (
        "xlm-roberta-base",
        "xlm-roberta-large",
        "FacebookAI/xlm-roberta-base",
        "FacebookAI/xlm-roberta-large",
        "google/mt5-base",
        "google/mt5-xl",
        "facebook/nllb-200-distilled-600M",
        "facebook/nllb-200-distilled-1.3B",
        "facebook/nllb-200-1.3B",
        "facebook/xlm-v-base",
        "timm/ViT-B-16-SigLIP-i18n-256",
        "timm/ViT-SO400M-16-SigLIP-i18n-256",
        "timm/ViT-B-32-SigLIP2-256",
        "timm/ViT-B-16-SigLIP2",
        "timm/ViT-B-16-SigLIP2-256",
        "timm/ViT-B-16-SigLIP2-384",
        "timm/ViT-B-16-SigLIP2-512",
        "timm/ViT-L-16-SigLIP2-256",
        "timm/ViT-L-16-SigLIP2-384",
        "timm/ViT-L-16-SigLIP2-512",
        "timm/ViT-SO400M-14-SigLIP2",
        "timm/ViT-SO400M-14-SigLIP2-378",
        "timm/ViT-SO400M-16-SigLIP2-256",
        "timm/ViT-SO400M-16-SigLIP2-384",
        "timm/ViT-SO400M-16-SigLIP2-512",
        "timm/ViT-gopt-16-SigLIP2-256",
        "timm/ViT-gopt-16-SigLIP2-384",
    ),
    ("en", "ko"),
)
"""Text sides that were trained on Korean too, by the exact name of the tokenizer in the model's configuration."""
FAULTS = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)


@dataclass(frozen=True)
class Source:
    """Where a model comes from: what open_clip is to build, the weights' file, and the settings of their tag."""

    architecture: str
    weights: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


class OpenClipEncoder:
    """An open_clip model behind the encoder contract; its own trained temperature is its ``logit_scale``."""

    def __init__(
        self, model: Any, tokenizer: Callable[[list[str]], Tensor], config: Mapping[str, Any], name: str
    ) -> None:
        self.name = name
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.config = dict(config)
        self.device = next(model.parameters()).device
        self.fingerprint = fingerprint({**config, "preprocess": model.visual.preprocess_cfg}, model.state_dict())
        self.languages = languages_of(config)
        self.logit_scale = self.text_logit_scale = float(model.logit_scale.detach().exp())
        self.preprocess: Callable[[Image], Tensor] = image_transform_v2(
            PreprocessCfg(**model.visual.preprocess_cfg), is_train=False
        )

    @torch.no_grad()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Embed pictures: [N, 3, H, W] → [N, D], L2-normalised, on the CPU."""
        embeddings: Tensor = self.model.encode_image(pixels.to(self.device), normalize=True)
        return embeddings.float().cpu()

    @torch.no_grad()
    def encode_texts(self, texts: list[str]) -> Tensor:
        """Embed texts: M strings → [M, D], L2-normalised, on the CPU."""
        parts = [texts[start : start + TEXT_BATCH] for start in range(0, len(texts), TEXT_BATCH)]
        return torch.cat([self._encode_tokens(self.tokenizer(part).to(self.device)) for part in parts]).float().cpu()

    def _encode_tokens(self, tokens: Tensor) -> Tensor:
        return F.normalize(encode_tokens(self.model, tokens), dim=-1)


class _TextSide(nn.Module):
    """The text side of a model as a module of its own, whose weights can be replaced for one call."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        features: Tensor = self.model.encode_text(tokens, normalize=False)  # type: ignore[operator]
        return features


def encode_tokens(model: Any, tokens: Tensor) -> Tensor:
    """Embed token ids [M, context] → [M, D], not normalised.

    Where attention looks back only, what follows the last text's end is left out: a label's prompt takes some ten of
    77 places, so this is several times faster, and the result is the same.
    """
    side = _TextSide(model)
    looks_back = isinstance(model, open_clip.CLIP) and getattr(model, "attn_mask", None) is not None
    if not looks_back or getattr(model, "text_pool_type", None) != "argmax":
        features: Tensor = side(tokens)
        return features
    length = int(tokens.argmax(dim=-1).max()) + 1
    shorter = {
        "model.positional_embedding": model.positional_embedding[:length],
        "model.attn_mask": model.attn_mask[:length, :length],
    }
    encoded: Tensor = torch.func.functional_call(side, shorter, (tokens[:, :length],))
    return encoded


def load_open_clip(spec: str, device: torch.device, cache_dir: Path | None = None) -> OpenClipEncoder:
    """Load an open_clip model; only tensors are read from its weights, never code.

    ``spec`` is ``ARCHITECTURE/TAG`` (ViT-B-32/laion2b_s34b_b79k), ``ARCHITECTURE:FILE`` (a local checkpoint; ``/`` does
    as well), ``hf-hub:ORG/NAME`` or ``local-dir:FOLDER``. Raises UsageError for an unknown architecture or tag,
    ModelError for weights that are out of reach, damaged or of another architecture.
    """
    with quietly():
        source = find_source(spec, cache_dir)
        place = str(cache_dir) if cache_dir else None
        quick_gelu = bool(source.settings.get("quick_gelu"))
        try:
            model = open_clip.create_model(
                source.architecture,
                pretrained=source.weights,
                device=device,
                cache_dir=place,
                require_pretrained=True,
                force_quick_gelu=quick_gelu,
                force_preprocess_cfg=_preprocess_settings(source.settings),
            )
            tokenizer = open_clip.get_tokenizer(source.architecture, cache_dir=place)
            config = {**open_clip.factory.get_model_config(source.architecture), "force_quick_gelu": quick_gelu}
        except FAULTS as error:
            raise _explain(error, spec, source, cache_dir) from error
    return OpenClipEncoder(model, tokenizer, config, spec)


def find_source(spec: str, cache_dir: Path | None = None) -> Source:
    """Find what a model's spec means and have its weights on disk; raises UsageError or ModelError."""
    if spec.startswith(FOLDER_PREFIX):
        folder = Path(spec.removeprefix(FOLDER_PREFIX)).expanduser()
        if not (folder / "open_clip_config.json").is_file():
            raise ModelError(f"Model folder {folder} has no open_clip_config.json: name a folder that open_clip saved.")
        return Source(FOLDER_PREFIX + str(folder))
    if spec.startswith(HUB_PREFIX):
        _fetch(spec, spec.removeprefix(HUB_PREFIX), ["open_clip_config.json"], cache_dir)
        return Source(spec)
    architecture, weights = [*re.split("[/:]", spec, maxsplit=1), ""][:2]
    if architecture not in open_clip.list_models():
        raise UsageError(_unknown_architecture(spec, architecture))
    settings = open_clip.get_pretrained_cfg(architecture, weights) if weights else {}
    if settings:
        return Source(architecture, _tagged_weights(spec, settings, cache_dir), settings)
    file = Path(weights).expanduser()
    if weights and file.is_file():
        return Source(architecture, str(file))
    raise _unknown_weights(architecture, weights)


def _unknown_architecture(spec: str, architecture: str) -> str:
    place = Path(spec).expanduser()
    if spec and place.is_dir():
        lacks = f"Folder {spec} holds no mini.yaml and no checkpoint.yaml"
        return f"{lacks}: name a model that open_clip saved as local-dir:{spec}."
    if place.is_file():
        return f"Checkpoint {spec} does not tell its architecture: name it too, as in ViT-B-32:{spec}."
    close = difflib.get_close_matches(architecture, open_clip.list_models(), n=4, cutoff=0.4)
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


def _explain(error: Exception, spec: str, source: Source, cache_dir: Path | None) -> ModelError:
    """Tell apart weights that cannot be fetched, are damaged, or belong to another architecture."""
    if source.weights is None and source.architecture.startswith(FOLDER_PREFIX):
        return ModelError(f"Model folder {spec.removeprefix(FOLDER_PREFIX)} cannot be loaded: {short(error)}.")
    if isinstance(error, (pickle.UnpicklingError, SafetensorError, EOFError)) or "PytorchStreamReader" in str(error):
        return ModelError(f"Checkpoint {source.weights} is damaged or holds more than tensors: fetch it again.")
    if isinstance(error, RuntimeError) and "state_dict" in str(error):
        return ModelError(f"Checkpoint {source.weights} does not fit the architecture {source.architecture}.")
    if isinstance(error, OSError) or source.weights is None:
        return _unreachable(spec, cache_dir)
    return ModelError(f"Model {spec} cannot be loaded: {short(error)}.")


def short(error: Exception) -> str:
    """Return an error's message as one short line."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def _preprocess_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    known = ("mean", "std", "interpolation", "resize_mode")
    return {name: settings[name] for name in known if name in settings}


def languages_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the languages that a model's text side reads, by its tokenizer's exact name; English for all others."""
    text = config.get("text_cfg", {})
    return MULTILINGUAL_TOKENIZERS.get(text.get("hf_tokenizer_name") or text.get("hf_model_name"), ("en",))
