"""``clip-emotion data`` from the outside."""

from __future__ import annotations

import json
import sys
import types

import pytest
from typer.testing import CliRunner

from clip_emotion.cli.data.verbs import app
from clip_emotion.cli.main import main
from clip_emotion.data.prepared import load_prepared
from tests.support.raw_files import FER_FOLDER, duplicates, png, write, zipped

runner = CliRunner()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))


def test_prepare_prints_the_folder_and_stats_count_it(tmp_path):
    source = zipped(tmp_path / "fer2013.zip", FER_FOLDER)
    done = runner.invoke(app, ["prepare", "fer2013", "--from", str(source)])
    assert done.exit_code == 0
    assert done.stdout.strip() == str(tmp_path / "cache" / "prepared" / "fer2013")
    assert "train 2" in done.stderr
    counted = runner.invoke(app, ["stats", "fer2013", "--format", "json"])
    assert json.loads(counted.stdout)["counts"]["validation"]["sad"] == 1
    shown = runner.invoke(app, ["stats", "fer2013", "--figure", str(tmp_path / "f" / "counts.png")])
    assert "█" in shown.stdout
    assert (tmp_path / "f" / "counts.png").read_bytes().startswith(b"\x89PNG")


def test_prepare_tells_what_was_lost(tmp_path):
    source = duplicates(tmp_path)
    write(source, {"train/happy/damaged.png": b"no"})
    arguments = ["prepare", "image_folder", "--from", str(source), "--to", str(tmp_path / "out"), "--drop-duplicates"]
    done = runner.invoke(app, arguments)
    assert "damaged.png" in done.stderr
    assert "Dropped 5 training rows: 1 blank, 1 in evaluation, 2 conflicting, 1 repeated." in done.stderr
    assert load_prepared(tmp_path / "out")["train"].num_rows == 2


@pytest.mark.parametrize(
    ("arguments", "rest"),
    [
        (["prepare", "image_folder", "--to", "out", "--from"], "all are in out/card.json"),
        (["split", "--to", "out"], "all are in out/card.json"),
        (["rename", "--to", "out"], "clip-emotion data check faces --format json names them all"),
        (["stats"], "clip-emotion data check faces --format json names them all"),
        (["merge", "--to", "out"], "all are in out/card.yaml"),
    ],
)
def test_what_is_not_shown_is_where_the_sentence_says(tmp_path, monkeypatch, capsys, arguments, rest):
    monkeypatch.chdir(tmp_path)
    good = {f"happy/{n}.png": png(n) for n in range(1, 31)}
    write(tmp_path / "faces", {**good, **{f"sad/damaged_{n:02}.jpg": b"no" for n in range(12)}})
    source = "image_folder=faces" if arguments[0] == "merge" else "faces"
    assert main(["data", *arguments, source]) == 0
    err = capsys.readouterr().err
    assert "Skipped 12 row(s)" in err
    assert "damaged_09" in err
    assert "damaged_11" not in err
    assert f"  and 2 more; {rest}." in err
    if "card" in rest:
        where = (tmp_path / rest.removeprefix("all are in ")).read_text(encoding="utf-8")
    else:
        assert main(["data", "check", "faces", "--format", "json"]) == 1
        where = capsys.readouterr().out
    assert "damaged_11" in where


def test_check_of_raw_pictures_reports_and_exits_1(tmp_path):
    source = duplicates(tmp_path)
    done = runner.invoke(app, ["check", str(source), "--format", "json"])
    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert report["clean"] is False
    assert report["overlaps"] == [{"first": "train", "second": "validation", "rows": 1, "other_label": 1}]
    table = runner.invoke(app, ["check", str(source)])
    assert "contradictory" in table.stdout


def test_check_of_a_sound_zip_exits_0(tmp_path):
    done = runner.invoke(app, ["check", str(zipped(tmp_path / "a.zip", FER_FOLDER))])
    assert done.exit_code == 0, done.output


def test_own_labels(tmp_path):
    source = write(tmp_path / "raw", {"설렘/a.png": FER_FOLDER["train/angry/Training_1.jpg"]})
    done = runner.invoke(app, ["stats", str(source), "--labels", "설렘,당황", "--format", "json"])
    assert json.loads(done.stdout)["counts"] == {"train": {"설렘": 1, "당황": 0}}


