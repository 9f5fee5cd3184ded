"""A fine-tuned model on disk: one folder of safetensors, YAML and a model card, and the encoder made of it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import torch
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL.Image import Image
from pydantic import ConfigDict, Field, FiniteFloat
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clip_emotion.config import Config, read_yaml, validate
from clip_emotion.errors import ClipEmotionError, DataError, ModelError, UsageError
from clip_emotion.files import draft_of, publish, sha256_of
from clip_emotion.models.emotion_clip.config import EmotionClipConfig
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary
from clip_emotion.models.faults import LOADING_FAULTS, short
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.loading import backbone_from_spec
from clip_emotion.models.weights_file import settle
from clip_emotion.text_batches import length_batches
from clip_emotion.version import __version__
from clip_emotion.yaml_text import parse_yaml

FORMAT = 1
"""The version of a checkpoint's folder that is written here, and the newest that is read."""
DESCRIPTION, WEIGHTS, MODEL_CARD = "checkpoint.yaml", "model.safetensors", "README.md"
RUN_STATE = "checkpoint.pt"
"""A training run's own state, which is there before the run's end."""
STAMP = "clip_emotion"
"""The entry of the weights' metadata that says which architecture they belong to."""
TEXT_BATCH = 256
AGAIN = "copy or pull the whole folder again"
PACKAGES = ("torch", "open_clip_torch", "transformers")

PartName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""A plain file name: a folder from elsewhere must not reach outside itself."""


def _code() -> dict[str, str]:
    found = {"clip-emotion": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class CheckpointCard(Config):
    """What ``checkpoint.yaml`` says beside the weights.

    The scales turn cosines into calibrated logits, for pictures and for texts; ``flip_average`` says that a picture's
    embedding is averaged with its mirror image's. What of these is None becomes the model's own when it is saved.
    ``data`` holds a fingerprint for each data set, ``trained_with`` the run's settings, ``code`` packages' versions.
    ``save_checkpoint`` fills in the rest: what rebuilds the model, and the SHA-256 of each other file.
    """

    # A metric that is not defined is NaN; the scales are finite.
    model_config = ConfigDict(allow_inf_nan=True)

    format: int = FORMAT
    name: str = "emotion-clip"
    about: str = ""
    license: str | None = None
    languages: tuple[str, ...] = ()
    logit_scale: FiniteFloat | None = Field(default=None, gt=0)
    text_logit_scale: FiniteFloat | None = Field(default=None, gt=0)
    text_threshold: float | None = Field(default=None, gt=0, lt=1)
    flip_average: bool | None = None
    vocabulary: TrainedVocabulary | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    data: dict[str, str] = Field(default_factory=dict)
    trained_with: dict[str, Any] = Field(default_factory=dict)
    code: dict[str, str] = Field(default_factory=_code)
    model: EmotionClipConfig | None = None
    backbone: dict[str, Any] = Field(default_factory=dict)
    parts: dict[PartName, str] = Field(default_factory=dict)

    @property
    def stamp(self) -> str:
        """A hash of all that rebuilds the model but its weights, which carry it as well: 16 hexadecimal digits."""
        # Without defaults, so that a checkpoint from before a setting existed still fits its weights.
        config = self.model.model_dump(mode="json", exclude_defaults=True) if self.model is not None else None
        return fingerprint({"model": config, "backbone": self.backbone}, {})[:16]


class EmotionClipEncoder:
    """An EmotionClip behind the encoder contract, with the card's calibrated scales.

    Chat messages go through the text side: a mini's tower for messages belongs to the words as they were before
    fine-tuning, so it is not used. ``fingerprint`` is a hash of architecture, weights and scales.
    """

    def __init__(self, model: EmotionClip, card: CheckpointCard) -> None:
        card = completed(card, model)
        self.model = model.eval()
        self.card = card
        self.name = card.name
        self.languages = card.languages
        self.logit_scale, self.text_logit_scale = float(card.logit_scale or 1), float(card.text_logit_scale or 1)
        self.vocabulary = card.vocabulary.vocabulary() if card.vocabulary else None
        if card.text_threshold is not None:
            self.text_threshold = card.text_threshold
        self.preprocess: Callable[[Image], Tensor] = model.backbone.preprocess
        self.fingerprint = f"emotion-clip-{fingerprint(_settings(card), model.plain_state_dict())[:16]}"

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Embed pictures: [N, 3, H, W] as ``preprocess`` gives them → [N, D], L2-normalised, on the CPU."""
        return self.model.embed_images(pixels, flip_average=bool(self.card.flip_average)).cpu()

    @torch.inference_mode()
    def encode_texts(self, texts: list[str]) -> Tensor:
        """Embed texts: M strings → [M, D], L2-normalised, on the CPU."""
        embeddings = torch.empty(len(texts), self.model.dim)
        for rows in length_batches([len(text) for text in texts], TEXT_BATCH):
            embeddings[rows] = self.model.embed_texts([texts[row] for row in rows]).cpu()
        return embeddings


