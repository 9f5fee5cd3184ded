"""Checkpoints: what is saved is what is loaded, in every verb, and nothing else is ever loaded."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from clip_emotion.cli.main import main
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.files import sha256_of
from clip_emotion.models.base import ImageTextEncoder, MessageEncoder
from clip_emotion.models.emotion_clip import checkpoint
from clip_emotion.models.emotion_clip.checkpoint import (
    DESCRIPTION,
    MODEL_CARD,
    WEIGHTS,
    CheckpointCard,
    EmotionClipEncoder,
    TrainedVocabulary,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from clip_emotion.models.emotion_clip.config import EmotionClipConfig, HeadConfig
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.models.loading import open_backbone
from clip_emotion.models.registry import load_encoder
from clip_emotion.vocabulary import Vocabulary
from tests.support.checkpoints import NO_HEADS, content, make_model, pixels_for
from tests.support.minis import tiny_mini
from tests.support.pictures import plain, save

TEXTS = ["joy", "a photo of a face that looks sad", "기쁨", "화가 나서 참을 수 없다"]
CONFIGS = {
    "no heads": NO_HEADS,
    "one head": EmotionClipConfig(image_head=HeadConfig(depth=2)),
    "classifier": EmotionClipConfig(image_head=HeadConfig(), text_head=HeadConfig(width=0.5), classes=5),
    "other size": EmotionClipConfig(image_head=HeadConfig(dim=10), text_head=HeadConfig(depth=0, dim=10), classes=3),
    "lora": EmotionClipConfig(image_head=None, train="lora"),
}
VERBS = ("label", "evaluate", "score")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint over a tiny mini; tests copy it before they spoil it."""
    folder = tmp_path_factory.mktemp("good")
    model = make_model("mini", EmotionClipConfig(classes=3))
    vocabulary = TrainedVocabulary.of(Vocabulary.load("basic7"))
    save_checkpoint(model, folder / "model", CheckpointCard(vocabulary=vocabulary, metrics={"accuracy": 0.5}))
    return folder / "model"


@pytest.fixture
def copied(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good, tmp_path / "model")
    return tmp_path / "model"


def edit(folder: Path, change: Callable[[dict], None]) -> None:
    values = yaml.safe_load((folder / DESCRIPTION).read_text("utf-8"))
    change(values)
    (folder / DESCRIPTION).write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), "utf-8")


def fault_of(folder: Path) -> str:
    """Return the sentence that a folder is refused with, after seeing that it is one."""
    with pytest.raises(ModelError) as caught:
        load_checkpoint(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 600
    return sentence


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("name", ["mini", "clip", "hf"])
def test_what_is_loaded_is_what_was_saved(tmp_path: Path, name: str, config: EmotionClipConfig) -> None:
    model = make_model(name, config)
    if config.train == "lora":
        model.set_trainable()
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if ".lora_B" in parameter_name:
                    parameter.add_(0.05)
    pixels = pixels_for(model)
    card = save_checkpoint(model, tmp_path / "model")
    loaded = load_checkpoint(tmp_path / "model")
    within = {"atol": 1e-5 if config.train == "lora" else 0, "rtol": 0}
    with torch.no_grad():
        images, texts = loaded.embed_images(pixels), loaded.embed_texts(TEXTS)
        torch.testing.assert_close(images, model.embed_images(pixels), **within)
        torch.testing.assert_close(texts, model.embed_texts(TEXTS), **within)
        assert torch.equal(loaded.logit_scale, model.logit_scale)
        if config.classes:
            assert torch.equal(loaded.classify(images), model.classify(model.embed_images(pixels)))
    assert images.shape == (3, model.dim)
    assert not loaded.training
    assert (loaded.config, loaded.backbone.spec) == (config, model.backbone.spec)
    assert not any("lora" in tensor for tensor in load_file(tmp_path / "model" / WEIGHTS))
    assert any("lora" in tensor for tensor, _ in model.named_parameters()) == (config.train == "lora")
    unsaved, encoder = EmotionClipEncoder(model, card), EmotionClipEncoder(loaded, read_card(tmp_path / "model"))
    assert encoder.fingerprint == unsaved.fingerprint
    torch.testing.assert_close(encoder.encode_images(pixels), unsaved.encode_images(pixels), **within)


def test_an_untouched_mini_stays_its_own_encoder(tmp_path: Path) -> None:
    base = tiny_mini(logit_scale=12.5, text_logit_scale=7.5, text_threshold=0.2)
    base.save(tmp_path / "mini")
    base = load_encoder(str(tmp_path / "mini"), "cpu")
    model = EmotionClip(open_backbone(str(tmp_path / "mini")), EmotionClipConfig())
    save_checkpoint(model, tmp_path / "model", CheckpointCard(name="mine"))
    encoder = load_encoder(str(tmp_path / "model"), "cpu")
    assert isinstance(encoder, ImageTextEncoder)
    assert not isinstance(encoder, MessageEncoder)
    pictures = [plain("red", (40, 30)), *(plain(colour) for colour in ("green", "blue"))]
    pixels = torch.stack([encoder.preprocess(picture) for picture in pictures])
    pixels = pixels + torch.rand(pixels.shape, generator=torch.Generator().manual_seed(0)) / 2
    torch.testing.assert_close(encoder.encode_images(pixels), base.encode_images(pixels), atol=1e-6, rtol=0)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), base.encode_texts(TEXTS), atol=1e-6, rtol=0)
    assert encoder.encode_images(pixels).device.type == "cpu"
    assert encoder.encode_texts([]).shape == (0, model.dim)
    assert encoder.languages == base.languages
    assert encoder.logit_scale == pytest.approx(12.5)
    assert (encoder.name, encoder.text_logit_scale, encoder.text_threshold) == ("mine", 7.5, 0.2)


