"""A fusion from its folder, with every model proved to be the one that it was trained with."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from clip_emotion.config import read_yaml, validate
from clip_emotion.errors import ClipEmotionError, DataError, ModelError, UsageError
from clip_emotion.files import sha256_of
from clip_emotion.models.base import ImageTextEncoder, LoadEncoder
from clip_emotion.models.captioning.base import Captioner
from clip_emotion.models.captioning.making import make_captioner
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.models.faults import LOADING_FAULTS, short
from clip_emotion.models.fusion.card import DESCRIPTION, HEAD, IMAGE, WEIGHTS, FusionCard, PartCard
from clip_emotion.models.fusion.encoder import FusionEncoder, Parts
from clip_emotion.models.fusion.features import ImageFeature, NetworkFeature
from clip_emotion.models.fusion.heads.base import Sizes
from clip_emotion.models.fusion.model import FusionModel
from clip_emotion.runtime import resolve_device

AGAIN = "copy the whole folder again, or make it with clip-emotion fuse"


def load_fusion(folder: Path, load_encoder: LoadEncoder, device: str) -> FusionEncoder:
    """Load a fusion that ``save_fusion`` wrote; ``load_encoder`` loads its encoders.

    Raises ModelError with one sentence where a part is missing, damaged or another than it was trained with.
    """
    try:
        card = validate(FusionCard, read_yaml(folder / DESCRIPTION), str(folder / DESCRIPTION))
        if sha256_of(folder / WEIGHTS) != card.weights:
            raise ModelError(f"{WEIGHTS} is damaged or of another run")
        tensors = load_file(folder / WEIGHTS)
        vocabulary = card.classes()
        model = FusionModel(card.head, Sizes(*card.sizes, len(vocabulary)))
        model.load_state_dict(_under(HEAD, tensors))
        network = _network(card, tensors, device)
    except (UsageError, DataError, ModelError, *LOADING_FAULTS) as error:
        raise ModelError(f"The fusion {folder} cannot be loaded ({short(error)}): {AGAIN}.") from error
    image: ImageFeature = network or _encoder(folder, card.image, load_encoder, device)
    parts = Parts(
        image, _captioner(folder, card, load_encoder, device), _encoder(folder, card.text, load_encoder, device)
    )
    return FusionEncoder(card.name, vocabulary, parts, model, card.temperature)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _network(card: FusionCard, tensors: dict[str, Tensor], device: str) -> NetworkFeature | None:
    if card.network is None:
        return None
    # The last layer is never used.
    classifier = Classifier(card.network, 1)
    unused = classifier.head_names()
    own = {name: value for name, value in classifier.state_dict().items() if name in unused}
    classifier.load_state_dict({**own, **_under(IMAGE, tensors)})
    return NetworkFeature(classifier.to(resolve_device(device)))


def _encoder(folder: Path, card: PartCard | None, load_encoder: LoadEncoder, device: str) -> ImageTextEncoder:
    if card is None:
        raise ModelError(f"The fusion {folder} names no image encoder: {AGAIN}.")
    spec = str(folder / card.folder) if card.folder is not None else card.model or ""
    if card.folder is not None and not Path(spec).is_dir():
        raise ModelError(f"The fusion {folder} lacks its folder {card.folder}: {AGAIN}.")
    try:
        encoder = load_encoder(spec, device)
    except ClipEmotionError as error:
        raise ModelError(f"A part of the fusion {folder} cannot be loaded: {error}") from error
    if encoder.fingerprint != card.fingerprint:
        raise ModelError(f"{spec} is another model now than the fusion {folder} was trained with: {AGAIN}.")
    return encoder


def _captioner(folder: Path, card: FusionCard, load_encoder: LoadEncoder, device: str) -> Captioner:
    def proved(spec: str, device: str) -> ImageTextEncoder:
        return _encoder(folder, card.words, load_encoder, device)

    try:
        captioner = make_captioner(card.captions, proved, device)
    except ClipEmotionError as error:
        raise ModelError(f"The captioner of the fusion {folder} cannot be loaded: {error}") from error
    if card.words is None and captioner.model != card.captioner:
        raise ModelError(
            f"{captioner.model} captions otherwise than {card.captioner}, which {folder} was trained with."
        )
    return captioner
