"""KoBERT with KOTE's head: training through the command line, its metrics, its checkpoint, and what goes wrong."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score, log_loss, top_k_accuracy_score

from clip_emotion.cli.main import main
from clip_emotion.config import validate
from clip_emotion.data.samplers import shuffled_rows
from clip_emotion.errors import ModelError
from clip_emotion.models.kobert.config import KobertHeadConfig
from clip_emotion.models.kobert.emotion import (
    PARTS,
    KobertEmotionConfig,
    KobertEmotionModel,
    KobertEmotionNetwork,
    load_kobert_emotion,
    pad_batch,
    token_ids,
)
from clip_emotion.models.kobert.loading import load_kobert
from clip_emotion.resources import configs_dir
from clip_emotion.training.kobert.config import KobertKoteConfig, KoteConfig
from clip_emotion.training.kobert.kote import (
    KobertKoteObjective,
    best_threshold,
    kote_metrics,
    load_splits,
    parameter_lr_scales,
    positive_weights,
)
from clip_emotion.training.kobert.stage import prepare_kobert_stage
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import table
from tests.support.runs import interrupt_at
from tests.support.tiny_kobert import build_tiny_kobert

pytest.importorskip("kobert_transformers", reason="the extra kobert is not installed")

CONFIG = configs_dir() / "train" / "kobert_kote.yaml"
STEPS = 120
FEELINGS = {
    "나는 오늘 정말 행복해요": (40, 42),
    "너무 화가 나서 참을 수 없다": (0, 6),
    "비가 와서 조금 슬픈 하루였다": (5, 36),
    "깜짝이야, 정말 놀랐잖아": (39,),
    "보고 싶어, 사랑해 그리고 고마워": (4, 16),
}
"""Comments that teach what they say: each sentence has emotions of its own."""
TEXTS = ["나는 행복해요", "", "너무 화가 나서 " * 40, "사랑해", "ㅠㅠ 😢", "슬픈 하루"]


def comments(count: int, first: int = 0) -> list[tuple[object, ...]]:
    pairs = list(FEELINGS.items())
    rows = [(at, *pairs[at % len(pairs)]) for at in range(first, first + count)]
    return [(at, f"{text} {at}", ",".join(map(str, labels))) for at, text, labels in rows]


def arguments(home: Path, out: str = "model", **changes: object) -> list[str]:
    values = {
        "backbone": home / "kobert",
        "device": "cpu",
        "out": home / out,
        "sources.folder": home / "raw",
        "sources.prepared": home / "prepared",
        "sources.kote_validation": 10,
        "sources.kote_tuning": 10,
        "head.max_tokens": 24,
        "batch": 8,
        "fit.steps": STEPS,
        "fit.learning_rate": 0.005,
        "fit.ema": 0.8,
        "fit.precision": "fp32",
        "fit.evaluate_every": 40,
        "fit.save_every": 40,
    }
    values.update(changes)
    return ["train", str(CONFIG), *(f"{name}={value}" for name, value in values.items()), "--threads", "1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny KoBERT, a made-up KOTE and a finished model."""
    folder = tmp_path_factory.mktemp("kobert_kote")
    build_tiny_kobert(folder / "kobert")
    (folder / "raw").mkdir()
    table(folder / "raw" / "kote.tsv.gz", ("id", "text", "labels"), comments(60))
    assert main(arguments(folder)) == 0
    return folder


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Path:
    """A copy of the finished model, to be harmed."""
    for name in PARTS:
        shutil.copyfile(home / "model" / name, tmp_path / name)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], command: list[str]) -> tuple[int, str]:
    """Run a command that writes nothing to stdout; returns its exit code and what it said to people."""
    capsys.readouterr()
    code = main(command)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return code, err


