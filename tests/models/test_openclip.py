"""open_clip models behind the encoder contract, with a tiny architecture and random weights made here."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sys
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.openclip.encoder import languages_of, load_open_clip
from clip_emotion.models.registry import load_encoder
from tests.support.pictures import plain

CPU = torch.device("cpu")
ARCHITECTURE = "tiny-test"
TEXTS = ["joy", "a photo of a face that looks rather surprised", "word " * 100, ""]
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the architecture's checkpoint in three forms, and as open_clip saves it for the Hub."""
    folder = tmp_path_factory.mktemp("open_clip")
    (folder / "configs").mkdir()
    (folder / "configs" / f"{ARCHITECTURE}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / "configs")
    torch.manual_seed(0)
    state = {name: tensor.clone() for name, tensor in open_clip.create_model(ARCHITECTURE).state_dict().items()}
    save_file(state, folder / "tiny.safetensors")
    torch.save(state, folder / "tiny.pt")
    torch.save({"state_dict": state, "epoch": 3}, folder / "trained.pt")
    (folder / "hub").mkdir()
    (folder / "hub" / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    save_file(state, folder / "hub" / "open_clip_model.safetensors")
    return folder


def test_the_contract_is_kept(weights: Path) -> None:
    encoder = load_encoder(f"{ARCHITECTURE}:{weights / 'tiny.safetensors'}", "cpu")
    assert isinstance(encoder, ImageTextEncoder)
    pixels = torch.stack([encoder.preprocess(plain("red", (90, 40))), encoder.preprocess(plain("blue"))])
    images, texts = encoder.encode_images(pixels), encoder.encode_texts(["joy", "a sad face", "anger"])
    assert (images.shape, texts.shape) == ((2, 16), (3, 16))
    assert torch.allclose(images.norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(texts.norm(dim=1), torch.ones(3), atol=1e-5)
    assert not images.requires_grad
    assert encoder.languages == ("en",)
    assert encoder.logit_scale == pytest.approx(1 / 0.07, rel=1e-4)


def test_embeddings_are_open_clips_own(weights: Path) -> None:
    encoder = load_open_clip(f"{ARCHITECTURE}:{weights / 'tiny.pt'}", CPU)
    model, _, preprocess = open_clip.create_model_and_transforms(ARCHITECTURE, pretrained=str(weights / "tiny.pt"))
    pixels = torch.stack([preprocess(plain(colour, (70, 50))) for colour in ("red", "green")])
    mine = torch.stack([encoder.preprocess(plain(colour, (70, 50))) for colour in ("red", "green")])
    assert torch.equal(mine, pixels)
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model.eval().encode_image(pixels), dim=1)
        words = torch.nn.functional.normalize(model.encode_text(open_clip.tokenize(TEXTS)), dim=1)
    assert torch.allclose(encoder.encode_images(mine), expected, atol=1e-6)
    assert torch.allclose(encoder.encode_texts(TEXTS), words, atol=1e-6)
    assert torch.allclose(encoder.encode_texts(TEXTS[:1]), words[:1], atol=1e-6)


def test_every_way_to_the_same_weights_gives_one_fingerprint(weights: Path) -> None:
    specs = [
        f"{ARCHITECTURE}:{weights / 'tiny.safetensors'}",
        f"{ARCHITECTURE}:{weights / 'tiny.pt'}",
        f"{ARCHITECTURE}:{weights / 'trained.pt'}",
        f"{ARCHITECTURE}/{weights / 'tiny.pt'}",
        f"local-dir:{weights / 'hub'}",
    ]
    assert len({load_open_clip(spec, CPU).fingerprint for spec in specs}) == 1


def test_a_fingerprint_follows_weights_and_configuration() -> None:
    tensors = {"a": torch.zeros(3), "b": torch.ones(2, dtype=torch.bfloat16), "scale": torch.tensor(1.0)}
    first = fingerprint({"width": 3}, tensors)
    assert first == fingerprint({"width": 3}, dict(reversed(tensors.items())))
    others = [
        fingerprint({"width": 4}, tensors),
        fingerprint({"width": 3}, {**tensors, "a": torch.tensor([0.0, 0.0, 1e-7])}),
        fingerprint({"width": 3}, {**tensors, "a": torch.zeros(1, 3)}),
        fingerprint({"width": 3}, {**tensors, "a": torch.zeros(3, dtype=torch.float16)}),
    ]
    assert len({first, *others}) == 5


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ViT-B-31/openai", "ViT-B-32"),
        ("banana", "open_clip"),
        ("ViT-B-32", "laion2b_s34b_b79k"),
        ("ViT-B-32/nonsense", "laion2b_s34b_b79k"),
        ("", "Unknown model"),
    ],
)
def test_unknown_names_list_the_known(spec: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_open_clip(spec, CPU)


def test_places_without_an_architecture_say_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").touch()
    with pytest.raises(UsageError, match=r"as in ViT-B-32:.*weights\.pt"):
        load_open_clip(str(tmp_path / "weights.pt"), CPU)
    with pytest.raises(UsageError, match=r"holds no mini\.yaml.*local-dir:"):
        load_open_clip(str(tmp_path), CPU)


@pytest.mark.parametrize("spec", ["ViT-B-32/laion2b_s34b_b79k", "hf-hub:laion/no-such-model"])
def test_an_unreachable_hub_is_one_sentence_at_once(
    spec: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError) as caught:
        load_open_clip(spec, CPU, cache_dir=tmp_path)
    message = str(caught.value)
    assert spec in message
    assert str(tmp_path) in message
    assert "--model mini" in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code from a checkpoint ran",)


def test_code_in_a_checkpoint_is_not_run(weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": Evil()}, weights / "evil.pt")
    (weights / "evil.bin").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pt", "evil.bin"):
        with pytest.raises(ModelError, match="more than tensors"):
            load_open_clip(f"{ARCHITECTURE}:{weights / name}", CPU)
    assert capfd.readouterr() == ("", "")


def test_broken_checkpoints_are_told_apart(weights: Path) -> None:
    whole = (weights / "tiny.safetensors").read_bytes()
    (weights / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    cut = (weights / "tiny.pt").read_bytes()
    (weights / "cut.pt").write_bytes(cut[: len(cut) // 2])
    (weights / "empty.pt").touch()
    save_file({"weight": torch.zeros(2)}, weights / "other.safetensors")
    for name, words in {
        "cut.safetensors": "damaged",
        "cut.pt": "damaged",
        "empty.pt": "damaged",
        "other.safetensors": "does not fit",
        "missing.pt": "does not exist",
    }.items():
        with pytest.raises(ModelError, match=words):
            load_open_clip(f"{ARCHITECTURE}:{weights / name}", CPU)
    with pytest.raises(ModelError, match=r"open_clip_config\.json"):
        load_open_clip(f"local-dir:{weights / 'configs'}", CPU)


def test_a_folder_without_weights_is_refused_instead_of_random(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_bytes((weights / "hub" / "open_clip_config.json").read_bytes())
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_open_clip(f"local-dir:{tmp_path}", CPU)


def test_languages_come_from_the_exact_tokenizer() -> None:
    assert languages_of({"text_cfg": {"hf_tokenizer_name": "xlm-roberta-base"}}) == ("en", "ko")
    assert languages_of({"text_cfg": {"hf_tokenizer_name": "my/xlm-roberta-base-english-only"}}) == ("en",)
    assert languages_of(open_clip.get_model_config("ViT-B-16-SigLIP-i18n-256")) == ("en", "ko")
    assert languages_of(open_clip.get_model_config("ViT-B-32")) == ("en",)


@pytest.mark.parametrize("asked_for", [False, True])
def test_code_beside_a_tokenizer_is_never_run(
    asked_for: bool, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder whose tokenizer brings code, with a yes on stdin, and one whose configuration asks for it."""
    ran, folder = tmp_path / "ran", tmp_path / "model"
    text = {**CONFIG["text_cfg"], "hf_tokenizer_name": "anything"}
    if asked_for:
        text["tokenizer_kwargs"] = {"trust_remote_code": True}
    folder.mkdir()
    described = {"model_cfg": {**CONFIG, "text_cfg": text}, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    shutil.copyfile(weights / "tiny.safetensors", folder / "open_clip_model.safetensors")
    auto_map = {"AutoTokenizer": ["evil.Evil", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Evil", "auto_map": auto_map}))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "auto_map": auto_map}))
    (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w').close()\n\nclass Evil:\n    pass\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n" * 9))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_open_clip(f"local-dir:{folder}", CPU)
    assert not ran.exists()
    assert sys.stdin.read() == "yes\n" * 9


def test_a_file_of_an_architecture_with_two_activations_is_told(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenAI's weights as a file do not say that they want QuickGELU."""
    load_open_clip(f"{ARCHITECTURE}:{weights / 'tiny.pt'}", CPU)
    assert not caplog.records, "its weights are published nowhere"
    monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda name: ["openai", "other"])
    monkeypatch.setattr(
        open_clip, "get_pretrained_cfg", lambda name, tag: {"quick_gelu": True} if tag == "openai" else {}
    )
    load_open_clip(f"{ARCHITECTURE}:{weights / 'tiny.pt'}", CPU)
    (record,) = caplog.records
    assert (
        f"is run with GELU; weights trained with QuickGELU, as those of {ARCHITECTURE}'s openai" in record.getMessage()
    )
    assert f"--model {ARCHITECTURE}-quickgelu:{weights / 'tiny.pt'}." in record.getMessage()


def test_a_torchscript_archive_is_told(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "openai.pt"))
    with pytest.raises(ModelError, match=r"is a TorchScript archive, which holds code: use ViT-B-32/openai"):
        load_open_clip(f"ViT-B-32:{tmp_path / 'openai.pt'}", CPU)
