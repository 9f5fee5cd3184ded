"""The door to KoBERT, through kobert-transformers' own tokenizer and transformers' own BERT, on a tiny one."""

from __future__ import annotations

import pickle
import shutil
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from clip_emotion.errors import MissingExtraError, ModelError
from clip_emotion.models.kobert.config import HUB_NAME
from clip_emotion.models.kobert.loading import Kobert, load_kobert
from tests.support.tiny_kobert import MARKERS, SENTENCES, build_tiny_kobert

pytest.importorskip("kobert_transformers", reason="the extra kobert is not installed")

UNK, PAD, CLS, SEP, MASK = range(5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_kobert(tmp_path_factory.mktemp("kobert"))


@pytest.fixture(scope="module")
def kobert(folder: Path) -> Kobert:
    return load_kobert(folder, "cpu")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_batch_is_marked_padded_and_masked(kobert: Kobert) -> None:
    from kobert_transformers.tokenization_kobert import KoBertTokenizer

    assert isinstance(kobert.tokenizer, KoBertTokenizer)
    rows = kobert.tokenize(["행복해요", SENTENCES[6]])
    ids, mask = rows["input_ids"], rows["attention_mask"]
    lengths = mask.sum(dim=1).tolist()
    assert lengths[0] < lengths[1] == ids.shape[1]
    assert ids[:, 0].tolist() == [CLS, CLS]
    assert [ids[row, length - 1].item() for row, length in enumerate(lengths)] == [SEP, SEP]
    assert set(ids[0, lengths[0] :].tolist()) == {PAD}
    assert mask[0].tolist() == [1] * lengths[0] + [0] * (lengths[1] - lengths[0])
    assert rows["token_type_ids"].eq(0).all()


@pytest.mark.parametrize("text", SENTENCES)
def test_known_words_survive_a_round_trip(kobert: Kobert, text: str) -> None:
    assert kobert.tokenizer.batch_decode(kobert.tokenize([text])["input_ids"], skip_special_tokens=True) == [text]


def test_the_ids_are_the_lines_of_vocab_txt(kobert: Kobert, folder: Path) -> None:
    lines = (folder / "vocab.txt").read_text("utf-8").splitlines()
    assert tuple(lines[:5]) == MARKERS
    tokens = kobert.tokenizer.tokenize(SENTENCES[0])
    inner = kobert.tokenize([SENTENCES[0]])["input_ids"][0, 1:-1].tolist()
    assert inner == [lines.index(token) for token in tokens]
    assert "".join(tokens).replace("▁", " ").strip() == SENTENCES[0]


def test_a_long_text_is_cut_to_what_the_model_reads(kobert: Kobert) -> None:
    text = " ".join(SENTENCES) * 5
    assert kobert.max_tokens == 64
    assert kobert.tokenize([text])["input_ids"].shape == (1, 64)
    cut = kobert.tokenize([text, "행복"], max_tokens=10)["input_ids"]
    assert cut.shape == (2, 10)
    assert cut[0, -1] == SEP
    assert kobert.tokenize([text], max_tokens=1000)["input_ids"].shape == (1, 64)
    assert kobert.encode([text]).isfinite().all()


@pytest.mark.parametrize("marker", MARKERS[1:])
def test_a_marker_in_a_text_is_text(kobert: Kobert, marker: str) -> None:
    inner = kobert.tokenize([f"사랑해 {marker} 고마워 {marker}"])["input_ids"][0, 1:-1]
    assert not {PAD, CLS, SEP, MASK} & set(inner.tolist())


@given(st.lists(st.text(alphabet=st.characters(), max_size=12), max_size=4))
@settings(max_examples=25)
def test_any_text_has_a_vector(kobert: Kobert, texts: list[str]) -> None:
    vectors = kobert.encode(texts)
    assert vectors.shape == (len(texts), 32)
    assert vectors.isfinite().all()
    assert (vectors.norm(dim=1) > 0).all()


def test_half_a_surrogate_pair_is_read_as_a_question_mark(kobert: Kobert) -> None:
    assert torch.equal(kobert.encode(["사랑\ud83d"]), kobert.encode(["사랑?"]))


def test_decomposed_hangul_is_the_same_text(kobert: Kobert) -> None:
    import unicodedata

    assert torch.equal(kobert.encode([unicodedata.normalize("NFD", "사랑해")]), kobert.encode(["사랑해"]))


def reference(kobert: Kobert, text: str) -> torch.Tensor:
    """First-last-avg of one text without padding, from the layers' outputs as hooks see them."""
    seen: list[torch.Tensor] = []

    def keep(_module: object, _inputs: object, output: object) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)

    layers = kobert.model.encoder.layer
    hooks = [layers[0].register_forward_hook(keep), layers[-1].register_forward_hook(keep)]
    with torch.no_grad():
        kobert.model(input_ids=torch.tensor([kobert.tokenizer.encode(text)]))
    for hook in hooks:
        hook.remove()
    first, last = (states[0].mean(dim=0) for states in seen)
    return (first + last) / 2


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_the_vector_is_the_mean_of_the_first_and_the_last_layer(kobert: Kobert, batch_size: int) -> None:
    texts = [SENTENCES[6], "", "행복", *SENTENCES[:3]]
    vectors = kobert.encode(texts, batch_size=batch_size)
    for text, vector in zip(texts, vectors, strict=True):
        torch.testing.assert_close(vector, reference(kobert, text), atol=1e-5, rtol=1e-4)


