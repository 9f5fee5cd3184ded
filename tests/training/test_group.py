"""Training on one group of people: who trains, what validates, and a second run that goes on from the first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clip_emotion.errors import DataError, UsageError
from clip_emotion.training.finetune.config import ImagesConfig
from clip_emotion.training.finetune.data import load_images
from clip_emotion.vocabulary import Vocabulary
from tests.support.commands import runner
from tests.support.minis import face

BASIC = Vocabulary.load("basic7")
CLASSES = ("기쁨", "당황", "분노", "불안", "상처", "슬픔", "중립")
AGES = (10, 20, 30, 50)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AI-Hub's layout: of each class, training pictures of four ages, six each, and validation pictures, one each."""
    folder = tmp_path_factory.mktemp("group")
    seed = 0
    for part, each in (("training", 6), ("validation", 1)):
        records = []
        for word, age, at in ((word, age, at) for word in CLASSES for age in AGES for at in range(each)):
            seed += 1
            name = f"{part}_{word}_{age}_{at}.png"
            records.append({"filename": name, "faceExp_uploader": word, "gender": "여" if at % 2 else "남", "age": age})
            (folder / "raw").mkdir(exist_ok=True)
            (folder / "raw" / name).write_bytes(face(seed))
        (folder / "raw" / f"img_emotion_{part}_data.json").write_text(json.dumps(records), "utf-8")
    return folder


def images(home: Path, **values: object) -> ImagesConfig:
    about = {"folder": home, "prepared": home / "prepared", "sources": {"aihub_emotion": "raw"}, "tuning": 4}
    return ImagesConfig.model_validate({**about, **values})


def ages(paths: list[str]) -> set[int]:
    return {int(path.split("_")[2]) for path in paths}


def test_the_group_trains_and_group_and_rest_validate(home: Path) -> None:
    words = Vocabulary.load("aihub7")
    parts = load_images(images(home, filter="age>=20 and age<40"), words)
    assert ages([*parts.training["path"], *parts.tuning["path"]]) == {20, 30}
    assert len(parts.training) + len(parts.tuning) == 7 * 2 * 6 == len(parts.targets) + len(parts.tuning)
    assert list(parts.targets.argmax(dim=1)) == list(parts.training["label"])
    assert {name: (len(rows), ages(rows["path"])) for name, rows in parts.validation.items()} == {
        "validation": (14, {20, 30}),
        "validation_rest": (14, {10, 50}),
    }
    whole = load_images(images(home), words)
    assert list(whole.validation) == ["validation"]
    assert len(whole.training) + len(whole.tuning) == 7 * 4 * 6
    young = {"filter": "age < 40", "validation": {"aihub_emotion": 3}}
    assert list(load_images(images(home, **young, validate_on=["validation"]), words).validation) == ["validation"]
    shares = load_images(images(home, **young), words).validation
    assert set(shares) == {f"validation{part}{rest}" for part in ("", "_aihub_emotion") for rest in ("", "_rest")}
    assert ages(shares["validation_aihub_emotion_rest"]["path"]) == {50}


def test_a_table_beside_the_data_may_tell(home: Path) -> None:
    words = Vocabulary.load("aihub7")
    paths = sorted(path.name for path in (home / "raw").glob("*.png"))
    lines = "".join(f"{name},{'서울' if '_상처_' in name or '_중립_' in name else '부산'}\n" for name in paths)
    (home / "사람.csv").write_text(f"경로,지역\n{lines}", "cp949")
    parts = load_images(images(home, filter="지역 == '서울' and 20 <= age", metadata="사람.csv"), words)
    assert {path.split("_")[1] for path in parts.training["path"]} == {"상처", "중립"}
    assert ages(parts.training["path"]) == {20, 30, 50}
    with pytest.raises(UsageError, match=r"path and 직업 \(사람.csv has 경로, 지역\)"):
        load_images(images(home, filter="직업 == '학생'", metadata="사람.csv"), words)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            "height > 3",
            UsageError,
            "height, which aihub_emotion does not have: it has path, source, age, gender",
        ),
        ("age > 90", DataError, "None of 168 training images fits"),
        ("age == 20 and gender == '여'", DataError, "No image that validates fits"),
    ],
)
def test_a_filter_that_fits_nothing_is_one_sentence(home: Path, text: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        load_images(images(home, filter=text), Vocabulary.load("aihub7"))


def test_a_faulty_filter_is_a_fault_of_the_configuration(home: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        images(home, filter="age = 3")


def test_train_on_all_then_on_the_group_and_measure_both(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = runner(capfd)
    small = [
        f"data.folder={home}", f"data.prepared={home / 'prepared'}", "data.sources={aihub_emotion: raw}",
        "data.tuning=4", "model.image_size=32", "model.architecture=resnet18", "model.pretrained=false",
        "model.small_faces=true", "model.arguments={channels: [4, 4, 8, 8]}", "batch=8", "fit.steps=3",
        "fit.evaluate_every=3", "fit.save_every=3", "fit.precision=fp32",
    ]  # fmt: skip
    first, second = home / "all", home / "group"
    code, _, err = run("train", "configs/train/aihub_1_all.yaml", *small, f"out={first}")
    assert code == 0, err
    code, _, err = run("train", "configs/train/aihub_2_group.yaml", *small, f"out={second}", f"start={first}")
    assert code == 0, err
    last = json.loads((second / "metrics.jsonl").read_text("utf-8").splitlines()[-1])
    assert any("validation_rest" in key for key in last), last
    data = next((home / "prepared").glob("aihub_emotion-*"))
    code, out, _ = run(
        "evaluate", "--data", data, "--split", "validation", "--model", second, "--face", "none", "--by", "age:20,40",
        "--filter", "gender == '남'", "--format", "json",
    )  # fmt: skip
    assert code == 0
    groups = json.loads(out)["by"]["age"]["groups"]
    assert {name: one["n"] for name, one in groups.items()} == {"<20": 7, "20–40": 14, "≥40": 7}
