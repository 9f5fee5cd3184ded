"""Deeper heads: the identity at first, the published equation afterwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from clip_emotion.models.emotion_clip.config import HeadConfig
from clip_emotion.models.emotion_clip.heads import ResidualBlock, ResidualHead


def awake(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.3)
    return module


def features(count: int, dim: int) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(2)) * 7


@given(depth=st.integers(0, 4), width=st.floats(0.1, 4), dropout=st.floats(0, 0.9), training=st.booleans())
def test_a_head_of_any_depth_starts_as_the_identity(depth: int, width: float, dropout: float, training: bool) -> None:
    head = ResidualHead(6, HeadConfig(depth=depth, width=width, dropout=dropout)).train(training)
    given_features = features(5, 6)
    assert torch.equal(head(given_features), given_features)
    assert len(list(head.parameters())) == 6 * depth
    if depth:
        assert not torch.allclose(awake(head)(given_features), given_features, atol=0.1)


def test_a_block_is_its_equation() -> None:
    block = awake(ResidualBlock(4, HeadConfig(width=3.0, dropout=0.0)))
    weights = {name: parameter.detach().double().numpy() for name, parameter in block.named_parameters()}
    x = features(3, 4).double().numpy()
    centred = x - x.mean(axis=1, keepdims=True)
    normed = centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) * weights["norm.weight"] + weights["norm.bias"]
    hidden = normed @ weights["widen.weight"].T + weights["widen.bias"]
    gelu = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
    expected = x + gelu @ weights["out.weight"].T + weights["out.bias"]
    assert weights["widen.weight"].shape == (12, 4)
    np.testing.assert_allclose(block(features(3, 4)).detach().numpy(), expected, atol=1e-4)


def test_dropout_acts_inside_the_block_alone() -> None:
    head = awake(ResidualHead(8, HeadConfig(depth=1, dropout=0.5)))
    given_features = features(4, 8)
    torch.manual_seed(0)
    first, second = (head.train()(given_features) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(head.eval()(given_features), head(given_features))
    nn.init.zeros_(head.blocks[0].out.weight)
    nn.init.zeros_(head.blocks[0].out.bias)
    assert torch.equal(head.train()(given_features), given_features)


def test_a_larger_embedding_keeps_every_cosine_and_two_heads_share_the_space() -> None:
    image_head, text_head = (ResidualHead(6, HeadConfig(depth=depth, dim=10)) for depth in (2, 0))
    pictures, texts = features(3, 6), features(7, 6)[3:]
    before = cosine_similarity(pictures[:, None], texts[None], dim=-1)
    after = cosine_similarity(image_head(pictures)[:, None], text_head(texts)[None], dim=-1)
    assert image_head(pictures).shape == (3, 10)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


def test_a_smaller_embedding_starts_from_orthonormal_rows() -> None:
    torch.manual_seed(5)
    first = ResidualHead(10, HeadConfig(dim=4)).projection
    torch.manual_seed(6)
    second = ResidualHead(10, HeadConfig(dim=4)).projection
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    torch.testing.assert_close(first.weight @ first.weight.T, torch.eye(4), atol=1e-5, rtol=0)
    assert torch.equal(first.weight, second.weight)


@pytest.mark.parametrize("fault", [{"depth": -1}, {"width": 0}, {"dropout": 1}, {"dim": 1}, {"layers": 2}])
def test_settings_out_of_range_are_refused(fault: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(fault))):
        HeadConfig.model_validate(fault)
