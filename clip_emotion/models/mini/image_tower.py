"""The mini's image tower: a small convolutional network over 48-pixel luminance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip_emotion.models.mini.config import ImageTowerConfig

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights of red, green and blue, as Pillow's mode L has them."""


class ConvolutionBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut; the shortcut of a halving block averages first (ResNet-D, 1812.01187)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """[N, inputs, H, W] → [N, outputs, ⌈H/stride⌉, ⌈W/stride⌉]."""
        hidden = F.relu(self.norm1(self.conv1(features)))
        hidden = self.norm2(self.conv2(hidden))
        return F.relu(hidden + self.shortcut(features))


class SameConv2d(nn.Conv2d):
    """A 3×3 convolution padded as TensorFlow does it: an odd pixel of padding goes below and to the right."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, 0, groups=groups, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """[N, inputs, H, W] → [N, outputs, ⌈H/stride⌉, ⌈W/stride⌉]."""
        stride = self.stride[0]
        down, across = (max((-(-side // stride) - 1) * stride + 3 - side, 0) for side in features.shape[2:])
        if down % 2 or across % 2:
            features = F.pad(features, (0, across % 2, 0, down % 2))
        return F.conv2d(features, self.weight, None, self.stride, (down // 2, across // 2), 1, self.groups)


class SeparableBlock(nn.Module):
    """A depthwise 3×3 and a pointwise convolution, each with its norm and a ReLU up to 6 (MobileNet, 1704.04861)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = SameConv2d(inputs, inputs, stride, groups=inputs)
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv2 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """[N, inputs, H, W] → [N, outputs, ⌈H/stride⌉, ⌈W/stride⌉]."""
        hidden = F.relu6(self.norm1(self.conv1(features)))
        return F.relu6(self.norm2(self.conv2(hidden)))


class ImageTower(nn.Module):
    """Standardised luminance [N, 1, H, W] → L2-normalised embeddings [N, dim].

    Of two networks the embedding is the weighted mean of both, each of length 1 before.
    """

    def __init__(self, config: ImageTowerConfig) -> None:
        super().__init__()
        self.config = config
        separable = config.convolutions == "separable"
        stem = SameConv2d(1, config.stem, 2) if separable else nn.Conv2d(1, config.stem, 3, 1, 1, bias=False)
        layers: list[nn.Module] = [stem, nn.BatchNorm2d(config.stem), nn.ReLU6() if separable else nn.ReLU()]
        block = SeparableBlock if separable else ConvolutionBlock
        inputs = config.stem
        for stage, (width, depth) in enumerate(zip(config.widths, config.blocks, strict=True)):
            halved = stage > 0 or not separable
            for position in range(depth):
                layers.append(block(inputs, width, 2 if halved and position == 0 else 1))
                inputs = width
        self.trunk = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(inputs, config.dim)
        self.second = None
        if config.second is not None:
            self.second = ImageTower(ImageTowerConfig.model_validate(config.second.model_dump()))

    def forward(self, luminance: Tensor) -> Tensor:
        """Embed standardised luminance [N, 1, H, W] as [N, dim], each row of length 1."""
        return F.normalize(self.features(luminance), dim=-1)

    def features(self, luminance: Tensor) -> Tensor:
        """Embed standardised luminance [N, 1, H, W] as [N, dim], of any length."""
        features = self.trunk(self.enlarge(luminance).contiguous(memory_format=torch.channels_last))
        pooled = self.dropout(features.mean(dim=(2, 3)))
        embedding: Tensor = self.head(pooled).float()
        if self.second is None:
            return embedding
        share = self.config.second_share
        both: Tensor = (1 - share) * F.normalize(embedding, dim=-1) + share * self.second(luminance)
        return both

    def enlarge(self, luminance: Tensor) -> Tensor:
        """Enlarge images [N, 1, H, W] to the side that the first network wants, where they are smaller."""
        side = self.config.enlarged
        if side is None or min(luminance.shape[2:]) >= side:
            return luminance
        return F.interpolate(luminance, size=(side, side), mode="bicubic", align_corners=False)


def luminance(pixels: Tensor) -> Tensor:
    """RGB in [0, 1], [N, 3, H, W] → luminance in [0, 255], [N, 1, H, W]."""
    weights = torch.tensor(LUMA, device=pixels.device, dtype=pixels.dtype).view(1, 3, 1, 1)
    return (pixels * weights).sum(dim=1, keepdim=True) * 255


def standardise(grey: Tensor) -> Tensor:
    """Give each picture [N, 1, H, W] mean 0 and deviation about 1; the 8 keeps flat pictures from being all noise."""
    mean = grey.mean(dim=(2, 3), keepdim=True)
    return (grey - mean) / (grey.std(dim=(2, 3), keepdim=True) + 8.0)
