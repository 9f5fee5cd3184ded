"""``clip-emotion push`` and ``pull`` through the real command line, with a Hub that is a folder."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import requests
from huggingface_hub import errors

from clip_emotion.cli.main import main
from clip_emotion.models.emotion_clip.checkpoint import (
    DESCRIPTION,
    MODEL_CARD,
    WEIGHTS,
    CheckpointCard,
    save_checkpoint,
)
from clip_emotion.models.emotion_clip.config import EmotionClipConfig
from clip_emotion.models.ensembles.encoder import EnsembleEncoder, Member
from clip_emotion.models.ensembles.saving import save_ensemble
from clip_emotion.models.registry import load_encoder
from clip_emotion.models.sharing import hub as checkpoint_hub
from clip_emotion.vocabulary import Vocabulary
from tests.support.checkpoints import content, make_model
from tests.support.classifiers import saved

Run = Callable[..., tuple[int, str, str]]
PARTS = {WEIGHTS, "tokenizer.json", MODEL_CARD, DESCRIPTION}
NAME = "me/my-model"


def http_error(kind: type[Exception], status: int) -> Exception:
    response = requests.Response()
    response.status_code = status
    response.request = requests.Request("GET", "https://huggingface.co/api").prepare()
    return kind(f"{status} Client Error\n\nRequest ID: 1", response=response)


@dataclass
class FakeHub:
    """Repositories as folders, the latest commit of each; ``fault`` is raised by the call that it names."""

    root: Path
    private: dict[str, bool] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)

    def api(self, token: str | None = None) -> FakeApi:
        self.tokens.add(token)
        return FakeApi(self)

    def called(self, call: str) -> None:
        self.calls.append(call)
        if call in self.faults:
            raise self.faults[call]

    def folder(self, name: str, revision: str | None = None) -> Path:
        if name not in self.private:
            raise http_error(errors.RepositoryNotFoundError, 404)
        if revision not in (None, "main", "c0ffee"):
            raise http_error(errors.RevisionNotFoundError, 404)
        return self.root / name


@dataclass
class FakeApi:
    hub: FakeHub

    def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
        self.hub.called("create_repo")
        assert exist_ok
        self.hub.private.setdefault(name, private)
        (self.hub.root / name).mkdir(parents=True, exist_ok=True)

    def model_info(self, name: str, *, timeout: float, revision: str | None = None) -> SimpleNamespace:
        self.hub.called("model_info")
        assert timeout <= 10
        self.hub.folder(name, revision)
        return SimpleNamespace(sha="c0ffee", private=self.hub.private[name])

    def upload_folder(
        self, *, repo_id: str, folder_path: Path, allow_patterns: list[str], commit_message: str
    ) -> SimpleNamespace:
        self.hub.called("upload_folder")
        assert commit_message
        copied(folder_path, self.hub.folder(repo_id), allow_patterns)
        return SimpleNamespace(commit_url=f"https://huggingface.co/{repo_id}/commit/c0ffee")

    def hf_hub_download(self, name: str, file: str, *, revision: str, local_dir: Path) -> None:
        self.hub.called("hf_hub_download")
        self._fetch(name, [file], revision, local_dir)
        if not (local_dir / file).exists():
            # Its name since huggingface_hub 1.
            raise http_error(getattr(errors, "RemoteEntryNotFoundError", errors.EntryNotFoundError), 404)

    def snapshot_download(self, name: str, *, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        self.hub.called("snapshot_download")
        self._fetch(name, allow_patterns, revision, local_dir)

    def _fetch(self, name: str, patterns: list[str], revision: str, local_dir: Path) -> None:
        (local_dir / ".cache" / "huggingface").mkdir(parents=True, exist_ok=True)
        copied(self.hub.folder(name, revision), local_dir, patterns)


def copied(source: Path, target: Path, patterns: list[str]) -> None:
    """Copy the files that fit a pattern, as the Hub's client chooses them."""
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        name = path.relative_to(source).as_posix()
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / name)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "model"
    save_checkpoint(make_model("mini", EmotionClipConfig()), folder, CheckpointCard(name="my-model"))
    return folder


