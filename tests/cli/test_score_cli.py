"""``clip-emotion score`` through the real command line, with the bundled mini."""

from __future__ import annotations

import csv
import functools
import io
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scoring.embedders
import scoring.emotions.loading
import scoring.loading
import scoring.readers.follow
from clip_emotion.cli.score.inputs import find_inputs, shortest_names
from clip_emotion.cli.score.settings import parse_half_life
from clip_emotion.errors import UsageError
from clip_emotion.models import registry
from scoring.config import RecencyConfig
from tests.support.commands import Run, runner
from tests.support.pictures import plain, save

KAKAO = """하린 님과 카카오톡 대화
저장한 날짜 : 2026-03-09 21:12:44

--------------- 2026년 3월 2일 월요일 ---------------
[하린] [오전 8:12] 오늘 너무 행복해 사랑해 ㅎㅎ
[도윤] [오전 8:15] 나도 정말 고마워
보고 싶다
[도윤] [오전 8:16] 사진
[하린] [오전 8:20] 짜증나고 너무 화가 나 ㅠㅠ
"""
COLD = "현우: 정말 지긋지긋하고 짜증나\n서아: 너 때문에 너무 슬프고 외로워\n현우: 화가 나서 참을 수 없어\n"
GIVEN = [
    {"speaker": "하린", "text": "좋아", "emotions": {"기쁨": 0.5, "행복": 0.5}, "time": "2026-03-02T08:00:00"},
    {"speaker": "도윤", "text": "싫어", "emotions": {"슬픔": 0.8, "불안/걱정": 0.2}, "time": "2026-03-02T08:10:00"},
    {"speaker": "하린", "text": "그래", "emotions": {"화남/분노": 3, "슬픔": 1}, "time": "2026-03-02T09:00:00"},
]


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """The loaders, each model loaded once for all tests here."""
    return {
        "encoder": functools.cache(registry.load_encoder),
        "embedder": functools.cache(scoring.embedders.load_embedder),
    }


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    capfd: pytest.CaptureFixture[str],
    models: dict[str, Any],
) -> Run:
    monkeypatch.setattr(registry, "load_encoder", models["encoder"])
    monkeypatch.setattr(scoring.loading, "load_embedder", models["embedder"])
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path_factory.mktemp("cache")))
    return runner(capfd, "score")


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.txt"
    path.write_text(KAKAO, "utf-8")
    return path


@pytest.fixture
def given(tmp_path: Path) -> Path:
    path = tmp_path / "given.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in GIVEN), "utf-8")
    return path


@pytest.fixture
def cold(tmp_path: Path) -> Path:
    path = tmp_path / "cold.txt"
    path.write_text(COLD, "utf-8")
    return path


def feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_of_a_kakaotalk_export(run: Run, chat: Path) -> None:
    code, out, err = run(chat, "--format", "json")
    result = json.loads(out)
    assert code == 0
    assert result["name"] == "chat.txt"
    assert result["conversation"]["turns"] == 3
    assert [turn["speaker"] for turn in result["turns"]] == ["하린", "도윤", "도윤", "하린"]
    assert result["turns"][1]["text"] == "나도 정말 고마워\n보고 싶다"
    assert result["turns"][0]["time"] == "2026-03-02T08:12:00"
    warm, _, photo, angry = result["turns"]
    assert warm["score"] > 0 > angry["score"]
    assert (photo["score"], photo["media"]) == (None, "photo")
    assert photo["error"]
    for turn in (warm, angry):
        assert len(turn["emotions"]) == 44
        assert sum(turn["emotions"].values()) == pytest.approx(1, abs=1e-6)
        assert sum(turn["contributions"].values()) == pytest.approx(turn["score"], abs=1e-6)
    assert result["speakers"].keys() == {"하린", "도윤"}
    assert "1 conversation, 4 turns" in err