def test_brackets_in_names_are_text_and_not_markup(tmp_path):
    picture = FER_FOLDER["train/angry/Training_1.jpg"]
    source = write(tmp_path / "raw", {"[red]/[a].png": picture, "[bold]/[b].png": picture})
    counted = runner.invoke(app, ["stats", str(source), "--labels", "[red],[bold]"])
    assert "[red]" in counted.stdout
    checked = runner.invoke(app, ["check", str(source), "--labels", "[red],[bold]"])
    assert checked.exit_code == 1
    assert "[red]/[a].png" in checked.stdout


def test_list_knows_what_is_prepared(tmp_path):
    runner.invoke(app, ["prepare", "fer2013", "--from", str(write(tmp_path / "raw", FER_FOLDER))])
    cards = {card["name"]: card for card in json.loads(runner.invoke(app, ["list", "--format", "json"]).stdout)}
    assert cards["fer2013"]["prepared"] is True
    assert cards["kote"]["prepared"] is False
    assert "kote" in runner.invoke(app, ["list"]).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["prepare", "nothing", "--from", "x"], 2, "Unknown data set 'nothing'"),
        (["prepare", "fer2013", "--from", "missing.zip"], 1, "does not exist"),
        (["stats", "fer2013"], 1, "data prepare fer2013 --from"),
        (["stats", "nothing"], 2, "neither a prepared folder nor a known data set"),
        (["check", "nowhere/faces"], 1, "nowhere/faces does not exist: correct the path"),
        (["check", "nowhere.zip"], 1, "nowhere.zip does not exist"),
        (["check", "./nowhere"], 1, "./nowhere does not exist"),
        (["check", "kote", "--labels", "a", "--vocab", "basic7"], 2, "not both"),
        (["get", "nsmc"], 2, "cannot be fetched by a command"),
    ],
)
def test_misuse_is_one_sentence(arguments, code, words, capsys):
    assert main(["data", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err


def test_get_without_the_kaggle_package(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "kaggle.api.kaggle_api_extended", raising=False)
    monkeypatch.setitem(sys.modules, "kaggle", None)
    assert main(["data", "get", "fer2013"]) == 1
    assert "pip install 'clip-emotion[kaggle]'" in capsys.readouterr().err


class FakeKaggle:
    """Stands in for the client: without a token it prints and leaves the process, as the real one does."""

    token = True
    error: Exception | None = None

    def authenticate(self):
        if not self.token:
            print("Could not find kaggle.json")
            sys.exit(1)

    def dataset_download_files(self, dataset, path, quiet):
        print(f"Downloading {dataset}")
        if self.error:
            raise self.error
        zipped(path + "/fer2013.zip", FER_FOLDER)


@pytest.fixture
def kaggle(monkeypatch):
    class Client(FakeKaggle):
        pass

    module = types.ModuleType("kaggle.api.kaggle_api_extended")
    module.KaggleApi = Client
    for name in ("kaggle", "kaggle.api"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Client


def test_get_from_kaggle_then_prepare(kaggle, tmp_path, capsys):
    assert main(["data", "get", "fer2013"]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "cache" / "raw" / "fer2013")
    assert "Downloading msambare/fer2013" in err
    assert main(["data", "prepare", "fer2013", "--from", out.strip()]) == 0
    assert load_prepared("fer2013")["train"].num_rows == 2
    assert main(["data", "get", "fer2013"]) == 2, "what is there is not fetched over"


def test_get_without_a_token_says_where_it_goes(kaggle, capsys, tmp_path):
    kaggle.token = False
    assert main(["data", "get", "fer2013"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "~/.kaggle/kaggle.json" in err
    assert "Could not find" not in err
    assert list((tmp_path / "cache" / "raw").iterdir()) == []


def test_get_without_a_connection(kaggle, capsys):
    kaggle.error = ConnectionError("HTTPSConnectionPool...")
    assert main(["data", "get", "fer2013"]) == 1
    assert "check the connection" in capsys.readouterr().err


def test_the_list_of_data_sets_needs_no_data_library(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("clip_emotion.data", "clip_emotion.cli.data"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("datasets", "pyarrow", "torch", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    from clip_emotion.cli.data.verbs import list_data

    list_data()
    assert "fer2013" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "meant"), [("fer2031", "fer2013"), ("image_foldr", "image_folder"), ("KOTE", "kote")])
def test_a_misspelt_data_set_is_guessed(name, meant, capsys):
    assert main(["data", "prepare", name, "--from", "x.zip"]) == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err


def test_a_misspelt_vocabulary_is_guessed(capsys):
    assert main(["data", "families", "--from", "x.tsv", "--vocab", "kote45"]) == 2
    assert "did you mean kote44?" in capsys.readouterr().err