@pytest.fixture
def checkpoint(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    made = FakeHub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", made.api)
    monkeypatch.setattr(checkpoint_hub, "knock", lambda: made.called("knock"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return made


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([*map(str, arguments)])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


def refused(result: tuple[int, str, str], words: str, code: int = 1) -> None:
    """See that a run ended in one sentence that holds some words."""
    assert result[:2] == (code, "")
    assert result[2].startswith("Error: ")
    assert result[2].count("\n") == 1
    assert words in result[2]


def test_what_is_pulled_is_what_was_pushed(run: Run, hub: FakeHub, checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "metrics.jsonl").write_text("not part of it")
    code, out, err = run("push", checkpoint, NAME)
    assert (code, out) == (0, f"https://huggingface.co/{NAME}/commit/c0ffee\n")
    assert f"clip-emotion pull {NAME}" in err
    assert content(hub.root / NAME).keys() == PARTS
    assert hub.private == {NAME: False}
    (hub.root / NAME / "evil.py").write_text("not wanted")
    code, out, err = run("pull", NAME, tmp_path / "deep" / "pulled")
    assert (code, out) == (0, "c0ffee\n")
    assert f"--model {tmp_path / 'deep' / 'pulled'}" in err
    assert content(tmp_path / "deep" / "pulled") == {
        name: raw for name, raw in content(checkpoint).items() if name in PARTS
    }
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["pulled"]
    pulled = load_encoder(str(tmp_path / "deep" / "pulled"), "cpu")
    assert pulled.fingerprint == load_encoder(str(checkpoint), "cpu").fingerprint
    assert hub.tokens == {None}


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    saved(tmp_path / "classifier")
    (tmp_path / "classifier" / "checkpoint.pt").write_bytes(b"a run's own state")
    return tmp_path / "classifier"


@pytest.fixture
def ensemble(checkpoint: Path, classifier: Path, tmp_path: Path) -> Path:
    words = Vocabulary.load("basic7")
    members = [Member.asked(str(one), load_encoder(str(one), "cpu"), words, "en") for one in (checkpoint, classifier)]
    save_ensemble(EnsembleEncoder("both", words, members, "mean", None), tmp_path / "both", {"accuracy": 0.5}, {})
    return tmp_path / "both"


@pytest.mark.parametrize("name", ["classifier", "ensemble"])
def test_classifiers_and_ensembles_travel_with_a_model_card(
    run: Run, hub: FakeHub, tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(name)
    before = sorted(path for path in folder.rglob("*"))
    assert run("push", folder, NAME)[0] == 0
    assert sorted(path for path in folder.rglob("*")) == before
    sent = {path.relative_to(hub.root / NAME).as_posix() for path in (hub.root / NAME).rglob("*") if path.is_file()}
    own = {"classifier.safetensors", "classifier.yaml"}
    members = {f"member_1/{part}" for part in PARTS} | {f"member_2/{part}" for part in own}
    assert sent == {"README.md", *(own if name == "classifier" else {"ensemble.yaml", *members})}
    card = (hub.root / NAME / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: clip-emotion\n")
    assert "| happy | 행복 · happy |" in card
    (hub.root / NAME / "evil.py").write_text("not wanted")
    if name == "ensemble":
        (hub.root / NAME / "member_1" / "evil.json").write_text("{}")
    for _ in range(2):
        assert run("pull", NAME, tmp_path / "pulled")[:2] == (0, "c0ffee\n")
        got = {path.relative_to(tmp_path / "pulled").as_posix() for path in (tmp_path / "pulled").rglob("*.*")}
        assert got == sent
    assert load_encoder(str(tmp_path / "pulled"), "cpu").fingerprint == load_encoder(str(folder), "cpu").fingerprint


def test_a_damaged_classifier_is_not_sent_and_does_not_arrive(
    run: Run, hub: FakeHub, classifier: Path, checkpoint: Path, tmp_path: Path
) -> None:
    assert run("push", classifier, NAME)[0] == 0
    refused(run("pull", NAME, checkpoint), "holds a checkpoint.yaml, not a classifier.yaml", code=2)
    (hub.root / NAME / "classifier.safetensors").write_bytes(b"damaged")
    refused(run("pull", NAME, tmp_path / "pulled"), "damaged")
    assert not (tmp_path / "pulled").exists()
    (classifier / "classifier.safetensors").write_bytes(b"damaged")
    calls = len(hub.calls)
    refused(run("push", classifier, NAME), "damaged")
    assert len(hub.calls) == calls


def test_private_is_private(run: Run, hub: FakeHub, checkpoint: Path) -> None:
    assert run("push", checkpoint, NAME, "--private")[0] == 0
    assert hub.private == {NAME: True}
    hub.private[NAME] = False
    shutil.rmtree(hub.root / NAME)
    refused(run("push", checkpoint, NAME, "--private"), "is public")
    assert not (hub.root / NAME / WEIGHTS).exists()


def test_only_the_token_of_the_environment(
    run: Run, hub: FakeHub, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(run("push", checkpoint, NAME, "--token-from-env"), "HF_TOKEN", code=2)
    assert hub.calls == []
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    results = [
        run("push", checkpoint, NAME, "--token-from-env"),
        run("pull", NAME, tmp_path / "pulled", "--token-from-env"),
    ]
    assert [code for code, _, _ in results] == [0, 0]
    assert not any("hf_secret" in out + err for _, out, err in results)
    assert hub.tokens == {"hf_secret"}


def test_a_damaged_folder_is_not_sent(run: Run, hub: FakeHub, checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / WEIGHTS).write_bytes(b"damaged")
    refused(run("push", checkpoint, NAME), WEIGHTS)
    refused(run("push", tmp_path / "none", NAME), "does not exist")
    assert hub.calls == []


def test_pulling_again_replaces_the_checkpoint_only(run: Run, hub: FakeHub, checkpoint: Path, tmp_path: Path) -> None:
    run("push", checkpoint, NAME)
    target = tmp_path / "pulled"
    save_checkpoint(make_model("mini", EmotionClipConfig(), seed=8), target)
    (target / "notes.txt").write_text("mine")
    assert run("pull", NAME, target)[0] == 0
    assert content(target) == {**content(checkpoint), "notes.txt": b"mine"}


def test_a_folder_of_other_things_is_left_alone(run: Run, hub: FakeHub, checkpoint: Path, tmp_path: Path) -> None:
    run("push", checkpoint, NAME)
    calls = len(hub.calls)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.png").write_bytes(b"mine")
    for place in (tmp_path / "photos", tmp_path / "photos" / "1.png"):
        refused(run("pull", NAME, place), "other things than a checkpoint", code=2)
    assert content(tmp_path / "photos") == {"1.png": b"mine"}
    assert len(hub.calls) == calls
    (tmp_path / "empty").mkdir()
    assert run("pull", NAME, tmp_path / "empty")[0] == 0
    assert content(tmp_path / "empty").keys() == PARTS


@pytest.mark.parametrize("damage", ["cut", "without weights", "newer", "no description", "outside"])
@pytest.mark.parametrize("fresh", [True, False])
def test_what_is_not_whole_does_not_arrive(
    run: Run, hub: FakeHub, checkpoint: Path, tmp_path: Path, damage: str, fresh: bool
) -> None:
    run("push", checkpoint, NAME)
    there = hub.root / NAME
    description = (there / DESCRIPTION).read_text("utf-8")
    if damage == "cut":
        (there / WEIGHTS).write_bytes((there / WEIGHTS).read_bytes()[:-1])
    elif damage == "without weights":
        (there / WEIGHTS).unlink()
    elif damage == "newer":
        (there / DESCRIPTION).write_text(description.replace("format: 1", "format: 2"), "utf-8")
    elif damage == "no description":
        (there / DESCRIPTION).unlink()
    else:
        (there / DESCRIPTION).write_text(description.replace("tokenizer.json:", "../../tokenizer.json:"), "utf-8")
    words = {
        "cut": "cut short",
        "without weights": f"{NAME} lacks {WEIGHTS}",
        "newer": "upgrade",
        "no description": DESCRIPTION,
        "outside": "parts",
    }
    target = tmp_path / "pulled"
    if not fresh:
        save_checkpoint(make_model("mini", EmotionClipConfig(), seed=8), target)
    before = content(target) if target.exists() else None
    result = run("pull", NAME, target)
    refused(result, words[damage])
    assert NAME in result[2]
    assert "draft" not in result[2]
    assert (content(target) if target.exists() else None) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("knock", errors.OfflineModeIsEnabled("offline"), "cannot be reached"),
        ("knock", requests.ConnectionError("Name or service not known"), "cannot be reached"),
        ("knock", requests.Timeout("slow"), "cannot be reached"),
        ("knock", ConnectionResetError(104, "reset"), "cannot be reached"),
        ("create_repo", http_error(errors.HfHubHTTPError, 401), "log in"),
        ("create_repo", http_error(errors.HfHubHTTPError, 403), "log in"),
        ("create_repo", errors.LocalTokenNotFoundError("none"), "log in"),
        ("upload_folder", http_error(errors.HfHubHTTPError, 503), "try again later"),
        ("upload_folder", errors.HFValidationError("Repo id must\nbe nice"), "Repo id must be nice"),
    ],
)
def test_a_push_that_fails_is_one_sentence(
    run: Run, hub: FakeHub, checkpoint: Path, call: str, error: Exception, words: str
) -> None:
    hub.faults[call] = error
    result = run("push", checkpoint, NAME)
    refused(result, words)
    assert f"Cannot push to {NAME}" in result[2]
    assert hub.calls[-1] == call


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("knock", errors.OfflineModeIsEnabled("offline"), "cannot be reached"),
        ("model_info", http_error(errors.GatedRepoError, 403), "gated"),
        ("model_info", http_error(errors.RepositoryNotFoundError, 401), "no such model"),
        ("snapshot_download", errors.LocalEntryNotFoundError("gone"), "cannot be reached"),
        ("snapshot_download", OSError(28, "No space left on device", "/disk"), "No space left"),
    ],
)
def test_a_pull_that_fails_is_one_sentence(
    run: Run, hub: FakeHub, checkpoint: Path, tmp_path: Path, call: str, error: Exception, words: str
) -> None:
    run("push", checkpoint, NAME)
    hub.faults[call] = error
    refused(run("pull", NAME, tmp_path / "pulled"), words)
    assert not (tmp_path / "pulled").exists()


def test_revisions_and_names_that_are_not_there(run: Run, hub: FakeHub, checkpoint: Path, tmp_path: Path) -> None:
    run("push", checkpoint, NAME)
    refused(run("pull", NAME, tmp_path / "pulled", "--revision", "v9"), "no such revision")
    assert run("pull", NAME, tmp_path / "pulled", "--revision", "main")[0] == 0
    refused(run("pull", "me/nothing", tmp_path / "other"), "no such model")


@pytest.mark.parametrize("name", ["my-model", "a/b/c", "", "me/", "https://huggingface.co/me/my-model", "me/my model"])
def test_a_name_is_organisation_and_model(run: Run, hub: FakeHub, checkpoint: Path, tmp_path: Path, name: str) -> None:
    refused(run("push", checkpoint, name), "ORG/NAME", code=2)
    refused(run("pull", name, tmp_path / "pulled"), "ORG/NAME", code=2)
    assert hub.calls == []


def test_without_a_network_the_real_client_answers_at_once(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    refused(run("push", checkpoint, NAME), "cannot be reached")
    refused(run("pull", NAME, tmp_path / "pulled"), "cannot be reached")
    assert not (tmp_path / "pulled").exists()


def test_the_fake_takes_what_the_real_client_takes() -> None:
    import inspect

    for name in ("create_repo", "model_info", "upload_folder", "hf_hub_download", "snapshot_download"):
        real = inspect.signature(getattr(huggingface_hub.HfApi, name)).parameters
        fake = inspect.signature(getattr(FakeApi, name)).parameters.values()
        assert {parameter.name for parameter in fake if parameter.kind is parameter.KEYWORD_ONLY} <= real.keys()
