"""Any open_clip model as a backbone: with its weights, with random ones, or rebuilt from a description."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import open_clip
import torch
from open_clip.hf_configs import arch_dict
from open_clip.hf_model import HFTextEncoder
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import TextTransformer, VisionTransformer
from PIL.Image import Image
from torch import Tensor, nn

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.files import expanded
from clip_emotion.models.backbone import RANDOM_PREFIX, Backbone, Spec, in_groups
from clip_emotion.models.faults import LOADING_FAULTS, short
from clip_emotion.models.openclip.encoder import encode_tokens, languages_of, load_open_clip, open_tokenizer
from clip_emotion.models.quiet import quietly
from clip_emotion.resources import configs_dir
from clip_emotion.text import LIKENESS

DESCRIPTION = "open_clip_config.json"
HF_CONFIG = "config.json"


class OpenClipBackbone(Backbone):
    """An open_clip model; what it learned to multiply cosines by stays frozen, as EmotionClip has its own scale."""

    def __init__(
        self, model: Any, tokenizer: Callable[[list[str]], Tensor], spec: Spec, files: Mapping[str, bytes]
    ) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.spec = spec
        self.name = str(spec["name"])
        settings = PreprocessCfg(**spec["preprocess"])
        self.image_size = _side(self.name, settings.size)
        self.dim = int(spec["model"]["embed_dim"])
        self.languages = languages_of(spec["model"])
        self.initial_logit_scale = self.initial_text_logit_scale = float(spec["logit_scale"])
        self._files = dict(files)
        self._transform: Callable[[Image], Tensor] = image_transform_v2(settings, is_train=False)
        mean, deviation = (torch.tensor(values).view(1, -1, 1, 1) for values in (settings.mean, settings.std))
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)
        self.to(next(model.parameters()).device)

    def preprocess(self, image: Image) -> Tensor:
        """RGB picture → float [3, H, W], resized and standardised as the model was trained."""
        return self._transform(image)

    def _standardise(self, pixels: Tensor) -> Tensor:
        return (pixels - self.get_buffer("mean")) / self.get_buffer("deviation")

    def image_features(self, pixels: Tensor) -> Tensor:
        """Embed standardised pictures: [N, 3, H, W] → [N, D], not normalised."""
        features: Tensor = self.model.encode_image(pixels.to(self.device), normalize=False)
        return features

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Turn M texts into token ids [M, context length]."""
        return self.tokenizer(list(texts))

    def text_features(self, tokens: Tensor) -> Tensor:
        """Embed token ids [M, context length] → [M, D], not normalised."""
        return encode_tokens(self.model, tokens.to(self.device))

    def image_blocks(self) -> list[list[str]]:
        """Return the patches' embedding or the stem, each block, and the final norm, pooling and projection."""
        return _groups(self.model.visual, "model.visual.")

    def text_blocks(self) -> list[list[str]]:
        """Return the tokens' embedding, each block, and the final norm, pooling and projection."""
        if hasattr(self.model, "text"):
            return _groups(self.model.text, "model.text.")
        # The text tower of open_clip.CLIP lies unpacked beside the image tower.
        own = [name for name, _ in self.model.named_parameters() if not name.startswith(("visual.", "logit_"))]
        return _prefixed(_transformer_groups(own, self.model.transformer), "model.")

    def tokenizer_files(self) -> dict[str, bytes]:
        """Return the files of a Hugging Face tokenizer; open_clip's own comes with its package."""
        return dict(self._files)


Groups = list[list[str]]


def _side(name: str, size: int | Sequence[int]) -> int:
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise ModelError(f"Model {name} takes pictures of {size} pixels: choose one that takes squares.")
    return int(sides.pop())


