"""Family agreement by brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_emotion.errors import UsageError
from clip_emotion.evaluation.families import family_metrics

WORDS = ["annoyed", "betrayed", "calm", "dread", "elated", "fond", "grim", "hurt"]
FAMILIES = [("angry",), ("angry", "sad"), (), ("fear",), ("happy",), ("happy",), ("sad",), ("sad",)]
CLASSES = ["angry", "sad", "happy", "fear", "disgust"]


def case(seed: int, rows: int = 90) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(len(WORDS)), size=rows)
    return p, [CLASSES[place] for place in rng.integers(0, len(CLASSES), rows)]


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_agrees_with_brute_force(seed: int) -> None:
    p, targets = case(seed)
    m = family_metrics(p, targets, WORDS, FAMILIES)
    hit1, precision5, chance = [], [], []
    for name in ("angry", "fear", "happy", "sad"):
        rows = [row.tolist() for row, target in zip(p, targets, strict=True) if target == name]
        orders = [sorted(range(8), key=lambda place, row=row: -row[place])[:5] for row in rows]
        members = [[name in FAMILIES[place] for place in order] for order in orders]
        hit1.append(sum(one[0] for one in members) / len(rows))
        precision5.append(sum(sum(one) / 5 for one in members) / len(rows))
        chance.append(sum(name in one for one in FAMILIES) / len(WORDS))
        assert m.per_class[name].hit1 == pytest.approx(hit1[-1])
    assert m.hit1 == pytest.approx(np.mean(hit1))
    assert m.precision5 == pytest.approx(np.mean(precision5))
    assert m.chance == pytest.approx(np.mean(chance))
    assert m.left_out == ("disgust",)
    assert m.n == len(targets)


def test_chance_is_what_random_words_score() -> None:
    m = family_metrics(*case(0, rows=20_000), WORDS, FAMILIES)
    assert m.hit1 == pytest.approx(m.chance, abs=0.02)
    assert m.precision5 == pytest.approx(m.chance, abs=0.02)


def test_row_order_changes_nothing() -> None:
    p, targets = case(3)
    order = np.random.default_rng(0).permutation(len(targets))
    one = family_metrics(p, targets, WORDS, FAMILIES).to_dict()
    two = family_metrics(p[order], [targets[place] for place in order], WORDS, FAMILIES).to_dict()
    assert one["family_hit1"] == pytest.approx(two["family_hit1"])
    assert one["per_class_family"].keys() == two["per_class_family"].keys()


def test_the_most_chosen_words_are_named() -> None:
    p = np.eye(8)[[0, 0, 0, 4]]
    m = family_metrics(p, ["angry"] * 4, WORDS, FAMILIES)
    assert m.per_class["angry"].chosen == (("annoyed", 0.75), ("elated", 0.25))
    assert m.to_dict()["per_class_family"]["angry"]["family"] == ["annoyed", "betrayed"]


def test_no_family_at_all_is_told() -> None:
    with pytest.raises(UsageError, match="leave out --families"):
        family_metrics(np.eye(2), ["disgust", "disgust"], ["a", "b"], [(), ()])
    with pytest.raises(UsageError, match="Expected probabilities"):
        family_metrics(np.eye(2), ["disgust"], ["a", "b"], [(), ()])
