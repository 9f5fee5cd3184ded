"""The shipped configurations of large models: right as they are written, and running on tiny models of their kind."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import yaml
from torch import Tensor

from clip_emotion.cli.main import main
from clip_emotion.config import validate
from clip_emotion.models.emotion_clip.checkpoint import load_checkpoint_encoder
from clip_emotion.models.emotion_clip.config import last_blocks
from clip_emotion.models.emotion_clip.lora import plain_name
from clip_emotion.models.openclip import encoder as open_clip_adapter
from clip_emotion.models.openclip.encoder import languages_of
from clip_emotion.training.finetune import stage as finetune
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.objective import FinetuneObjective
from clip_emotion.training.finetune.stage import open_model, prepare_finetune
from clip_emotion.training.loop.objective import Progress
from clip_emotion.training.stage import RunOptions
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import zipped
from tests.support.pictures import plain
from tests.support.runs import from_the_first_step
from tests.support.tiny_openclip import RESNET, TEXT, TIMM, TINY, hugging_face
from tests.support.tuning_world import pattern, write_world

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "train"
NAMES = ("vit_b32_fer_affectnet", "xlm_roberta_b32_ko", "siglip_b16", "resnet50_clip")
LONG = pytest.mark.real_data
TRAINED = (*(pytest.param(name, marks=LONG) for name in NAMES[:3]), NAMES[3])
"""Those that are trained: one in every run of the tests, the others beside the real data."""
LAST_STAGE = 3
"""Blocks in the last stage of a ResNet-50, and of the tiny one."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up pictures, raw and merged, and a tiny architecture of each configuration's kind."""
    folder = write_world(tmp_path_factory.mktemp("world"), train=20)
    affectnet = {
        f"{split}/{label}/{at}.png": pattern(kind, 9000 + 100 * kind + at)
        for kind, label in enumerate(Vocabulary.load("basic8").keys)
        for at in range(12)
        for split in ("train" if at < 9 else "val",)
    }
    zipped(folder / "affectnet.zip", affectnet)
    sources = [f"{name}={folder / name}.zip" for name in ("fer2013", "affectnet")]
    assert main(["data", "merge", *sources, "--to", str(folder / "merged")]) == 0
    xlm_roberta = hugging_face(folder / "hf")
    siglip = {"context_length": 12, "vocab_size": 130, "hf_tokenizer_name": str(folder / "hf"), "width": 16, "heads": 1}
    tiny: dict[str, dict[str, Any]] = {
        "vit_b32_fer_affectnet": {**TINY, "text_cfg": {**TEXT, "context_length": 24}},
        "xlm_roberta_b32_ko": xlm_roberta,
        "siglip_b16": {
            **TIMM,
            "init_logit_bias": -10,
            "custom_text": True,
            "text_cfg": {**siglip, "layers": 2, "no_causal_mask": True, "proj_bias": True, "pool_type": "last"},
        },
        "resnet50_clip": {**RESNET, "vision_cfg": {**dict(RESNET["vision_cfg"]), "layers": [1, 1, 1, LAST_STAGE]}},  # type: ignore[call-overload]
    }
    for name, architecture in tiny.items():
        (folder / f"{name}.json").write_text(json.dumps(architecture))
    return folder


@pytest.fixture(autouse=True)
def tiny_tokenizer_reads_korean(world: Path) -> Iterator[None]:
    known = open_clip_adapter.MULTILINGUAL_TOKENIZERS
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(known, str(world / "hf"), ("ko", "en"))
        yield


