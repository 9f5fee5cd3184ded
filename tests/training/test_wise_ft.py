"""Blends: the ends are the two models in every logit, the middle is the mean, and auto finds a planted best."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from clip_emotion.cli.main import main
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.errors import UsageError
from clip_emotion.models.emotion_clip.checkpoint import (
    CheckpointCard,
    EmotionClipEncoder,
    load_checkpoint_encoder,
    save_checkpoint,
)
from clip_emotion.models.emotion_clip.config import EmotionClipConfig, HeadConfig
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.models.loading import open_backbone
from clip_emotion.models.mini.encoder import load_mini
from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions, evaluate_rows
from clip_emotion.retrieval.evaluation.labelled import ImageRow, open_labelled
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.retrieval.evaluation.word_scores import mean_scores, word_scores
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.training.wise_ft import ALPHAS, BlendPoint, best_point, blended, curve, curve_csv, open_base
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import tiny_image, tiny_mini
from tests.support.runs import finetune
from tests.support.tuning_world import pattern, run_values, write_config, write_world

PIXELS = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
TEXTS = ["화남", "a very happy face", "슬픔 표정", "surprised"]


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny_mini().save(folder)
    return folder


def tuned_model(base_folder: Path, seed: int = 1, **changes: object) -> EmotionClipEncoder:
    """A model on the base whose every weight has moved, batch norm's statistics too."""
    config = EmotionClipConfig.model_validate({"image_head": {"depth": 2}, "text_head": {"depth": 1}, **changes})
    model = EmotionClip(open_backbone(str(base_folder)), config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=generator) * 0.1)
            else:
                tensor.add_(7)
    return EmotionClipEncoder(model, CheckpointCard(name="tuned", logit_scale=31.0, text_logit_scale=9.0))


def logits(encoder: EmotionClipEncoder) -> torch.Tensor:
    return encoder.logit_scale * encoder.encode_images(PIXELS) @ encoder.encode_texts(TEXTS).T


def test_the_ends_are_the_two_models_in_every_logit(base_folder: Path) -> None:
    base, tuned = open_base(str(base_folder), torch.device("cpu")), tuned_model(base_folder)
    mini = load_mini(base_folder, torch.device("cpu"))
    own = mini.logit_scale * mini.encode_images(PIXELS) @ mini.encode_texts(TEXTS).T
    torch.testing.assert_close(logits(blended(base, tuned, 0.0)), own, atol=1e-4, rtol=1e-4)
    assert torch.equal(logits(blended(base, tuned, 1.0)), logits(tuned))
    assert not torch.allclose(logits(tuned), own, atol=0.1)
    assert blended(base, tuned, 1.0).text_logit_scale == 9.0
    assert blended(base, tuned, 0.0).text_logit_scale == mini.text_logit_scale


def test_the_middle_is_the_mean_of_all_shared_weights(base_folder: Path) -> None:
    base, tuned = open_base(str(base_folder), torch.device("cpu")), tuned_model(base_folder)
    old, new = base.model.state_dict(), tuned.model.state_dict()
    mixed = blended(base, tuned, 0.25).model.state_dict()
    for name, tensor in mixed.items():
        if name in old and tensor.is_floating_point():
            wanted = 0.75 * old[name].double() + 0.25 * new[name].double()
            torch.testing.assert_close(tensor.double(), wanted, atol=1e-6, rtol=0)
        elif name in old:
            assert torch.equal(tensor, new[name])
        else:
            faded = 0.25 if ".out." in name else 1.0
            torch.testing.assert_close(tensor, new[name] * faded)
    assert any("running_var" in name for name in mixed)
    assert blended(base, tuned, 0.5).logit_scale == pytest.approx((20.0 * 31.0) ** 0.5)


def test_a_projection_starts_from_the_one_it_was_given(base_folder: Path) -> None:
    heads = {"image_head": {"depth": 1, "dim": 9}, "text_head": {"depth": 0, "dim": 9}}
    tuned = tuned_model(base_folder, **heads)
    base = open_base(str(base_folder), torch.device("cpu"))
    # To a larger size the projection that a head is given keeps every cosine.
    torch.testing.assert_close(logits(blended(base, tuned, 0.0)), logits(base), atol=2e-3, rtol=1e-3)
    assert torch.equal(logits(blended(base, tuned, 1.0)), logits(tuned))


def test_a_tuned_model_may_be_tuned_on(base_folder: Path, tmp_path: Path) -> None:
    first, second = tuned_model(base_folder), tuned_model(base_folder, seed=2)
    save_checkpoint(first.model, tmp_path / "first", first.card)
    base = open_base(str(tmp_path / "first"), torch.device("cpu"))
    torch.testing.assert_close(logits(blended(base, second, 0.0)), logits(first), atol=1e-4, rtol=1e-4)
    assert torch.equal(logits(blended(base, second, 1.0)), logits(second))


