"""The teacher of Korean comments: its features, answers from models that never saw the comment, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.mini.config import ReadingConfig
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.outputs import WriteOptions
from clip_emotion.training.corpora import TextRows
from clip_emotion.training.loop.run_folder import RUN_STATE, check_out
from clip_emotion.training.mini import comments_stage
from clip_emotion.training.mini.answers import ANSWERS, load_answers
from clip_emotion.training.mini.chats_tasks import chat_rows
from clip_emotion.training.mini.comments import CommentReader, CommentTeacher, taught_answers, with_pairs
from clip_emotion.training.mini.comments_config import CommentTeacherConfig
from clip_emotion.training.mini.messages_config import AnswersConfig, MiniMessagesConfig
from clip_emotion.training.mini.messages_stage import load_objective
from clip_emotion.training.mini.morphemes import Morphemes
from clip_emotion.training.registry import check, plan, train
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import tiny_mini, tiny_text, with_messages
from tests.training.test_mini_chats import write_chats
from tests.training.test_mini_messages import write_config


class SpacedModel:
    """Its morphemes are what stands between spaces."""

    def tokenize(self, texts: Sequence[str]) -> list[list[SimpleNamespace]]:
        return [[SimpleNamespace(form=word, tag="NNG") for word in text.split()] for text in texts]


def morphemes() -> Morphemes:
    vectors = F.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    return Morphemes(SpacedModel(), {0: ("좋다", "NNG"), 1: ("나쁘다", "NNG"), 2: ("영화", "NNG")}, vectors)  # type: ignore[arg-type]


def config(folder: Path = Path("none"), **changes: object) -> CommentTeacherConfig:
    kept_out = {"kote_validation": 3, "kote_tuning": 2, "exclude": ["seen.tsv.gz"]}
    sources = {"folder": str(folder), "prepared": str(folder / "prepared"), **kept_out}
    values = {"kind": "comment_teacher", "sources": sources, "taught": "kote", "folds": 2, "often": 1}
    return CommentTeacherConfig.model_validate({**values, "out": str(folder / "comments"), **changes})


def rows() -> TextRows:
    texts = [f"영화 {'좋다' if at % 2 else '나쁘다'} {at}" for at in range(24)]
    targets = torch.zeros(24, 4)
    targets[1::2, 0], targets[::2, 1], targets[:, 2] = 1, 1, 1
    return TextRows(tuple(texts), targets)


def test_features_are_morphemes_their_pairs_characters_and_meanings() -> None:
    reader = CommentReader(morphemes(), config(meaning=2.0))
    features = reader.fit(["영화 좋다", "영화 나쁘다"])
    assert with_pairs(["a", "b", "c"]) == ["a", "b", "c", "a b", "b c"]
    assert set(reader.parts.get_feature_names_out()) >= {"영화/NNG", "영화/NNG 좋다/NNG"}
    assert "영화" in reader.characters.get_feature_names_out()
    meant = features[:, -4:].toarray()
    np.testing.assert_allclose(meant, 2 * morphemes().embed(["영화 좋다", "영화 나쁘다"]).numpy(), atol=1e-6)


def test_a_label_that_all_have_is_sure_and_one_that_none_has_is_not() -> None:
    reader, taught = CommentReader(morphemes(), config()), rows()
    features = reader.fit(taught.texts)
    said = CommentTeacher(config(), features, taught.targets).answers(features).exp()
    torch.testing.assert_close(said.sum(dim=1), torch.ones(24))
    assert (said[1::2, 0] > said[1::2, 1]).all()
    assert (said[::2, 1] > said[::2, 0]).all()
    assert (said[:, 2] >= said[:, :2].amax(dim=1)).all()
    assert (said[:, 3] < 1e-3).all()


def test_its_own_comments_are_answered_by_models_that_never_saw_them() -> None:
    taught = rows()
    noise = TextRows(taught.texts, (torch.rand(24, 4, generator=torch.Generator().manual_seed(1)) > 0.5).float())
    strict = config(inverse_penalty=1e4)
    told: list[tuple[int, int]] = []
    reader = CommentReader(morphemes(), strict)
    own, same = taught_answers(strict, reader, noise, [noise.texts], lambda done, parts: told.append((done, parts)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    right = [((said > said.median()) == (noise.targets > 0)).float().mean().item() for said in (own, same)]
    assert right[1] > 0.9  # learned by heart
    assert right[0] < 0.75  # nothing to learn


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(comments_stage, "load_morphemes", morphemes)
    monkeypatch.setattr(comments_stage, "check_morphemes", lambda: None)
    tiny_mini().save(write_chats(tmp_path) / "mini")
    (tmp_path / "pairs.jsonl").write_text('{"colder": "꺼져", "warmer": "사랑해"}\n', "utf-8")
    path = tmp_path / "comments.yaml"
    path.write_text(yaml.safe_dump(config(tmp_path, asked=["nsmc"]).model_dump(mode="json")), "utf-8")
    assert {raw.name for raw in check([plan(path)])} >= {"kote.tsv.gz", "nsmc.tsv.gz"}
    train(path, [], lambda progress: None)
    return tmp_path


def test_a_finished_run_is_taken_as_it_is_or_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, written = folder / "comments.yaml", folder / "comments" / ANSWERS
    first = load_file(written)
    with pytest.raises(UsageError, match="holds a run already"):
        check_out(folder / "comments", WriteOptions())
    check_out(folder / "comments", WriteOptions(overwrite=True))
    again = train(path, [], lambda progress: None)
    with monkeypatch.context() as nothing_is_read:
        nothing_is_read.setattr(comments_stage, "chat_rows", None)
        assert train(path, [], lambda progress: None, resume=True).metrics == again.metrics
    assert all(torch.equal(answers, first[digest]) for digest, answers in load_file(written).items())
    train(path, ["inverse_penalty=0.01"], lambda progress: None, resume=True)
    assert not all(torch.equal(answers, first[digest]) for digest, answers in load_file(written).items())


def test_own_comments_are_not_asked_as_those_of_others() -> None:
    with pytest.raises(ValidationError, match="asked names other corpora than kote, each once"):
        config(asked=["kote"])
    with pytest.raises(ValidationError, match="each once"):
        config(asked=["nsmc", "nsmc"])


def test_the_stage_leaves_answers_that_the_message_tower_learns(folder: Path) -> None:
    assert [path.name for path in (folder / "comments").glob("*.safetensors")] == [ANSWERS]
    answers = [{"folder": str(folder / "comments"), "taught": "kote", "weight": 0.5, "asked": {"nsmc": 2}}]
    values = yaml.safe_load(write_config(folder, answers=answers).read_text("utf-8"))
    values["tasks"] += [{"corpus": "goemotions_ko", "batch": 3}]
    asked = MiniMessagesConfig.model_validate(values)
    mini, (training, _) = load_mini(folder / "mini", torch.device("cpu")), chat_rows(asked.sources)
    by_name = {task.name: task for task in load_objective(asked, mini, mini).tasks}
    plain = load_objective(asked.model_copy(update={"answers": ()}), mini, mini).tasks
    said = load_answers(folder / "comments", training["kote"].texts, 44)
    for before in plain:
        expected = (before.targets + said) / 2 if before.name == "kote" else before.targets
        torch.testing.assert_close(by_name[before.name].targets, expected)
    extra = by_name["nsmc_in_kote"]
    torch.testing.assert_close(extra.targets, load_answers(folder / "comments", training["nsmc"].texts, 44))
    assert (extra.batch, len(extra.words)) == (2, 44)
    for wrong, told in (
        ({"taught": "goemotions_ko"}, "answers on other texts"),
        ({"asked": {"nsmc": 10**6}}, "1000000 texts of nsmc are asked, but it has"),
    ):
        answered = MiniMessagesConfig.model_validate(values | {"answers": [answers[0] | wrong]})
        with pytest.raises((ModelError, UsageError), match=told):
            load_objective(answered, mini, mini)
    with pytest.raises(ModelError, match="answers in 44 labels, not 28: set 'taught'"):
        load_answers(folder / "comments", training["kote"].texts, 28)
    with pytest.raises(ModelError, match="answers on other texts"):
        load_answers(folder / "comments", training["chatbot"].texts, 44)


def started(seed: int) -> MiniEncoder:
    return replace(with_messages(tiny_mini(seed), feed_forward=16, seed=seed), fingerprint=f"mini-{seed}")


def test_the_tower_that_a_run_starts_from_answers_too(folder: Path) -> None:
    mini, others = load_mini(folder / "mini", torch.device("cpu")), [started(seed) for seed in (1, 2)]
    answers = {"folder": str(folder / "comments"), "taught": "kote", "weight": 0.5, "asked": {"nsmc": 2}}
    alone = {"folder": None, "own": 1, "taught": "kote", "weight": 0.5, "asked": {"nsmc": 2}}
    words = mini.encode_texts(Vocabulary.load("kote44").names("ko"))
    targets = {}
    for name, change in (("teacher", answers), ("both", answers | {"own": 0.25}), ("own", alone)):
        asked = MiniMessagesConfig.model_validate(
            yaml.safe_load(write_config(folder, answers=[change]).read_text("utf-8"))
        )
        tasks = {task.name: task.targets for task in load_objective(asked, mini, others[0]).tasks}
        targets[name] = tasks["kote"], tasks["nsmc_in_kote"]
    texts = chat_rows(asked.sources)[0]["nsmc"].texts
    for first in others:  # what is kept of the one is not the other's
        said = {task.name: task.targets for task in load_objective(asked, mini, first).tasks}["nsmc_in_kote"]
        logits = first.message_logit_scale * first.encode_messages(list(texts)) @ words.T
        torch.testing.assert_close(said, logits.softmax(dim=1), atol=2e-3, rtol=2e-2)  # kept in half precision
    assert not torch.allclose(said, targets["own"][1], atol=0.01)
    for teacher, both, own in zip(targets["teacher"], targets["both"], targets["own"], strict=True):
        torch.testing.assert_close(both, torch.lerp(teacher, own, 0.25))
    has = {"layers": 1, "heads": 2, "feed_forward": 16}
    for change in ({"layers": 0}, {"heads": 3}, {"feed_forward": 8}):
        other = asked.model_copy(update={"reading": ReadingConfig.model_validate(has | change)})
        with pytest.raises(
            UsageError, match=r"with other blocks: set reading to .layers: 1, heads: 2, feed_forward: 16."
        ):
            load_objective(other, mini, others[0])
    load_objective(
        asked.model_copy(update={"reading": ReadingConfig.model_validate(has | {"layers": 2})}), mini, others[0]
    )
    wide = tiny_mini(text=tiny_text(width=16))
    with pytest.raises(UsageError, match="have other sizes than those of"):
        load_objective(asked, mini, wide)
    for wrong in (answers | {"own": 1}, alone | {"own": 0.5}):
        with pytest.raises(ValidationError, match="folder is null where own is 1, and only there"):
            AnswersConfig.model_validate(wrong)


def test_a_run_does_not_go_on_with_a_teacher_that_was_trained_again(folder: Path) -> None:
    answers = [{"folder": str(folder / "comments"), "taught": "kote", "weight": 0.5, "asked": {"nsmc": 2}}]
    fit = {"steps": 3, "learning_rate": 0.01, "precision": "fp32", "save_every": 1}
    path, written = write_config(folder, answers=answers, fit=fit), folder / "comments" / ANSWERS
    first = train(path, [], lambda progress: None)
    assert train(path, [], lambda progress: None, resume=True).metrics == first.metrics
    state = torch.load(folder / "out" / RUN_STATE, weights_only=True)
    as_earlier = dict(state, settings={name: value for name, value in state["settings"].items() if name != "teachers"})
    assert all("own" not in answers for answers in state["settings"]["answers"])
    save_file({name: answer + 1 for name, answer in load_file(written).items()}, written)
    with pytest.raises(UsageError, match=r"was made with other settings .*teachers"):
        train(path, [], lambda progress: None, resume=True)
    torch.save(as_earlier, folder / "out" / RUN_STATE)  # of an earlier release, which did not say
    train(path, [], lambda progress: None, resume=True)