def objective(home: Path, **changes: object) -> KobertKoteObjective:
    values = yaml.safe_load(CONFIG.read_text("utf-8"))
    sources = {"folder": home / "raw", "prepared": home / "prepared", "kote_validation": 10, "kote_tuning": 10}
    values |= {"backbone": str(home / "kobert"), "device": "cpu", "sources": sources, "head": {"max_tokens": 24}}
    return prepare_kobert_stage(validate(KobertKoteConfig, {**values, **changes}, "here"), "here")


def tiny_model(home: Path, pooling: str) -> KobertEmotionModel:
    kobert = load_kobert(home / "kobert")
    config = KobertEmotionConfig(
        labels=Vocabulary.load("kote44").keys, head=KobertHeadConfig(pooling=pooling, max_tokens=24)
    )
    torch.manual_seed(3)
    return KobertEmotionModel(config, KobertEmotionNetwork(kobert.model, 44, config.head), kobert.tokenizer)


# Training


def test_a_learnable_toy_is_learned(home: Path) -> None:
    lines = [json.loads(line) for line in (home / "model" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 40, 80, 120]
    losses = [line["log_loss"] for line in lines]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.2 < np.log(2)
    fresh = objective(home)
    before = fresh.validate(fresh.model.eval())
    assert before["hit1"] < 0.7 < lines[-1]["hit1"]
    assert lines[-1]["hit5"] >= lines[-1]["hit1"]
    assert before["macro_f1"] < lines[-1]["macro_f1"]
    trained = load_kobert_emotion(home / "model")
    rows = fresh.splits.training
    best = trained.predict(rows.texts).argmax(axis=1)
    assert rows.targets[range(len(best)), best].mean() > 0.9


def test_the_description_says_all(home: Path) -> None:
    model = load_kobert_emotion(home / "model")
    last = json.loads((home / "model" / "metrics.jsonl").read_text().splitlines()[-1])
    assert model.labels == Vocabulary.load("kote44").keys
    assert model.threshold == last["threshold"]
    assert model.config.metrics == {name: last[name] for name in ("macro_f1", "micro_f1", "hit1", "hit5", "log_loss")}
    assert model.config.trained_with["fit"]["steps"] == STEPS
    assert model.config.trained_with["kobert"] == load_kobert(home / "kobert").fingerprint
    assert sorted(path.name for path in (home / "model").iterdir() if path.name.startswith(".")) == [
        ".clip-emotion.json"
    ]


def test_figures_are_those_of_the_model_that_is_saved(home: Path) -> None:
    model, rows = load_kobert_emotion(home / "model"), objective(home).splits.validation
    metrics = kote_metrics(model.predict(rows.texts), rows.targets.numpy() > 0, model.threshold)
    assert metrics == pytest.approx(model.config.metrics, abs=1e-5)


def test_an_interrupted_run_ends_as_an_unbroken_one(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = arguments(home, "again")
    with monkeypatch.context() as patched:
        interrupt_at(patched, KobertKoteObjective, 53)
        code, err = told(capsys, command)
    assert code == 130
    assert "To go on: clip-emotion train" in err
    assert not (home / "again" / "kobert_emotion.yaml").exists()
    assert told(capsys, [*command, "--resume"])[0] == 0
    unbroken, resumed = (load_file(home / out / "model.safetensors") for out in ("model", "again"))
    assert unbroken.keys() == resumed.keys()
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in unbroken.items())
    lines = [(home / out / "metrics.jsonl").read_text().splitlines() for out in ("model", "again")]
    assert [{**json.loads(line), "seconds": 0} for line in lines[0]] == [
        {**json.loads(line), "seconds": 0} for line in lines[1]
    ]
    assert told(capsys, [*command, "--resume"])[0] == 0


def test_resume_refuses_another_backbone_and_takes_a_moved_one(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(home / "kobert", tmp_path / "moved")
    assert told(capsys, [*arguments(home, backbone=f"kobert:{tmp_path / 'moved'}"), "--resume"])[0] == 0
    build_tiny_kobert(tmp_path / "other", seed=5)
    code, err = told(capsys, [*arguments(home, backbone=tmp_path / "other"), "--resume"])
    assert code == 2
    assert "made with other settings" in err


@pytest.mark.parametrize("change", [{"loss.smoothing": 0.1}, {"head.pooling": "mean"}, {"lr_scale.layer_decay": 0.5}])
def test_resume_refuses_other_settings(
    change: dict[str, object], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = told(capsys, [*arguments(home, **change), "--resume"])
    assert code == 2
    assert "made with other settings" in err


def test_every_choice_trains_and_in_half_precision_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choices = {"head.pooling": "mean", "loss.smoothing": 0.1, "loss.positive_power": 0.5, "fit.precision": "bf16"}
    code, err = told(capsys, arguments(home, "choices", **choices, **{"fit.steps": 3}))
    assert code == 0
    assert "Done: macro_f1" in err
    model = load_kobert_emotion(home / "choices")
    assert model.config.head.pooling == "mean"
    assert np.isfinite(model.predict(TEXTS)).all()


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 5))
def test_every_comment_comes_once_before_any_comes_again(count: int, batch: int, seed: int) -> None:
    steps = -(-3 * count // batch)
    seen = [row for step in range(steps) for row in shuffled_rows(count, batch, step, seed)]
    for start in range(0, 3 * count, count):
        assert sorted(seen[start : start + count]) == list(range(count))


def test_rates_fall_from_the_head_to_the_embeddings(home: Path) -> None:
    trained = objective(home, lr_scale={"head": 8.0, "layer_decay": 0.5})
    names = {name for name, _ in trained.model.named_parameters()}
    rates = parameter_lr_scales(trained.model, trained.config.lr_scale)
    assert set(rates) == names
    assert rates["head.weight"] == rates["head.bias"] == 8.0
    assert rates["bert.pooler.dense.weight"] == rates["bert.encoder.layer.1.output.dense.bias"] == 1.0
    assert rates["bert.encoder.layer.0.attention.self.query.weight"] == 0.5
    assert rates["bert.embeddings.word_embeddings.weight"] == rates["bert.embeddings.LayerNorm.bias"] == 0.25
    assert all(trained.lr_scale(name) == rates[name] for name in names)


def test_the_loss_is_binary_cross_entropy_by_its_definition(home: Path) -> None:
    trained = objective(home, loss={"smoothing": 0.2, "positive_power": 0.5})
    trained.model.eval()
    with torch.inference_mode():
        loss = float(trained.loss(2, 0.0))
        rows = trained.splits.training
        taken = shuffled_rows(len(rows.texts), trained.config.batch, 2, 0)
        ids = token_ids(trained.kobert.tokenizer, [rows.texts[row] for row in taken], 24)
        p = trained.model(pad_batch(trained.kobert.tokenizer, ids, torch.device("cpu"))).double().sigmoid().numpy()
    y = rows.targets[taken].numpy() * 0.8 + 0.1
    positives = rows.targets.sum(dim=0).numpy()
    weights = [min(20.0, ((len(rows.texts) - n) / n) ** 0.5) if n else 1.0 for n in positives]
    assert loss == pytest.approx(-np.mean(weights * y * np.log(p) + (1 - y) * np.log(1 - p)), rel=1e-4)


def test_positive_weights() -> None:
    targets = torch.tensor([[1.0, 0, 1, 0]] * 1 + [[0.0, 0, 1, 1]] * 99)
    assert positive_weights(targets, 0.0).tolist() == [1, 1, 1, 1]
    assert positive_weights(targets, 1.0).tolist() == pytest.approx([20, 1, 1 / 20, 1 / 20])
    assert positive_weights(targets, 0.5)[0] == pytest.approx(99**0.5)


# Data


def test_kote_is_split_as_for_the_mini_and_more_tables_only_train(home: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    table(raw / "kote.tsv.gz", ("id", "text", "labels"), comments(20))
    # Five of these stand among the rows kept out; the published tables have no header.
    lines = [[f"h{at}", text, labels] for at, text, labels in comments(30, first=15)]
    # Another spelling does not make another comment.
    lines[2][1] = str(lines[2][1]).replace(" ", "  ")
    (raw / "train.tsv").write_text("".join("\t".join(line) + "\n" for line in lines), "utf-8")
    values = {"folder": raw, "prepared": tmp_path / "prepared", "kote_validation": 4, "kote_tuning": 3}
    plain, whole = load_splits(KoteConfig(**values)), load_splits(KoteConfig(**values, more=("train.tsv",)))
    texts = [str(row[1]) for row in comments(45)]
    for splits in (plain, whole):
        assert list(splits.validation.texts) == texts[16:20]
        assert list(splits.tuning.texts) == texts[13:16]
    assert list(plain.training.texts) == texts[:13]
    assert list(whole.training.texts) == texts[:13] + texts[20:]
    assert whole.training.targets.shape == (13 + 25, 44)
    assert [row.nonzero().flatten().tolist() for row in whole.training.targets] == [
        [int(label) for label in str(row[2]).split(",")] for row in comments(13) + comments(25, first=20)
    ]


# Metrics, against scikit-learn


@pytest.mark.parametrize("threshold", [0.1, 0.35, 0.8])
def test_figures_agree_with_scikit_learn(threshold: float) -> None:
    rng = np.random.default_rng(int(threshold * 100))
    truth = rng.random((80, 12)) < 0.2
    truth[:, 11] = False
    truth[np.arange(80), rng.integers(0, 11, 80)] = True
    p = rng.random((80, 12)).astype(np.float32)
    metrics = kote_metrics(p, truth, threshold)
    answers, some = p >= threshold, truth[:, :11]
    assert metrics["macro_f1"] == pytest.approx(f1_score(some, answers[:, :11], average="macro", zero_division=0))
    assert metrics["micro_f1"] == pytest.approx(f1_score(truth, answers, average="micro"))
    flat = log_loss(truth.ravel(), p.astype(np.float64).ravel(), labels=[False, True])
    assert metrics["log_loss"] == pytest.approx(flat, abs=1e-6)
    # With one true label a row left, scikit-learn knows hit rates too.
    one = np.zeros_like(truth)
    classes = truth.argmax(axis=1)
    one[np.arange(80), classes] = True
    single = kote_metrics(p, one, threshold)
    for name, k in (("hit1", 1), ("hit5", 5)):
        assert single[name] == pytest.approx(top_k_accuracy_score(classes, p, k=k, labels=range(12)))


def test_the_threshold_is_the_best_of_all_by_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    truth = rng.random((60, 6)) < 0.3
    truth[0] = True
    p = np.clip(0.4 * truth + rng.random((60, 6)) * 0.5, 0, 1).astype(np.float32)
    scores = {t: f1_score(truth, p >= t, average="macro", zero_division=0) for t in np.arange(2, 91) / 100}
    best = best_threshold(p, truth)
    assert scores[best] == max(scores.values())
    assert 0.3 < best < 0.6


# The model


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_saved_model_predicts_the_same(pooling: str, home: Path, tmp_path: Path) -> None:
    model = tiny_model(home, pooling)
    model.save(tmp_path / "saved")
    again = load_kobert_emotion(tmp_path / "saved")
    assert np.array_equal(model.predict(TEXTS), again.predict(TEXTS))
    assert again.fingerprint == model.fingerprint
    assert again.config.head.pooling == pooling
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_probabilities_do_not_depend_on_the_batch(pooling: str, home: Path) -> None:
    """Against texts one by one, through the BERT itself and the definition of the pooling."""
    model = tiny_model(home, pooling)
    together = model.predict(TEXTS)
    assert together.shape == (len(TEXTS), 44)
    assert together.dtype == np.float32
    assert ((together > 0) & (together < 1)).all()
    bert, head = model.network.bert, model.network.head
    for text, row in zip(TEXTS, together, strict=True):
        ids = torch.tensor([model.tokenizer.encode(text, truncation=True, max_length=24)])
        assert ids.shape[1] <= 24
        with torch.inference_mode():
            output = bert(ids)
            pooled = output.pooler_output if pooling == "cls" else output.last_hidden_state.mean(dim=1)
            alone = torch.sigmoid(pooled @ head.weight.T + head.bias)[0]
        np.testing.assert_allclose(row, alone.numpy(), atol=1e-5)


def test_no_texts_and_decomposed_texts(home: Path) -> None:
    model = tiny_model(home, "cls")
    assert model.predict([]).shape == (0, 44)
    composed, decomposed = model.predict(["행복해요"]), model.predict(["행복해요"])
    assert np.array_equal(composed, decomposed)


def test_fingerprints_tell_models_apart(home: Path) -> None:
    cls, mean = tiny_model(home, "cls"), tiny_model(home, "mean")
    trained = load_kobert_emotion(home / "model")
    assert len({cls.fingerprint, mean.fingerprint, trained.fingerprint}) == 3
    assert cls.fingerprint == tiny_model(home, "cls").fingerprint


def test_the_folder_needs_nothing_else_and_is_a_kobert_too(copy: Path, home: Path, monkeypatch) -> None:
    def no_network(*_: object) -> None:
        pytest.fail("asked for the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    assert np.array_equal(load_kobert_emotion(copy).predict(TEXTS), load_kobert_emotion(home / "model").predict(TEXTS))
    tuned, plain = load_kobert(copy), load_kobert(home / "kobert")
    assert not torch.allclose(tuned.encode(TEXTS), plain.encode(TEXTS))
    for path in copy.glob("*.json"):
        assert str(home) not in path.read_text("utf-8")


@pytest.mark.parametrize("name", PARTS)
def test_a_missing_part_is_named(name: str, copy: Path) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=rf"lacks {name}: copy the whole folder again") as caught:
        load_kobert_emotion(copy)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere does not exist: copy the whole folder again, or train it"):
        load_kobert_emotion(tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0, 6, 500, -100])
def test_truncated_weights_are_one_sentence(keep: int, copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"The weights .*model\.safetensors cannot be read") as caught:
        load_kobert_emotion(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("harm", ["empty", "noise", "cut"])
def test_any_harmed_part_is_one_sentence(name: str, harm: str, copy: Path) -> None:
    content = (copy / name).read_bytes()
    (copy / name).write_bytes({"empty": b"", "noise": b"\x00\xff{" * 50, "cut": content[: len(content) // 3]}[harm])
    with pytest.raises(ModelError) as caught:
        load_kobert_emotion(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)


def edited(folder: Path, **changes: object) -> None:
    path = folder / "kobert_emotion.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text("utf-8")), **changes}), "utf-8")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 2}, "version"),
        ({"labels": []}, "labels"),
        ({"labels": ["행복", "달나라"]}, "'달나라' is not one of them"),
        ({"labels": ["행복", "행복"]}, "one stands there twice"),
        ({"labels": ["행복", "기쁨"]}, "does not fit its 2 labels"),
        ({"vocabulary": "kote45"}, "Unknown vocabulary 'kote45'"),
        ({"weights": "0123456789abcdef"}, "are not those that kobert_emotion.yaml"),
        ({"weights": ""}, "are not those that kobert_emotion.yaml"),
        ({"head": {"max_tokens": 100}}, "its KoBERT reads 64 at most"),
        ({"threshold": 1.5}, "threshold"),
    ],
)
def test_a_description_that_does_not_fit_is_one_sentence(changes: dict[str, object], sentence: str, copy: Path) -> None:
    edited(copy, **changes)
    with pytest.raises(ModelError) as caught:
        load_kobert_emotion(copy)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parts_of_two_runs_and_other_weights_are_refused(home: Path, copy: Path) -> None:
    tiny_model(home, "cls").save(copy / "other")
    shutil.copyfile(copy / "other" / "model.safetensors", copy / "model.safetensors")
    with pytest.raises(ModelError, match="are not those that"):
        load_kobert_emotion(copy)
    stamp = load_kobert_emotion(home / "model").config.weights
    tensors = load_file(home / "model" / "model.safetensors")
    tensors["head.weight"] = tensors["head.weight"][:, :-1].contiguous()
    save_file(tensors, copy / "model.safetensors", {"format": "pt", "clip_emotion": stamp})
    with pytest.raises(ModelError, match="does not fit its 44 labels or its KoBERT"):
        load_kobert_emotion(copy)
    save_file(load_file(home / "kobert" / "model.safetensors"), copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="cannot be read"):
        load_kobert_emotion(copy)


def test_a_save_that_is_cut_short_is_not_taken_for_a_model(
    home: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clip_emotion.models.kobert import emotion as kobert_emotion

    def full(path: Path, content: str | bytes) -> None:
        if path.name == "kobert_emotion.yaml":
            raise OSError("No space left on device")
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    monkeypatch.setattr(kobert_emotion, "write_atomic", full)
    with pytest.raises(OSError, match="No space"):
        tiny_model(home, "cls").save(copy)
    with pytest.raises(ModelError, match="are not those that"):
        load_kobert_emotion(copy)


# What goes wrong before training


def test_check_trains_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = told(capsys, [*arguments(home, "unmade"), "--check"])
    assert (code, err) == (0, "Ready: 1 configuration(s) are right, and all 1 data sets that they read are there.\n")
    assert not (home / "unmade").exists()


@pytest.mark.parametrize("mode", [[], ["--check"]])
@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"batch": 0, "loss.smoothing": 2}, 2, "2 fault(s)"),
        ({"head.pooling": "max"}, 2, "head.pooling"),
        ({"colour": "red"}, 2, "colour: no such setting"),
        ({"device": "abacus"}, 2, "Unknown device 'abacus'"),
        ({"head.max_tokens": 65}, 2, "reads 64 at most"),
        ({"backbone": "nowhere"}, 1, "The KoBERT folder nowhere does not exist"),
        ({"sources.kote": "none.tsv.gz"}, 1, "none.tsv.gz does not exist"),
        ({"sources.more": "[none.tsv]"}, 1, "none.tsv does not exist"),
    ],
)
def test_faults_are_told_before_training(
    home: Path,
    tmp_path: Path,
    changes: dict[str, object],
    code: int,
    sentence: str,
    mode: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, err = told(capsys, [*arguments(home, "faulty", **changes), *mode])
    assert got == code
    assert sentence in err
    assert err.splitlines()[-1].startswith("Error: ")
    assert not (home / "faulty").exists()


def test_the_backbone_is_not_overwritten(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = (home / "kobert" / "model.safetensors").read_bytes()
    for more, sentence in ((["--check"], "out would overwrite the backbone"), ([], "holds other things than a run")):
        code, err = told(capsys, [*arguments(home, "kobert"), *more])
        assert code == 2
        assert sentence in err
    assert (home / "kobert" / "model.safetensors").read_bytes() == weights


def test_too_few_comments_are_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = told(capsys, arguments(home, "few", **{"sources.kote_validation": 50}))
    assert code == 1
    assert "60 comments, which leaves none to train on: lower kote_validation and kote_tuning" in err


@pytest.mark.parametrize("mode", [[], ["--check"]])
def test_without_a_network_the_hub_name_is_one_sentence(
    mode: list[str],
    home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unplugged(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "create_connection", unplugged)
    monkeypatch.setattr(socket, "getaddrinfo", unplugged)
    code, err = told(capsys, [*arguments(home, "offline", backbone="monologg/kobert"), *mode])
    assert code == 1
    (sentence,) = [line for line in err.splitlines() if not line.startswith("Training ")]
    assert sentence.startswith("Error: KoBERT is not in the cache")
    assert "the Hub cannot be reached" in sentence