def shipped(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


def small(name: str, world: Path, out: Path) -> dict[str, Any]:
    """The configuration on a tiny model and made-up pictures, two steps long; all else is as it is shipped."""
    values = shipped(name)
    values.update(base=f"random:{world / name}.json", device="cpu", out=str(out), batch=16, workers=1)
    values["fit"].update(steps=2, evaluate_every=2, save_every=2, log_every=1)
    data = values["data"]
    if "merged" in data:
        data.update(merged=str(world / "merged"), validation={"affectnet": 4})
    else:
        data.update(folder=str(world), prepared=str(world / "prepared"))
    return values


@pytest.mark.parametrize("name", NAMES)
def test_names_weights_that_are_published_and_languages_that_they_read(name: str) -> None:
    config = validate(FinetuneConfig, shipped(name), name)
    architecture, _, tag = config.base.partition("/")
    assert (architecture, tag) in open_clip.list_pretrained()
    described = open_clip.get_model_config(architecture)
    assert set(config.languages) <= set(languages_of(described))
    assert config.fit.early_stop is not None
    blocks, layers = last_blocks(config.model.train), described["vision_cfg"].get("layers", 12)
    assert (blocks or 0) <= (sum(layers) if isinstance(layers, list) else layers)
    if isinstance(layers, list):
        assert blocks == layers[-1] == LAST_STAGE, "the last stage alone has batch statistics that move"
        assert config.fit.accumulate == 1


@pytest.mark.parametrize("name", NAMES)
def test_opens_with_commands_that_are_about_itself(name: str) -> None:
    config = validate(FinetuneConfig, shipped(name), name)
    path = f"configs/train/{name}.yaml"
    header = re.match(r"(?:#.*\n)+", (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    assert header
    assert f"# clip-emotion train {path}\n" in header[0]
    assert f"# clip-emotion train --check {path}\n" in header[0]
    assert f"# clip-emotion blend {config.base} {config.out} --data {path} --to {config.out}_blend\n" in header[0]
    if config.data.merged:
        assert f"--to {config.data.merged}\n" in header[0]


@dataclass(frozen=True)
class Trained:
    """A run that has ended: what it was asked for, what it trained, what it told."""

    config: FinetuneConfig
    objective: FinetuneObjective
    told: list[Progress]
    metrics: dict[str, float]

    @property
    def before(self) -> dict[str, Tensor]:
        """The weights that it started from, which follow from the seed."""
        vocabulary = Vocabulary.load(self.config.vocabulary)
        return open_model(self.config, vocabulary, "test").state_dict()

    @property
    def after(self) -> dict[str, Tensor]:
        return load_checkpoint_encoder(self.config.out).model.state_dict()


@pytest.fixture(scope="module")
def trained(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Train a configuration, once for all tests."""

    @cache
    def run(name: str) -> Trained:
        values = small(name, world, tmp_path_factory.mktemp("runs") / name)
        config = validate(FinetuneConfig, values, name)
        told: list[Progress] = []
        with pytest.MonkeyPatch.context() as patch:
            opened: list[FinetuneObjective] = []

            def prepare(*arguments: Any) -> FinetuneObjective:
                opened.append(prepare_finetune(*arguments))
                return opened[-1]

            patch.setattr(finetune, "prepare_finetune", prepare)
            metrics = dict(
                finetune.train_emotion_clip(config, RunOptions(name, from_the_first_step(told.append))).metrics
            )
        return Trained(config, opened[0], told, metrics)

    return run


@pytest.mark.parametrize("name", TRAINED)
def test_heads_learn_first_and_then_what_the_configuration_opens(name: str, trained: Callable[[str], Trained]) -> None:
    config, objective = trained(name).config, trained(name).objective
    learning = {key for key, parameter in objective.model.named_parameters() if parameter.requires_grad}
    assert all(objective.lr_scale(key) > 0 for key in learning)
    first = {key for key in learning if objective.trainable(key, 0.0)}
    assert first
    assert all(key.startswith(("image_head.", "text_head.", "classifier.", "log_scale")) for key in first)
    backbone = objective.model.backbone
    towers = {
        side: {f"backbone.{key}" for group in groups for key in group} & learning
        for side, groups in (("image", backbone.image_blocks()), ("text", backbone.text_blocks()))
    }
    assert towers["image"]
    assert bool(towers["text"]) == (config.freeze != "text")
    if config.layer_decay < 1:
        rates = {objective.lr_scale(key) for key in towers["image"]}
        assert max(rates) == 1.0
        assert len(rates) > 2, "a rate for each block"


@pytest.mark.parametrize("name", TRAINED)
def test_trains_and_leaves_a_checkpoint_that_loads(name: str, trained: Callable[[str], Trained]) -> None:
    run = trained(name)
    config = run.config
    assert [progress.step for progress in run.told] == [1, 2]
    assert all(math.isfinite(progress.loss) for progress in run.told)
    assert config.fit.early_stop is not None
    assert config.fit.early_stop.metric in run.metrics
    assert {f"accuracy_{language}" for language in config.languages if len(config.languages) > 1} <= set(run.metrics)
    assert (config.out / "vocabulary.yaml").is_file() == config.templates.choose
    encoder = load_checkpoint_encoder(config.out)
    assert encoder.languages == config.languages
    pixels = torch.stack([encoder.preprocess(plain(colour)) for colour in ("red", "blue")])
    images, texts = encoder.encode_images(pixels), encoder.encode_texts(["기쁨", "joy", "grief"])
    assert images.shape[1] == texts.shape[1] == 16
    torch.testing.assert_close(images.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("name", TRAINED)
def test_moves_the_towers_that_it_opens_and_no_other(name: str, trained: Callable[[str], Trained]) -> None:
    run = trained(name)
    before = run.before
    moved = {key for key, tensor in run.after.items() if key in before and not torch.equal(tensor, before[key])}
    assert any(key.startswith("image_head.") for key in moved)
    assert any(key.startswith("backbone.model.visual.") for key in moved)
    text = {f"backbone.{key}" for group in run.objective.model.backbone.text_blocks() for key in group}
    assert bool({plain_name(key) for key in text} & moved) == (run.config.freeze != "text")


def test_only_the_last_stage_of_the_resnet_gets_other_statistics(trained: Callable[[str], Trained]) -> None:
    run = trained("resnet50_clip")
    before, after = run.before, run.after
    norms = [key for key in before if key.endswith(".running_mean")]
    moved = [key for key in norms if not torch.equal(after[key], before[key])]
    assert moved
    assert moved == [key for key in norms if ".layer4." in key]
