"""``adapt``, ``calibrate`` and ``--adapter`` with the bundled model: from pictures to words of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from clip_emotion.cli.adapting.calibrate import _tell
from clip_emotion.evaluation.calibration import Calibration, Confidence
from tests.support.commands import Run
from tests.support.pictures import noise, save, two_faces


@pytest.fixture
def store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of two kinds of pictures, and a table of examples that a spreadsheet wrote."""
    monkeypatch.chdir(tmp_path)
    two_faces(Path("pictures/portraits"))
    for number in range(12):
        bright = noise((48, 48), number).point(lambda value: value // 8 + 200)
        save(noise((48, 48), number) if number % 2 else bright, Path(f"pictures/{number:02}.png"))
    rows = [f"pictures/{number:02}.png,{'지글지글' if number % 2 else 'happy'}" for number in range(8)]
    Path("labels.csv").write_text("\r\n".join(["path,label", *rows]), encoding="utf-8-sig")
    assert run("embed", "pictures", "--store", "faces.db", "--face", "none")[0] == 0
    return "faces.db"


def adapt(run: Run, store: str, *more: str) -> tuple[int, str, str]:
    return run("adapt", "--store", store, "--examples", "labels.csv", "--vocab", "basic7", "--out", "own", *more)


def test_words_of_ones_own_from_examples_to_labels(run: Run, store: str) -> None:
    code, out, err = adapt(run, store)
    assert (code, out) == (0, "")
    assert "8 examples of 2 words" in err
    assert "New words: 지글지글." in err
    assert "6 words have no example" in err
    assert "take it with --adapter own." in err
    code, lines, _ = run("label", "--store", store, "--adapter", "own", "--format", "jsonl", "--top", "1")
    assert code == 0
    rows = {Path(row["path"]).name: row for row in map(json.loads, lines.splitlines())}
    assert {row["labels"][0]["label"] for name, row in rows.items() if name in ("09.png", "11.png")} == {"지글지글"}
    assert all("adapter=" in row["settings"] for row in rows.values())
    direct = run("label", "pictures/09.png", "--face", "none", "--adapter", "own", "--format", "jsonl")[1]
    assert json.loads(direct)["labels"][0]["label"] == "지글지글"
    command = ("evaluate", "--data", "labels.csv", "--adapter", "own", "--format", "json")
    for more in (["--store", store], ["--face", "none"]):
        values = json.loads(run(*command, *more)[1])
        assert (values["n"], values["accuracy"]) == (8, 1.0)


def test_an_output_that_is_there_is_replaced_only_when_asked(run: Run, store: str) -> None:
    assert adapt(run, store)[0] == 0
    before = Path("own/adapter.yaml").read_text("utf-8")
    code, _, err = adapt(run, store, "--seed", "1")
    assert code == 2
    assert "own holds a word adapter already: choose another folder, or add --overwrite" in err
    assert Path("own/adapter.yaml").read_text("utf-8") == before
    assert adapt(run, store, "--shots", "3", "--overwrite")[0] == 0
    assert Path("own/adapter.yaml").read_text("utf-8") != before
    code, _, err = run("adapt", "--store", store, "--examples", "labels.csv", "--out", "pictures", "--overwrite")
    assert code == 2
    assert "files that clip-emotion did not make" in err
    command = ("calibrate", "--examples", "pictures", "--adapter", "own", "--out", "own", "--overwrite")
    assert "own is an input of this call" in run(*command)[2]


def test_bad_rows_are_sentences_and_an_exit_code(run: Run, store: str) -> None:
    with Path("labels.csv").open("a", encoding="utf-8") as table:
        table.write("\r\ngone.png,happy\r\npictures/00.png,지글지글\r\n")
    code, _, err = adapt(run, store)
    assert code == 1
    assert "labels.csv, line 10 (gone.png): No such file or directory, and faces.db has no picture from there" in err
    assert "labels.csv, line 11 (pictures/00.png): the same picture is an example of 'happy' too" in err
    assert "2 row(s) could not be used." in err
    assert Path("own/adapter.yaml").exists()


def test_without_a_store_the_pictures_themselves_are_read(run: Run, store: str) -> None:
    code, _, err = run("adapt", "--examples", "labels.csv", "--out", "own", "--shots", "1")
    assert code == 0
    assert "2 examples of 2 words" in err
    assert "6 more than --shots left out" in err


def test_a_temperature_is_fitted_printed_and_taken(run: Run, store: str) -> None:
    # Of noise the model is surer than these labels let it be, but not so sure that no temperature would do.
    rows = [f"pictures/{number:02}.png,{'sad' if number % 2 else 'angry'}" for number in range(12)]
    Path("few.csv").write_text("\n".join(["path,label", *rows]), "utf-8")
    command = ("--store", store, "--vocab", "basic7", "--out", "warm")
    code, _, err = run("calibrate", "--examples", "few.csv", *command)
    assert (code, Path("warm").exists()) == (2, False)
    assert "A temperature needs 20 labelled rows at least: got 12." in err
    others = ["pictures/07.png,설렘", "pictures/08.png,설렘"]
    Path("words.csv").write_text("\n".join(["path,label", *rows[:4], *others]), "utf-8")
    code, _, err = run("calibrate", "--examples", "words.csv", *command)
    assert code == 2
    assert "got 4. Rows left out: 2, such as words.csv, line 6 (pictures/07.png): the vocabulary 'basic7' has no" in err
    for number in range(12, 30):
        save(noise((48, 48), number), Path(f"pictures/{number:02}.png"))
        rows.append(f"pictures/{number:02}.png,{'sad' if number % 2 else 'angry'}")
    Path("many.csv").write_text("\n".join(["path,label", *rows]), "utf-8")
    assert run("embed", "pictures", "--store", store, "--face", "none")[0] == 0
    code, out, _ = run("calibrate", "--examples", "many.csv", *command, "--format", "json")
    found = json.loads(out)
    assert (code, found["n"]) == (0, 30)
    assert "held out" in run("calibrate", "--examples", "many.csv", "--store", store, "--vocab", "basic7")[1]
    values = [
        json.loads(run("evaluate", "--data", "many.csv", "--store", store, "--format", "json", *words)[1])
        for words in (["--vocab", "basic7"], ["--adapter", "warm"])
    ]
    assert values[0]["accuracy"] == values[1]["accuracy"]
    assert values[0]["ece"] == pytest.approx(found["before"]["ece"], abs=1e-3)
    assert values[0]["ece"] != values[1]["ece"]
    code, out, err = run("calibrate", "--examples", "many.csv", "--store", store, "--adapter", "warm", "--out", "same")
    assert code == 0
    assert "temperature 1.000" in out
    assert "does not lower the held-out negative log-likelihood" in err
    cards = [yaml.safe_load(Path(f"{name}/adapter.yaml").read_text("utf-8")) for name in ("warm", "same")]
    assert cards[0]["temperature"] == cards[1]["temperature"]


def test_a_calibration_error_that_rises_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    _tell(Calibration(2.0, 30, Confidence(1.0, 0.02), Confidence(0.9, 0.05)))
    assert "the held-out calibration error rises from 0.0200 to 0.0500" in capfd.readouterr().err
    _tell(Calibration(2.0, 30, Confidence(1.0, 0.05), Confidence(0.9, 0.02)))
    assert capfd.readouterr().err == ""


def test_what_does_not_go_with_an_adapter_is_told(run: Run, store: str) -> None:
    assert adapt(run, store)[0] == 0
    code, _, err = run("label", "--store", store, "--adapter", "own", "--vocab", "basic7")
    assert code == 2
    assert "An adapter brings its words" in err
    card = Path("own/adapter.yaml").read_text("utf-8")
    Path("own/adapter.yaml").write_text(card.replace("fingerprint: mini-", "fingerprint: maxi-"), "utf-8")
    code, out, err = run("label", "--store", store, "--adapter", "own")
    assert (code, out) == (2, "")
    assert "The adapter was made for mini (maxi-" in err


def test_priors_are_corrected_for_a_collection_alone(run: Run, store: str) -> None:
    words = ("--labels", "기쁨,슬픔,분노")
    code, _, err = run("label", "pictures", *words, "--prior-correction", "em")
    assert code == 2
    assert "embed them into a store first" in err
    plain, corrected = (
        [
            json.loads(line)
            for line in run("label", "--store", store, *words, "--format", "jsonl", *more)[1].splitlines()
        ]
        for more in ([], ["--prior-correction", "em"])
    )
    assert all("prior=em" in row["settings"] for row in corrected)
    best = [max(row["labels"][0]["probability"] for row in rows) for rows in (plain, corrected)]
    assert best[1] > best[0]
    code, out, _ = run(
        "evaluate", "--data", "labels.csv", "--labels", "happy,지글지글", "--face", "none", "--prior-correction",
        "debias", "--format", "json",
    )  # fmt: skip
    assert (code, json.loads(out)["n"]) == (0, 8)
