"""The mini's image tower: a small residual network over 48-pixel luminance."""

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


class ImageTower(nn.Module):
    """Standardised luminance [N, 1, H, W] → L2-normalised embeddings [N, dim]."""

    def __init__(self, config: ImageTowerConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [
            nn.Conv2d(1, config.stem, 3, 1, 1, bias=False),
            nn.BatchNorm2d(config.stem),
            nn.ReLU(),
        ]
        inputs = config.stem
        for width, depth in zip(config.widths, config.blocks, strict=True):
            for position in range(depth):
                layers.append(ConvolutionBlock(inputs, width, 2 if position == 0 else 1))
                inputs = width
        self.trunk = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(inputs, config.dim)

    def forward(self, luminance: Tensor) -> Tensor:
        """Embed standardised luminance [N, 1, H, W] as [N, dim], each row of length 1."""
        return F.normalize(self.features(luminance), dim=-1)

    def features(self, luminance: Tensor) -> Tensor:
        """Embed standardised luminance [N, 1, H, W] as [N, dim], of any length."""
        features = self.trunk(luminance.contiguous(memory_format=torch.channels_last))
        pooled = self.dropout(features.mean(dim=(2, 3)))
        embedding: Tensor = self.head(pooled).float()
        return embedding


def luminance(pixels: Tensor) -> Tensor:
    """RGB in [0, 1], [N, 3, H, W] → luminance in [0, 255], [N, 1, H, W]."""
    weights = torch.tensor(LUMA, device=pixels.device, dtype=pixels.dtype).view(1, 3, 1, 1)
    return (pixels * weights).sum(dim=1, keepdim=True) * 255


def standardise(grey: Tensor) -> Tensor:
    """Give each picture [N, 1, H, W] mean 0 and deviation about 1; the 8 keeps flat pictures from being all noise."""
    mean = grey.mean(dim=(2, 3), keepdim=True)
    return (grey - mean) / (grey.std(dim=(2, 3), keepdim=True) + 8.0)
