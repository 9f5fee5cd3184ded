"""What heads share: the sizes that they are built for, two layers, and features as tokens."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from clip_emotion.errors import UsageError
from clip_emotion.models.fusion.config import HeadConfig


@dataclass(frozen=True)
class Sizes:
    """The widths of the image feature and of the text feature, and the number of classes."""

    image: int
    text: int
    classes: int


def two_layers(inputs: int, config: HeadConfig, classes: int) -> nn.Sequential:
    """Return a multi-layer perceptron with one hidden layer."""
    return nn.Sequential(
        nn.Linear(inputs, config.width), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(config.width, classes)
    )


def check_attention(config: HeadConfig) -> None:
    """Raise UsageError where a token's width cannot be shared among the attention's heads."""
    if config.width % config.attention_heads:
        raise UsageError(
            f"head.width is {config.width}, which {config.attention_heads} attention_heads cannot share: make it a "
            "multiple of their number."
        )


class Tokens(nn.Module):
    """A feature [N, D] as tokens [N, K, W], each with an offset of its own by its layer's bias."""

    def __init__(self, inputs: int, config: HeadConfig) -> None:
        super().__init__()
        self.shape = (config.tokens, config.width)
        self.layer = nn.Linear(inputs, config.tokens * config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, feature: Tensor) -> Tensor:
        """Return the tokens of features."""
        tokens: Tensor = self.norm(self.layer(feature).unflatten(1, self.shape))
        return tokens
