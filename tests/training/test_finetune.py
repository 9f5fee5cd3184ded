"""Fine-tuning: what it trains and when, what it never trains on, and that a run can be killed."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from clip_emotion.cli.main import main
from clip_emotion.config import validate
from clip_emotion.data.samplers import BalancedBatchSampler
from clip_emotion.errors import DataError, UsageError
from clip_emotion.models.emotion_clip.checkpoint import load_checkpoint, read_card
from clip_emotion.models.prototypes import prototypes
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.data import ImageSplits, load_images
from clip_emotion.training.finetune.metrics import class_metrics
from clip_emotion.training.finetune.objective import FinetuneObjective
from clip_emotion.training.finetune.sampling import parts_of, with_rare_joined
from clip_emotion.training.finetune.stage import objective_of, prepare_finetune
from clip_emotion.training.finetune.text import TextCache, choose_templates, class_prompts
from clip_emotion.training.loop.objective import Progress
from clip_emotion.vocabulary import Vocabulary
from tests.support.runs import finetune
from tests.support.tuning_world import pattern, run_values, write_config, write_world

BASIC = Vocabulary.load("basic8")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def splits(world: Path) -> ImageSplits:
    return load_images(settings(world).data, BASIC)


def settings(world: Path, **changes: Any) -> FinetuneConfig:
    return validate(FinetuneConfig, run_values(world, **changes), "test")


def opened(world: Path, splits: ImageSplits, **changes: Any) -> FinetuneObjective:
    return objective_of(settings(world, **changes), splits, BASIC, "test")


def trained(world: Path, out: Path, resume: bool = False, **changes: Any) -> tuple[dict[str, float], list[Progress]]:
    told: list[Progress] = []
    metrics = finetune(run_values(world, out=str(out), **changes), told.append, resume)
    return metrics, told


def test_a_run_learns_and_leaves_a_checkpoint_that_evaluate_takes(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    longer = {"fit.steps": 80, "fit.evaluate_every": 80, "fit.learning_rate": 0.01, "fit.ema": 0.9, "freeze": "none"}
    longer["templates"] = {}  # those of the vocabulary, which evaluate asks with
    metrics, told = trained(world, out, **longer)
    assert np.mean([progress.loss for progress in told[-5:]]) < told[0].loss - 0.3
    assert metrics["accuracy"] > 0.6, "seven kinds of patterns"
    assert told[-1].images_per_second
    card = read_card(out)
    assert card.metrics == metrics
    assert set(card.data) == {"fer2013", "muxspace"}
    assert card.vocabulary is not None
    assert card.vocabulary.name == "basic8"
    assert json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["accuracy"] == metrics["accuracy"]
    command = ["evaluate", "--data", str(world / "fer2013.zip"), "--split", "validation", "--vocab", "basic7"]
    assert main([*command, "--model", str(out), "--lang", "en", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(metrics["accuracy_en"], abs=0.04)


def test_train_and_check_from_the_command_line(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path / "run.yaml", run_values(world, out=str(tmp_path / "out")))
    assert main(["train", "--check", str(config)]) == 0
    assert not (tmp_path / "out").exists()
    assert main(["train", str(config), "fit.steps=4", "fit.learning_curve=true"]) == 0
    assert (tmp_path / "out" / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert main(["train", "--check", str(config), "data.folder=/nowhere", f"data.prepared={tmp_path / 'new'}"]) == 1
    told = capsys.readouterr().err
    assert "fer2013.zip" in told
    assert "muxspace96.zip" in told
    assert main(["train", "--check", str(config), "losses.contrast=0"]) == 2


class Killed(Exception):
    pass


@pytest.mark.parametrize("changes", [{}, {"unfreeze_at": 0.5, "freeze": "none", "distillation.words": 0.5}])
def test_a_killed_run_goes_on_bit_for_bit(world: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    changes = {**changes, "model.image_head.dropout": 0.3}
    whole, _ = trained(world, tmp_path / "whole", **changes)

    def die(progress: Progress) -> None:
        if progress.step == 10:
            raise Killed

    values = run_values(world, out=str(tmp_path / "cut"), **changes)
    with pytest.raises(Killed):
        finetune(values, die)
    told: list[Progress] = []
    assert finetune(values, told.append, True) == whole
    assert told[0].step == 9, "the last checkpoint was that of step 8"
    first, second = (load_checkpoint(tmp_path / run).state_dict() for run in ("whole", "cut"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(UsageError, match="other settings"):
        finetune({**values, "own_names": 0.1}, told.append, True)


def test_heads_come_first_and_the_rest_follows(world: Path, splits: ImageSplits, tmp_path: Path) -> None:
    before = opened(world, splits).model.state_dict()
    lasting = {"unfreeze_at": 0.5, "fit.ema": 0.0}
    for steps_to, moved in ((6, False), (12, True)):
        out = tmp_path / str(steps_to)

        def die(progress: Progress, last: int = steps_to) -> None:
            if progress.step == last and last < 12:
                raise Killed

        values = run_values(world, out=str(out), **{**lasting, "fit.save_every": 6})
        if moved:
            finetune(values, die)
        else:
            with pytest.raises(Killed):
                finetune(values, die)
        after = torch.load(out / "checkpoint.pt", weights_only=True)["model"]
        changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
        assert "image_head.blocks.0.out.weight" in changed
        assert any(name.startswith("backbone.image_tower.") for name in changed) == moved
        assert not any(name.startswith("backbone.text_tower.") for name in changed), "frozen from first to last"


def test_frozen_sides_and_layer_decay(world: Path, splits: ImageSplits) -> None:
    objective = opened(world, splits, layer_decay=0.5, freeze="none")
    blocks = [f"backbone.{group[0]}" for group in objective.model.backbone.image_blocks() if group]
    rates = [objective.lr_scale(name) for name in blocks]
    assert rates == sorted(rates)
    assert rates[-1] == 1.0
    assert rates[0] < rates[-1]
    frozen = opened(world, splits, freeze="image")
    open_names = {name for name, parameter in frozen.model.named_parameters() if parameter.requires_grad}
    assert open_names
    assert not any("image" in name for name in open_names)
    assert frozen.model.image_frozen


def test_nothing_that_is_kept_out_is_trained_on(world: Path) -> None:
    config = settings(world, **{"data.validation": {"muxspace": 4}}).data
    parts = load_images(config, BASIC)
    training = set(parts.training["sha"])
    held = set(parts.held_out["heldout_muxspace"]["sha"])
    validating = set(parts.validation["validation"]["sha"]) | set(parts.validation["validation_muxspace"]["sha"])
    tuning = set(parts.tuning["sha"])
    assert all(int(sha[:8], 16) % 3 == 0 for sha in held)
    every = training | tuning | validating
    assert not any(int(sha[:8], 16) % 3 == 0 for sha in parts.validation["validation_muxspace"]["sha"])
    sources = dict(zip(parts.training["sha"], parts.training["source"], strict=True))
    assert not any(int(sha[:8], 16) % 3 == 0 for sha in training if sources[sha] == "muxspace")
    assert not held & every
    assert not training & validating
    assert not training & tuning
    assert not validating & tuning
    assert len(every | held) == 12 * 7 + 4 * 7 + 60
    with pytest.raises(UsageError, match="No training image comes from rafdb"):
        load_images(settings(world, **{"data.held_out": {"rafdb": 5}}).data, BASIC)


def test_a_training_picture_of_any_other_split_is_dropped(tmp_path: Path) -> None:
    from tests.support.minis import zipped

    same = pattern(0, 1)
    files = {f"train/{name}/{at}.png": pattern(at % 8, at) for at, name in enumerate(("angry", "happy", "sad") * 6)}
    zipped(tmp_path / "fer2013.zip", {**files, "train/angry/x.png": same, "validation/angry/y.png": same})
    values = {"fer2013": "fer2013.zip"}
    config = settings(tmp_path, **{"data.sources": values, "data.held_out": {}, "data.tuning": 5}).data
    parts = load_images(config, BASIC)
    rows = [*parts.training["path"], *parts.tuning["path"]]
    assert len(rows) == 18
    assert "train/angry/x.png" not in rows


def test_a_merged_set_trains_like_its_sources(world: Path, tmp_path: Path) -> None:
    from clip_emotion.data.merge import merge

    merge([f"fer2013={world / 'fer2013.zip'}", f"muxspace={world / 'muxspace96.zip'}"], tmp_path / "merged")
    config = settings(world, **{"data.sources": {}, "data.merged": str(tmp_path / "merged")}).data
    merged, apart = load_images(config, BASIC), load_images(settings(world).data, BASIC)
    pairs = [set(zip(p.training["sha"], p.training["label"], strict=True)) for p in (merged, apart)]
    assert pairs[0] == pairs[1]
    assert set(merged.held_out["heldout_muxspace"]["sha"]) == set(apart.held_out["heldout_muxspace"]["sha"])
    with pytest.raises(UsageError, match="either sources"):
        settings(world, **{"data.merged": "x"})


def test_votes_soften_and_relabel(world: Path, splits: ImageSplits) -> None:
    votes = {"path": "ferplus_votes.csv", "weight": 0.4, "least": 5}
    soft = load_images(settings(world, **{"data.votes": votes}).data, BASIC)
    assert list(soft.training["label"]) == list(splits.training["label"])
    for label, path, source, target in zip(
        soft.training["label"], soft.training["path"], soft.training["source"], soft.targets, strict=True
    ):
        wanted = torch.zeros(8)
        if source == "fer2013":
            number = int(path.split("_")[-1].split(".")[0])
            wanted[BASIC.index("neutral")] += 0.4 * (1.0 if number % 5 else 0.3)
            wanted[BASIC.index("contempt")] += 0.4 * (0.0 if number % 5 else 0.7)
        wanted[label] += 1 - wanted.sum()
        torch.testing.assert_close(target, wanted)
    hard = load_images(settings(world, **{"data.votes": {**votes, "relabel": {"contempt": 7}}}).data, BASIC)
    numbers = [int(path.split("_")[-1].split(".")[0]) if "_" in path else 1 for path in hard.training["path"]]
    relabelled = [label == BASIC.index("contempt") for label in hard.training["label"]]
    assert relabelled == [
        number % 5 == 0 or label == BASIC.index("contempt")
        for number, label in zip(numbers, splits.training["label"], strict=True)
    ]


def test_so_few_pictures_as_asked_the_same_number_of_each_class(world: Path) -> None:
    values = {"data.limit": 14, "data.sources": {"fer2013": "fer2013.zip"}, "data.held_out": {}}
    config = settings(world, **values).data
    few = load_images(config, BASIC)
    assert set(Counter(few.training["label"]).values()) == {2}
    assert list(few.training["sha"]) == list(load_images(config, BASIC).training["sha"])
    assert list(few.training["sha"]) != list(load_images(config, BASIC, seed=1).training["sha"])


def test_unseen_words_are_never_drawn(world: Path) -> None:
    words = class_prompts(settings(world), BASIC)
    unseen = {
        name
        for vocabulary in ("kote36", "synonyms7")
        for label in Vocabulary.load(vocabulary).labels
        for name in label.names.values()
    }
    bank = {word for own in words.bank.words for spoken in own.values() for word in spoken}
    assert not bank & unseen
    assert len(bank) > 60
    every = set(words.every_prompt())
    for seed in range(20):
        for language in ("ko", "en"):
            assert every.issuperset(words.draw(language, random.Random(seed), 0.4))
    assert words.draw("en", random.Random(0), 1.0)[0].find("angry") >= 0


def test_cached_prompts_are_the_models_own(world: Path, splits: ImageSplits) -> None:
    objective = opened(world, splits)
    prompts = objective.prompts.draw("ko", random.Random(3), 0.2)
    cache = TextCache(objective.model, objective.prompts.every_prompt())
    torch.testing.assert_close(cache.embed(prompts), objective.model.eval().embed_texts(prompts), atol=1e-5, rtol=0)


def test_loss_of_a_step_follows_from_seed_and_step(world: Path, splits: ImageSplits) -> None:
    every = {"losses": {"contrast": 1.0, "classify": 0.5, "supcon": 0.5, "label_smoothing": 0.1}}
    first, second = (opened(world, splits, **every) for _ in range(2))
    wanted = [float(first.loss(step, 0.0).detach()) for step in (0, 1, 2)]
    assert [float(second.loss(step, 0.0).detach()) for step in (2, 0, 1)] == [wanted[2], wanted[0], wanted[1]]
    assert len(set(wanted)) == 3
    assert first.model.classifier is not None
    assert first.model.classifier.out_features == 8
    metrics = first.validate(first.model)
    assert metrics["classifier_accuracy"] == pytest.approx(metrics["accuracy_ko"], abs=0.01), "it starts as zero-shot"


def test_contrast_against_a_plain_loop(world: Path, splits: ImageSplits) -> None:
    objective = opened(world, splits, languages=["en"], losses={"contrast": 1.0, "label_smoothing": 0.0})
    model = objective.model.eval()
    found = float(objective.loss(5, 0.0).detach())
    batch = objective.batches.get(5)
    images = model.embed_images(model.backbone.normalise(batch.pixels))
    texts = model.embed_texts(objective.prompts.draw("en", random.Random("0:5"), 0.5))
    logits = (model.logit_scale * images @ texts.T).detach().double().numpy()
    rows = columns = 0.0
    for row, label in zip(logits, batch.labels.tolist(), strict=True):
        rows -= (row[label] - np.log(np.exp(row).sum())) / len(logits)
    present = sorted(set(batch.labels.tolist()))
    for label in present:
        column = logits[:, label]
        own = [column[at] - np.log(np.exp(column).sum()) for at in range(len(column)) if batch.labels[at] == label]
        columns -= float(np.mean(own)) / len(present)
    assert found == pytest.approx((rows + columns) / 2, abs=1e-4)


def test_keeping_costs_nothing_where_nothing_has_moved(world: Path, splits: ImageSplits) -> None:
    objective = opened(world, splits, freeze="none", distillation={"words": 1.0, "images": 0.0, "batch": 4})
    assert objective.distillation is not None
    model = objective.model.eval()
    pixels = model.backbone.normalise(objective.batches.get(0).pixels)
    rng = random.Random(0)
    unmoved = objective.distillation.loss(model, pixels, model.embed_images(pixels), rng)
    assert unmoved.item() == pytest.approx(0, abs=1e-5)
    held = opened(world, splits, distillation={"images": 1.0})
    assert held.distillation is not None
    images = held.model.eval().embed_images(pixels).detach()
    at_base = float(held.distillation.loss(held.model, pixels, images, rng))
    for seed in range(5):
        noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed)) * 0.3
        moved = torch.nn.functional.normalize(images + noise, dim=1)
        assert float(held.distillation.loss(held.model, pixels, moved, rng)) > at_base


def test_templates_are_chosen_where_they_are_better(world: Path, splits: ImageSplits) -> None:
    model = opened(world, splits).model.eval()
    own = ("{}", "a photo of a face that looks {}", "not at all {} they say")
    words = Vocabulary.from_list("red,green,blue,yellow")
    vocabulary = Vocabulary("colours", words.labels, {"en": own, "ko": ("{}",)})
    with torch.no_grad():
        # Images of each class lie where its second template alone is.
        single = torch.stack([model.embed_texts([own[1].format(name)])[0] for name in words.keys])
    noise = torch.randn(40, 4, single.shape[1], generator=torch.Generator().manual_seed(0)) * 0.25
    images = torch.nn.functional.normalize(single + noise, dim=2).flatten(0, 1)
    truth = torch.arange(4).repeat(40)

    def score(chosen: Vocabulary) -> float:
        with torch.no_grad():
            columns = prototypes([model.embed_texts(own) for own in chosen.prompts("en")])
        return class_metrics(images @ columns.T, truth)["macro_f1"]

    chosen = choose_templates(model, images, truth, vocabulary, ["en"])
    assert score(chosen) >= score(vocabulary)
    assert any(label.templates for label in chosen.labels)
    path = world / "chosen.yaml"
    path.write_text(chosen.to_yaml(), encoding="utf-8")
    assert Vocabulary.load(path).prompts("en") == chosen.prompts("en")
    assert Vocabulary.load(path).prompts("ko") == chosen.prompts("ko")


def test_chosen_templates_are_written_beside_the_checkpoint(world: Path, tmp_path: Path) -> None:
    trained(world, tmp_path / "out", **{"templates.choose": True, "fit.steps": 2})
    vocabulary = Vocabulary.load(tmp_path / "out" / "vocabulary.yaml")
    assert vocabulary.keys == BASIC.keys
    every = {prompt for own in BASIC.prompts("ko") for prompt in own}
    assert every.issuperset(prompt for own in vocabulary.prompts("ko") for prompt in own)


@given(st.lists(st.integers(0, 5), min_size=8, max_size=60), st.integers(2, 8), st.data())
def test_rare_classes_and_sources_never_stop_a_balanced_batch(
    labels: list[int], batch: int, data: st.DataObject
) -> None:
    sources = data.draw(st.lists(st.sampled_from("abc"), min_size=len(labels), max_size=len(labels)))
    groups = with_rare_joined(labels, batch)
    assert {old for old, new in zip(labels, groups, strict=True)} >= set(groups)
    assert all(len({new for old, new in zip(labels, groups, strict=True) if old == one}) == 1 for one in set(labels))
    parts = parts_of(groups, sources, batch)
    for own, by_source in ((None, False), (parts, True)):
        sampler = BalancedBatchSampler(groups, batch, sources=own, by_source=by_source)
        for step in range(6):
            rows = sampler.batch(step)
            assert len(set(rows)) == batch


def test_a_group_that_later_joining_leaves_too_small_joins_too() -> None:
    """Four single pictures as two pairs make three groups with the large class: a third of seven is more than two."""
    assert with_rare_joined([0, 0, 0, 0, 1, 2, 3, 4], 7) == [0, 0, 0, 0, 4, 4, 4, 4]


@given(st.integers(0, 1000), st.integers(3, 30))
def test_figures_are_scikit_learns(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    logits, truth = rng.normal(size=(count, 5)), rng.choice([0, 2, 4], size=count)
    found = class_metrics(torch.tensor(logits), torch.tensor(truth))
    there = np.unique(truth)
    answers = there[logits[:, there].argmax(axis=1)]
    assert found["accuracy"] == pytest.approx((answers == truth).mean())
    assert found["macro_recall"] == pytest.approx(recall_score(truth, answers, labels=there, average="macro"))
    wanted = f1_score(truth, answers, labels=there, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(wanted)
    wrong = [np.log(np.exp(row[there]).sum()) - row[own] for row, own in zip(logits, truth, strict=True)]
    assert found["cross_entropy"] == pytest.approx(np.mean(wrong), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base": "random:ViT-B-32", "languages": ["ko"]}, "does not read ko"),
        ({"model.classes": 3}, "model.classes is 3"),
        ({"vocabulary": "basic7"}, "does not know contempt"),
        ({"batch": 4000}, "at most"),
    ],
)
def test_settings_that_do_not_fit_are_told(
    world: Path, changes: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if changes.get("base"):
        from clip_emotion.models.loading import open_backbone

        english = copy.copy(open_backbone(str(world / "base")))
        english.languages = ("en",)
        monkeypatch.setattr("clip_emotion.training.finetune.stage.open_backbone", lambda base, device: english)
    with pytest.raises(UsageError, match=said):
        prepare_finetune(settings(world, **changes), "test")


def test_a_set_without_validation_is_refused(world: Path) -> None:
    values = {"data.sources": {"muxspace": "muxspace96.zip"}}
    with pytest.raises(DataError, match="no split validation"):
        load_images(settings(world, **values).data, BASIC)
    validated = load_images(settings(world, **values, **{"data.validation": {"muxspace": 3}}).data, BASIC)
    assert list(validated.validation) == ["validation_muxspace"]