def test_models_of_other_sizes_are_refused(base_folder: Path, tmp_path: Path) -> None:
    tiny_mini(image=tiny_image(stem=5)).save(tmp_path)
    other = open_base(str(tmp_path), torch.device("cpu"))
    with pytest.raises(UsageError, match="blend a tuned model with the base it came from"):
        blended(other, tuned_model(base_folder), 0.5)
    with pytest.raises(UsageError, match="between 0"):
        blended(open_base(str(base_folder), torch.device("cpu")), tuned_model(base_folder), 1.5)


def test_auto_finds_the_best_of_a_planted_curve(base_folder: Path) -> None:
    base, tuned = open_base(str(base_folder), torch.device("cpu")), tuned_model(base_folder)
    ends = [model.model.log_scale.item() for model in (base, tuned)]

    def score(encoder: EmotionClipEncoder) -> Mapping[str, float]:
        alpha = (encoder.model.log_scale.item() - ends[0]) / (ends[1] - ends[0])
        return {"trained": 0.5 + 0.4 * alpha, "unseen": 0.6 - 0.9 * alpha**2, "more": alpha}

    points = curve(base, tuned, score)
    assert [point.alpha for point in points] == [step / 10 for step in range(11)] == list(ALPHAS)
    assert best_point(points).alpha == 0.2, "0.4 α - 0.9 α² is largest at 0.22"
    rows = list(csv.DictReader(curve_csv(points).splitlines()))
    assert list(rows[0]) == ["alpha", "trained", "unseen", "score", "more"]
    assert float(rows[2]["score"]) == pytest.approx((0.58 + 0.564) / 2, abs=1e-4)


def test_of_equal_shares_the_nearest_to_the_base_is_taken() -> None:
    points = [BlendPoint(alpha, 0.5, 0.5 if alpha else 0.4, {}) for alpha in (0.0, 0.3, 0.6, 1.0)]
    assert best_point(points).alpha == 0.3
    broken = [BlendPoint(0.0, 0.1, 0.1, {}), BlendPoint(0.5, float("nan"), 1.0, {})]
    assert best_point(broken).alpha == 0.0


def labelled(folder: Path) -> Path:
    for at in range(40):
        name = ("angry", "contempt", "happy", "neutral", "sad")[at % 5]
        path = folder / "pictures" / name / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pattern(at % 5, at))
    return folder / "pictures"


def test_word_scores_are_what_evaluate_says(base_folder: Path, tmp_path: Path) -> None:
    encoder = load_mini(base_folder, torch.device("cpu"))
    stream = StreamConfig(FaceOptions("none"), batch_size=16)
    options = EvaluationOptions("ko", stream=stream)
    with open_labelled(str(labelled(tmp_path)), RowSelection()) as rows:
        found = word_scores(encoder, rows.images, stream)
        basic = Vocabulary.load("basic8").subset(["angry", "contempt", "happy", "neutral", "sad"])
        trained = evaluate_rows(encoder, rows, basic, options).metrics
        families = evaluate_rows(encoder, rows, Vocabulary.load("kote36"), EvaluationOptions("ko", True, stream=stream))
        synonyms = Vocabulary.load("synonyms7").subset(["angry", "happy", "neutral", "sad"])
        without = [row for row in rows.images if row.label != "contempt"]
        alone = evaluate_rows(encoder, type(rows)(rows.data, rows.split, images=without), synonyms, options).metrics
    assert trained is not None
    assert alone is not None
    assert families.families is not None
    assert found["trained_ko"] == pytest.approx(trained.accuracy)
    assert found["synonyms_ko"] == pytest.approx(alone.accuracy)
    assert found["families_ko"] == pytest.approx(families.families.hit1)
    both = [np.mean([found[f"{name}_{language}"] for language in ("ko", "en")]) for name in ("synonyms", "families")]
    assert found["unseen"] == pytest.approx(np.mean(both))
    assert mean_scores([found, {**found, "trained": 0.0}])["trained"] == pytest.approx(found["trained"] / 2)


def test_a_picture_that_cannot_be_read_is_left_out(base_folder: Path) -> None:
    encoder = load_mini(base_folder, torch.device("cpu"))
    stream = StreamConfig(FaceOptions("none"), batch_size=4)
    rows = [ImageRow(str(at), ("angry", "happy")[at % 2], lambda at=at: pattern(at % 2, at)) for at in range(6)]
    broken = ImageRow("broken", "happy", lambda: b"no picture")
    assert word_scores(encoder, [*rows[:3], broken, *rows[3:]], stream) == word_scores(encoder, rows, stream)


