"""From which probability a text carries a label."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from clip_emotion.training.mini.thresholds import FACTORS, proportional_thresholds


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(200, 6, generator=generator) < torch.tensor([0.02, 0.05, 0.1, 0.2, 0.3, 0.4])
    logits = torch.randn(200, 6, generator=generator) + 1.5 * truth + torch.tensor([1.0, 0.5, 0.0, 0.0, -0.5, -1.0])
    return logits.softmax(dim=1), truth, truth.float().mean(dim=0)


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_labels_are_named_in_proportion_to_how_often_texts_carry_them(seed: int) -> None:
    probabilities, truth, carried = drawn(seed)
    named = (probabilities >= proportional_thresholds(probabilities, truth, carried)).sum(dim=0)
    # A quantile lies between two of the 200 texts, so that a label is named of one more or less.
    for factor in FACTORS:
        if torch.allclose(named.float(), 200 * (factor * carried).clamp(max=0.9), atol=1.01):
            break
    else:
        raise AssertionError(f"{named.tolist()} is in no proportion to {(200 * carried).tolist()}")


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_no_other_factor_is_better(seed: int) -> None:
    probabilities, truth, carried = drawn(seed)

    def macro_f1(thresholds: torch.Tensor) -> float:
        return float(f1_score(truth.numpy(), (probabilities >= thresholds).numpy(), average="macro", zero_division=0))

    found = macro_f1(proportional_thresholds(probabilities, truth, carried))
    for factor in (1.0, 1.5, 2.0, 3.0):
        shares = (factor * carried).clamp(max=0.9)
        columns = zip(probabilities.unbind(dim=1), shares.tolist(), strict=True)
        assert found >= macro_f1(torch.stack([torch.quantile(one, 1 - share) for one, share in columns])) - 1e-6


def test_a_label_that_no_text_carries_is_hardly_named() -> None:
    probabilities, truth, carried = drawn(0)
    truth[:, 0], carried[0] = False, 0.0
    thresholds = proportional_thresholds(probabilities, truth, carried)
    assert int((probabilities[:, 0] >= thresholds[0]).sum()) <= 1
    assert bool(((thresholds > 0) & (thresholds < 1)).all())