def test_texts_differ_and_nothing_is_random(kobert: Kobert) -> None:
    vectors = kobert.encode(SENTENCES)
    assert not kobert.model.training
    assert torch.equal(vectors, kobert.encode(SENTENCES))
    distances = torch.cdist(vectors, vectors) + torch.eye(len(SENTENCES)) * 9
    assert distances.min() > 0.01


def test_the_fingerprint_is_of_weights_and_vocabulary(kobert: Kobert, copy: Path, tmp_path: Path) -> None:
    as_bin = load_kobert(build_tiny_kobert(tmp_path / "bin", safetensors=False))
    assert (tmp_path / "bin/pytorch_model.bin").is_file()
    assert as_bin.fingerprint == kobert.fingerprint
    assert load_kobert(build_tiny_kobert(tmp_path / "other", seed=1)).fingerprint != kobert.fingerprint
    lines = (copy / "vocab.txt").read_text("utf-8").splitlines()
    lines[-1], lines[-2] = lines[-2], lines[-1]
    (copy / "vocab.txt").write_text("\n".join(lines) + "\n", "utf-8")
    assert load_kobert(copy).fingerprint != kobert.fingerprint


def test_a_saved_kobert_is_the_same(kobert: Kobert, tmp_path: Path) -> None:
    kobert.save(tmp_path / "deep/saved")
    again = load_kobert(str(tmp_path / "deep/saved"))
    assert again.fingerprint == kobert.fingerprint
    assert torch.equal(again.encode(SENTENCES), kobert.encode(SENTENCES))


def cached_on_hub(folder: Path, cache: Path) -> None:
    """Lay a folder down as the Hub's cache would hold monologg/kobert."""
    place = cache / "models--monologg--kobert"
    shutil.copytree(folder, place / "snapshots/0123abcd")
    (place / "refs").mkdir()
    (place / "refs/main").write_text("0123abcd")


