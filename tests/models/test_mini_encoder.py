"""The mini on disk and in use: what is saved comes back, and what is harmed is told in one sentence."""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.mini.files import PARTS
from clip_emotion.models.registry import load_encoder
from tests.support.minis import SENTENCES, tiny_mini
from tests.support.pictures import noise

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def mini() -> MiniEncoder:
    return tiny_mini(logit_scale=12.5, text_logit_scale=7.5, text_threshold=0.2, trained_with={"text": {"seed": 3}})


@pytest.fixture
def folder(mini: MiniEncoder, tmp_path: Path) -> Path:
    mini.save(tmp_path / "mini")
    return tmp_path / "mini"


def pixels(encoder: MiniEncoder, count: int = 3) -> torch.Tensor:
    return torch.stack([encoder.preprocess(noise((30, 20), seed)) for seed in range(count)])


def test_it_is_an_image_text_encoder(mini: MiniEncoder) -> None:
    assert isinstance(mini, ImageTextEncoder)
    assert mini.languages == ("ko", "en")


def test_what_is_saved_comes_back(mini: MiniEncoder, folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(PARTS)
    loaded = load_mini(folder, CPU)
    assert loaded.config == mini.config
    assert (loaded.logit_scale, loaded.text_logit_scale, loaded.text_threshold) == (12.5, 7.5, 0.2)
    texts = list(SENTENCES)
    torch.testing.assert_close(loaded.encode_texts(texts), mini.encode_texts(texts), atol=5e-3, rtol=0)
    torch.testing.assert_close(
        loaded.encode_images(pixels(loaded)), mini.encode_images(pixels(mini)), atol=5e-3, rtol=0
    )


def test_saving_what_was_loaded_changes_nothing(folder: Path, tmp_path: Path) -> None:
    loaded, again = load_mini(folder, CPU), tmp_path / "again"
    loaded.save(again)
    # The tokenizer's own reader may miss a score by its last bit: its file is compared by what it does.
    for part in set(PARTS) - {"tokenizer.json"}:
        assert (again / part).read_bytes() == (folder / part).read_bytes()
    assert torch.equal(load_mini(again, CPU).encode_texts(list(SENTENCES)), loaded.encode_texts(list(SENTENCES)))


@pytest.mark.parametrize("part", PARTS)
def test_the_fingerprint_hangs_on_every_file(part: str, folder: Path) -> None:
    before = load_mini(folder, CPU).fingerprint
    assert before == load_mini(folder, CPU).fingerprint
    path = folder / part
    raw = bytearray(path.read_bytes())
    if part.endswith(".safetensors"):
        raw[-1] ^= 1  # the last byte of the last weight
    else:
        raw += b"\n"
    path.write_bytes(raw)
    assert load_mini(folder, CPU).fingerprint != before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_every_file_is_as_readable_as_others(folder: Path) -> None:
    (folder / "other").write_text("")
    assert {path.stat().st_mode for path in folder.iterdir()} == {(folder / "other").stat().st_mode}


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_named(part: str, folder: Path) -> None:
    (folder / part).unlink()
    with pytest.raises(ModelError, match=rf"lacks {part}: reinstall .* or train it"):
        load_mini(folder, CPU)


@pytest.mark.parametrize("harm", ["truncated", "empty", "text", "of another size"])
@pytest.mark.parametrize("part", ["text.safetensors", "image.safetensors"])
def test_harmed_weights_are_one_sentence(part: str, harm: str, folder: Path, tmp_path: Path) -> None:
    path = folder / part
    if harm == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
    elif harm == "of another size":
        other = {"text": {"text": {"dim": 8, "width": 4}}, "image": {"image": {"dim": 8, "stem": 2}}}[
            part.split(".")[0]
        ]
        tiny_mini(**other).save(tmp_path / "other")
        shutil.copyfile(tmp_path / "other" / part, path)
    else:
        path.write_text({"empty": "", "text": "version https://git-lfs.github.com/spec/v1\n"}[harm])
    with pytest.raises(ModelError) as caught:
        load_mini(folder, CPU)
    assert part in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1.0", "model": {"type": "None'])
def test_a_harmed_tokenizer_is_one_sentence(content: str, folder: Path) -> None:
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be read"):
        load_mini(folder, CPU)


def test_a_faulty_description_names_its_key(folder: Path) -> None:
    with (folder / "mini.yaml").open("a") as file:
        file.write("colour: red\n")
    with pytest.raises(UsageError, match="colour"):
        load_mini(folder, CPU)


def test_load_encoder_takes_the_folder(mini: MiniEncoder, folder: Path) -> None:
    loaded = load_encoder(str(folder), "cpu")
    assert loaded.fingerprint.startswith("mini-")
    assert loaded.name == "mini"


def test_load_encoder_of_something_unknown(tmp_path: Path) -> None:
    with pytest.raises((UsageError, ModelError)) as caught:
        load_encoder(str(tmp_path / "nothing"), "cpu")
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="auto, cpu"):
        load_encoder("mini", "abacus")


def test_texts_in_either_unicode_form_are_one(mini: MiniEncoder) -> None:
    texts = list(SENTENCES[:4])
    decomposed = [unicodedata.normalize("NFD", text) for text in texts]
    assert decomposed != texts
    assert torch.equal(mini.encode_texts(decomposed), mini.encode_texts(texts))


def test_texts_keep_their_order_across_batches(mini: MiniEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [word * repeat for repeat in (3, 1, 2) for word in SENTENCES]
    whole = mini.encode_texts(texts)
    monkeypatch.setattr("clip_emotion.models.mini.encoder.TEXT_BATCH", 5)
    torch.testing.assert_close(mini.encode_texts(texts), whole, atol=1e-5, rtol=0)
    alone = torch.cat([mini.encode_texts([text]) for text in texts])
    torch.testing.assert_close(alone, whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(len(texts)))


def test_no_text_and_a_very_long_one(mini: MiniEncoder) -> None:
    assert mini.encode_texts([]).shape == (0, 6)
    assert mini.encode_texts(["", "행복 " * 5000]).isfinite().all()


def test_a_picture_and_its_mirror_image_embed_alike(mini: MiniEncoder) -> None:
    batch = pixels(mini)
    torch.testing.assert_close(mini.encode_images(batch.flip(3)), mini.encode_images(batch), atol=1e-5, rtol=0)
    plain = tiny_mini(flip_average=False)
    assert (plain.encode_images(batch.flip(3)) - plain.encode_images(batch)).abs().max() > 1e-3
    torch.testing.assert_close(mini.encode_images(batch).norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_mode_of_picture_is_taken(mini: MiniEncoder, mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30))
    else:
        picture = noise((30, 20)).convert(mode)
    ready = mini.preprocess(picture)
    assert (ready.shape, ready.dtype) == ((3, 16, 16), torch.float32)
    assert float(ready.min()) >= 0
    assert float(ready.max()) <= 1


def test_a_grey_picture_of_the_right_side_passes_unchanged(mini: MiniEncoder) -> None:
    grey = noise((16, 16)).convert("L")
    wanted = torch.from_numpy(np.array(grey)).float() / 255
    for picture in (grey, grey.convert("RGB"), grey.convert("RGBA")):
        ready = mini.preprocess(picture)
        assert all(torch.equal(channel, wanted) for channel in ready)