@pytest.mark.real_data
def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = write_world(tmp_path / "world", train=6, validation=2)
    values = run_values(world, **{"fit.steps": 4, "data.validation": {"muxspace": 4}})
    finetune(values)
    config = write_config(tmp_path / "run.yaml", values)
    base, tuned, to = str(world / "base"), str(world / "out"), tmp_path / "blend"
    report = tmp_path / "report" / "curve.png"
    command = ["blend", base, tuned, "--data", str(config), "--data", str(world / "fer2013.zip")]
    assert main([*command, "--to", str(to), "--report", str(report)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("alpha") == 12
    rows = list(csv.DictReader((to / "blend.csv").read_text().splitlines()))
    best = max(rows, key=lambda row: (float(row["score"]), -float(row["alpha"])))
    card = yaml.safe_load((to / "checkpoint.yaml").read_text(encoding="utf-8"))
    assert card["trained_with"]["blend"]["alpha"] == float(best["alpha"])
    assert card["trained_with"]["blend"]["data"] == command[4::2]
    assert card["metrics"]["trained"] == pytest.approx(float(best["trained"]), abs=1e-5)
    assert Image.open(report).size == Image.open(to / "blend.png").size
    wanted = blended(open_base(base, torch.device("cpu")), load_checkpoint_encoder(Path(tuned)), float(best["alpha"]))
    assert torch.equal(logits(load_checkpoint_encoder(to)), logits(wanted))
    assert main(["label", str(labelled(tmp_path)), "--vocab", "basic8", "--model", str(to), "--format", "jsonl"]) == 0
    assert len([json.loads(line) for line in capsys.readouterr().out.splitlines()]) == 40


def test_a_share_that_is_given_needs_no_data(base_folder: Path, tmp_path: Path) -> None:
    tuned = tuned_model(base_folder)
    save_checkpoint(tuned.model, tmp_path / "tuned", tuned.card)
    command = ["blend", str(base_folder), str(tmp_path / "tuned"), "--to", str(tmp_path / "to")]
    assert main([*command, "--alpha", "0.4"]) == 0
    wanted = blended(open_base(str(base_folder), torch.device("cpu")), tuned, 0.4)
    torch.testing.assert_close(logits(load_checkpoint_encoder(tmp_path / "to")), logits(wanted), atol=1e-5, rtol=0)
    assert not (tmp_path / "to" / "blend.csv").exists()
    with open_labelled(str(labelled(tmp_path)), RowSelection()):
        assert main([*command, "--alpha", "0.45", "--data", str(tmp_path / "pictures")]) == 2, "a blend is there"
        assert main([*command, "--alpha", "0.45", "--data", str(tmp_path / "pictures"), "--overwrite"]) == 0
    shares = [float(row["alpha"]) for row in csv.DictReader((tmp_path / "to" / "blend.csv").read_text().splitlines())]
    assert shares == sorted([*ALPHAS, 0.45])


def test_neither_a_model_nor_what_is_not_a_blend_is_overwritten(
    base_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = tuned_model(base_folder)
    save_checkpoint(tuned.model, tmp_path / "tuned", tuned.card)
    save_checkpoint(tuned.model, tmp_path / "other", tuned.card)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "README.md").write_text("my readme")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    command = ["blend", str(base_folder), str(tmp_path / "tuned"), "--alpha", "0.5", "--to"]
    for to, said in (
        ("tuned", "one of the models"),
        (base_folder, "one of the models"),
        ("other", "other things than an earlier blend"),
        ("thesis", "other things than an earlier blend"),
        ("thesis/README.md", "other things than an earlier blend"),
    ):
        assert main([*command, str(tmp_path / to)]) == 2
        assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name them with --data"),
        (["--alpha", "1.2"], "neither auto nor a number"),
        (["--alpha", "much"], "neither auto nor a number"),
        (["--alpha", "0.5", "--report", "x.png"], "name them with --data"),
        (["--data", "nowhere.yaml"], "No such configuration"),
        (["--data", "nowhere.zip"], "does not exist"),
    ],
)
def test_what_cannot_be_is_told(
    base_folder: Path, tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = tuned_model(base_folder)
    save_checkpoint(tuned.model, tmp_path / "tuned", tuned.card)
    code = main(["blend", str(base_folder), str(tmp_path / "tuned"), "--to", str(tmp_path / "to"), *arguments])
    assert code in (1, 2)
    assert said in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


def test_heads_may_be_of_any_depth(base_folder: Path) -> None:
    for head in (None, HeadConfig(depth=0), HeadConfig(depth=3)):
        tuned = tuned_model(base_folder, image_head=head, text_head=None)
        base = open_base(str(base_folder), torch.device("cpu"))
        torch.testing.assert_close(logits(blended(base, tuned, 0.0)), logits(base), atol=1e-4, rtol=1e-4)