def test_the_hub_name_reads_the_cache_as_kobert_transformers_does(
    kobert: Kobert, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kobert_transformers

    cached_on_hub(folder, tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", str(tmp_path))
    assert load_kobert(HUB_NAME).fingerprint == kobert.fingerprint
    tokenizer, model = kobert_transformers.get_tokenizer(), kobert_transformers.get_kobert_model().eval()
    for text in SENTENCES:
        rows = tokenizer([text], return_tensors="pt")
        assert torch.equal(rows["input_ids"], kobert.tokenize([text])["input_ids"])
        with torch.no_grad():
            torch.testing.assert_close(model(**rows).last_hidden_state, kobert.model(**rows).last_hidden_state)


@pytest.mark.parametrize("safetensors", [True, False])
def test_the_hub_is_asked_for_one_file_of_weights(
    safetensors: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote, local = build_tiny_kobert(tmp_path / "remote", safetensors=safetensors), tmp_path / "local"

    def download(name: str, allow_patterns: tuple[str, ...] = (), local_files_only: bool = False) -> str:
        assert name == "monologg/kobert"
        if local_files_only:
            raise FileNotFoundError("nothing in the cache")
        local.mkdir(exist_ok=True)
        for pattern in filter(lambda pattern: (remote / pattern).is_file(), allow_patterns):
            shutil.copy(remote / pattern, local)
        return str(local)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("clip_emotion.models.kobert.loading.knock", lambda: None)
    assert load_kobert().fingerprint == load_kobert(remote).fingerprint
    assert sum((local / name).is_file() for name in ("model.safetensors", "pytorch_model.bin")) == 1


def test_offline_without_a_cache_is_one_sentence_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    started = time.perf_counter()
    with pytest.raises(ModelError, match="huggingface-cli download monologg/kobert --local-dir kobert") as caught:
        load_kobert()
    assert time.perf_counter() - started < 10
    assert "\n" not in str(caught.value)


def test_loading_is_quiet(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_kobert(folder)
    with pytest.raises(ModelError):
        load_kobert(folder / "nowhere")
    assert capfd.readouterr() == ("", "")


def test_what_a_folder_lacks_is_named(copy: Path) -> None:
    (copy / "vocab.txt").unlink()
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks vocab.txt, model.safetensors or pytorch_model.bin: on a connected"):
        load_kobert(copy)
    with pytest.raises(ModelError, match="does not exist"):
        load_kobert(copy / "nowhere")


def test_damaged_parts_are_told(copy: Path) -> None:
    whole = {name: (copy / name).read_bytes() for name in ("model.safetensors", "tokenizer_78b3253a26.model")}
    for name, content in whole.items():
        (copy / name).write_bytes(content[: len(content) // 2] if name.endswith("safetensors") else b"no model")
        with pytest.raises(ModelError, match="fetch it again") as caught:
            load_kobert(copy)
        assert "\n" not in str(caught.value)
        (copy / name).write_bytes(content)
    (copy / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_kobert(copy)


def test_weights_that_are_not_there_are_not_made_up(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    save_file({name: t for name, t in tensors.items() if "layer.1.output" not in name}, copy / "model.safetensors")
    with pytest.raises(ModelError, match=r"lacks 4 of its weights, encoder\.layer\.1\.output"):
        load_kobert(copy)


def test_a_vocabulary_of_another_model_is_told(copy: Path) -> None:
    lines = (copy / "vocab.txt").read_text("utf-8").splitlines()
    (copy / "vocab.txt").write_text("\n".join([*lines, "하나", "둘"]) + "\n", "utf-8")
    with pytest.raises(ModelError, match=f"has {len(lines) + 2} words, and the model was built for {len(lines)}"):
        load_kobert(copy)
    (copy / "vocab.txt").write_text("\n".join(lines[5:]) + "\n", "utf-8")
    with pytest.raises(ModelError, match=r"vocab\.txt"):
        load_kobert(copy)


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("trapped"),))


def test_a_bin_file_never_runs_code(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(_Trap()))
    monkeypatch.chdir(copy)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_kobert(copy)
    torch.save({"x": _Trap()}, copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_kobert(copy)
    assert not (copy / "trapped").exists()


@pytest.mark.parametrize("package", ["kobert_transformers", "sentencepiece"])
def test_a_missing_package_names_the_install_line(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "clip_emotion.models.kobert.tokenizer", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == package] or [package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'clip-emotion\[kobert\]'"):
        load_kobert(folder)
