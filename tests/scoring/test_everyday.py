"""The everyday range, and how sure an emotion has to be to be named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clip_emotion.vocabulary import Vocabulary
from scoring.affection.weights import affection_weights
from scoring.config import ClarityConfig, EverydayRange, ScoreConfig
from scoring.embedders import load_embedder
from scoring.everyday import everyday_range, measured_ranges
from scoring.result import ConversationScore, Summary


def made_of(emotions: str, weights: str, settings: ScoreConfig | None = None) -> ConversationScore:
    return ConversationScore("x", Summary(1, 0.1, 0.1, None), {}, (), (), settings or ScoreConfig(), emotions, weights)


def test_the_default_settings_have_a_range_and_others_have_none() -> None:
    config = ScoreConfig()
    weights = affection_weights(Vocabulary.load(config.vocabulary), load_embedder("mini", "cpu"), config.weights)
    default = made_of("text: mini", weights.source)
    found = everyday_range(default)
    assert found in measured_ranges()
    assert found is not None
    assert -0.5 < found.low < found.mean < found.high < 0.5
    assert everyday_range(replace(default, weights_from="by hand")) is None
    assert everyday_range(replace(default, emotions_from="given")) is None
    other = config.model_copy(update={"vocabulary": "basic7"})
    assert everyday_range(replace(default, settings=other)) is None


def test_the_configurations_own_range_comes_first() -> None:
    own = EverydayRange(mean=0.9, spread=0.3)
    assert everyday_range(made_of("given", "by hand", ScoreConfig(everyday=own))) is own
    assert (own.low, own.high) == (pytest.approx(0.6), 1.0)


@pytest.mark.parametrize(("labels", "least"), [(44, 3.5 / 46.5), (7, 3.5 / 9.5), (2, 3.5 / 4.5)])
def test_an_emotion_is_named_from_so_many_times_the_odds_of_chance_on(labels: int, least: float) -> None:
    clarity = ClarityConfig(margin=3.5)
    assert clarity.is_clear(least + 1e-9, labels)
    assert not clarity.is_clear(least - 1e-9, labels)
    # The odds of the least, over those of a label drawn at random.
    assert least / (1 - least) * (labels - 1) == pytest.approx(3.5)


def test_one_label_alone_is_always_clear() -> None:
    assert ClarityConfig(margin=3.5).is_clear(1.0, 1)
