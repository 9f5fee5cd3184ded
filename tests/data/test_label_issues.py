"""``data check --labels``: planted wrong labels are found, and nothing is dropped."""

from __future__ import annotations

import csv
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from clip_emotion.cli.main import main
from clip_emotion.data.label_issues import (
    CheckedRows,
    cross_validated_issues,
    enough_images,
    find_label_issues,
    model_issues,
    out_of_sample_probabilities,
)
from clip_emotion.data.prepare import PrepareOptions, prepare
from clip_emotion.data.prepared import load_prepared
from clip_emotion.errors import DataError, MissingExtraError
from clip_emotion.models import registry
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder
from tests.support.raw_files import write

COLOURS = {"red": (230, 30, 30), "green": (30, 230, 30), "blue": (30, 30, 230)}


def clusters(a_class: int = 60, classes: int = 4, wrong: int = 8, seed: int = 0):
    """Embeddings in well-separated clusters, their labels with some of them planted wrong, and which those are."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(classes), a_class)
    embeddings = np.eye(classes, 12)[truth] + random.normal(0, 0.15, (len(truth), 12))
    planted = random.choice(len(truth), wrong, replace=False)
    labels = truth.copy()
    labels[planted] = (truth[planted] + random.integers(1, classes, wrong)) % classes
    return embeddings, labels, truth, set(planted.tolist())


def rows_for(labels, names="abcdefgh", shas=None) -> CheckedRows:
    count = len(labels)
    paths = [f"{n}.png" for n in range(count)]
    return CheckedRows(["train"] * count, paths, np.asarray(labels), shas or list(map(str, range(count))), names)


@pytest.mark.parametrize("seed", range(3))
def test_planted_mistakes_are_found_with_their_true_label(seed):
    embeddings, labels, truth, planted = clusters(seed=seed)
    report = cross_validated_issues(rows_for(labels), embeddings, seed=seed)
    found = {issue.row for issue in report.issues}
    assert found <= planted
    assert len(found) >= 0.75 * len(planted), "a mistake on the edge of two clusters may be left"
    for issue in report.issues:
        assert issue.given == "abcdefgh"[labels[issue.row]]
        assert issue.suggested == "abcdefgh"[truth[issue.row]]
        assert 0 <= issue.quality < 0.5
    assert [issue.quality for issue in report.issues] == sorted(issue.quality for issue in report.issues)
    assert report.checked == len(labels)


def test_the_same_seed_gives_the_same_report():
    embeddings, labels, *_ = clusters(wrong=20)
    assert cross_validated_issues(rows_for(labels), embeddings) == cross_validated_issues(rows_for(labels), embeddings)


def test_probabilities_are_out_of_sample_and_copies_do_not_vouch_for_each_other():
    # Embeddings that say nothing but which picture it is: whoever had seen a copy would know its label by heart.
    random = np.random.default_rng(0)
    images = random.normal(size=(60, 200))
    embeddings, labels = np.repeat(images, 2, axis=0), np.repeat(np.arange(60) % 2, 2)
    alone = out_of_sample_probabilities(embeddings, labels, [str(n) for n in range(120)])
    grouped = out_of_sample_probabilities(embeddings, labels, [str(n // 2) for n in range(120)])
    assert (alone.argmax(1) == labels).mean() > 0.8
    assert (grouped.argmax(1) == labels).mean() < 0.7
    assert np.allclose(grouped.sum(axis=1), 1)


def test_rare_labels_are_told_and_not_checked():
    embeddings, labels, *_ = clusters(classes=3, wrong=0)
    labels[:3] = 7
    report = cross_validated_issues(rows_for(labels), embeddings)
    assert report.unchecked == {"h": 3}
    assert report.checked == len(labels) - 3
    assert not any(issue.row < 3 for issue in report.issues)
    assert enough_images([0] * 6, ["same"] * 6, 5).sum() == 0, "copies of one picture are one picture"


def test_one_label_cannot_be_checked():
    with pytest.raises(DataError, match="too few"):
        cross_validated_issues(rows_for(np.zeros(20, dtype=int)), np.ones((20, 3)))
    with pytest.raises(DataError, match="same one"):
        model_issues(rows_for(np.zeros(20, dtype=int)), np.ones((20, 3)))


def test_model_probabilities_of_labels_that_no_row_has_are_left_aside():
    _, labels, truth, planted = clusters(classes=3)
    probabilities = np.full((len(labels), 5), 0.02)
    probabilities[np.arange(len(labels)), truth] = 0.9
    report = model_issues(rows_for(labels), probabilities)
    assert {issue.row for issue in report.issues} == planted


def test_quality_is_the_probability_of_the_given_label():
    random = np.random.default_rng(1)
    probabilities = random.dirichlet(np.ones(3), 50)
    labels = np.concatenate([np.arange(3), random.integers(0, 3, 47)])
    _, quality = find_label_issues(labels, probabilities)
    assert quality == pytest.approx(probabilities[np.arange(50), labels])


def coloured(tmp_path, a_class: int = 12):
    """Pictures in folders named after their colour; one red picture lies among the blue ones."""
    random = np.random.default_rng(0)
    files = {}
    for name, colour in {**COLOURS, "planted": (245, 10, 10)}.items():
        folder = "blue" if name == "planted" else name
        for number in range(1 if name == "planted" else a_class):
            values = np.clip(random.normal(colour, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(values).save(buffer, "PNG")
            files[f"{folder}/{name}_{number}.png"] = buffer.getvalue()
    (tmp_path / "colours.txt").write_text("red\ngreen\nblue\n")
    return write(tmp_path / "faces", files)


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(registry, "load_encoder", lambda spec="mini", device="auto": FakeEncoder())


@pytest.mark.parametrize("probabilities", ["cross-validated", "model"])
@pytest.mark.parametrize("flag_first", [True, False])
def test_check_labels_from_the_command_line(tmp_path, capsys, fake, probabilities, flag_first):
    faces = str(coloured(tmp_path))
    words = ["--vocab", str(tmp_path / "colours.txt"), "--probabilities", probabilities, "--format", "json"]
    command = (
        ["data", "check", "--labels", faces, *words] if flag_first else ["data", "check", faces, *words, "--labels"]
    )
    assert main(command) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["found"] == 1
    (issue,) = report["issues"]
    assert (issue["path"], issue["given"], issue["suggested"]) == ("blue/planted_0.png", "blue", "red")
    assert "1 of 37 labels are likely wrong; nothing was dropped." in err


def test_pictures_that_cannot_be_checked_are_named(tmp_path, capsys, fake):
    faces = write(coloured(tmp_path), {"red/damaged.jpg": b"no"})
    assert main(["data", "check", str(faces), "--vocab", str(tmp_path / "colours.txt"), "--labels"]) == 0
    assert "Skipped 1 row(s) that cannot be used:\n  red/damaged.jpg: Not a picture" in capsys.readouterr().err


def test_report_folder(tmp_path, capsys, fake):
    prepare_words = ["--vocab", str(tmp_path / "colours.txt")]
    faces = coloured(tmp_path)
    command = ["data", "check", str(faces), "--labels", "--report", str(tmp_path / "report"), *prepare_words]
    assert main(command) == 0
    assert "planted_0.png" in capsys.readouterr().out
    with (tmp_path / "report" / "issues.csv").open(encoding="utf-8", newline="") as stream:
        (line,) = csv.DictReader(stream)
    assert (line["path"], line["given"], line["suggested"]) == ("blue/planted_0.png", "blue", "red")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "labelled blue, looks red" in page
    assert "data:image/webp;base64," in page


def test_a_prepared_set_stays_as_it_is(tmp_path, capsys, fake):
    faces, words = coloured(tmp_path), Vocabulary.load(tmp_path / "colours.txt")
    prepare("image_folder", faces, tmp_path / "p", PrepareOptions(vocabulary=words))
    before = sorted(path.name for path in (tmp_path / "p").rglob("*"))
    assert main(["data", "check", str(tmp_path / "p"), "--labels", "--top", "1"]) == 0
    assert load_prepared(tmp_path / "p")["train"].num_rows == 37
    assert sorted(path.name for path in (tmp_path / "p").rglob("*")) == before


def test_a_list_after_labels_still_names_the_classes(tmp_path, capsys):
    faces = str(coloured(tmp_path))
    assert main(["data", "check", faces, "--labels", "red,green,blue"]) == 0
    assert "groups of contradictory labels" in capsys.readouterr().out


def test_without_cleanlab_the_error_holds_the_install_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    faces = str(coloured(tmp_path))
    assert main(["data", "check", faces, "--vocab", str(tmp_path / "colours.txt"), "--labels"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "pip install 'clip-emotion[labels]'" in err
    with pytest.raises(MissingExtraError):
        find_label_issues(np.array([0, 1]), np.eye(2))


def test_labels_of_texts_cannot_be_checked(tmp_path, capsys):
    table = "id\ttext\tlabels\n1\t가\t4\n".encode()
    prepare("kote", write(tmp_path / "raw", {"kote.tsv": table}), tmp_path / "kote")
    assert main(["data", "check", str(tmp_path / "kote"), "--label-issues"]) == 2
    assert "Only labels of prepared pictures" in capsys.readouterr().err