@pytest.mark.parametrize(
    ("recency", "expected"),
    [("linear", lambda a, b, c: (a / 3 + 2 * b / 3 + c) / 2), ("uniform", lambda a, b, c: (a + b + c) / 3)],
)
def test_the_score_is_the_definition(run: Run, given: Path, recency: str, expected: Callable[..., float]) -> None:
    code, out, _ = run(given, "--format", "json", "--recency", recency, "--emotions", "given")
    result = json.loads(out)
    scores = [turn["score"] for turn in result["turns"]]
    assert code == 0
    assert result["conversation"]["score"] == pytest.approx(expected(*scores), abs=1e-6)
    assert result["conversation"]["raw"] == pytest.approx(scores[0] / 3 + 2 * scores[1] / 3 + scores[2], abs=1e-6)
    assert result["conversation"]["recency"] == recency
    assert result["turns"][-1]["running"] == pytest.approx(result["conversation"]["score"], abs=1e-6)
    assert result["turns"][2]["emotions"]["화남/분노"] == pytest.approx(0.75)


def test_half_lives_in_turns_and_in_minutes(run: Run, given: Path) -> None:
    def score(half_life: str) -> tuple[float, list[float], dict[str, object]]:
        code, out, _ = run(given, "--format", "json", "--recency", "exponential", "--half-life", half_life)
        assert code == 0
        result = json.loads(out)
        scores = [turn["score"] for turn in result["turns"]]
        return result["conversation"]["score"], scores, result["settings"]["recency"]

    by_turns, (a, b, c), settings = score("1")
    assert by_turns == pytest.approx((a / 4 + b / 2 + c) / 1.75, abs=1e-6)
    assert settings == {"kind": "exponential", "half_life": 1.0, "unit": "turns"}
    by_hours, _, settings = score("0.5h")
    assert settings == {"kind": "exponential", "half_life": 30.0, "unit": "minutes"}
    ages = [2 ** (-60 / 30), 2 ** (-50 / 30), 1]
    assert by_hours == pytest.approx((ages[0] * a + ages[1] * b + c) / sum(ages), abs=1e-6)
    code, _, err = run(given, "--half-life", "5", "--format", "jsonl")
    assert code == 0
    assert "--recency exponential" in err


def test_half_life_spellings() -> None:
    assert parse_half_life("10") == (10.0, "turns")
    assert parse_half_life("10m") == (10.0, "minutes")
    assert parse_half_life(" 2 H") == (120.0, "minutes")
    assert parse_half_life("1.5d") == (2160.0, "minutes")
    for wrong in ("", "-1", "ten", "5s", "1e3", "inf"):
        with pytest.raises(UsageError, match="is no time"):
            parse_half_life(wrong)
    for nothing in ("0", "0m", "0.0"):
        with pytest.raises(UsageError, match="must be above 0"):
            parse_half_life(nothing)
    for text in ("10", "45m", "2h", "1.5d", "1d", "90m"):
        value, unit = parse_half_life(text)
        words = RecencyConfig(kind="exponential", half_life=value, unit=unit).half_life_words
        assert parse_half_life(words) == (value, unit)


def test_json_lines_alone_and_among_several(run: Run, chat: Path, cold: Path) -> None:
    _, alone, _ = run(chat, "--format", "jsonl")
    _, among, _ = run(chat, cold, "--format", "jsonl")
    assert len(rows_of(alone)) == 4
    assert "conversation" not in rows_of(alone)[0]
    assert [row.pop("conversation") for row in rows_of(among)] == ["chat.txt"] * 4 + ["cold.txt"] * 3
    assert [row["text"] for row in rows_of(among)[:4]] == [row["text"] for row in rows_of(alone)]


