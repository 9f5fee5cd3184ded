"""The pieces of the mini's two stages: splits without leaks, embeddings in order, scores against scikit-learn."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import f1_score

from clip_emotion.errors import DataError
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.models.mini.text_tower import TextTower, pad_ids
from clip_emotion.training.corpora import load_corpora
from clip_emotion.training.corpora_config import SourcesConfig
from clip_emotion.training.mini.faces import FaceRows, FaceSplits
from clip_emotion.training.mini.image import TextSide, embed_faces
from clip_emotion.training.mini.image_stage import image_temperature, tuning_rows
from clip_emotion.training.mini.text import TextModel
from clip_emotion.training.mini.thresholds import _macro_f1
from clip_emotion.training.mini.tokenizer import token_halves
from tests.support.minis import SENTENCES, face, table, tiny_image, tiny_mini, tiny_text, tiny_tokenizer, write_texts


def sources(folder: Path, **changes: object) -> SourcesConfig:
    values = {"folder": folder, "prepared": folder / "prepared", "kote_validation": 3, "kote_tuning": 2}
    return SourcesConfig.model_validate({**values, **changes})


def test_corpora_keep_what_validates_and_tunes_out_of_training(tmp_path: Path) -> None:
    corpora = load_corpora(sources(write_texts(tmp_path, count=12)))
    parts = [part["kote"] for part in (corpora.training, corpora.tuning, corpora.validation)]
    assert [len(part.texts) for part in parts] == [7, 2, 3]
    whole = [text for part in parts for text in part.texts]
    assert whole == [f"{SENTENCES[at % len(SENTENCES)]} {at}" for at in range(12)]
    targets = torch.cat([part.targets for part in parts])
    assert [row.nonzero().flatten().tolist() for row in targets] == [sorted({at, at + 7}) for at in range(12)]
    assert all(text.startswith("train ") for text in corpora.training["goemotions_en"].texts)
    assert all("번역" in text for text in corpora.validation["goemotions_ko"].texts)
    trained = {text for rows in corpora.training.values() for text in rows.texts}
    assert trained.issuperset(corpora.for_tokenizer())


def test_reviews_in_the_middle_are_left_out(tmp_path: Path) -> None:
    write_texts(tmp_path)
    rows = [(f"영화 {rating}", rating) for rating in range(1, 11)]
    table(tmp_path / "nsmc.tsv.gz", ("text", "rating"), rows)
    reviews = load_corpora(sources(tmp_path)).training["nsmc"]
    assert reviews.texts == ("영화 1", "영화 2", "영화 3", "영화 4", "영화 9", "영화 10")
    assert reviews.targets.tolist() == [[0, 1]] * 4 + [[1, 0]] * 2


@pytest.mark.parametrize("held_out", [{"kote_validation": 10}, {"kote_validation": 40}, {"kote_tuning": 9}])
def test_a_set_too_small_to_keep_rows_out_is_refused(held_out: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leaves none to train on"):
        load_corpora(sources(write_texts(tmp_path, count=12), **held_out))


@given(st.lists(st.lists(st.integers(1, 119), max_size=12), min_size=1, max_size=9))
def test_texts_embed_in_their_own_order(rows: list[list[int]]) -> None:
    torch.manual_seed(0)
    model = TextModel(TextTower(tiny_text())).eval()
    with torch.inference_mode():
        wanted = torch.cat([model.tower(pad_ids([row], 16)) for row in rows])
        torch.testing.assert_close(model.embed(rows), wanted, atol=1e-5, rtol=0)


def test_halves_of_sub_words_spell_the_whole() -> None:
    tokenizer = tiny_tokenizer()
    halves = token_halves(tokenizer)
    assert len(halves) == tokenizer.get_vocab_size()
    assert any(halves)
    for number, pairs in enumerate(halves):
        for left, right in pairs:
            assert tokenizer.id_to_token(left) + tokenizer.id_to_token(right) == tokenizer.id_to_token(number)
            assert tokenizer.id_to_token(left) != "▁"


def text_side(generator: torch.Generator) -> TextSide:
    def unit(count: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(count, 6, generator=generator), dim=1)

    prompts = {language: tuple(unit(5) for _ in range(3)) for language in ("ko", "en")}
    return TextSide({"ko": unit(3), "en": unit(3)}, prompts, (unit(4), torch.empty(0, 6), unit(2)))


def test_draws_of_the_text_side_are_of_their_class() -> None:
    side = text_side(torch.Generator().manual_seed(0))
    assert torch.equal(side.draw("ko", random.Random(0), 1.0), side.prototypes["ko"])
    seen = dict.fromkeys(range(3), 0)
    for seed in range(20):
        for at, row in enumerate(side.draw("en", random.Random(seed), 0.0)):
            assert (side.prompts["en"][at] == row).all(dim=1).any()
            seen[at] += 1
    assert set(seen.values()) == {20}
    comments, classes = side.draw_comments(3, random.Random(1))
    assert classes.tolist() == [0, 0, 0, 2, 2, 2]
    assert all((side.comments[at] == row).all(dim=1).any() for at, row in zip(classes.tolist(), comments, strict=True))


def grey(count: int) -> torch.Tensor:
    arrays = [np.array(Image.open(io.BytesIO(face(seed, 16)))) for seed in range(count)]
    return torch.from_numpy(np.stack(arrays))[:, None]


def test_grey_pictures_embed_as_the_encoder_embeds_them() -> None:
    mini, pictures = tiny_mini(), grey(5)
    pixels = pictures.expand(-1, 3, -1, -1).float() / 255
    together = embed_faces(mini.image_tower, pictures, batch=2)
    torch.testing.assert_close(together, mini.encode_images(pixels), atol=1e-4, rtol=0)


def test_the_temperature_is_fitted_over_the_classes_that_are_there() -> None:
    torch.manual_seed(0)
    tower, side = ImageTower(tiny_image()).eval(), text_side(torch.Generator().manual_seed(1))
    classes = torch.tensor([0, 2, 2, 0, 2, 0])
    rows = FaceRows(grey(6), torch.eye(3)[classes], torch.ones(6))
    found = image_temperature(tower, side, rows)
    embeddings = embed_faces(tower, rows.images)

    def loss(temperature: float) -> float:
        logits = torch.cat([embeddings @ side.prototypes[lang][[0, 2]].T for lang in ("ko", "en")]) / temperature
        return float(torch.nn.functional.cross_entropy(logits.double(), (classes // 2).repeat(2)))

    # The best of a wide grid is no better than what was found.
    assert loss(found) <= min(loss(10 ** (step / 20)) for step in range(-60, 41)) + 1e-6


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 6))
def test_macro_f1_is_scikit_learns(seed: int, rows: int, labels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    predicted, truth = (torch.rand(rows, labels, generator=generator) < 0.4 for _ in range(2))
    matrices = [matrix.reshape(rows, labels).numpy().astype(int) for matrix in (truth, predicted)]
    if labels == 1:  # scikit-learn would take one column as two classes
        wanted = f1_score(matrices[0].ravel(), matrices[1].ravel(), zero_division=0)
    else:
        wanted = f1_score(*matrices, average="macro", zero_division=0)
    assert _macro_f1(predicted, truth) == pytest.approx(wanted, abs=1e-6)


def test_the_temperature_sees_some_photographs_beside_the_first_source() -> None:
    targets = torch.eye(3)[torch.arange(17) % 3]
    photographs = FaceRows(grey(17), targets, torch.ones(17))
    first = photographs.part(torch.arange(4))
    splits = FaceSplits(first, first, first, photographs)
    rows = tuning_rows(splits)
    assert torch.equal(rows.images, torch.cat([first.images, photographs.images[[0, 8, 16]]]))
    assert len(tuning_rows(replace(splits, photographs=photographs.part(torch.arange(0))))) == 4
