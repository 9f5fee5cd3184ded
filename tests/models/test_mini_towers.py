"""The two towers: what an embedding may depend on, and what it may not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from clip_emotion.models.mini.image_tower import ConvolutionBlock, ImageTower, luminance, standardise
from clip_emotion.models.mini.sub_words import PAD, tokenize
from clip_emotion.models.mini.text_tower import NeighbourBlock, TextTower, pad_ids
from tests.support.minis import tiny_image, tiny_text, tiny_tokenizer

ROWS = st.lists(st.lists(st.integers(1, 119), max_size=16), min_size=1, max_size=6)


def awake(model: nn.Module) -> nn.Module:
    """Give also the layers that start at zero something to say."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.eval()


@pytest.fixture(scope="module", params=[0, 2], ids=["no blocks", "two blocks"])
def text_tower(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return awake(TextTower(tiny_text(layers=request.param, kernel=5)))


@given(rows=ROWS)
def test_a_text_embeds_alone_as_in_company(text_tower: nn.Module, rows: list[list[int]]) -> None:
    with torch.inference_mode():
        together = text_tower(pad_ids(rows, 16))
        alone = torch.cat([text_tower(pad_ids([row], 16)) for row in rows])
        padded = text_tower(nn.functional.pad(pad_ids(rows, 16), (0, 5), value=PAD))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(together, padded, atol=1e-5, rtol=0)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(rows)))
    assert together.shape == (len(rows), 6)


def test_neighbours_and_their_order_count_only_with_blocks() -> None:
    ids = torch.tensor([[5, 6, 7], [7, 6, 5]])
    with torch.inference_mode():
        bag, deep = (awake(TextTower(tiny_text(layers=layers)))(ids) for layers in (0, 2))
    torch.testing.assert_close(bag[0], bag[1])
    assert (deep[0] - deep[1]).abs().max() > 1e-3


def test_a_block_reaches_as_far_as_its_kernel() -> None:
    block = awake(NeighbourBlock(4, 3, 0.0))
    words = torch.randn(1, 7, 4)
    changed = words.clone()
    changed[0, 3] = torch.randn(4)
    there = torch.ones(1, 7, 1)
    moved = (block(words, there) - block(changed, there)).abs().sum(dim=2)[0] > 1e-6
    assert moved.tolist() == [False, False, True, True, True, False, False]


def test_blocks_are_a_convolution() -> None:
    block = awake(NeighbourBlock(4, 5, 0.0))
    convolution = nn.Conv1d(4, 4, 5, padding=2)
    with torch.no_grad():
        convolution.weight.copy_(block.neighbours.weight.view(4, 5, 4).transpose(1, 2))
        convolution.bias.copy_(block.neighbours.bias)
    words = torch.randn(2, 9, 4)
    hidden = convolution(block.norm(words).transpose(1, 2)).transpose(1, 2)
    wanted = words + block.out(nn.functional.gelu(hidden))
    torch.testing.assert_close(block(words, torch.ones(2, 9, 1)), wanted, atol=1e-5, rtol=1e-5)


def test_fresh_blocks_are_the_identity() -> None:
    torch.manual_seed(0)
    deep = TextTower(tiny_text(layers=2)).eval()
    shallow = TextTower(tiny_text(layers=0)).eval()
    missing = shallow.load_state_dict(
        {name: tensor for name, tensor in deep.state_dict().items() if not name.startswith("blocks.")}
    )
    assert not missing.missing_keys
    ids = torch.randint(1, 120, (5, 9))
    with torch.inference_mode():
        torch.testing.assert_close(deep(ids), shallow(ids))


def test_every_weight_of_the_text_tower_learns() -> None:
    tower = awake(TextTower(tiny_text(dropout=0.0)))
    (tower(torch.randint(1, 120, (4, 7))) * torch.arange(6)).sum().backward()
    unused = [name for name, p in tower.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    # A softmax does not feel what is added to all of its inputs.
    assert unused == ["attention.bias"] or not unused
    assert tower.tokens.weight.grad[PAD].abs().sum() == 0


def test_padding_of_ids() -> None:
    assert pad_ids([[3], [4, 5, 6]], 2).tolist() == [[3, PAD], [4, 5]]
    assert pad_ids([[]], 8).tolist() == [[PAD]]
    assert pad_ids([], 8).shape == (0, 1)


def test_unknown_and_empty_texts_still_embed() -> None:
    tokenizer, tower = tiny_tokenizer(), awake(TextTower(tiny_text()))
    ids = tokenize(tokenizer, ["", "행복", "쀍 龘 ☃", "happy"])
    assert ids[0] == []
    with torch.inference_mode():
        embedded = tower(pad_ids(ids, 16))
    assert embedded.isfinite().all()
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(4))


@pytest.fixture(scope="module")
def image_tower() -> nn.Module:
    torch.manual_seed(0)
    return ImageTower(tiny_image()).eval()


@pytest.mark.parametrize("side", [16, 17, 32, 40, 44, 48])
def test_pictures_of_any_side_embed_with_length_one(image_tower: nn.Module, side: int) -> None:
    with torch.inference_mode():
        embedded = image_tower(standardise(255 * torch.rand(3, 1, side, side)))
    assert embedded.shape == (3, 6)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(3))


def test_a_picture_embeds_alone_as_in_company(image_tower: nn.Module) -> None:
    pictures = torch.randn(4, 1, 20, 20)
    with torch.inference_mode():
        alone = torch.cat([image_tower(picture[None]) for picture in pictures])
        torch.testing.assert_close(image_tower(pictures), alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_halves_the_side_rounding_up(side: int, stride: int) -> None:
    assert ConvolutionBlock(2, 3, stride)(torch.randn(2, 2, side, side)).shape == (2, 3, *[-(-side // stride)] * 2)


def test_luminance_is_pillows_mode_l() -> None:
    array = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    pixels = torch.from_numpy(array).permute(2, 0, 1)[None].float() / 255
    wanted = torch.from_numpy(np.array(Image.fromarray(array).convert("L"))).float()
    assert (luminance(pixels)[0, 0] - wanted).abs().max() <= 1


@given(st.integers(0, 1000), st.floats(-50, 50), st.floats(20, 60))
def test_standardise_takes_brightness_and_most_of_the_contrast_away(seed: int, offset: float, spread: float) -> None:
    noise = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    result: Tensor = standardise(noise * spread + 128 + offset)
    assert result.mean(dim=(1, 2, 3)).abs().max() < 1e-4
    assert 0.6 < float(result.std(dim=(1, 2, 3)).min()) <= float(result.std(dim=(1, 2, 3)).max()) < 1
    torch.testing.assert_close(result, standardise(noise * spread), atol=1e-4, rtol=1e-4)


def test_a_flat_picture_stays_flat() -> None:
    assert standardise(torch.full((1, 1, 8, 8), 77.0)).abs().max() == 0
