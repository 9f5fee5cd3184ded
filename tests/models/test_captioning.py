"""Captioners: a tiny BLIP-2 through transformers' own classes, the mini's words, and the file that keeps captions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from clip_emotion.config import validate
from clip_emotion.errors import DataError, ModelError, UsageError
from clip_emotion.models.captioning.cache import Captioned, CaptionFile
from clip_emotion.models.captioning.config import (
    PROMPT,
    Blip2CaptionerConfig,
    ImageTextCaptionerConfig,
    WordsCaptionerConfig,
)
from clip_emotion.models.captioning.making import MAKERS, make_captioner
from clip_emotion.models.captioning.words import WordsCaptioner
from clip_emotion.models.registry import load_encoder
from tests.support.minis import tiny_mini
from tests.support.pictures import noise
from tests.support.tiny_blip2 import tiny_blip2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_blip2(tmp_path_factory.mktemp("blip2"))


def images(count: int) -> list[Image.Image]:
    return [noise((20 + at, 24), at) for at in range(count)]


def caption(folder: Path, pictures: list[Image.Image], **settings: object) -> list[str]:
    config = validate(Blip2CaptionerConfig, {"kind": "blip2", "model": str(folder), **settings}, "here")
    captioner = make_captioner(config, load_encoder, "cpu")
    return captioner.caption(torch.stack([captioner.preprocess(picture) for picture in pictures]))


def test_blip2_answers_as_transformers_own_code_does(folder: Path) -> None:
    model = Blip2ForConditionalGeneration.from_pretrained(folder).eval()
    processor = Blip2Processor.from_pretrained(folder)
    pictures = images(3)
    found = caption(folder, pictures, most_tokens=6)
    for picture, own in zip(pictures, found, strict=True):
        read = processor(images=picture, text=PROMPT, return_tensors="pt")
        with torch.inference_mode():
            written = model.generate(**read, max_new_tokens=6, do_sample=False)[0, read["input_ids"].shape[1] :]
        assert own == processor.decode(written, skip_special_tokens=True).strip()
    assert all(found)
    assert len(set(found)) > 1


def test_what_changes_an_answer_changes_the_captioners_mark(folder: Path, tmp_path: Path) -> None:
    def mark(place: Path = folder, **settings: object) -> tuple[str, str]:
        config = validate(Blip2CaptionerConfig, {"kind": "blip2", "model": str(place), **settings}, "here")
        made = make_captioner(config, load_encoder, "cpu")
        return made.model.rpartition("-")[2], made.prompt

    first = mark()
    assert mark(batch=3) == first
    assert mark(most_tokens=5) != first
    assert mark(tiny_blip2(tmp_path / "other", seed=1)) != first
    assert mark(prompt="a face") == (first[0], "a face")


def test_any_image_text_model_captions(folder: Path) -> None:
    config = ImageTextCaptionerConfig(kind="image_text", model=str(folder), side=32, most_tokens=4)
    captioner = make_captioner(config, load_encoder, "cpu")
    pixels = torch.stack([captioner.preprocess(one) for one in images(2)])
    assert len(captioner.caption(pixels)) == 2


def test_absent_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"The captioner .*empty cannot be loaded \(.*name a folder"):
        caption(empty, images(1))

    def away() -> None:
        raise OSError("no network")

    monkeypatch.setattr("clip_emotion.models.captioning.generating.knock", away)
    with pytest.raises(ModelError, match=r"nobody/nothing cannot be loaded \(no network\)"):
        caption(Path("nobody/nothing"), images(1))


def test_eight_bits_need_a_gpu(folder: Path) -> None:
    with pytest.raises(UsageError, match="eight_bit needs a CUDA GPU and bitsandbytes"):
        caption(folder, images(1), eight_bit=True)


def test_words_are_the_nearest_ones_in_order() -> None:
    encoder = tiny_mini()
    config = WordsCaptionerConfig(kind="words", vocabulary="행복,슬픔,분노,놀람", top=2, template="looks {}")
    captioner = WordsCaptioner(config, encoder)
    assert captioner.of_embeddings(captioner.labels[[2]])[0].startswith("looks 분노, ")
    pixels = torch.stack([torch.as_tensor(captioner.preprocess(one)) for one in images(3)])
    cosines = np.asarray(encoder.encode_images(pixels)) @ captioner.labels.T
    words = ("행복", "슬픔", "분노", "놀람")
    for row, said in zip(cosines, captioner.caption(pixels), strict=True):
        first, second = sorted(range(4), key=lambda at: -row[at])[:2]
        assert said == f"looks {words[first]}, {words[second]}"


def test_a_template_has_one_place() -> None:
    with pytest.raises(UsageError, match=r"the template needs one \{\}"):
        validate(WordsCaptionerConfig, {"kind": "words", "template": "no place"}, "here")
    assert set(MAKERS) == {"blip2", "image_text", "words"}


def test_captions_are_kept_edited_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    file = CaptionFile(path)
    file.append([Captioned("a", "m", "p", "슬픔", "a.png"), Captioned("b", "m", "p", "joy")])
    assert file.missing(["c", "a", "c"], "m", "p") == [0]
    assert file.missing(["a"], "m", "another prompt") == [0]
    path.write_text(path.read_text("utf-8").replace("joy", "당황, 놀람"), "utf-8")
    again = CaptionFile(path)
    assert again.get("b", "m", "p") == "당황, 놀람"
    again.append([Captioned("a", "m", "p", "later")])
    assert CaptionFile(path).get("a", "m", "p") == "later"
    assert json.loads(path.read_text("utf-8").splitlines()[0])["name"] == "a.png"


def test_a_line_that_was_cut_off_is_forgotten_and_any_other_fault_is_told(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    CaptionFile(path).append([Captioned("a", "m", "p", "one"), Captioned("b", "m", "p", "two")])
    path.write_bytes(path.read_bytes()[:-20])
    file = CaptionFile(path)
    assert file.missing(["a", "b"], "m", "p") == [1]
    file.append([Captioned("b", "m", "p", "three")])
    assert [CaptionFile(path).get(content, "m", "p") for content in "ab"] == ["one", "three"]
    # An editor may leave the last line without an end.
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    CaptionFile(path).append([Captioned("c", "m", "p", "four")])
    assert len(CaptionFile(path)) == 3
    path.write_text("{oops\n" + path.read_text("utf-8"), "utf-8")
    with pytest.raises(DataError, match="line 1, is no caption"):
        CaptionFile(path)
