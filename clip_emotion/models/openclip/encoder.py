"""Any open_clip model as an ImageTextEncoder: a known tag, a local checkpoint, a Hub id or a local folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image
from torch import Tensor, nn

from clip_emotion.models.faults import LOADING_FAULTS
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.openclip.sources import explain, find_source, tell_activation
from clip_emotion.models.quiet import quietly

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
            config = {**open_clip.factory.get_model_config(source.architecture), "force_quick_gelu": quick_gelu}
            tokenizer = open_tokenizer(source.architecture, config, cache_dir=place)
        except LOADING_FAULTS as error:
            raise explain(error, spec, source, cache_dir) from error
    tell_activation(source, config)
    return OpenClipEncoder(model, tokenizer, config, spec)


def open_tokenizer(place: str, config: Mapping[str, Any], cache_dir: str | None = None) -> Any:
    """Return an architecture's tokenizer; code that comes with one is never run, whatever the configuration asks."""
    hugging_face = bool(config.get("text_cfg", {}).get("hf_tokenizer_name"))
    # open_clip's own tokenizers know no such argument; what is given here overrides the configuration.
    return open_clip.get_tokenizer(place, cache_dir=cache_dir, **({"trust_remote_code": False} if hugging_face else {}))


def _preprocess_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    known = ("mean", "std", "interpolation", "resize_mode")
    return {name: settings[name] for name in known if name in settings}


def languages_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the languages that a model's text side reads, by its tokenizer's exact name; English for all others."""
    text = config.get("text_cfg", {})
    return MULTILINGUAL_TOKENIZERS.get(text.get("hf_tokenizer_name") or text.get("hf_model_name"), ("en",))
