"""EmotionClip: a backbone with deeper heads, what of it is trained, and at which rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip_emotion.errors import UsageError
from clip_emotion.models.backbone import Backbone
from clip_emotion.models.emotion_clip.config import EmotionClipConfig, HeadConfig, last_blocks
from clip_emotion.models.emotion_clip.heads import ResidualHead
from clip_emotion.models.emotion_clip.lora import adapted_layers, add_adapters, plain_name, plain_state, remove_adapters
from clip_emotion.models.logit_scale import LARGEST_SCALE

BACKBONE = "backbone."


@dataclass(frozen=True)
class _Place:
    """Where a parameter of a tower is: its depth is 0 in the final projections and grows towards the input."""

    tower: str
    depth: int
    is_embedding: bool


class EmotionClip(nn.Module):
    """A backbone and its heads: at first it gives the very logits of the backbone's own encoder.

    It starts in eval mode with everything trainable; a trainer calls ``set_trainable`` and ``train``. With a ``dim``
    of another size there is no identity to start from (see ``ResidualHead``), and another ``logit_scale`` multiplies
    the logits.
    """

    def __init__(self, backbone: Backbone, config: EmotionClipConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.image_head = _head(backbone.dim, config.image_head)
        self.text_head = _head(backbone.dim, config.text_head)
        self.dim = (config.image_head.dim if config.image_head else None) or backbone.dim
        self.classifier = nn.Linear(self.dim, config.classes) if config.classes else None
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.logit_scale or backbone.initial_logit_scale)))
        # A backbone that was trained past the limit keeps its scale, or its logits would change.
        self.largest_scale = max(LARGEST_SCALE, backbone.initial_logit_scale)
        self._places = {
            BACKBONE + name: _Place(tower, len(groups) - 1 - at, at == 0)
            for tower, groups in (("image", backbone.image_blocks()), ("text", backbone.text_blocks()))
            for at, group in enumerate(groups)
            for name in group
        }
        self.to(backbone.device)
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.backbone.device

    @property
    def logit_scale(self) -> Tensor:
        """What cosines are multiplied by, a scalar: at most 100, or what the backbone came with where that is more."""
        limit = math.log(self.largest_scale)
        if not self.training:
            return self.log_scale.clamp(max=limit).exp()
        # As CLIP does it: a gradient through clamp() would be zero above the limit, and never lead back.
        with torch.no_grad():
            self.log_scale.clamp_(max=limit)
        return self.log_scale.exp()

    def embed_images(self, pixels: Tensor, *, flip_average: bool = False) -> Tensor:
        """Embed pictures: [N, 3, H, W] as the backbone's ``preprocess`` or ``normalise`` gives them → [N, dim].

        The embeddings are float32 and L2-normalised. ``flip_average`` averages each with that of the mirror image, as
        the encoders of some backbones do (``Backbone.flip_average``).
        """
        embedding = _unit(self.image_head(self.backbone.image_features(pixels)))
        if not flip_average:
            return embedding
        mirrored = _unit(self.image_head(self.backbone.image_features(pixels.flip(3))))
        return F.normalize(embedding + mirrored, dim=-1)

    def embed_texts(self, texts: Sequence[str] | Tensor) -> Tensor:
        """Embed M texts, or their token ids [M, T] → [M, dim], float32 and L2-normalised."""
        tokens = texts if isinstance(texts, Tensor) else self.backbone.tokenize(texts)
        return _unit(self.text_head(self.backbone.text_features(tokens)))

    def classify(self, image_embedding: Tensor) -> Tensor:
        """Return the classifier's logits [N, classes] of image embeddings [N, dim].

        Raises UsageError where the model has no classifier.
        """
        if self.classifier is None:
            raise UsageError("This model has no classifier: set model.classes to the number of classes.")
        logits: Tensor = self.classifier(image_embedding)
        return logits

    @torch.no_grad()
    def start_classifier(self, prototypes: Tensor) -> None:
        """Let the classifier start as zero-shot: logit scale × cosine to each class's text embedding [classes, dim].

        As in Wortsman et al., "Robust fine-tuning of zero-shot models" (2109.01903), section 2.
        """
        if self.classifier is None:
            raise UsageError("This model has no classifier: set model.classes to the number of classes.")
        self.classifier.weight.copy_(prototypes * self.logit_scale)
        self.classifier.bias.zero_()

    def forward(self, pixels: Tensor, texts: Sequence[str] | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return image embeddings [N, dim], text embeddings [M, dim] and the logit scale."""
        return self.embed_images(pixels), self.embed_texts(texts), self.logit_scale

    def set_trainable(self, mode: str | None = None) -> None:
        """Freeze all but what a mode trains (by default the configuration's own).

        ``lora`` puts adapters into the towers, once. ``heads`` leaves adapters in and frozen, so that LoRA can follow
        it; ``all`` and ``last-N-blocks`` fold them in first. Raises UsageError for an unknown mode, or where it would
        train nothing; MissingExtraError for ``lora`` without peft.
        """
        mode = mode or self.config.train
        try:
            blocks = last_blocks(mode)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if mode == "lora":
            self._adapt()
        elif mode != "heads":
            self.merge()
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(self._is_open(name, mode, blocks))
        if not any(parameter.requires_grad for parameter in self.parameters()):
            raise UsageError(f"Nothing is left to train with '{mode}': add a head, a classifier or the logit scale.")
        self.train(self.training)

    def _is_open(self, name: str, mode: str, blocks: int | None) -> bool:
        if not name.startswith(BACKBONE):
            return self.config.learn_logit_scale or name != "log_scale"
        place = self._places.get(plain_name(name))
        if place is None:
            return False
        if mode == "lora":
            return ".lora_" in name
        return blocks is None or (blocks > 0 and place.depth <= blocks and not place.is_embedding)

    def _adapt(self) -> None:
        if adapted_layers(self.backbone):
            return
        after = [name.removeprefix(BACKBONE) for name, place in self._places.items() if not place.is_embedding]
        add_adapters(self.backbone, self.config.lora, after)

    def merge(self) -> None:
        """Fold LoRA's adapters into the weights and take them out; without adapters nothing changes."""
        if adapted_layers(self.backbone):
            state = self.plain_state_dict()
            remove_adapters(self.backbone)
            self.load_state_dict(state)

    def plain_state_dict(self) -> dict[str, Tensor]:
        """Return the weights as they are after ``merge``, and leave the model as it is."""
        return plain_state(self)

    @property
    def image_frozen(self) -> bool:
        """Whether no weight that image embeddings depend on is trained."""
        return self._is_frozen("image", self.image_head)

    @property
    def text_frozen(self) -> bool:
        """Whether no weight that text embeddings depend on is trained, so that they can be computed once."""
        return self._is_frozen("text", self.text_head)

    def _is_frozen(self, tower: str, head: nn.Module) -> bool:
        trained = {plain_name(name) for name, parameter in self.named_parameters() if parameter.requires_grad}
        own = any(parameter.requires_grad for parameter in head.parameters())
        return not own and not any(self._places[name].tower == tower for name in trained & self._places.keys())

    def lr_scales(self, decay: float = 1.0) -> Callable[[str], float]:
        """Return each parameter's factor on the learning rate, by its name: decayᵈ with d its block's distance.

        Heads, classifier, scale and the towers' final projections have d = 0, the last block 1, and so on down to the
        embeddings; a frozen parameter has the factor 0 (layer-wise decay: Clark et al., 2003.10555; 2106.08254). Raises
        UsageError where ``decay`` is not in (0, 1].
        """
        if not 0 < decay <= 1:
            raise UsageError(f"The layer-wise decay must be above 0 and at most 1, not {decay}.")
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}

        def factor(name: str) -> float:
            if name not in trained:
                return 0.0
            place = self._places.get(plain_name(name))
            return decay**place.depth if place else 1.0

        return factor

    def train(self, mode: bool = True) -> EmotionClip:
        """Switch training mode on or off; what is frozen stays in eval: batch norm must not drift."""
        super().train(mode)
        if mode:
            _settle(self)
        return self


def _settle(module: nn.Module) -> None:
    """Put the largest parts of a module whose parameters are all frozen into eval mode."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        return
    for child in module.children():
        _settle(child)


def _head(dim: int, config: HeadConfig | None) -> nn.Module:
    return ResidualHead(dim, config) if config else nn.Identity()


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features.float(), dim=-1)