def _settings(card: CheckpointCard) -> dict[str, Any]:
    """Return what changes an embedding or a probability besides the weights, whatever the model is called."""
    scales = card.model_dump(include={"logit_scale", "text_logit_scale", "flip_average"})
    heads = card.model.model_dump(mode="json", include={"image_head", "text_head"}) if card.model else {}
    return {**scales, **heads, "backbone": {name: value for name, value in card.backbone.items() if name != "name"}}


def completed(card: CheckpointCard, model: EmotionClip) -> CheckpointCard:
    """Return the card with the model's architecture, and with the model's own values where the card has none."""
    own = {
        "languages": card.languages or model.backbone.languages,
        "logit_scale": card.logit_scale or float(model.logit_scale.detach()),
        "text_logit_scale": card.text_logit_scale or model.backbone.initial_text_logit_scale,
        "text_threshold": card.text_threshold or model.backbone.initial_text_threshold,
        "flip_average": model.backbone.flip_average if card.flip_average is None else card.flip_average,
        "model": model.config,
        "backbone": model.backbone.spec,
    }
    # By way of the text that is written, so that hashes of what is in memory and of what is read again are the same.
    return validate(
        CheckpointCard,
        parse_yaml(_as_yaml(card.model_copy(update=own)), "The checkpoint's card"),
        "The checkpoint's card",
    )


def _as_yaml(card: CheckpointCard) -> str:
    return yaml.safe_dump(card.model_dump(mode="json"), allow_unicode=True, sort_keys=False)


def save_checkpoint(model: EmotionClip, folder: Path, card: CheckpointCard | None = None) -> CheckpointCard:
    """Write a model's folder and return the card as it stands there; LoRA's changes are merged into the weights.

    A new folder appears whole or not at all. In an existing one the files are replaced one by one, the description
    last: where that is cut short the folder is refused when it is loaded. Raises ModelError where it cannot be written.
    """
    card = completed(card or CheckpointCard(), model)
    # Copies, as the format refuses weights that share their memory.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.plain_state_dict().items()}
    try:
        with draft_of(folder) as draft:
            save_file(tensors, draft / WEIGHTS, {"format": "pt", STAMP: card.stamp})
            settle(draft / WEIGHTS)
            for name, content in model.backbone.tokenizer_files().items():
                (draft / name).write_bytes(content)
            # The weights' entry comes last, so that a description that was cut short is noticed.
            names = sorted((path.name for path in draft.iterdir()), key=lambda name: (name == WEIGHTS, name))
            card = card.model_copy(update={"parts": {name: sha256_of(draft / name) for name in names}})
            (draft / MODEL_CARD).write_text(model_card(card), "utf-8")
            (draft / DESCRIPTION).write_text(_as_yaml(card), "utf-8")
            publish(draft, folder, [*names, MODEL_CARD, DESCRIPTION])
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The checkpoint {folder} cannot be written: {short(error)}.") from error
    return card


