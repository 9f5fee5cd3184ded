"""Korean words by a language model's morphemes: vectors from likenesses, texts from vectors, words of a dictionary."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from clip_emotion.errors import UsageError
from clip_emotion.training.mini import morphemes
from clip_emotion.training.mini.morphemes import Morphemes, from_likeness, load_morphemes

FORMS = [("사랑", "NNG"), ("슬프", "VA"), ("행복", "XR"), ("말", "NNG"), ("를", "JKO"), ("무섭", "VA-I"), ("엥", "IC")]
VECTORS = F.normalize(torch.randn(len(FORMS), 3, generator=torch.Generator().manual_seed(0)), dim=1)


class FakeKiwi:
    """Seven morphemes; a text is its forms with spaces between."""

    def __init__(self, model_type: str) -> None:
        assert model_type == "cong"

    def tokenize(self, texts: Sequence[str]) -> list[list[SimpleNamespace]]:
        tags = dict(FORMS)
        return [[SimpleNamespace(form=form, tag=tags.get(form, "NNG")) for form in text.split()] for text in texts]

    def most_similar_morphemes(self, target: object, top_n: int) -> list[SimpleNamespace]:
        # Like Kiwi, it lists the morpheme itself, with a likeness that says nothing.
        at = FORMS.index(target) if isinstance(target, tuple) else target
        return [
            SimpleNamespace(
                id=number, form=form, tag=tag, score=-1e5 if number == at else float(VECTORS[number] @ VECTORS[at])
            )
            for number, (form, tag) in enumerate(FORMS)
        ]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Morphemes:
    module = ModuleType("kiwipiepy")
    module.Kiwi = FakeKiwi  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kiwipiepy", module)
    monkeypatch.setattr(morphemes, "find_spec", lambda name: object())
    monkeypatch.setattr(morphemes, "LANDMARKS", 6)
    load_morphemes.cache_clear()
    yield load_morphemes()
    load_morphemes.cache_clear()


def test_vectors_have_the_likeness_that_the_landmarks_tell() -> None:
    truth = F.normalize(torch.randn(50, 6, generator=torch.Generator().manual_seed(1)), dim=1)
    landmarks = list(range(0, 50, 4))
    found = from_likeness(truth @ truth[landmarks].T, landmarks)
    assert found.shape == (50, 6)
    assert torch.allclose(found @ found.T, truth @ truth.T, atol=1e-4)


def test_a_text_is_the_mean_of_the_morphemes_that_tell_something(known: Morphemes) -> None:
    both, particle, unknown, one = known.embed(["사랑 슬프", "사랑 를", "모르는말", "사랑"])
    assert torch.allclose(particle, one, atol=1e-6)
    assert torch.allclose(both, F.normalize(known.vectors[0] + known.vectors[1], dim=0), atol=1e-5)
    assert unknown.norm() == 0
    assert torch.allclose(torch.stack([both, one]).norm(dim=1), torch.ones(2), atol=1e-5)


def test_what_all_have_in_common_is_taken_away(known: Morphemes) -> None:
    open_class = [at for at, (_, tag) in enumerate(FORMS) if tag != "JKO"]
    expected = F.normalize(VECTORS - VECTORS[open_class].mean(dim=0), dim=1)
    assert torch.allclose(known.vectors @ known.vectors.T, expected @ expected.T, atol=1e-3)


def test_words_are_written_as_a_dictionary_has_them(known: Morphemes) -> None:
    assert known.words() == ["사랑", "슬프다", "행복", "행복하다", "행복한", "무섭다"]


def test_without_the_package_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(morphemes, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'clip-emotion\[teacher\]'"):
        morphemes.check_morphemes()