def test_a_picture_and_its_mirror_image_are_averaged_where_the_card_says_so(tmp_path: Path) -> None:
    model = make_model("mini", EmotionClipConfig())
    pixels = pixels_for(model)
    twice = EmotionClipEncoder(model, CheckpointCard(flip_average=True)).encode_images(pixels)
    once = EmotionClipEncoder(model, CheckpointCard(flip_average=False)).encode_images(pixels)
    with torch.no_grad():
        left, right = model.embed_images(pixels), model.embed_images(pixels.flip(3))
    torch.testing.assert_close(twice, torch.nn.functional.normalize(left + right, dim=-1))
    torch.testing.assert_close(once, left)
    assert not torch.allclose(once, twice, atol=1e-4)


def test_many_texts_come_back_in_their_order(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder(str(good), "cpu")
    texts = [f"{'very ' * (at % 7)}happy {at}" for at in range(23)]
    one_by_one = torch.cat([encoder.encode_texts([text]) for text in texts])
    monkeypatch.setattr(checkpoint, "TEXT_BATCH", 4)
    torch.testing.assert_close(encoder.encode_texts(texts), one_by_one, atol=1e-5, rtol=0)


def test_a_fingerprint_follows_weights_scales_and_flips_but_no_names(tmp_path: Path) -> None:
    model = make_model("mini", NO_HEADS)
    other = make_model("mini", NO_HEADS, seed=5)
    cards = [CheckpointCard(), CheckpointCard(logit_scale=3), CheckpointCard(text_logit_scale=3)]
    cards.append(CheckpointCard(flip_average=False))
    prints = {EmotionClipEncoder(model, card).fingerprint for card in cards}
    assert len(prints | {EmotionClipEncoder(other, CheckpointCard()).fingerprint}) == 5
    renamed = CheckpointCard(name="renamed", metrics={"accuracy": 1.0}, about="Another page.")
    assert EmotionClipEncoder(model, renamed).fingerprint in prints


def test_the_card_comes_back_as_it_was(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load("basic7")
    card = CheckpointCard(
        name="얼굴",
        about="Reads faces | and more.",
        license="cc-by-nc-4.0",
        logit_scale=17.25,
        text_logit_scale=3.5,
        vocabulary=TrainedVocabulary.of(vocabulary),
        metrics={"accuracy": 0.625, "undefined": math.nan},
        data={"fer2013": "ab12"},
        trained_with={"seed": 3, "steps": [1, 2], "rate": 1e-05},
    )
    saved = save_checkpoint(make_model("mini", NO_HEADS), tmp_path / "model", card)
    read = read_card(tmp_path / "model")
    assert math.isnan(read.metrics["undefined"])
    skip = {"metrics": {"undefined"}}
    assert read.model_dump(exclude=skip) == saved.model_dump(exclude=skip)
    own = {"name", "about", "license", "logit_scale", "text_logit_scale", "vocabulary", "data", "trained_with", "code"}
    assert read.model_dump(include=own) == card.model_dump(include=own)
    assert list(read.vocabulary.labels) == list(vocabulary.keys)
    assert read.vocabulary.labels[vocabulary.keys[0]] == vocabulary.labels[0].names
    assert read.code["torch"] == torch.__version__.split("+")[0]
    assert read.parts[WEIGHTS] == sha256_of(tmp_path / "model" / WEIGHTS)


def test_the_page_is_written_from_the_card(good: Path, tmp_path: Path) -> None:
    page = (good / MODEL_CARD).read_text("utf-8")
    header = yaml.safe_load(page.split("---")[1])
    assert header["library_name"] == "clip-emotion"
    assert header["language"] == ["ko", "en"]
    assert "license" not in header
    assert "| accuracy | 0.5000 |" in page
    assert all(name in page for label in Vocabulary.load("basic7").labels for name in label.names.values())
    licensed = CheckpointCard(license='mit"\nevil: 1', logit_scale=1, text_logit_scale=1)
    assert yaml.safe_load(checkpoint.model_card(licensed).split("---")[1])["license"] == 'mit"\nevil: 1'


def test_a_folder_is_written_over_and_what_else_is_in_it_stays(copied: Path, tmp_path: Path) -> None:
    (copied / "metrics.jsonl").write_text("mine")
    before = load_encoder(str(copied), "cpu").fingerprint
    card = save_checkpoint(make_model("mini", NO_HEADS, seed=4), copied)
    assert load_encoder(str(copied), "cpu").fingerprint != before
    assert content(copied).keys() == {WEIGHTS, MODEL_CARD, DESCRIPTION, "tokenizer.json", "metrics.jsonl"}
    assert read_card(copied) == card
    modes = {path.stat().st_mode & 0o777 for path in copied.iterdir()}
    assert modes == {(copied / "metrics.jsonl").stat().st_mode & 0o777}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("fresh", [True, False])
def test_a_failed_write_leaves_what_was_there(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    model = make_model("mini", NO_HEADS, seed=4)
    before = content(copied)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "model_card", full)
    target = tmp_path / "new" / "model" if fresh else copied
    with pytest.raises(ModelError, match=r"cannot be written.*No space left"):
        save_checkpoint(model, target)
    assert content(copied) == before
    assert not (tmp_path / "new" / "model").exists()
    assert not list(tmp_path.rglob("draft"))


def test_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    model = make_model("mini", NO_HEADS)
    for place in (tmp_path / "file", tmp_path / "file" / "model"):
        with pytest.raises(ModelError, match="cannot be written"):
            save_checkpoint(model, place)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("part", [WEIGHTS, "tokenizer.json"])
@settings(max_examples=25)
@given(data=st.data())
def test_a_flipped_bit_or_a_cut_is_noticed(
    good: Path, tmp_path_factory: pytest.TempPathFactory, part: str, data: st.DataObject
) -> None:
    copied = tmp_path_factory.mktemp("spoilt") / "model"
    shutil.copytree(good, copied)
    raw = bytearray((copied / part).read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del raw[place:]
    (copied / part).write_bytes(bytes(raw))
    sentence = fault_of(copied)
    assert str(copied / part) in sentence
    assert "again" in sentence


@settings(max_examples=40)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_description_that_was_cut_short_is_noticed(
    good: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    copied = tmp_path_factory.mktemp("cut") / "model"
    shutil.copytree(good, copied)
    raw = (copied / DESCRIPTION).read_bytes().rstrip()
    (copied / DESCRIPTION).write_bytes(raw[: int(share * len(raw))])
    fault_of(copied)


@settings(max_examples=40)
@given(data=st.data())
def test_no_byte_in_a_description_is_a_traceback_or_another_model(
    good: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    copied = tmp_path_factory.mktemp("edited") / "model"
    shutil.copytree(good, copied)
    raw = bytearray((copied / DESCRIPTION).read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (copied / DESCRIPTION).write_bytes(bytes(raw))
    loaded, sentence = None, ""
    try:
        loaded = load_checkpoint(copied)
    except ModelError as error:
        sentence = str(error)
    assert "\n" not in sentence
    if loaded is None:
        return
    pixels, expected = pixels_for(loaded), load_checkpoint(good)
    with torch.no_grad():
        assert torch.equal(loaded.embed_images(pixels), expected.embed_images(pixels))


@pytest.mark.parametrize("part", [WEIGHTS, "tokenizer.json", DESCRIPTION])
def test_a_missing_part_is_named(copied: Path, part: str) -> None:
    (copied / part).unlink()
    assert f"{copied} lacks {part}" in fault_of(copied)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'none'} does not exist" in fault_of(tmp_path / "none")


def test_parts_of_two_runs_are_not_mixed(copied: Path, tmp_path: Path) -> None:
    save_checkpoint(make_model("mini", EmotionClipConfig(classes=3), seed=9), tmp_path / "other")
    shutil.copy(tmp_path / "other" / WEIGHTS, copied / WEIGHTS)
    assert "of another run" in fault_of(copied)
    save_checkpoint(make_model("mini", EmotionClipConfig(classes=4)), tmp_path / "third")
    shutil.copy(tmp_path / "third" / WEIGHTS, copied / WEIGHTS)
    edit(copied, lambda values: values["parts"].update({WEIGHTS: sha256_of(copied / WEIGHTS)}))
    assert "of another architecture" in fault_of(copied)


def test_a_checkpoint_from_before_a_setting_existed_loads(copied: Path) -> None:
    before = load_checkpoint(copied).state_dict()
    edit(copied, lambda values: values["model"].pop("logit_scale"))
    after = load_checkpoint(copied).state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_newer_format_asks_for_an_upgrade(copied: Path) -> None:
    edit(copied, lambda values: values.update(format=2, invention={"of": "tomorrow"}))
    assert re.search(r"of format 2.*reads up to 1: upgrade clip-emotion", fault_of(copied))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values.update(format="first"), "format"),
        (lambda values: values.update(format=0), "incomplete"),
        (lambda values: values.update(colour="red"), "colour"),
        (lambda values: values.update(logit_scale=-1), "logit_scale"),
        (lambda values: values.update(metrics=[1]), "metrics"),
        (lambda values: values.update(model=None), "incomplete"),
        (lambda values: values["model"].update(train="everything"), "Unknown training mode"),
        (lambda values: values["model"].update(classes=4), "of another architecture"),
        (lambda values: values["model"]["image_head"].update(depth=2), "of another architecture"),
        (lambda values: values["backbone"]["sizes"]["image"].update(stem=5), "of another architecture"),
        (lambda values: values["backbone"].update(kind="abacus"), "of another architecture"),
        (lambda values: values.update(backbone={}), "of another architecture"),
        (lambda values: values.update(parts={}), "incomplete"),
        (lambda values: values["parts"].pop(WEIGHTS), "incomplete"),
        (lambda values: values["parts"].pop("tokenizer.json"), "tokenizer.json"),
        (lambda values: values["parts"].update({"../../etc/passwd": "0"}), "parts"),
        (lambda values: values["parts"].update({"more.json": "0"}), "lacks more.json"),
    ],
)
def test_an_edited_description_is_one_sentence(copied: Path, change: Callable[[dict], None], words: str) -> None:
    edit(copied, change)
    assert words in fault_of(copied)


NO_DESCRIPTIONS = [
    b"",
    b"- a\n",
    b"format: [1\n",
    b"\xff\xfe\x00",
    b"format: 1\n",
    b"\x00" * 9,
    b"a: 2001-99-99",
    b"[" * 9999,
]


@pytest.mark.parametrize("raw", NO_DESCRIPTIONS, ids=range(len(NO_DESCRIPTIONS)))
def test_what_is_no_description_is_one_sentence(copied: Path, raw: bytes) -> None:
    (copied / DESCRIPTION).write_bytes(raw)
    fault_of(copied)


def forge(folder: Path, drop: bool) -> None:
    """Write weights whose hash and stamp are right, and whose tensors are not."""
    tensors = load_file(folder / WEIGHTS)
    name = "log_scale"
    tensors = {key: value for key, value in tensors.items() if not drop or key != name}
    tensors |= {} if drop else {name: torch.zeros(7)}
    save_file(tensors, folder / WEIGHTS, {"clip_emotion": read_card(folder).stamp})
    edit(folder, lambda values: values["parts"].update({WEIGHTS: sha256_of(folder / WEIGHTS)}))


@pytest.mark.parametrize("drop", [True, False])
def test_weights_of_other_sizes_are_one_sentence(copied: Path, drop: bool) -> None:
    forge(copied, drop)
    assert "cannot be rebuilt" in fault_of(copied)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code from a checkpoint ran",)


def test_code_in_weights_is_not_run(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": Evil()}, copied / WEIGHTS)
    edit(copied, lambda values: values["parts"].update({WEIGHTS: sha256_of(copied / WEIGHTS)}))
    assert "cannot be read" in fault_of(copied)
    assert capfd.readouterr() == ("", "")


def test_the_page_may_be_edited(copied: Path, good: Path) -> None:
    (copied / MODEL_CARD).write_text("# Mine", "utf-8")
    assert load_encoder(str(copied), "cpu").fingerprint == load_encoder(str(good), "cpu").fingerprint


def test_unknown_models_hear_of_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="checkpoint's folder"):
        load_encoder(str(tmp_path / "nothing"), "cpu")
    with pytest.raises(UsageError, match=r"no checkpoint\.yaml"):
        load_encoder(str(tmp_path), "cpu")


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What each verb is called with, the model aside."""
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))
    for name, colour in (("happiness/1.png", "red"), ("sadness/2.png", "blue"), ("anger/3.png", "green")):
        save(plain(colour), tmp_path / "faces" / name)
    (tmp_path / "chat.txt").write_text("현우: 정말 행복해\n서아: 너무 슬프고 외로워\n", "utf-8")
    return {
        "label": ["label", str(tmp_path / "faces"), "--vocab", "basic7", "--format", "jsonl"],
        "evaluate": ["evaluate", "--data", str(tmp_path / "faces"), "--vocab", "basic7", "--format", "json"],
        "score": ["score", str(tmp_path / "chat.txt"), "--format", "json"],
    }


@pytest.mark.parametrize("name", ["mini", "clip"])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_a_checkpoint(
    tmp_path: Path, arguments: dict[str, list[str]], capfd: pytest.CaptureFixture[str], verb: str, name: str
) -> None:
    folder = tmp_path / "model"
    save_checkpoint(make_model(name, EmotionClipConfig()), folder, CheckpointCard(name="my-model"))
    code = main([*arguments[verb], "--model", str(folder)])
    out, err = capfd.readouterr()
    assert code == 0, err
    encoder = load_encoder(str(folder), "cpu")
    if verb == "label":
        rows = [json.loads(line) for line in out.splitlines()]
        assert len(rows) == 3
        assert {row["model"] for row in rows} == {encoder.fingerprint}
        pixels = torch.stack([encoder.preprocess(plain("green"))])
        words = [label["name"] for label in rows[0]["labels"]]
        assert len(set(words)) == 5
        assert np.isfinite(encoder.encode_images(pixels).numpy()).all()
    elif verb == "evaluate":
        assert json.loads(out)["n"] == 3
    else:
        turns = json.loads(out)["turns"]
        assert [sum(turn["emotions"].values()) for turn in turns] == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_of_a_damaged_checkpoint_in_one_sentence(
    copied: Path, arguments: dict[str, list[str]], capfd: pytest.CaptureFixture[str], verb: str
) -> None:
    raw = (copied / WEIGHTS).read_bytes()
    (copied / WEIGHTS).write_bytes(raw[: len(raw) // 2])
    code = main([*arguments[verb], "--model", str(copied)])
    out, err = capfd.readouterr()
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert "cut short" in err


def test_a_scale_that_is_not_finite_is_refused(copied: Path) -> None:
    path = copied / "checkpoint.yaml"
    card = yaml.safe_load(path.read_text("utf-8"))
    path.write_text(yaml.safe_dump({**card, "logit_scale": float("inf")}), "utf-8")
    with pytest.raises(ModelError, match=r"logit_scale: .*finite"):
        load_checkpoint(copied)