def model_card(card: CheckpointCard) -> str:
    """Return the Markdown page that tells people what a checkpoint is, with the header that the Hub reads."""
    loader = PackageLoader("clip_emotion.models.emotion_clip")
    # Markdown, not HTML: nothing is to be escaped but what would end the header's quotes, which tojson does.
    environment = Environment(
        loader=loader, autoescape=False, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template("model_card.md.j2").render(card=card)


def read_card(folder: Path) -> CheckpointCard:
    """Read a checkpoint's description; raises ModelError where it is missing, malformed or of a newer version."""
    path = folder / DESCRIPTION
    if not path.is_file() and (folder / RUN_STATE).is_file():
        raise ModelError(f"{folder} holds a training run that has not ended: go on with clip-emotion train … --resume.")
    if not path.is_file():
        what = f"lacks {DESCRIPTION}" if folder.is_dir() else "does not exist"
        raise ModelError(f"The checkpoint {folder} {what}: name a folder that clip-emotion train or pull wrote.")
    try:
        values = read_yaml(path)
        written = values.get("format")
        if isinstance(written, int) and written > FORMAT:
            raise ModelError(
                f"{path} is of format {written}, and this clip-emotion reads up to {FORMAT}: upgrade clip-emotion."
            )
        card = validate(CheckpointCard, values, str(path))
    except (UsageError, DataError) as error:
        raise ModelError(str(error)) from error
    except (ValueError, RecursionError) as error:
        # What YAML's reader lets through: a date that is none, brackets without end.
        raise ModelError(f"{path} cannot be read ({short(error)}): {AGAIN}.") from error
    if card.model is None or WEIGHTS not in card.parts or card.format < 1:
        raise ModelError(f"{path} is incomplete: {AGAIN}.")
    return card


def check_parts(folder: Path, card: CheckpointCard) -> None:
    """See that the files that a card lists are there and are those it describes; raises ModelError where not."""
    missing = [name for name in card.parts if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"The checkpoint {folder} lacks {', '.join(missing)}: {AGAIN}.")
    for name, expected in card.parts.items():
        try:
            found = sha256_of(folder / name)
        except OSError as error:
            raise ModelError(f"{folder / name} cannot be read: {short(error)}.") from error
        if found != expected:
            raise ModelError(
                f"{folder / name} is damaged, cut short or of another run than {DESCRIPTION} beside it: {AGAIN}."
            )


def load_checkpoint(folder: Path, device: torch.device | str = "cpu") -> EmotionClip:
    """Load a model that ``save_checkpoint`` wrote; needs no network, and reads nothing but tensors and text.

    Raises ModelError with one sentence where a part is missing, damaged, of another run, or of a newer format.
    """
    return _load(folder, torch.device(device))[0]


def load_checkpoint_encoder(folder: Path, device: torch.device | str = "cpu") -> EmotionClipEncoder:
    """Load a checkpoint as an encoder; raises ModelError as ``load_checkpoint`` does."""
    return EmotionClipEncoder(*_load(folder, torch.device(device)))


def _load(folder: Path, device: torch.device) -> tuple[EmotionClip, CheckpointCard]:
    card = read_card(folder)
    check_parts(folder, card)
    tensors = _read_weights(folder, card)
    try:
        files = {name: (folder / name).read_bytes() for name in card.parts if name != WEIGHTS}
        model = EmotionClip(backbone_from_spec(card.backbone, "cpu", files), card.model or EmotionClipConfig())
        model.load_state_dict(tensors)
    except (ClipEmotionError, *LOADING_FAULTS) as error:
        raise ModelError(f"The checkpoint {folder} cannot be rebuilt ({short(error)}): {AGAIN}.") from error
    return model.to(device).eval(), card


def _read_weights(folder: Path, card: CheckpointCard) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    try:
        with safe_open(str(path), framework="pt") as weights:
            stamp = (weights.metadata() or {}).get(STAMP)
            tensors = {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The weights {path} cannot be read ({short(error)}): {AGAIN}.") from error
    if stamp != card.stamp:
        raise ModelError(f"The weights {path} are of another architecture than {DESCRIPTION} tells: {AGAIN}.")
    return tensors
