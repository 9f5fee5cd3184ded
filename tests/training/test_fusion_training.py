"""Training a fusion's head: its stages are kept, its configuration is checked, and it learns what features tell."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clip_emotion.config import load_config
from clip_emotion.errors import UsageError
from clip_emotion.models.captioning.cache import CaptionFile
from clip_emotion.models.fusion.heads.base import Sizes
from clip_emotion.models.fusion.model import joined
from clip_emotion.training.finetune.data import load_images
from clip_emotion.training.fusion.config import FuseConfig, HeadTrainingConfig
from clip_emotion.training.fusion.fuse import open_parts
from clip_emotion.training.fusion.objective import FusionObjective, FusionRows, fused_logits
from clip_emotion.training.fusion.stages import captions_of, image_features, text_features
from clip_emotion.training.loop.fit import fit
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import tiny_mini, write_images
from tests.support.tiny_blip2 import tiny_blip2

CONFIGS = Path("configs/fuse")
WORDS = CONFIGS / "fer2013_words.yaml"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fusion")
    write_images(folder / "raw", a_class=3)
    tiny_mini(3).save(folder / "mini")
    tiny_blip2(folder / "blip2")
    return folder


def config(home: Path, *more: str, path: Path = WORDS) -> FuseConfig:
    own = [
        f"data.folder={home / 'raw'}",
        f"data.prepared={home / 'prepared'}",
        "data.tuning=3",
        f"image.model={home / 'mini'}",
        f"text.model={home / 'mini'}",
    ]
    return load_config(FuseConfig, path, [*own, *more])


def test_shipped_configurations_are_right_and_every_row_is_checked(home: Path) -> None:
    assert set(config(home).trainings()) >= {"mlp", "gated_late"}
    blip2 = load_config(FuseConfig, CONFIGS / "blip2.yaml")
    assert blip2.row("logit_adjustment").imbalance.logit_adjustment == 1.0
    assert blip2.row("oversampling").head == blip2.training.head
    for override, fault in {
        "rows.mlp.head.kind=tree": "rows.mlp: .*head.kind",
        "rows.mlp.batch.size=3": "rows.mlp: batch is a single value",
        "seeds=[1, 1]": "seeds must be different",
        "captions.top=0": "captions.words.top",
    }.items():
        with pytest.raises(UsageError, match=fault):
            config(home, override)


@pytest.mark.parametrize("kind", ["words", "blip2"])
def test_stages_are_made_once(home: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = {
        "words": f"{{kind: words, model: {home / 'mini'}}}",
        "blip2": f"{{kind: blip2, model: {home / 'blip2'}}}",
    }
    made = config(home, f"captions={captions[kind]}")
    parts, rows = open_parts(made), load_images(made.data, Vocabulary.load("basic7")).training
    path, seen = tmp_path / "captions.jsonl", []

    def stages() -> tuple[torch.Tensor, list[str]]:
        image = image_features(parts.image, rows, 4, tmp_path / "cache", seen.append)
        return image, captions_of(parts.captioner, rows, CaptionFile(path), tmp_path / "cache", seen.append)

    image, said = stages()
    assert sum(seen) == 2 * len(rows)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    assert len(lines) == len(rows)
    # A killed run has some of the captions, and a person may have changed one of them.
    path.write_text("".join(lines[:2]).replace(said[0], "비장함"), "utf-8")
    monkeypatch.setattr(parts.image, "encode_images", None)
    again, resumed = stages()
    torch.testing.assert_close(again, image)
    assert resumed == ["비장함", "비장함" if said[1] == said[0] else said[1], *said[2:]]
    if kind == "words":
        assert len(path.read_text("utf-8").splitlines()) == len(rows)
    next((tmp_path / "cache").rglob("*.npy")).write_bytes(b"torn")
    monkeypatch.undo()
    torch.testing.assert_close(stages()[0], image)


def test_a_text_feature_is_the_encoders_own(home: Path) -> None:
    encoder = tiny_mini(3)
    said = ["기쁨", "sad", "기쁨"]
    torch.testing.assert_close(text_features(encoder, said, 1), torch.as_tensor(encoder.encode_texts(said)))


def training(**settings: object) -> HeadTrainingConfig:
    loop = {"steps": 60, "learning_rate": 0.01, "precision": "fp32", "ema": 0.9, "evaluate_every": 30}
    return HeadTrainingConfig.model_validate({"batch": 32, "fit": loop, **settings})


@pytest.mark.parametrize(
    "remedies",
    [
        {},
        {"sampler": "balanced", "mixup": 0.2},
        {"imbalance": {"class_weights": "effective", "focal": 2.0}},
        {"imbalance": {"logit_adjustment": 1.0}},
        {"fit": {"steps": 60, "learning_rate": 0.01, "precision": "fp32", "select": "best", "evaluate_every": 10,
                 "early_stop": {"metric": "macro_recall", "patience": 3}}},
    ],
)  # fmt: skip
def test_a_head_learns_what_only_both_features_tell(remedies: dict[str, object], tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    image, text = torch.randn(400, 5, generator=generator), torch.randn(400, 4, generator=generator)
    labels = (image[:, 0] > 0).long() + 2 * (text[:, 0] > 0).long()
    rows = FusionRows(joined(image, text), labels, [""] * 400)
    targets = torch.nn.functional.one_hot(labels, 4).float()
    found = {}
    for inputs in ("both", "image"):
        own = training(head={"width": 32, "dropout": 0.0, "inputs": inputs}, **remedies)
        objective = FusionObjective(own, Sizes(5, 4, 4), rows, targets, rows)
        model = fit(objective, own.fit, tmp_path / inputs, lambda progress: None).model
        found[inputs] = float((fused_logits(model, rows.features).argmax(1) == labels).float().mean())
    assert found["both"] > 0.85
    assert found["image"] < found["both"] - 0.1


def test_class_weights_help_rare_classes(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    labels = (torch.rand(600, generator=generator) < 0.08).long()
    features = torch.randn(600, 6, generator=generator) + labels[:, None] * 0.6
    rows = FusionRows(joined(features[:, :3], features[:, 3:]), labels, [""] * 600)
    recalls = []
    for remedy in ({}, {"class_weights": "inverse"}, {"logit_adjustment": 1.0}):
        own = training(head={"width": 16}, imbalance=remedy)
        objective = FusionObjective(own, Sizes(3, 3, 2), rows, torch.nn.functional.one_hot(labels, 2).float(), rows)
        model = fit(objective, own.fit, tmp_path / str(len(recalls)), lambda progress: None).model
        answers = fused_logits(model, rows.features).argmax(1)
        recalls.append(float((answers[labels == 1] == 1).float().mean()))
    assert min(recalls[1:]) > recalls[0] + 0.1
