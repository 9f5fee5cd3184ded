"""The message tower: it starts as the text tower, reads order once its blocks do something, and feels no padding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from clip_emotion.models.mini.config import ReadingConfig
from clip_emotion.models.mini.encoder import load_mini
from clip_emotion.models.mini.message_tower import MessageTower
from clip_emotion.models.mini.text_tower import TextTower
from tests.support.minis import tiny_mini, tiny_text

READING = ReadingConfig(layers=2, heads=3, feed_forward=20)
IDS = torch.tensor([[5, 6, 7, 8, 0, 0], [9, 9, 3, 4, 2, 1]])


def awake(tower: MessageTower) -> MessageTower:
    """The tower with random numbers where it starts at zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            if name.startswith(("reading", "positions")):
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return tower.eval()


def test_it_starts_as_the_text_tower_that_it_was_given() -> None:
    torch.manual_seed(0)
    text = TextTower(tiny_text()).eval()
    tower = MessageTower(tiny_text(), READING).eval()
    missing, unexpected = tower.load_state_dict(text.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith(("reading", "positions")) for name in missing)
    assert torch.allclose(tower(IDS), text(IDS), atol=1e-6)


def test_padding_changes_nothing() -> None:
    tower = awake(MessageTower(tiny_text(), READING))
    assert torch.allclose(tower(IDS[:1]), tower(IDS[:1, :4]), atol=1e-6)
    assert torch.allclose(tower(IDS)[0], tower(IDS[:1, :4])[0], atol=1e-6)
    assert torch.isfinite(tower(torch.zeros(1, 3, dtype=torch.long))).all()


def test_order_matters_beyond_the_neighbours() -> None:
    tower = awake(MessageTower(tiny_text(layers=0), READING))
    assert not torch.allclose(tower(IDS[1:]), tower(IDS[1:].flip(1)), atol=1e-3)
    still = MessageTower(tiny_text(layers=0), READING).eval()
    assert torch.allclose(still(IDS[1:]), still(IDS[1:].flip(1)), atol=1e-6)


def test_attention_is_that_of_torch() -> None:
    tower = awake(MessageTower(tiny_text(), READING))
    block, width = tower.reading[0], 12
    reference = nn.MultiheadAttention(width, 3, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(block.queries_keys_values.weight)
        reference.in_proj_bias.copy_(block.queries_keys_values.bias)
        reference.out_proj.weight.copy_(block.attended.weight)
        reference.out_proj.bias.copy_(block.attended.bias)
        words = torch.randn(2, 5, width)
        there = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
        normed = block.norm_attention(words)
        attended, _ = reference(normed, normed, normed, key_padding_mask=~there)
        middle = words + attended
        feed = block.fed(nn.functional.gelu(block.feed(block.norm_feed(middle))))
        assert torch.allclose(block(words, there)[there], (middle + feed)[there], atol=1e-5)


def test_a_mini_with_one_is_saved_and_loaded(tmp_path: Path) -> None:
    mini = tiny_mini(chat_logit_scale=9.0, reading=READING.model_dump())
    mini.chat_tower = awake(MessageTower(mini.config.text, READING))
    mini.save(tmp_path / "mini")
    again = load_mini(tmp_path / "mini", torch.device("cpu"))
    assert isinstance(again.chat_tower, MessageTower)
    texts = ["오늘 정말 좋아", "so sad"]
    assert not torch.allclose(again.encode_messages(texts), again.encode_texts(texts), atol=1e-2)
    assert torch.allclose(again.chat_tower(IDS), mini.chat_tower(IDS), atol=1e-2)


def test_heads_must_share_the_width() -> None:
    tower = MessageTower(tiny_text(), ReadingConfig(layers=1, heads=5))
    with pytest.raises(RuntimeError):
        tower(IDS)
