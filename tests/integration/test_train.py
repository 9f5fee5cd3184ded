"""``clip-emotion train``, both stages of the mini on a few kilobytes of made-up data, and what goes wrong before it."""

from __future__ import annotations

import json
import shutil
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

import pytest
import torch
import yaml
from safetensors.torch import load_file

from clip_emotion import ZeroShotLabeller
from clip_emotion.cli.main import main
from clip_emotion.cli.train import ENGINES
from clip_emotion.errors import UsageError
from clip_emotion.models.emotion_clip.checkpoint import RUN_STATE
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.registry import load_encoder
from clip_emotion.resources import configs_dir
from clip_emotion.training.mini.text import MiniTextObjective
from tests.support.minis import face, write_images, write_texts
from tests.support.runs import interrupt_at

TEXT = configs_dir() / "train" / "mini_1_text.yaml"
IMAGE = configs_dir() / "train" / "mini_2_image.yaml"
STEPS = 4


def shrunk(config: Path) -> list[str]:
    """Return overrides that make every loop of a configuration a short one."""
    groups = ["fit"] + (["deepen.fit"] if "deepen" in yaml.safe_load(config.read_text("utf-8")) else [])
    sizes = {"steps": STEPS, "evaluate_every": 2, "save_every": 2, "log_every": 2}
    return [f"{group}.{name}={value}" for group in groups for name, value in sizes.items()]


def text_arguments(home: Path, out: str = "text") -> list[str]:
    sources = [f"sources.folder={home / 'raw'}", f"sources.prepared={home / 'prepared'}"]
    tower = ["vocabulary_size=3000", "token_width=8", "width=16", "layers=1", "dim=16"]
    batch = ["goemotions=6", "pairs=3", "kote=4", "nsmc=4", "lexicon=8"]
    held_out = ["sources.kote_validation=3", "sources.kote_tuning=3"]
    small = [f"tower.{size}" for size in tower] + [f"batch.{size}" for size in batch] + held_out
    return ["train", str(TEXT), f"out={home / out}", *sources, *small, *shrunk(TEXT), "--threads", "1"]