def test_csv_to_a_file_has_a_bom_and_to_a_pipe_none(run: Run, chat: Path, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "scores.csv"
    code, out, _ = run(chat, "--out", target, "--format", "csv", "--probabilities")
    assert (code, out) == (0, "")
    content = target.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [row["speaker"] for row in rows] == ["하린", "도윤", "도윤", "하린"]
    assert sum(float(value) for name, value in rows[0].items() if name.startswith("p_")) == pytest.approx(1, abs=1e-6)
    _, piped, _ = run(chat, "--format", "csv")
    assert piped.startswith("conversation,index,speaker,time,text,media,score,running,dominant,clear,error\r\n")


def test_a_table_in_cp949(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "표.csv"
    path.write_bytes("speaker,text\n하린,오늘 너무 행복해\n도윤,정말 화가 나\n".encode("cp949"))
    code, out, _ = run(path, "--format", "jsonl")
    assert code == 0
    assert [row["text"] for row in rows_of(out)] == ["오늘 너무 행복해", "정말 화가 나"]


def test_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, COLD.encode())
    code, out, _ = run("-", "--format", "json")
    assert code == 0
    assert json.loads(out)["conversation"]["turns"] == 3
    assert run("-", "-")[0] == 2


def test_the_table_of_one_conversation(run: Run, chat: Path) -> None:
    code, out, _ = run(chat)
    assert code == 0
    assert out.startswith("chat.txt: affection ")
    assert "95 % interval" in out
    assert "from 3 of 4 turns, recency linear" in out
    for text in (
        "하린",
        "도윤",
        "오늘 너무 행복해 사랑해 ㅎㅎ",
        "나도 정말 고마워 보고 싶다",
        "(photo)",
        "2026-03-02 08:12",
    ):
        assert text in out


def test_long_tables_show_the_edges_and_say_so(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("".join(f"하린: 말 {number}\n도윤: 그래 {number}\n" for number in range(50)), "utf-8")
    code, out, _ = run(path)
    assert code == 0
    assert "말 0" in out
    assert "그래 49" in out
    assert " more" in out
    assert "--format csv or jsonl has all" in out


def test_several_files_are_ranked_and_a_bad_one_is_a_row(run: Run, chat: Path, cold: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    inputs = [cold, tmp_path / "empty.txt", chat, tmp_path / "none.txt"]
    code, out, err = run(*inputs)
    assert code == 1
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "✗", "✗"]
    assert "chat.txt" in lines[0]
    assert "cold.txt" in lines[1]
    assert "empty" in lines[2]
    assert "2 failed" in err
    code, out, err = run(*inputs, "--format", "json")
    assert code == 1
    assert [("error" in entry, "conversation" in entry) for entry in json.loads(out)] == [
        (False, True),
        (True, False),
        (False, True),
        (True, False),
    ]
    assert "none.txt" in err


def test_files_of_one_name_stay_apart(run: Run, cold: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "cold.txt"
    other.parent.mkdir()
    other.write_text(COLD, "utf-8")
    _, out, _ = run(cold, other, "--format", "json")
    assert [entry["name"] for entry in json.loads(out)] == [f"{tmp_path.name}/cold.txt", "other/cold.txt"]


def test_the_shortest_names_that_tell_files_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = ["a/x/warm.txt", "b/x/warm.txt", "b/y/warm.txt", "cold.txt", "deep/chat.txt", "chat.txt", "-"]
    names = ["a/x/warm.txt", "b/x/warm.txt", "y/warm.txt", "cold.txt", "deep/chat.txt", f"{tmp_path.name}/chat.txt"]
    assert list(map(shortest_names(paths).__getitem__, paths)) == [*names, "stdin"]
    assert shortest_names(["one.txt", "./one.txt"]) == {"-": "stdin", "one.txt": "one.txt", "./one.txt": "one.txt"}


def test_conversations_of_one_table(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    rows = [{"conversation": str(at % 2), "speaker": "a", "text": f"좋아 {at}"} for at in range(4)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    code, out, _ = run(path, "--format", "json")
    assert code == 0
    assert [entry["conversation"]["turns"] for entry in json.loads(out)] == [2, 2]


def test_one_speaker_has_the_same_numbers_alone(run: Run, chat: Path) -> None:
    _, whole, _ = run(chat, "--format", "json")
    code, part, _ = run(chat, "--format", "json", "--speaker", "하린")
    assert code == 0
    assert list(json.loads(part)["speakers"]) == ["하린"]
    assert json.loads(part)["speakers"]["하린"] == json.loads(whole)["speakers"]["하린"]
    assert [turn["index"] for turn in json.loads(part)["turns"]] == [1, 4]
    _, table, _ = run(chat, "--speaker", "하린")
    assert table.startswith("하린 in chat.txt: affection ")
    assert "고마워" not in table


def test_speakers_in_a_ranking(run: Run, chat: Path, cold: Path) -> None:
    code, out, _ = run(chat, cold, "--speaker", "하린")
    assert code == 1
    assert "chat.txt, 하린" in out.splitlines()[0]
    assert "no speaker '하린'" in out.splitlines()[1]


def test_unknown_speakers_are_misuse_with_a_hint(run: Run, chat: Path, cold: Path) -> None:
    code, out, err = run(chat, "--speaker", "하린이")
    assert (code, out) == (2, "")
    assert "Perhaps '하린'?" in err
    assert "It has: 하린, 도윤" in err
    assert run(chat, cold, "--speaker", "누구")[0] == 2


def test_anonymised_names_of_conversations_hold_no_path(run: Run, tmp_path: Path) -> None:
    for folder in ("홍길동 방", "other", "third"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "chat.txt").write_text("하린: 좋아\n도윤: 그래\n", "utf-8")
    call = [*sorted(tmp_path.glob("*/chat.txt")), "--format", "jsonl"]
    _, open_names, _ = run(*call)
    _, out, _ = run(*call, "--anonymise")
    assert "홍길동 방" in open_names
    assert list(dict.fromkeys(row["conversation"] for row in rows_of(out))) == [
        "chat.txt",
        "chat.txt (2)",
        "chat.txt (3)",
    ]


def test_anonymised_output_names_nobody(run: Run, chat: Path) -> None:
    code, out, err = run(chat, "--anonymise", "--format", "json")
    assert code == 0
    assert "하린" not in out + err
    assert "도윤" not in out + err
    assert run(chat, "--anonymise", "--speaker", "화자 1", "--format", "jsonl")[0] == 0


def test_unreadable_lines_are_told_and_no_failure(run: Run, given: Path) -> None:
    with given.open("ab") as file:
        file.write(b'{"speaker": \n[1]\n')
    code, out, err = run(given, "--format", "jsonl")
    assert code == 0
    assert len(rows_of(out)) == 3
    assert "2 lines could not be read as turns (line 4: " in err


def test_nothing_to_score_is_a_sentence_and_exit_code_1(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "photos.txt"
    path.write_text(KAKAO.split("[하린]")[0] + "[도윤] [오전 8:16] 사진\n", "utf-8")
    (tmp_path / "empty.txt").write_bytes(b"")
    for file, words in ((path, "none of its turns could be scored (photo"), (tmp_path / "empty.txt", "empty")):
        code, out, err = run(file, "--format", "json")
        assert (code, out) == (1, "")
        assert words in err
    assert run(tmp_path / "none.txt")[0] == 1


def test_own_words_and_their_weights(run: Run, cold: Path, tmp_path: Path) -> None:
    config = tmp_path / "own.yaml"
    config.write_text("weights: {overrides: {행복: 1.0, 슬픔: -1.0}}\nrecency: {kind: uniform}\n", "utf-8")
    code, out, _ = run(cold, "--labels", "행복,슬픔", "--config", config, "--format", "json")
    result = json.loads(out)
    assert code == 0
    assert result["conversation"]["recency"] == "uniform"
    for turn in result["turns"]:
        assert turn["score"] == pytest.approx(turn["emotions"]["행복"] - turn["emotions"]["슬픔"], abs=1e-6)
        assert turn["score"] < 0


def test_a_picture_is_judged(run: Run, tmp_path: Path) -> None:
    save(plain("red"), tmp_path / "face.png")
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"speaker": "a", "text": "", "image": "face.png"}) + "\n", "utf-8")
    for emotions in ("auto", "image"):
        code, out, _ = run(path, "--emotions", emotions, "--format", "jsonl")
        assert code == 0
        assert sum(rows_of(out)[0]["emotions"].values()) == pytest.approx(1, abs=1e-6)
    assert run(path, "--emotions", "text")[0] == 1


def test_a_broken_picture_beside_a_text_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "홍길동.png").write_bytes(b"no picture")
    path = tmp_path / "pictures.jsonl"
    path.write_text(json.dumps({"speaker": "a", "text": "정말 행복해", "image": "홍길동.png"}) + "\n", "utf-8")
    code, out, err = run(path, "--format", "json", "--anonymise", "--report", tmp_path / "report")
    assert code == 0
    assert "turn 1, picture: " in err
    assert json.loads(out)["notices"][0] in err
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert '<span lang="en">picture</span><span lang="ko">그림</span>' in page
    assert "홍길동" not in out + err + page


def test_folders_and_globs(tmp_path: Path, chat: Path, cold: Path) -> None:
    (tmp_path / "notes.md").write_text("x", "utf-8")
    assert find_inputs([str(tmp_path)]) == [str(chat), str(cold)]
    assert find_inputs([str(tmp_path / "c*.txt"), str(cold)]) == [str(chat), str(cold)]
    assert find_inputs(["none*.txt"]) == ["none*.txt"]
    (tmp_path / "deep").mkdir()
    for wrong in ([], ["-", "-"], [str(tmp_path / "deep")]):
        with pytest.raises(UsageError):
            find_inputs(wrong)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--labels", "a,b", "--vocab", "basic7"], "not both"),
        (["--vocab", "nonsense"], "basic7"),
        (["--emotions", "guess"], "emotions"),
        (["--recency", "random"], "recency"),
        (["--half-life", "soon"], "half-life"),
        (["--format", "xml"], "format"),
        (["--format", "table", "--out", "scores.json"], "screen"),
        (["--out", "scores.xyz"], "--format"),
        (["--layout", "icq"], "kakaotalk"),
        (["--embedder", "word2vec"], "kobert"),
        (["--config", "none.yaml"], "none.yaml"),
        (["--follow", "--format", "json"], "jsonl"),
        (["--follow", "--out", "scores.jsonl"], "--follow"),
        (["--follow", "chat.txt"], "one file"),
    ],
)
def test_misuse_is_one_sentence(run: Run, chat: Path, arguments: list[str], words: str) -> None:
    code, out, err = run(chat, *arguments)
    assert code == (1 if "--config" in arguments else 2)
    assert out == ""
    assert words in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none.txt"], 1, "Cannot read none.txt"),
        (["empty.txt"], 1, "empty.txt is empty"),
        (["none.txt", "empty.txt"], 1, "2 failed"),
        (["none.txt", "--follow"], 1, "Cannot read none.txt"),
        (["cold.txt", "--speaker", "누구"], 2, "cold.txt has no speaker '누구'"),
        (["cold.txt", "--emotions", "kobert"], 2, "--kobert FOLDER"),
        (["cold.txt", "--emotions", "given"], 1, "cold.txt holds no emotions: --emotions given takes them from"),
        (["cold.txt", "--embedder", "word2vec"], 2, "Unknown embedder"),
    ],
)
def test_bad_input_is_told_before_models_load(
    run: Run, cold: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    loaded: list[object] = []
    monkeypatch.setattr(registry, "load_encoder", loaded.append)
    monkeypatch.setattr(scoring.loading, "load_emotion", lambda *models: loaded.append(models))
    monkeypatch.setattr(scoring.loading, "load_embedder", lambda *models: loaded.append(models))
    monkeypatch.chdir(cold.parent)
    Path("empty.txt").write_bytes(b"")
    found, _, err = run(*arguments)
    assert (found, loaded) == (code, [])
    assert words in err


def test_a_half_life_in_time_needs_times(run: Run, cold: Path) -> None:
    code, _, err = run(cold, "--recency", "exponential", "--half-life", "1d")
    assert code == 2
    assert "A half-life in time (1d) needs a time for every turn" in err


def test_a_failed_write_leaves_the_old_file(
    run: Run, chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "scores.json"
    target.write_text("old", "utf-8")

    def interrupted(self: Path, other: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    code, out, _ = run(chat, "--out", target, "--overwrite")
    assert (code, out) == (130, "")
    assert target.read_text("utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chat.txt", "scores.json"]


def test_the_report_is_written_beside_the_data(run: Run, chat: Path, tmp_path: Path) -> None:
    code, out, err = run(chat, "--report", tmp_path / "report", "--format", "jsonl")
    assert code == 0
    assert len(rows_of(out)) == 4
    assert str(tmp_path / "report" / "index.html") in err
    assert "하린" in (tmp_path / "report" / "index.html").read_text("utf-8")


@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_the_report_is_written_though_nobody_reads_the_scores(
    run: Run, chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    class Closed(io.BytesIO):
        def write(self, content: object) -> int:
            raise BrokenPipeError

    # main() would put the null device in the place of this process's own standard output.
    monkeypatch.setattr("clip_emotion.cli.main._drop_stdout", lambda: None)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Closed(), write_through=True))
    code, _, err = run(chat, "--format", form, "--report", tmp_path / "report")
    assert code == 1
    assert "Report: " in err
    assert "하린" in (tmp_path / "report" / "index.html").read_text("utf-8")


def interrupting(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> None:
    """Let each poll of a followed file be followed by one step, and the last one by Ctrl-C."""
    left = iter(steps)

    def sleep(seconds: float) -> None:
        step = next(left, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    options = scoring.readers.follow.FollowOptions
    monkeypatch.setattr(scoring.readers.follow, "FollowOptions", lambda: options(quiet=0.0, sleep=sleep))


def test_following_gives_what_scoring_gives(run: Run, chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole, _ = run(chat, "--format", "jsonl")
    lines = KAKAO.splitlines(keepends=True)
    chat.write_text("".join(lines[:5]), "utf-8")

    def grow() -> None:
        with chat.open("a", encoding="utf-8") as file:
            file.write("".join(lines[5:]))

    interrupting(monkeypatch, grow, lambda: None)
    code, out, err = run(chat, "--follow", "--format", "jsonl")
    assert code == 0
    live, expected = rows_of(out), rows_of(whole)
    assert [row["text"] for row in live] == [row["text"] for row in expected]
    for one, other in zip(live, expected, strict=True):
        assert one["running"] == pytest.approx(other["running"], abs=1e-6)
        assert one["emotions"] == pytest.approx(other["emotions"], abs=1e-5)
    assert "3 turns scored: affection " in err


def test_interrupted_following_shows_the_message_that_was_held_back(
    run: Run, cold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = scoring.readers.follow.FollowOptions

    def sleep(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring.readers.follow, "FollowOptions", lambda: options(sleep=sleep))
    code, out, err = run(cold, "--follow", "--format", "jsonl")
    assert code == 0
    assert [row["speaker"] for row in rows_of(out)] == ["현우", "서아", "현우"]
    assert "3 turns scored" in err


def test_following_a_replaced_file_begins_anew(run: Run, cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupting(monkeypatch, lambda: cold.write_text("가영: 사랑해\n", "utf-8"), lambda: None)
    code, out, err = run(cold, "--follow", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert code == 0
    assert [row["index"] for row in rows] == ["1", "2", "3", "1"]
    assert rows[-1]["score"] == rows[-1]["running"]
    assert "was replaced" in err
    assert "1 turn scored" in err


def test_anonymised_following_tells_no_file_name(run: Run, cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = cold.rename(cold.with_name("서아와 나.txt"))
    interrupting(monkeypatch, lambda: None)
    _, out, _ = run(named, "--follow", "--format", "csv", "--anonymise")
    assert {row["conversation"] for row in csv.DictReader(io.StringIO(out, newline=""))} == {"conversation"}
    assert "서아" not in out


def test_following_standard_input_to_its_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, COLD.encode("cp949"))
    code, out, _ = run("-", "--follow", "--speaker", "현우")
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[:2] for line in lines[:2]] == [["1", "현우"], ["3", "현우"]]
    assert lines[-2].split()[0] == "all"
    assert lines[-1].split()[0] == "현우"
    assert "서아" not in out


def test_the_package_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["clip-emotion", "score", "--help"])
    # It would take the process of the tests along where nothing has started a thread in it yet.
    monkeypatch.setattr("clip_emotion.cli.main._leave", sys.exit)
    with pytest.raises(SystemExit) as end:
        runpy.run_module("clip_emotion", run_name="__main__")
    assert end.value.code == 0
    assert "--recency" in capsys.readouterr().out
    runpy.run_module("clip_emotion.__main__", run_name="imported")
    assert capsys.readouterr().out == ""


def test_following_needs_a_file(run: Run, tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "none.txt", "--follow")
    assert code == 1
    assert "Cannot read" in err