def _groups(tower: nn.Module, prefix: str) -> Groups:
    """Return a tower's parameter names, each group from its input to its output, by the tower's class."""
    names = [name for name, _ in tower.named_parameters()]
    if isinstance(tower, (VisionTransformer, TextTransformer)):
        groups = _transformer_groups(names, tower.transformer)
    elif isinstance(tower, ModifiedResNet):
        stages = ("layer1", "layer2", "layer3", "layer4")
        blocks = [f"{stage}.{at}" for stage in stages for at in range(len(tower.get_submodule(stage)))]
        groups = in_groups(names, ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"), blocks)
    elif isinstance(tower, HFTextEncoder):
        groups = _hugging_face_groups(names, tower)
    elif isinstance(tower, TimmModel):
        groups = _timm_groups(names, tower)
    else:
        groups = [[], names]
    return _prefixed(groups, prefix)


def _prefixed(groups: Groups, prefix: str) -> Groups:
    return [[prefix + name for name in group] for group in groups]


def _transformer_groups(names: list[str], transformer: Any) -> Groups:
    embeddings = ("class_embedding", "positional_embedding", "conv1", "ln_pre", "token_embedding", "cls_emb")
    return in_groups(names, embeddings, [f"transformer.resblocks.{at}" for at in range(len(transformer.resblocks))])


def _hugging_face_groups(names: list[str], tower: Any) -> Groups:
    known = arch_dict[tower.config.model_type]["config_names"]
    nested = hasattr(tower.transformer, "encoder")
    layers = f"transformer.encoder.{known['layer_attr']}" if nested else f"transformer.{known['layer_attr']}"
    blocks = [f"{layers}.{at}" for at in range(len(tower.get_submodule(layers)))]
    return in_groups(names, (f"transformer.{known['token_embeddings_attr']}",), blocks)


def _timm_groups(names: list[str], tower: Any) -> Groups:
    from timm.models import group_parameters

    # timm puts what its patterns do not name into one last group; a name that none can match tells which that is.
    stranger = "~"
    trunk = [*tower.trunk.named_parameters(), (stranger, None)]
    view: Any = SimpleNamespace(named_parameters=lambda: trunk)
    found = group_parameters(view, tower.trunk.group_matcher())
    groups = [[f"trunk.{name}" for name in found[at]] for at in sorted(found)]
    rest = [name for name in groups.pop() if name != f"trunk.{stranger}"]
    return [*groups, rest + [name for name in names if not name.startswith("trunk.")]]


def open_open_clip(spec: str, device: torch.device) -> OpenClipBackbone:
    """Open an open_clip model with its weights, for training; raises what ``load_open_clip`` raises."""
    encoder = load_open_clip(spec, device)
    text = getattr(encoder.model, "text", None)
    config = dict(encoder.config)
    if config.pop("force_quick_gelu", False):
        config["quick_gelu"] = True
    description = {
        "kind": "open_clip",
        "name": spec,
        "model": config,
        "preprocess": encoder.model.visual.preprocess_cfg,
        "hf_text": json.loads(text.config.to_json_string(use_diff=False)) if isinstance(text, HFTextEncoder) else None,
        "logit_scale": encoder.logit_scale,
    }
    return OpenClipBackbone(encoder.model, encoder.tokenizer, _plain(description), _files_of(encoder.tokenizer))


def random_open_clip(name: str, device: torch.device) -> OpenClipBackbone:
    """Build an architecture with random weights, downloading nothing.

    ``name`` is one of open_clip's, a JSON file of its form, or one of ``configs/models``. Raises UsageError where there
    is no such thing, ModelError where its text tower's configuration is not on this machine.
    """
    config, preprocess = _architecture(name)
    text = config["text_cfg"]
    files: dict[str, bytes] = {}
    hf_text = None
    with quietly():
        if text.get("hf_model_name"):
            hf_text = json.loads(_from_cache(name, "AutoConfig", text["hf_model_name"]).to_json_string(use_diff=False))
        if text.get("hf_tokenizer_name"):
            files = _saved(_from_cache(name, "AutoTokenizer", text["hf_tokenizer_name"]))
    spec = {
        "kind": "open_clip",
        "name": RANDOM_PREFIX + name,
        "model": config,
        "preprocess": preprocess,
        "hf_text": hf_text,
    }
    return rebuild_open_clip(spec, device, files)


def rebuild_open_clip(spec: Spec, device: torch.device, files: Mapping[str, bytes]) -> OpenClipBackbone:
    """Build what ``spec`` describes with random weights; raises ModelError where it is broken."""
    try:
        with TemporaryDirectory() as folder, quietly():
            place = _write(Path(folder), spec, files)
            model = open_clip.create_model(place, load_weights=False, pretrained_text=False, device=device)
            tokenizer = open_tokenizer(place, spec["model"])
        learned = {"logit_scale": float(model.logit_scale.detach().exp()), **spec}
        complete = _plain({**learned, "preprocess": model.visual.preprocess_cfg})
        return OpenClipBackbone(model, tokenizer, complete, files)
    except LOADING_FAULTS as error:
        name = spec.get("name", "of open_clip")
        raise ModelError(f"The architecture {name} cannot be built: {short(error)}.") from error


def _write(folder: Path, spec: Spec, files: Mapping[str, bytes]) -> str:
    """Write a description as open_clip reads it from a folder, and return that folder's name."""
    for name, content in files.items():
        (folder / Path(name).name).write_bytes(content)
    config = copy.deepcopy(spec["model"])
    if spec.get("hf_text"):
        (folder / HF_CONFIG).write_text(json.dumps(spec["hf_text"]), encoding="utf-8")
        config["text_cfg"]["hf_model_name"] = str(folder)
    described = {"model_cfg": config, "preprocess_cfg": spec.get("preprocess") or {}}
    (folder / DESCRIPTION).write_text(json.dumps(described), encoding="utf-8")
    return f"local-dir:{folder}"


def _architecture(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an architecture's configuration and its settings of preprocessing."""
    if name in open_clip.list_models():
        return open_clip.get_model_config(name), {}
    shipped = {file.name: file for file in sorted((configs_dir() / "models").glob("*.json"))}
    place = expanded(name)
    file = place if place.is_file() else shipped.get(name) or shipped.get(f"{name}.json")
    if file is None:
        close = difflib.get_close_matches(name, open_clip.list_models(), n=4, cutoff=LIKENESS) or ["ViT-B-32", "RN50"]
        raise UsageError(
            f"Unknown architecture '{name}': choose a JSON file, one of {', '.join(shipped)}, or one of open_clip's "
            f"{len(open_clip.list_models())}, such as {', '.join(close)}."
        )
    try:
        written = json.loads(file.read_text("utf-8"))
        config = dict(written.get("model_cfg", written))
        preprocess = dict(written.get("preprocess_cfg") or {})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"The architecture {file} is not a JSON file of open_clip's form: {short(error)}.") from error
    missing = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in config]
    if missing:
        raise UsageError(f"The architecture {file} lacks {', '.join(missing)}: see configs/models for examples.")
    return config, preprocess


def _from_cache(name: str, kind: str, source: str) -> Any:
    import transformers

    try:
        return getattr(transformers, kind).from_pretrained(source, local_files_only=True, trust_remote_code=False)
    except LOADING_FAULTS as error:
        raise ModelError(
            f"Architecture {name} needs {source}, which is neither a folder nor in the Hugging Face cache: fetch it "
            f"once with huggingface-cli download {source}, or choose one with open_clip's own text tower."
        ) from error


def _files_of(tokenizer: Any) -> dict[str, bytes]:
    return _saved(tokenizer.tokenizer) if isinstance(tokenizer, HFTokenizer) else {}


def _saved(tokenizer: Any) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir()) if file.is_file()}


def _plain(spec: Spec) -> Spec:
    """Return the description as JSON has it."""
    plain: Spec = json.loads(json.dumps(spec))
    return plain
