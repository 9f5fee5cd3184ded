"""The image stage: mixed pictures, layers that stay, and the tuning share of the photographs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.mini.backbone import open_mini
from clip_emotion.models.mini.encoder import load_mini
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.training.mini import image_stage, image_teachers
from clip_emotion.training.mini.faces import FaceRows, FaceSplits, load_faces
from clip_emotion.training.mini.faces_config import FacesConfig, SmileConfig
from clip_emotion.training.mini.image import MiniImageObjective, TextSide, embed_faces
from clip_emotion.training.mini.image_classifiers import Classifiers
from clip_emotion.training.mini.image_config import MiniImageConfig
from clip_emotion.training.mini.image_teachers import taught
from clip_emotion.training.mixup import mix
from clip_emotion.vocabulary import Vocabulary
from tests.support.classifiers import saved
from tests.support.minis import tiny_image, tiny_mini, write_images


def unit(count: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 6), dim=1)


def objective(frozen: int) -> MiniImageObjective:
    torch.manual_seed(0)
    values = {
        "kind": "mini_image",
        "faces": {"folder": "none"},
        "comments": {"folder": "none"},
        "tower": tiny_image(),
        "frozen": frozen,
        "photograph": {},
        "mixup": 0.4,
        "sides": [[0, 16]],
        "batch": 8,
        "fit": {"steps": 2, "learning_rate": 0.1},
    }
    pictures = torch.randint(0, 256, (24, 1, 16, 16), dtype=torch.uint8)
    rows = FaceRows(pictures, torch.eye(8).repeat(3, 1), torch.ones(24))
    prompts = tuple(unit(3) for _ in range(8))
    text = TextSide({"ko": unit(8), "en": unit(8)}, {"ko": prompts, "en": prompts}, (unit(2),) * 8)
    return MiniImageObjective(MiniImageConfig.model_validate(values), FaceSplits(rows, rows, rows, rows), text)


def test_frozen_layers_keep_their_weights_and_means_while_the_others_learn() -> None:
    trained = objective(frozen=4)
    before = {name: tensor.clone() for name, tensor in trained.model.tower.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in trained.model.parameters() if p.requires_grad], lr=0.1)
    trained.model.train()
    loss = trained.loss(0, 0.0)
    assert loss.isfinite()
    loss.backward()
    optimizer.step()
    changed = {
        name for name, tensor in trained.model.tower.state_dict().items() if not torch.equal(tensor, before[name])
    }
    assert changed
    assert not {name for name in changed if name.startswith(("trunk.0.", "trunk.1.", "trunk.2.", "trunk.3."))}
    assert {"head.weight", "trunk.4.conv1.weight", "trunk.4.norm1.running_mean"} <= changed


def test_a_word_that_is_near_the_wrong_faces_costs() -> None:
    plain = objective(frozen=0)
    heavy = objective(frozen=0)
    heavy.config = heavy.config.model_copy(update={"word_weight": 2.0})
    more = (heavy.loss(0, 0.0) - plain.loss(0, 0.0)).detach()
    # Each word against eight faces of eight classes, by a tower that knows nothing: about ln 8, and more by bad luck.
    assert 2.0 * 1.0 < float(more) < 2.0 * 8.0


def test_a_step_is_repeated_by_its_number_alone() -> None:
    trained = objective(frozen=0)
    trained.model.eval()
    torch.manual_seed(1)
    first = trained.loss(3, 0.5)
    torch.manual_seed(2)
    assert torch.equal(trained.loss(3, 0.5), first)
    assert not torch.equal(trained.loss(4, 0.5), first)


def test_validation_tells_both_languages_and_the_photographs() -> None:
    trained = objective(frozen=0)
    figures = trained.validate(trained.model.eval())
    assert set(figures) == {
        "accuracy_ko", "accuracy_en", "macro_recall_ko", "macro_recall_en", "accuracy_photographs",
    }  # fmt: skip


def test_mixed_pictures_and_targets_share_one_proportion() -> None:
    pictures = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    targets = torch.eye(4)
    mixed, labels = mix(pictures, targets, 0.4, random.Random(3))
    share = float(labels[1, 1])
    assert 0.5 <= share < 1
    assert float(labels[1, 0]) == pytest.approx(1 - share)
    assert float(mixed[1, 0, 0, 0]) == pytest.approx(share * 1 + (1 - share) * 0)
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(4))
    assert mix(pictures, targets, 0, random.Random(3))[0] is pictures


def test_the_photographs_that_tune_are_neither_trained_on_nor_kept_for_the_end(tmp_path: Path) -> None:
    write_images(tmp_path, a_class=6)
    values = {"folder": tmp_path, "prepared": tmp_path / "prepared", "tuning_share": 3, "held_out_share": 4}
    whole = load_faces(FacesConfig.model_validate(values), Vocabulary.load("basic8"))
    splits = load_faces(FacesConfig.model_validate({**values, "muxspace_tuning_share": 3}), Vocabulary.load("basic8"))
    assert len(whole.photographs) == 0 < len(splits.photographs)
    assert len(splits.training) + len(splits.photographs) == len(whole.training)
    trained = {bytes(picture.flatten().tolist()) for picture in splits.training.images}
    assert not trained & {bytes(picture.flatten().tolist()) for picture in splits.photographs.images}


def test_teachers_soften_the_targets_by_their_mean_answer(tmp_path: Path) -> None:
    basic = Vocabulary.load("basic8")
    for number in range(2):
        tiny_mini(seed=number + 1).save(tmp_path / str(number))
    pictures = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8)
    rows = FaceRows(pictures, torch.eye(8)[:4], torch.ones(4))
    softened = taught(rows, [tmp_path / "0", tmp_path / "1"], 0.25, basic, tmp_path / "cache")
    expected = torch.zeros(4, 8)
    for number in range(2):
        teacher = load_mini(tmp_path / str(number), torch.device("cpu"))
        images = teacher.encode_images(pictures.expand(-1, 3, -1, -1) / 255)
        for language in ("ko", "en"):
            means = [teacher.encode_texts(prompts).mean(dim=0) for prompts in basic.prompts(language)]
            words = torch.nn.functional.normalize(torch.stack(means), dim=1)
            expected += (teacher.config.logit_scale * images @ words.T).softmax(dim=1) / 4
    torch.testing.assert_close(softened.targets, 0.75 * rows.targets + 0.25 * expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(softened.targets.sum(dim=1), torch.ones(4))
    assert taught(rows, [], 0.25, basic, tmp_path / "cache") is rows


def test_what_a_teacher_says_is_asked_once_of_the_same_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    basic, cache, asked = Vocabulary.load("basic8"), tmp_path / "cache", []
    tiny_mini().save(tmp_path / "mini")

    def counted(tower: ImageTower, images: torch.Tensor) -> torch.Tensor:
        asked.append(len(images))
        return embed_faces(tower, images)

    monkeypatch.setattr(image_teachers, "embed_faces", counted)
    pictures = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8)
    rows = FaceRows(pictures, torch.eye(8)[:4], torch.ones(4))
    first, again = (taught(rows, [tmp_path / "mini"], 0.25, basic, cache).targets for _ in range(2))
    assert torch.equal(first, again)
    assert asked == [4]
    taught(rows.part(torch.arange(4) < 3), [tmp_path / "mini"], 0.25, basic, cache)
    tiny_mini(seed=3).save(tmp_path / "mini")
    taught(rows, [tmp_path / "mini"], 0.25, basic, cache)
    others = FaceRows(pictures, torch.eye(7)[:4], torch.ones(4))
    taught(others, [tmp_path / "mini"], 0.25, Vocabulary.load("basic7"), cache)
    assert asked == [4, 3, 4, 4]


@pytest.mark.parametrize("setting", ["teachers", "classifiers"])
def test_a_teacher_that_is_not_there_is_told_before_training(setting: str, tmp_path: Path) -> None:
    tiny_mini().save(tmp_path / "mini")
    there = {"text": tmp_path / "mini", "start": tmp_path / "mini"}
    config = objective(frozen=0).config.model_copy(update={**there, setting: (tmp_path / "gone",)})
    with pytest.raises(ModelError, match="gone"):
        list(image_stage.check_image(config, "stage.yaml", {}))


def test_classifiers_answer_by_their_mean_on_the_faces_of_the_step(tmp_path: Path) -> None:
    basic = Vocabulary.load("basic8")
    models = [saved(tmp_path / name, seed=at) for at, name in enumerate("ab")]
    teachers = Classifiers([tmp_path / "a", tmp_path / "b"], basic)
    faces = torch.randn(3, 1, 32, 32)
    pixels = (faces * 0.25 + 0.5).clamp(0, 1).expand(-1, 3, -1, -1)
    with torch.no_grad():
        each = [(model(pixels) / 2).softmax(dim=1) for model in models]  # both temperatures are 2
    said = teachers.answer(faces)
    for key in Vocabulary.load("basic7").keys:
        column = Vocabulary.load("basic7").index(key)
        expected = (each[0][:, column] + each[1][:, column]) / 2
        torch.testing.assert_close(said[:, basic.index(key)], expected)
    assert said[:, basic.index("contempt")].tolist() == [0, 0, 0]  # which they do not know
    targets = torch.eye(8)[[basic.index("happy"), basic.index("contempt"), basic.index("sad")]]
    shares = teachers.shares(targets, 0.6)
    torch.testing.assert_close(shares, torch.tensor([0.6, 0.0, 0.6]))
    softened = teachers.soften(targets, faces, shares)
    torch.testing.assert_close(softened[0], 0.4 * targets[0] + 0.6 * said[0])
    torch.testing.assert_close(softened[1], targets[1])


def test_classifiers_have_no_say_in_smiles_that_were_drawn(tmp_path: Path) -> None:
    saved(tmp_path / "a", seed=0)
    built = objective(frozen=0)
    built.config = built.config.model_copy(
        update={"mixup": 0.0, "smiles": SmileConfig(share=1.0, belief=1.0), "photograph": None}
    )
    built.classifiers = Classifiers([tmp_path / "a"], built.basic)
    built.mouths = torch.tensor([[5.0, 11.0], [11.0, 11.0]]).repeat(24, 1, 1)
    rows = torch.arange(8)  # of every class one
    faces, targets = built._changed(rows, 16, built.config, random.Random(0), torch.Generator().manual_seed(0))
    neutral, happy = built.moves
    drawn = torch.zeros(8)
    drawn[happy] = 1
    torch.testing.assert_close(targets[neutral], drawn)
    said = built.classifiers.answer(faces)
    torch.testing.assert_close(targets[happy], 0.5 * torch.eye(8)[happy] + 0.5 * said[happy])


def test_a_mini_assembled_from_a_whole_one_leaves_its_tower_for_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny_mini()
    whole.save(tmp_path / "whole")
    fitted = {"own": {"a": 0.3}}
    described = whole.config.model_copy(update={"chat_logit_scale": 5.0, "text_thresholds": fitted})
    monkeypatch.setattr(image_stage, "image_temperature", lambda tower, text, tuning: 0.1)
    config = objective(frozen=0).config.model_copy(update={"text": tmp_path / "whole", "out": tmp_path / "made"})
    config.out.mkdir()
    image_stage._assemble(described, ImageTower(config.tower), 1, config, None, None)  # type: ignore[arg-type]
    made = load_mini(tmp_path / "made", torch.device("cpu"))
    assert (made.chat_tower, made.text_thresholds) == (None, {})
    # Without a tower for messages they are the text tower's, which stays.
    of_words = whole.config.model_copy(update={"text_thresholds": fitted})
    image_stage._assemble(of_words, ImageTower(config.tower), 1, config, None, None)  # type: ignore[arg-type]
    assert load_mini(tmp_path / "made", torch.device("cpu")).text_thresholds == fitted


def test_the_result_is_shared_with_what_the_run_started_from(tmp_path: Path) -> None:
    torch.manual_seed(3)
    mini = tiny_mini()
    mini.save(tmp_path)
    config = objective(frozen=0).config.model_copy(update={"tower": mini.config.image})
    start = image_stage.begun(config, tmp_path, "image.yaml")
    before = load_mini(tmp_path, torch.device("cpu")).image_tower.state_dict()
    tower = ImageTower(mini.config.image)
    after = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    image_stage.share_with(tower, start, 0.7)
    for name, tensor in tower.state_dict().items():
        wanted = 0.3 * before[name] + 0.7 * after[name] if tensor.is_floating_point() else after[name]
        assert torch.allclose(tensor, wanted, atol=1e-5), name


def test_a_tower_of_two_networks_gives_the_mean_of_both(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, second = ImageTower(tiny_image()).eval(), ImageTower(tiny_image(stem=6)).eval()
    both = image_stage.joined(first, second, 0.25).eval()
    faces = torch.randn(3, 1, 16, 16)
    with torch.inference_mode():
        wanted = torch.nn.functional.normalize(0.75 * first(faces) + 0.25 * second(faces), dim=1)
        torch.testing.assert_close(both(faces), wanted)
    mini = tiny_mini()
    mini.config = mini.config.model_copy(update={"image": both.config})
    mini.image_tower = both
    mini.save(tmp_path)
    again = load_mini(tmp_path, torch.device("cpu"))
    assert again.config.image.second_share == 0.25
    pictures = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(again.encode_images(pictures), mini.encode_images(pictures), atol=1e-2, rtol=0)
    names = [name for name, _ in open_mini(tmp_path, torch.device("cpu")).named_parameters() if "image" in name]
    groups = open_mini(tmp_path, torch.device("cpu")).image_blocks()
    assert sorted(name for group in groups for name in group) == sorted(names)
    assert {"image_tower.second.trunk.0.weight", "image_tower.trunk.0.weight"} <= set(groups[0])
    assert {"image_tower.second.head.weight", "image_tower.head.weight"} <= set(groups[-1])


@pytest.mark.parametrize("size", ["dim", "image_size"])
def test_a_second_network_sees_and_gives_what_the_first_does(size: str) -> None:
    with pytest.raises(ValueError, match=f"{size} of the second network is not that of the first"):
        tiny_image(second=tiny_image(**{size: 8}).model_dump(exclude={"second", "second_share"}))
    values = {"kind": "mini_image", "faces": {"folder": "x"}, "comments": {"folder": "x"}, "beside": "y"}
    fit = {"steps": 2, "learning_rate": 0.1}
    with pytest.raises(ValueError, match="beside needs a tower of one network"):
        MiniImageConfig.model_validate({**values, "fit": fit, "tower": {"second": {}}})


def saved_mini(folder: Path, tower: ImageTower) -> Path:
    mini = tiny_mini()
    mini.image_tower, mini.config = tower, mini.config.model_copy(update={"image": tower.config})
    mini.save(folder)
    return folder


def test_a_run_of_one_network_goes_on_with_the_first_of_two(tmp_path: Path) -> None:
    torch.manual_seed(5)
    first, second = ImageTower(tiny_image()), ImageTower(tiny_image(stem=6))
    saved_mini(tmp_path, image_stage.joined(first, second, 0.5))
    config, made = objective(frozen=0).config, {objective(frozen=0).config.text: 6}
    assert image_stage.check_image(config.model_copy(update={"start": tmp_path}), "image.yaml", made)
    begun = image_stage.begun(config, tmp_path, "image.yaml")
    assert begun.config == first.config
    for name, tensor in begun.state_dict().items():
        torch.testing.assert_close(tensor, first.state_dict()[name], atol=2e-3, rtol=0)
    pair = config.model_copy(update={"tower": image_stage.joined(first, second, 0.5).config})
    assert image_stage.begun(pair, tmp_path, "image.yaml").second is not None


def test_a_tower_of_two_networks_stands_beside_none_and_starts_none_of_other_layers(tmp_path: Path) -> None:
    one = ImageTower(tiny_image(stem=6))
    saved_mini(tmp_path, image_stage.joined(one, one, 0.5))
    config, made = objective(frozen=0).config, {objective(frozen=0).config.text: 6}
    with pytest.raises(UsageError, match="is of two networks already"):
        image_stage.check_image(config.model_copy(update={"beside": tmp_path}), "image.yaml", made)
    with pytest.raises(UsageError, match="tower has other layers than the first network of the image tower of"):
        image_stage.check_image(config.model_copy(update={"start": tmp_path}), "image.yaml", made)
    assert image_stage.check_image(config.model_copy(update={"teachers": (tmp_path,)}), "image.yaml", made)


@pytest.mark.parametrize(("size", "value"), [("dim", 8), ("image_size", 24)])
def test_what_stands_beside_a_tower_is_as_wide_and_sees_the_same(tmp_path: Path, size: str, value: int) -> None:
    saved_mini(tmp_path, ImageTower(tiny_image()))
    update = {"beside": tmp_path, "tower": tiny_image(**{size: value})}
    config = objective(frozen=0).config.model_copy(update=update)
    with pytest.raises(UsageError, match=rf"tower\.{size} is {value}, that of beside's tower is"):
        image_stage.check_image(config, "image.yaml", {config.text: config.tower.dim})


def test_a_share_needs_a_start() -> None:
    values = {"kind": "mini_image", "faces": {"folder": "x"}, "comments": {"folder": "x"}, "share": 0.5}
    with pytest.raises(ValueError, match="share below 1 needs a start"):
        MiniImageConfig.model_validate({**values, "fit": {"steps": 2, "learning_rate": 0.1}})
