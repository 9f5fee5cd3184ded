"""Training a classifier: its loss against independent references, frozen networks, and a whole run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.classifiers.checkpoint import load_classifier
from clip_emotion.training.class_summary import read_classes
from clip_emotion.training.classifier.loss import classifier_loss, log_priors, smoothed
from clip_emotion.training.classifier.objective import ClassifierObjective
from clip_emotion.training.classifier.sharing import shared
from clip_emotion.training.classifier.stage import prepare_classifier
from clip_emotion.training.classifier.summary import read_answers
from clip_emotion.training.kinds import read_config
from clip_emotion.training.mixup import mixed
from clip_emotion.training.registry import check, plan
from tests.support.commands import runner
from tests.support.minis import face, write_images

CONFIG = Path("configs/train/classifier_mixup.yaml")


def arguments(home: Path, *more: str) -> list[str]:
    return [
        f"data.folder={home / 'raw'}",
        f"data.prepared={home / 'prepared'}",
        f"out={home / 'run'}",
        "model.image_size=32",
        "model.arguments={channels: [4, 4, 8, 8]}",
        "data.tuning=3",
        "batch=8",
        "fit.steps=4",
        "fit.evaluate_every=2",
        "fit.save_every=2",
        "fit.precision=fp32",
        *more,
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    write_images(folder / "raw", a_class=5)
    return folder


def objective(home: Path, *more: str) -> ClassifierObjective:
    return prepare_classifier(read_config(CONFIG, arguments(home, *more)).config, "here.yaml")


def test_plain_loss_is_torchs_weighted_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels, weights = torch.randn(9, 4), torch.randint(0, 4, (9,)), torch.tensor([0.5, 1.0, 2.0, 0.7])
    targets = F.one_hot(labels, 4).float()
    torch.testing.assert_close(classifier_loss(logits, targets), F.cross_entropy(logits, labels))
    torch.testing.assert_close(
        classifier_loss(logits, targets, weights), F.cross_entropy(logits, labels, weight=weights)
    )
    torch.testing.assert_close(
        classifier_loss(logits, smoothed(targets, 0.2)), F.cross_entropy(logits, labels, label_smoothing=0.2)
    )


def test_focal_loss_and_logit_adjustment_by_hand() -> None:
    logits, labels, counts, gamma, tau = np.array([[1.0, -0.5], [0.2, 0.4]]), [0, 1], np.array([30, 10]), 2.0, 1.5
    expected = []
    for row, label in zip(logits, labels, strict=True):
        moved = row + tau * np.log(counts / counts.sum())
        p = np.exp(moved)[label] / np.exp(moved).sum()
        expected.append(-((1 - p) ** gamma) * math.log(p))
    targets = F.one_hot(torch.tensor(labels), 2).float()
    prior = log_priors(torch.from_numpy(counts), tau)
    found = classifier_loss(torch.from_numpy(logits), targets, None, prior, gamma)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-6)
    assert log_priors(torch.from_numpy(counts), 0.0) is None


def test_mixed_images_and_targets_share_one_proportion() -> None:
    pixels, targets = torch.arange(3.0).view(3, 1, 1, 1), torch.eye(3)
    images, labels = mixed(pixels, targets, 0.75)
    assert float(images[1]) == pytest.approx(0.75 * 1 + 0.25 * 0)
    assert labels[1].tolist() == [0.25, 0.75, 0.0]


def test_the_last_layer_alone_learns_where_it_is_asked_to(home: Path) -> None:
    head = objective(home, "head_only=true", "mixup=0")
    try:
        before = {name: value.clone() for name, value in head.model.state_dict().items()}
        head.model.train()
        optimizer = torch.optim.SGD([p for p in head.model.parameters() if p.requires_grad], lr=0.5)
        head.loss(0, 0.0).backward()
        optimizer.step()
        after = head.model.state_dict()
        changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
        assert changed == {"network.fc.weight", "network.fc.bias"}
    finally:
        head.close()


def test_a_frozen_network_that_sees_images_once_learns_as_one_that_sees_them_each_step(home: Path) -> None:
    settings = ("head_only=true", "mixup=0", "model.hidden=[5]", "model.crop=0.7", "model.dropout=0")
    # A transform that changes nothing is no null: images are looked at in each step.
    still = "transform={rotate: 0, translate: 0, scale: [1, 1], flip: 0, brightness: 0, contrast: 0, erase: 0}"
    once, each = objective(home, *settings, "transform=null"), objective(home, *settings, still)
    try:
        assert once.features is not None
        assert each.features is None
        found = []
        for one in (once, each):
            one.model.train()
            loss = one.loss(3, 0.0)
            loss.backward()
            gradients = {name: p.grad for name, p in one.model.named_parameters() if p.grad is not None}
            found.append((loss.detach(), gradients, one.validate(one.model.eval())))
        torch.testing.assert_close(found[0][:2], found[1][:2], atol=1e-4, rtol=1e-3)
        assert dict(found[0][2]) == pytest.approx(dict(found[1][2]), abs=1e-4)
        assert set(found[0][1]) == once.model.head_names()
    finally:
        once.close()
        each.close()


def test_runs_in_one_process_share_images_and_features(home: Path) -> None:
    settings = ("head_only=true", "mixup=0", "transform=null")
    with shared():
        opened = [objective(home, *settings), objective(home, *settings, "model.hidden=[5]", "model.dropout=0.3")]
        other = objective(home, *settings, "seed=7")
    alone = objective(home, *settings)
    for one in (*opened, other, alone):
        one.close()
    assert opened[0].features is opened[1].features
    assert opened[0].splits is opened[1].splits is other.splits
    assert other.features is not opened[0].features, "another seed is another network"
    assert alone.features is not opened[0].features


def test_a_rare_class_counts_more_by_each_remedy(home: Path) -> None:
    plain = objective(home)
    remedies = ("imbalance.class_weights=inverse", "imbalance.logit_adjustment=1", "imbalance.focal=2")
    others = [objective(home, remedy) for remedy in remedies]
    try:
        assert plain.weights is None
        assert plain.log_prior is None
        assert others[0].weights is not None
        assert others[1].log_prior is not None
        losses = [float(one.loss(0, 0.0).detach()) for one in (plain, others[2])]
        assert losses[1] < losses[0]
    finally:
        for one in (plain, *others):
            one.close()


@pytest.fixture(scope="module")
def trained(home: Path) -> Path:
    """The folder of a finished run."""
    outcome = plan(CONFIG, arguments(home)).run(lambda progress: None)
    return outcome.folder


def test_a_run_makes_a_model_that_labels(home: Path, trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = runner(capfd, after=("--model", str(trained)))
    image = home / "얼굴.png"
    image.write_bytes(face(7))
    code, out, told = run("label", image, "--labels", "행복,슬픔,분노", "--face", "none", "--format", "jsonl")
    assert code == 0, told
    row = json.loads(out)
    assert {one["label"] for one in row["labels"]} == {"행복", "슬픔", "분노"}
    assert sum(one["probability"] for one in row["labels"]) == pytest.approx(1, abs=1e-3)
    code, _, told = run("label", image, "--labels", "비장함,슬픔", "--face", "none")
    assert code == 2
    assert "does not know 비장함" in told
    data = home / "raw" / "fer2013.zip"
    code, out, told = run("evaluate", "--data", data, "--split", "validation", "--vocab", "basic7", "--format", "json")
    assert code == 0, told
    assert json.loads(out)["n"] == 35


def test_a_run_says_what_it_answers_of_each_image_of_validation(trained: Path) -> None:
    answered, told = read_answers(trained), read_classes(trained)
    assert len(answered.images) == len(set(answered.images)) == told["n"] == 35
    assert np.mean([label == answer for label, answer in zip(answered.labels, answered.answers, strict=True)]) == (
        pytest.approx(told["accuracy"])
    )
    last = json.loads((trained / "metrics.jsonl").read_text("utf-8").splitlines()[-1])
    assert (told["accuracy"], told["macro_recall"]) == pytest.approx((last["accuracy"], last["macro_recall"]))
    assert {row["support"] for row in told["per_class"].values()} == {5}


def test_a_finished_run_is_resumed_by_the_same_settings_alone(
    home: Path, trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = runner(capfd, "train", str(CONFIG), *arguments(home), after=("--resume", "--threads", "1"))
    assert run()[0] == 0
    code, _, told = run("model.dropout=0.5")
    assert code == 2
    assert "model.dropout" in told


def test_a_run_goes_on_from_a_trained_classifier_of_the_same_classes(home: Path, trained: Path) -> None:
    started = objective(home, f"start={trained}", "out=other")
    started.close()
    expected = load_classifier(trained, torch.device("cpu")).model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in started.model.state_dict().items())
    deeper = objective(home, f"start={trained}", "out=other", "model.hidden=[5]")
    deeper.close()
    own = {name: value for name, value in deeper.model.state_dict().items() if name not in deeper.model.head_names()}
    assert all(torch.equal(value, expected[name]) for name, value in own.items())
    with pytest.raises(UsageError, match="other classes than basic8"):
        objective(home, f"start={trained}", "vocabulary=basic8")
    with pytest.raises(UsageError, match="is a resnet18, not a resnet34"):
        objective(home, f"start={trained}", "model.architecture=resnet34")


def test_runs_that_follow_one_another_are_checked_before_the_first_is_made(home: Path) -> None:
    chain = [plan(CONFIG, arguments(home, "out=first")), plan(CONFIG, arguments(home, "out=second", "start=first"))]
    assert check(chain)
    with pytest.raises(ModelError, match="first cannot be loaded"):
        check(chain[1:])