def image_arguments(home: Path, out: str = "mini") -> list[str]:
    places = [f"text={home / 'text'}", f"out={home / out}"]
    for group in ("faces", "comments"):
        places += [f"{group}.folder={home / 'raw'}", f"{group}.prepared={home / 'prepared'}"]
    sizes = ["tower.stem=4", "tower.widths=[8]", "tower.blocks=[1]", "tower.dim=16", "batch=8", "sides=[[0.0, 16]]"]
    held_out = ["faces.tuning_share=3", "comments.kote_validation=3", "comments.kote_tuning=3"]
    return ["train", str(IMAGE), *places, *sizes, *held_out, *shrunk(IMAGE), "--threads", "1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw sources and both finished stages."""
    folder = tmp_path_factory.mktemp("train")
    write_texts(folder / "raw")
    write_images(folder / "raw", a_class=4)
    assert main(text_arguments(folder)) == 0
    assert main(image_arguments(folder)) == 0
    return folder


def told(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, str]:
    """Run a command that writes nothing to stdout; returns its exit code and what it said to people."""
    code = main(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    return code, err


def test_both_stages_make_an_encoder_that_labels(home: Path) -> None:
    encoder = load_encoder(str(home / "mini"), "cpu")
    assert isinstance(encoder, MiniEncoder)
    assert set(encoder.config.trained_with) >= {"text", "image"}
    assert encoder.logit_scale > 0
    picture = home / "face.png"
    picture.write_bytes(face(5))
    (prediction,) = ZeroShotLabeller.load(str(home / "mini"), vocabulary="설렘,당황,비장함")([picture], top=3)
    assert {label.name for label in prediction.labels} == {"설렘", "당황", "비장함"}
    assert sum(label.probability for label in prediction.labels) == pytest.approx(1)


def test_the_text_side_of_the_mini_is_the_first_stages(home: Path) -> None:
    for part in ("text.safetensors", "tokenizer.json"):
        assert (home / "mini" / part).read_bytes() == (home / "text" / part).read_bytes()


def test_figures_are_kept(home: Path) -> None:
    last = json.loads((home / "mini" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["step"] == STEPS
    assert {"accuracy_ko", "accuracy_en", "macro_recall_ko", "macro_recall_en"} <= set(last)
    assert all(0 <= last[name] <= 1 for name in last if name.startswith(("accuracy", "macro")))


def test_a_run_goes_on_from_a_tower_with_what_a_teacher_says(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mini = home / "mini"
    further = [f"start={mini}", f"teachers=[{mini}]", "fit.learning_rate=1e-9"]
    code, err = told(capsys, [*image_arguments(home, "further"), *further])
    assert code == 0, err
    weights = [load_file(folder / "image.safetensors")["head.weight"] for folder in (mini, home / "further")]
    torch.testing.assert_close(weights[1], weights[0], atol=1e-3, rtol=0)
    fingerprint = load_encoder(str(mini), "cpu").fingerprint
    assert len(list((home / "prepared").glob(f"answers-{fingerprint}-*.safetensors"))) == 1


def test_a_finished_run_is_resumed_without_a_step(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, lines = ((home / "mini" / name).read_bytes() for name in ("image.safetensors", "metrics.jsonl"))
    code, err = told(capsys, [*image_arguments(home), "--resume"])
    assert code == 0
    assert "steps/s" not in err
    assert "Done: accuracy_ko" in err
    assert (home / "mini" / "image.safetensors").read_bytes() == weights
    assert (home / "mini" / "metrics.jsonl").read_bytes() == lines


def test_an_interrupted_run_says_how_to_go_on_and_ends_as_an_unbroken_one(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "again").mkdir()
    shutil.copyfile(home / "text" / "tokenizer.json", home / "again" / "tokenizer.json")
    arguments = text_arguments(home, "again")
    with monkeypatch.context() as patched:
        interrupt_at(patched, MiniTextObjective, 2)
        code, err = told(capsys, arguments)
    assert code == 130
    assert f"To go on: clip-emotion train {TEXT} out={home / 'again'}" in err
    assert err.rstrip().endswith("Interrupted: what was written so far is kept.")
    assert not (home / "again" / "text.safetensors").exists()
    assert told(capsys, [*arguments, "--resume"])[0] == 0
    assert (home / "again" / "text.safetensors").read_bytes() == (home / "text" / "text.safetensors").read_bytes()


@pytest.mark.parametrize("change", ["fit.learning_rate=0.5", "label_smoothing=0.3", "augment.rotation=3"])
def test_a_checkpoint_of_other_settings_is_misuse(change: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = told(capsys, [*image_arguments(home), change, "--resume"])
    assert code == 2
    assert "made with other settings" in err


def test_check_trains_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = told(capsys, [*image_arguments(home, "unmade"), "--check"])
    assert (code, err) == (0, "Ready: 1 configuration(s) are right, and all 7 data sets that they read are there.\n")
    assert not (home / "unmade").exists()


def test_check_reads_raw_sources_and_names_all_that_are_missing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(home / "raw", tmp_path / "raw")
    arguments = [*text_arguments(tmp_path), "--check"]
    assert told(capsys, arguments)[0] == 0
    assert not (tmp_path / "prepared").exists()
    (tmp_path / "raw" / "kote.tsv.gz").unlink()
    (tmp_path / "raw" / "nsmc.tsv.gz").write_bytes((home / "raw" / "fer2013.zip").read_bytes())
    code, err = told(capsys, arguments)
    assert code == 1
    assert "kote.tsv.gz does not exist" in err
    assert "nsmc.tsv.gz" in err


def test_check_knows_what_an_earlier_configuration_makes(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stage 2 needs the folder of stage 1, which need not be there yet; only its own command makes it."""
    paths = []
    for number, (config, arguments) in enumerate([(TEXT, text_arguments(home, "new")), (IMAGE, image_arguments(home))]):
        values = yaml.safe_load(config.read_text("utf-8"))
        for override in arguments[2:-2]:
            *groups, last = override.split("=", 1)[0].split(".")
            target = values
            for group in groups:
                target = target[group]
            target[last] = yaml.safe_load(override.split("=", 1)[1])
        if config is IMAGE:
            values["text"] = str(home / "new")
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(yaml.safe_dump(values), "utf-8")
    both = [str(path) for path in paths]
    assert told(capsys, ["train", *both, "--check"])[0] == 0
    code, err = told(capsys, ["train", both[1], "--check"])
    assert code == 1
    assert "no finished text tower" in err
    wider = yaml.safe_load(paths[1].read_text("utf-8"))
    wider["tower"]["dim"] = 32
    paths[1].write_text(yaml.safe_dump(wider), "utf-8")
    code, err = told(capsys, ["train", *both, "--check"])
    assert code == 2
    assert "tower.dim is 32, the text tower's is 16" in err


@pytest.mark.parametrize("mode", [[], ["--check"]])
@pytest.mark.parametrize(
    ("overrides", "code", "sentence"),
    [
        (["tower.colour=red"], 2, "tower.colour: no such setting"),
        (["fit.steps=0", "noise.word_dropout=2"], 2, "2 fault(s)"),
        (["kind=mini_sound"], 2, "known kinds are mini_text, mini_words, mini_image"),
        (["fit.steps=many"], 2, "fit.steps"),
        (["nonsense="], 2, "nonsense"),
        (["sources.kote=none.tsv.gz", "sources.prepared=elsewhere"], 1, "none.tsv.gz does not exist"),
    ],
)
def test_faulty_configurations_are_one_sentence(
    home: Path,
    tmp_path: Path,
    overrides: list[str],
    code: int,
    sentence: str,
    mode: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, err = told(capsys, [*text_arguments(home, "faulty"), *overrides, *mode])
    assert got == code
    assert sentence in err
    assert err.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in err
    assert not (home / "faulty" / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "nowhere.yaml"], "No such configuration: nowhere.yaml (see the folder configs/train)"),
        (["train", "out=here"], "No such configuration: none given"),
        (["train", "empty.yaml"], "empty.yaml holds no 'key: value' lines"),
        (["train", "broken.yaml"], "broken.yaml is not valid YAML"),
        (["train", "kindless.yaml"], "kindless.yaml has kind 'None'"),
    ],
)
def test_faulty_files_are_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in {"empty": "", "broken": "a: [1", "kindless": "seed: 1"}.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    code, err = told(capsys, arguments)
    assert code == 2
    assert sentence in err


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["batch.nsmc=13"], "batch.nsmc is 13, but nsmc has 12 training texts"),
        (["tower.vocabulary_size=100"], "tokenizer.json was made with other settings"),
        (["sources.kote_validation=10"], "leaves none to train on"),
    ],
)
def test_what_does_not_fit_the_data_is_told_before_training(
    home: Path, overrides: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = (home / "text" / "text.safetensors").read_bytes()
    code, err = told(capsys, [*text_arguments(home), *overrides, "--resume"])
    assert code in (1, 2)
    assert sentence in err
    assert (home / "text" / "text.safetensors").read_bytes() == weights


def test_a_resumed_run_without_a_checkpoint_says_that_it_begins_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> NoReturn:
        raise UsageError("stopped")

    monkeypatch.setitem(ENGINES, "local", lambda *_: stop)
    out, said = tmp_path / "text", f"There is no checkpoint in {tmp_path / 'text'} yet: the run begins anew"
    out.mkdir()
    (out / "metrics.jsonl").touch()
    assert said in told(capsys, [*text_arguments(tmp_path), "--resume"])[1]
    assert said not in told(capsys, text_arguments(tmp_path))[1]
    (out / RUN_STATE).touch()
    assert said not in told(capsys, [*text_arguments(tmp_path), "--resume"])[1]


def test_a_run_is_not_begun_again_over_another(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in (home / "text").rglob("*") if path.is_file()}
    code, err = told(capsys, [*text_arguments(home), "seed=3"])
    assert (code, "holds a run already: go on with --resume" in err) == (2, True)
    assert {path: path.read_bytes() for path in (home / "text").rglob("*") if path.is_file()} == before


def test_a_folder_of_other_things_is_left_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "thesis").mkdir()
    (home / "thesis" / "README.md").write_text("my readme")
    for more in ([], ["--resume"]):
        code, err = told(capsys, [*text_arguments(home, "thesis"), *more])
        assert (code, "holds other things than a run" in err) == (2, True)
    assert [path.name for path in (home / "thesis").iterdir()] == ["README.md"]


def test_data_that_is_prepared_first_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*text_arguments(home, "told"), f"sources.prepared={home / 'anew'}"]
    assert main(arguments) == 0
    assert f"Preparing {home / 'raw'}" in capsys.readouterr().err


def test_the_image_stage_needs_the_text_stage(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = told(capsys, [*image_arguments(home), f"text={home / 'raw'}", "--resume"])
    assert code == 1
    assert f"There is no finished text tower in {home / 'raw'}: run its configuration first." in err


@pytest.mark.parametrize("config", sorted((configs_dir() / "train").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configurations_open_with_the_command_that_runs_them(config: Path) -> None:
    header = takewhile(lambda line: line.startswith("#"), config.read_text("utf-8").splitlines())
    assert any("clip-emotion train" in line and f"configs/train/{config.name}" in line for line in header)
