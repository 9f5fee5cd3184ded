"""``evaluate`` end to end: the core function and the command, with an encoder whose answers are known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from clip_emotion.cli.main import main
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.errors import DataError, ModelError, UsageError
from clip_emotion.evaluation.result import Evaluation
from clip_emotion.label import Label
from clip_emotion.retrieval.evaluation.classes import ClassMatcher, ClassRules, match_classes
from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions, evaluate_rows
from clip_emotion.retrieval.evaluation.labelled import open_labelled
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder

COLOURS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}
RGB = Vocabulary.from_words(COLOURS, name="rgb")


def paint(path: Path, colour: str, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), tuple(value + shade for value in COLOURS[colour])).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four right pictures and two painted in another class's colour; one of each also stands in training."""
    root = tmp_path / "faces"
    for shade in (1, 2):
        paint(root / f"val/red/{shade}.png", "red", shade)
        paint(root / f"val/green/{shade}.png", "green", shade)
        paint(root / f"val/blue/{shade}.png", "red", 10 + shade)
    paint(root / "train/red/other name.bmp", "red", 1)
    paint(root / "train/blue/x.png", "red", 11)
    return root


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setattr("clip_emotion.models.registry.load_encoder", lambda spec, device: FakeEncoder())

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["evaluate", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def measure(
    data: Path, vocabulary: Vocabulary = RGB, encoder: FakeEncoder | None = None, **options: object
) -> Evaluation:
    with open_labelled(str(data), RowSelection()) as rows:
        return evaluate_rows(encoder or FakeEncoder(), rows, vocabulary, EvaluationOptions("en", **options))


def test_pictures_are_counted_right(folder: Path) -> None:
    result = measure(folder)
    assert result.metrics is not None
    assert result.n == 6
    assert result.metrics.accuracy == pytest.approx(4 / 6)
    assert result.metrics.confusion is not None
    assert result.metrics.confusion.tolist() == [[2, 0, 0], [0, 2, 0], [2, 0, 0]]


def test_probabilities_are_the_labellers(folder: Path) -> None:
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller

    result = measure(folder, stream=StreamConfig(FaceOptions("none"), batch_size=4, workers=3))
    labeller = ZeroShotLabeller(FakeEncoder(), RGB, "en")
    rows = labeller(sorted((folder / "val").rglob("*.png")), face="none")
    sure = np.array([row.labels[0].probability for row in rows])
    right = np.array([row.labels[0].key == Path(row.path).parent.name for row in rows])
    assert result.metrics is not None
    assert result.metrics.accuracy == right.mean()
    bins = result.metrics.reliability
    assert np.nansum(bins.confidence * bins.counts) == pytest.approx(sure.sum(), abs=1e-5)


def test_the_batch_size_changes_nothing(folder: Path) -> None:
    one, many = (measure(folder, stream=StreamConfig(FaceOptions("none"), batch_size=size)) for size in (1, 64))
    assert one.to_dict() == many.to_dict()


def test_training_pictures_are_counted_apart(folder: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = command("--data", folder, "--labels", "red,green,blue", "--train-data", folder, "--format", "json")
    values = json.loads(out)
    assert code == 0
    assert values["seen_in_training"] == {"n": 2, "accuracy": 0.5}
    assert values["unseen"] == {"n": 4, "accuracy": 0.75}


def test_unreadable_pictures_are_reported(folder: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    (folder / "val/red/0.png").write_bytes(b"not a picture")
    (folder / "val/red/9.png").write_bytes(b"")
    code, out, err = command("--data", folder, "--labels", "red,green,blue", "--format", "json")
    assert code == 1
    assert json.loads(out)["n"] == 6
    assert json.loads(out)["failed"] == 2
    assert json.loads(out)["accuracy"] == pytest.approx(4 / 6)
    assert "val/red/0.png: " in err
    assert "2 row(s)" in err


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "red/0.png").write_bytes(b"x")
    with pytest.raises(DataError, match="None of the 1 pictures"):
        measure(tmp_path)


def test_classes_match_by_alias_and_unknown_ones_are_named(folder: Path) -> None:
    assert match_classes({"anger", "화남", "Happiness"}, Vocabulary.load("basic7")) == {
        "anger": "angry", "화남": "angry", "Happiness": "happy",
    }  # fmt: skip
    with pytest.raises(UsageError, match="'blue', 'green', 'red'"):
        measure(folder, Vocabulary.load("basic7"))


def moods(root: Path) -> Path:
    for name, colour in (("angry", "red"), ("sad", "blue"), ("neutral", "green")):
        for shade in range(3):
            paint(root / name / f"{shade}.png", colour, shade)
    return root


FAMILY = Vocabulary(
    "own",
    (
        Label("a", {"en": "red"}, families=("angry",)),
        Label("b", {"en": "green"}, families=("angry", "sad")),
        Label("c", {"en": "blue"}, families=("happy",)),
        Label("d", {"en": "something"}, families=()),
    ),
)


def test_families_where_the_classes_are_not_among_the_words(tmp_path: Path) -> None:
    result = measure(moods(tmp_path), FAMILY, families=True)
    values = result.to_dict()
    assert result.metrics is None
    assert values["accuracy"] is None
    assert values["family_hit1"] == pytest.approx((1 + 0) / 2)
    assert values["chance_family_hit1"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert values["families_left_out"] == ["neutral"]
    assert values["per_class_family"]["angry"]["chosen"] == {"a": 1.0}
    assert values["n"] == 9


def test_families_and_accuracy_where_they_are(tmp_path: Path) -> None:
    basic = Vocabulary.load("basic7")
    values = measure(moods(tmp_path), basic, families=True).to_dict()
    assert values["family_hit1"] == pytest.approx(values["macro_recall"])
    assert values["accuracy"] is not None


def test_the_table_and_the_report(folder: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command("--data", folder, "--labels", "red,green,blue", "--report", tmp_path / "report")
    assert code == 0
    assert "0.6667" in out
    assert "index.html" in err
    values = json.loads((tmp_path / "report/metrics.json").read_text(encoding="utf-8"))
    assert values["accuracy"] == pytest.approx(4 / 6)
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        ".clip-emotion.json", "index.html", "metrics.json", "confusion.png", "reliability.png", "per_class.png",
    }  # fmt: skip


def test_groups_are_told_apart(folder: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    rows = "".join(f"val/{colour}/{shade}.png,{'young' if shade == 1 else 'old'},{20 * shade}\n"
                   for colour in COLOURS for shade in (1, 2))  # fmt: skip
    (folder / "people.csv").write_text(f"path,who,age\n{rows}", "utf-8")
    report = tmp_path / "report"
    call = ("--data", folder, "--labels", "red,green,blue", "--by", "who", "--by", "age:30")
    code, out, err = command(*call, "--report", report)
    assert code == 0, err
    assert "Groups by who" in out
    assert "Recall by who" in out
    assert "red · young" in out
    assert "largest gap by age" in out
    values = json.loads((report / "metrics.json").read_text("utf-8"))["by"]
    assert {name: one["n"] for name, one in values["age"]["groups"].items()} == {"<30": 3, "≥30": 3}
    assert values["who"]["groups"]["old"]["accuracy"] == pytest.approx(2 / 3)
    assert values["who"]["gaps"]["accuracy"]["value"] == pytest.approx(0)
    assert {"groups_1.png", "groups_2.png"} <= {path.name for path in report.iterdir()}
    assert "집단별 재현율: who" in (report / "index.html").read_text("utf-8")
    assert "집단별: who" in (report / "index.html").read_text("utf-8")
    code, out, err = command("--data", folder, "--labels", "red,green,blue", "--filter", "age < 30 and who != 'old'")
    assert code == 0, err
    assert "rows left out by the filter" in out
    code, _, err = command("--data", folder, "--labels", "red,green,blue", "--filter", "age < 30; import os")
    assert (code, err.count("\n")) == (2, 1)
    code, _, err = command("--data", folder, "--labels", "red,green,blue", "--by", "height")
    assert code == 2
    assert "--metadata" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "nowhere.zip", "--vocab", "basic7"], "does not exist"),
        (["--data", ".", "--vocab", "nonsense"], "Unknown vocabulary"),
        (["--data", "."], "--vocab or --labels"),
        (["--data", ".", "--vocab", "basic7", "--labels", "a,b"], "not both"),
        (["--data", ".", "--vocab", "basic7", "--lang", "fr"], "fr"),
        (["--data", ".", "--vocab", "basic7", "--rows", "x"], "--rows"),
        (["--data", ".", "--vocab", "basic7", "--face", "each"], "--face"),
        (["--data", ".", "--vocab", "basic7", "--format", "xml"], "xml"),
        (["--vocab", "basic7"], "--data"),
    ],
)
def test_misuse_is_one_sentence(arguments: list[str], says: str, command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command(*arguments)
    assert code == (1 if "exist" in says else 2)
    assert out == ""
    assert says in err
    assert "Traceback" not in err


def texts(tmp_path: Path) -> Path:
    path = tmp_path / "moods.tsv"
    path.write_text(
        "text\tlabels\nso red\t0,2\nso green\tblue\nso blue\t0,1\n\t1\nred again\tred\nno label\t\n", encoding="utf-8"
    )
    return path


def test_texts_with_several_labels(tmp_path: Path) -> None:
    result = measure(texts(tmp_path), threshold=0.5)
    assert result.metrics is not None
    assert result.n == 4
    assert result.metrics.accuracy == 0.5
    assert result.metrics.top5 == 1.0
    assert [error.split(":")[0] for error in result.errors] == ["moods.tsv, line 5", "moods.tsv, line 7"]
    # red is said of rows 0 and 4 and true of 0, 2 and 4; green and blue are said of the wrong rows only.
    red = 2 * 2 / (2 + 3)
    assert result.metrics.macro_f1 == pytest.approx((red + 0 + 0) / 3, abs=1e-6)


def test_texts_with_one_label_have_a_confusion_matrix(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("text,label\nred,red\nblue,green\n", encoding="utf-8")
    result = measure(path)
    assert result.metrics is not None
    assert result.metrics.confusion is not None
    assert result.metrics.confusion.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert result.metrics.without_support == ("blue",)


def test_the_encoders_threshold_is_used_unless_told_otherwise(tmp_path: Path) -> None:
    class Strict(FakeEncoder):
        text_threshold = 0.99

    assert measure(texts(tmp_path), encoder=Strict()).to_dict()["threshold"] == 0.99
    assert measure(texts(tmp_path), encoder=Strict(), threshold=0.2).to_dict()["threshold"] == 0.2
    assert measure(texts(tmp_path)).to_dict()["threshold"] == 0.06


def test_a_vocabularys_labels_have_thresholds_of_their_own(tmp_path: Path) -> None:
    class Fitted(FakeEncoder):
        text_threshold = 0.99
        text_thresholds: ClassVar = {RGB.name: {"red": 0.5, "green": 0.99, "blue": 1e-6}}

    result = measure(texts(tmp_path), encoder=Fitted())
    assert result.metrics is not None
    told = result.to_dict()
    assert (told["thresholds"], "threshold" in told) == (Fitted.text_thresholds[RGB.name], False)
    # Every text carries blue where next to nothing is asked of it, and none green where nearly everything is.
    assert [result.metrics.per_class[key].recall for key in ("green", "blue")] == [0.0, 1.0]
    assert ("F1 and recall count from", "probability ≥ 1e-06–0.99 (by label)") in result.summary("en")
    assert measure(texts(tmp_path), encoder=Fitted(), threshold=0.2).to_dict()["threshold"] == 0.2
    Fitted.text_thresholds[RGB.name].pop("blue")  # of another version of the vocabulary
    assert measure(texts(tmp_path), encoder=Fitted()).to_dict()["threshold"] == 0.99


def test_families_and_training_are_for_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for pictures"):
        measure(texts(tmp_path), families=True)


def test_a_label_is_a_name_or_a_number() -> None:
    matcher = ClassMatcher(Vocabulary.load("kote44"), numbers=True)
    assert [matcher.position(label) for label in ("0", "43", "안심/신뢰", "gratitude")] == [0, 43, 43, 4]
    assert [matcher.position(label) for label in ("44", "nonsense", "-1", "²")] == [None] * 4
    assert ClassMatcher(Vocabulary.load("kote44")).position("0") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("무표정", "neutral"), ("평온", "neutral"), ("보통", "neutral"), ("화", "angry"), ("angry_face", "angry"),
        ("0_angry", "angry"), ("03-Happy", "happy"), ("Sad faces", "sad"), ("놀람 표정", "surprise"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("vocabulary", ["basic7", "basic8"])
def test_folders_name_classes_in_many_ways(written: str, meant: str, vocabulary: str) -> None:
    assert ClassMatcher(Vocabulary.load(vocabulary)).key(written) == meant


def colours_table(folder: Path) -> Path:
    """A table with one row of each fault beside three good ones."""
    lines = ["path,label"]
    lines += ["val/red/1.png,red", "val/green/1.png,green", "val/blue/1.png,blue"]
    lines += ["val/red/2.png,", "val/none.png,red", "val/green/2.png,mauve", "val/green/2.png"]
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_faulty_rows_are_named_and_left_out(folder: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    table = colours_table(folder)
    code, out, err = command("--data", table, "--labels", "red,green,blue", "--format", "json")
    values = json.loads(out)
    assert code == 1
    assert (values["n"], values["failed"]) == (3, 4)
    assert values["unknown_classes"] == {"mauve": 1}
    for told in ("line 5 (val/red/2.png): no label", "line 6 (val/none.png): ", "has no label 'mauve'", "line 8"):
        assert f"rows.csv, {told}" in err or told in err
    assert "--leave-out" in err
    assert "--map" in err


def test_classes_are_left_out_or_renamed_on_request(
    folder: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    words = ("--labels", "red,blue", "--format", "json")
    code, out, err = command("--data", folder, *words, "--leave-out", "Green")
    values = json.loads(out)
    assert code == 0, err
    assert (values["n"], values["left_out"]) == (4, {"green": 2})
    (tmp_path / "classes.yaml").write_text("green: blue\n", "utf-8")
    code, out, _ = command("--data", folder, *words, "--map", tmp_path / "classes.yaml")
    assert code == 0
    assert json.loads(out)["per_class"]["blue"]["support"] == 4
    (tmp_path / "classes.yaml").write_text("green: bleu\n", "utf-8")
    code, _, err = command("--data", folder, *words, "--map", tmp_path / "classes.yaml")
    assert code == 2
    assert "perhaps 'blue'" in err
    code, _, err = command(
        "--data", folder, *words, "--leave-out", "red", "--leave-out", "green", "--leave-out", "blue"
    )
    assert code == 2
    assert "leaves no row" in err


def test_texts_of_unknown_labels_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\nred,red\nblue,azure\n", encoding="utf-8")
    result = measure(path)
    assert (result.n, result.unknown_classes) == (1, {"azure": 1})
    with pytest.raises(UsageError, match="does not know the class 'azure'"):
        measure(path, classes=ClassRules(left_out=("red",)))


def test_a_report_is_not_replaced_unasked(
    folder: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    words = ("--data", folder, "--labels", "red,green,blue", "--report", tmp_path / "report")
    assert command(*words)[0] == 0
    code, _, err = command(*words)
    assert code == 2
    assert "evaluation report already" in err
    assert command(*words, "--overwrite")[0] == 0


def test_the_front_door_says_what_the_command_says(
    folder: Path, command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import clip_emotion

    _, out, _ = command("--data", folder, "--labels", "red,green,blue", "--format", "json", "--train-data", folder)
    found = clip_emotion.evaluate(folder, ["red", "green", "blue"], FakeEncoder(), train_data=folder).to_dict()
    told = json.loads(out)
    assert {**told, "vocabulary": ""} == json.loads(json.dumps({**found, "vocabulary": ""}))


def test_a_broken_model_is_told(folder: Path) -> None:
    class Broken(FakeEncoder):
        def encode_images(self, pixels: Tensor) -> Tensor:
            return torch.full((len(pixels), self.dim), float("nan"))

    with pytest.raises(ModelError, match="damaged"):
        measure(folder, encoder=Broken())
