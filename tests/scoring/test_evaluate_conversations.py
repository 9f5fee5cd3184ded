"""Evaluation on judged conversations: the metrics against libraries and by hand, the tasks on tiny tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score

from clip_emotion.cli.main import main
from clip_emotion.data.held_out import text_held_out
from clip_emotion.errors import DataError, UsageError
from clip_emotion.training.mini.chats_tasks import HELD_OUT
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.weights import AffectionWeights
from scoring.config import RECENCY_KINDS, BootstrapConfig, RecencyConfig, ScoreConfig
from scoring.conversation import Turn
from scoring.emotions.base import Judgement
from scoring.evaluation.conversations import ConversationEvaluation, evaluate_conversations, task_names
from scoring.evaluation.metrics import (
    METRICS,
    auc,
    fit_thresholds,
    macro_f1,
    metric_interval,
    rank_correlation,
    signs_of,
)
from scoring.evaluation.tasks import ANSWERS, TASKS, TextScores
from tests.support.minis import table

QUICK = ScoreConfig(bootstrap=BootstrapConfig(resamples=100))
SCORES = st.lists(st.tuples(st.integers(-3, 3), st.integers(-1, 1)), min_size=2, max_size=40)


ROWS = {"warm": (1.0, 0.0), "cold": (0.0, 1.0), "mixed": (0.5, 0.5)}


class FakeEmotion:
    """Judges a text by its last word: warm, cold, mixed, or (none of these) nothing; remembers what it was asked."""

    name = "fake"
    vocabulary = Vocabulary.from_words(["warm", "cold"], name="two")
    notices = ()

    def __init__(self) -> None:
        self.asked: list[str] = []

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        self.asked += [turn.text for turn in turns]
        return Judgement(np.array([ROWS.get(turn.text.split()[-1], (np.nan, np.nan)) for turn in turns]))


WEIGHTS = AffectionWeights(("warm", "cold"), np.array([1.0, -1.0]), "by hand")


def fake_scores() -> tuple[TextScores, FakeEmotion]:
    emotion = FakeEmotion()
    return TextScores(emotion, WEIGHTS), emotion


def value(result: ConversationEvaluation, about: str, metric: str, name: str) -> float:
    finding = next(found for found in result.findings if about in found.about and found.metric == metric)
    return finding.answers[name].value


@given(SCORES)
def test_auc_is_scikit_learns(rows: list[tuple[int, int]]) -> None:
    scores, truth = np.array(rows, dtype=float).T
    truth = np.maximum(truth, 0)
    if len(set(truth)) < 2:
        assert np.isnan(auc(scores, truth))
    else:
        assert auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


@given(SCORES)
def test_macro_f1_is_scikit_learns(rows: list[tuple[int, int]]) -> None:
    answers, truth = np.clip(np.array(rows, dtype=float).T, -1, 1)
    expected = f1_score(truth, answers, labels=[-1, 0, 1], average="macro", zero_division=0)
    assert macro_f1(answers, truth) == pytest.approx(expected)


def test_rank_correlation_by_hand_and_of_constants() -> None:
    # Spearman without ties: 1 - 6 Σd² / (n (n² - 1)) with d = 0, 1, 1, 0.
    assert rank_correlation(np.array([1.0, 3, 2, 4]), np.array([10.0, 20, 30, 40])) == pytest.approx(0.8)
    assert rank_correlation(np.zeros(3), np.arange(3.0)) == 0
    assert rank_correlation(np.arange(3.0), np.zeros(3)) == 0
    assert np.isnan(rank_correlation(np.zeros(1), np.zeros(1)))


@settings(max_examples=50)
@given(SCORES)
def test_thresholds_are_the_best_pair(rows: list[tuple[int, int]]) -> None:
    scores, truth = np.array(rows, dtype=float).T
    edges = [-np.inf, *np.unique(scores)]
    best = max(macro_f1(signs_of(scores, pair), truth) for pair in combinations_with_replacement(edges, 2))
    found = fit_thresholds(scores, truth)
    assert found[0] <= found[1]
    assert macro_f1(signs_of(scores, found), truth) == pytest.approx(best)


def test_thresholds_of_nothing_call_everything_neutral() -> None:
    assert signs_of(np.array([-9.0, 0, 9]), fit_thresholds(np.zeros(0), np.zeros(0))).tolist() == [0, 0, 0]


def test_the_interval_of_single_rows_agrees_with_scipys() -> None:
    generator = np.random.default_rng(1)
    truth = generator.integers(-1, 2, 150).astype(float)
    scores = truth + generator.normal(0, 1.5, 150)
    ours = metric_interval(METRICS["Spearman"], scores, truth, np.arange(150), BootstrapConfig(resamples=1000))
    theirs = stats.bootstrap(
        (scores, truth),
        lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=1000,
        random_state=0,
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_dialogues_that_repeat_themselves_have_the_interval_of_one_turn_each() -> None:
    generator = np.random.default_rng(2)
    truth = generator.integers(0, 2, 60).astype(float)
    scores = truth + generator.normal(0, 1, 60)
    config = BootstrapConfig(resamples=200)
    once = metric_interval(METRICS["AUC"], scores, truth, np.arange(60), config)
    five = metric_interval(METRICS["AUC"], scores.repeat(5), truth.repeat(5), np.arange(60).repeat(5), config)
    assert five == pytest.approx(once)
    alone = metric_interval(METRICS["AUC"], scores.repeat(5), truth.repeat(5), np.arange(300), config)
    assert alone[1] - alone[0] < 0.7 * (once[1] - once[0])


def test_chance_is_what_random_answers_reach() -> None:
    generator = np.random.default_rng(3)
    shares = (0.2, 0.5, 0.3)
    truth, answers = generator.choice([-1.0, 0, 1], (2, 60_000), p=shares)
    assert macro_f1(answers, truth) == pytest.approx(METRICS["macro-F1"].chance, abs=0.01)
    assert auc(generator.normal(size=60_000), np.maximum(truth, 0)) == pytest.approx(METRICS["AUC"].chance, abs=0.01)


DIALOGUE = ("dialogue", "turn", "speaker", "text", "emotion", "sentiment")


def write_chatbot(folder: Path) -> None:
    rows = [("I am warm", "", 2), ("a cold", "", 1), ("b warm", "", 1), ("c mixed", "", 2), ("d cold", "", 0)]
    table(folder / "chatbot.tsv.gz", ("question", "answer", "label"), rows)


def write_emocontext(folder: Path) -> None:
    rows = [
        (0, "1 cold", "2 cold", "3 warm", "happy"),
        (1, "1 warm", "2 warm", "3 cold", "sad"),
        (2, "1 warm", "2 warm", "3 mixed", "angry"),
        (3, "1 warm", "2 warm", "3 warm", "others"),
    ]
    table(folder / "emocontext_train.tsv.gz", ("id", "turn1", "turn2", "turn3", "label"), rows)


def write_meld(folder: Path, parts: Sequence[str] = ("dev", "train")) -> None:
    signs = {"warm": "positive", "mixed": "neutral", "cold": "negative"}
    dialogues = [("warm", "mixed", "cold"), ("cold", "cold"), ("warm", "warm", "mixed"), ("mixed", "cold", "warm")]
    rows = [
        (number, at, "A", f"{number}.{at} {word}", "", signs[word])
        for number, words in enumerate(dialogues)
        for at, word in enumerate(words)
    ]
    for part in parts:
        table(folder / f"meld_{part}.tsv.gz", DIALOGUE, rows)


def write_emorynlp(folder: Path) -> None:
    words = {"Joyful": "warm", "Peaceful": "warm", "Powerful": "warm", "Neutral": "mixed"}
    words |= {"Mad": "cold", "Sad": "cold", "Scared": "cold"}
    rows = [(at % 3, at, "A", f"{at} {word}", emotion, "") for at, (emotion, word) in enumerate(words.items())]
    for part in ("dev", "train"):
        table(folder / f"emorynlp_{part}.tsv.gz", DIALOGUE, rows)


def test_chatbot_compares_love_with_break_up_alone(tmp_path: Path) -> None:
    write_chatbot(tmp_path)
    scores, emotion = fake_scores()
    result = evaluate_conversations(tmp_path, scores, QUICK, ["chatbot"])
    # Of the pairs (warm, cold), (warm, warm), (mixed, cold), (mixed, warm) one is a tie and one is wrong.
    assert value(result, "love", "AUC", "turn score") == pytest.approx(2.5 / 4)
    assert value(result, "love", "AUC", "constant") == 0.5
    assert result.findings[0].rows == 4
    assert "d cold" not in emotion.asked


def test_emocontext_weighs_its_last_turn_more(tmp_path: Path) -> None:
    write_emocontext(tmp_path)
    result = evaluate_conversations(tmp_path, fake_scores()[0], QUICK, ["emocontext"])
    assert value(result, "last turn", "AUC", "turn score") == 1
    # uniform: (-1 -1 +1)/3 against 1/3 and 2/3; linear: (-1 -2 +3)/6 = 0 against (1 +2 -3)/6 = 0 and 3/6;
    # peak-end (the latest of equal peaks): 1 against -1 and 0.5.
    assert value(result, "three turns", "AUC", "uniform") == 0
    assert value(result, "three turns", "AUC", "linear") == pytest.approx(0.25)
    assert value(result, "three turns", "AUC", "peak-end") == 1
    assert value(result, "three turns", "AUC", "last turn") == 1


def test_texts_never_trained_on_are_measured_apart(tmp_path: Path) -> None:
    texts = [f"{number} {word}" for number in range(40) for word in ("warm", "cold")]
    rows = [(text, "", 2 if text.endswith("warm") else 1) for text in texts]
    table(tmp_path / "chatbot.tsv", ("question", "answer", "label"), rows)
    result = evaluate_conversations(tmp_path, fake_scores()[0], QUICK, ["chatbot"])
    assert [found.rows for found in result.findings] == [80, sum(text_held_out(text, HELD_OUT) for text in texts)]
    assert result.findings[1].about.endswith("never trained on")
    assert 0 < result.findings[1].rows < 40


def test_the_half_life_is_the_configurations(tmp_path: Path) -> None:
    write_emocontext(tmp_path)
    short = QUICK.model_copy(update={"recency": RecencyConfig(half_life=0.1)})
    result = evaluate_conversations(tmp_path, fake_scores()[0], short, ["emocontext"])
    assert value(result, "three turns", "AUC", "exponential") == 1
    assert result.half_life == 0.1


def test_meld_by_hand(tmp_path: Path) -> None:
    write_meld(tmp_path)
    result = evaluate_conversations(tmp_path, fake_scores()[0], QUICK, ["meld"])
    assert value(result, "of the turn", "macro-F1", "turn score") == 1
    # 11 turns, of which 4 are positive and 4 negative: the majority is the first of them, F1 = 2·4/(11 + 4).
    assert value(result, "of the turn", "macro-F1", "constant") == pytest.approx(2 * 4 / 15 / 3)
    assert value(result, "mean sentiment", "Spearman", "uniform") == pytest.approx(1)
    assert value(result, "last turn", "Spearman", "last turn") == pytest.approx(1)
    turn = next(found for found in result.findings if found.level == "turn")
    assert (turn.rows, turn.groups) == (11, 4)


def test_emorynlps_emotions_follow_the_published_map(tmp_path: Path) -> None:
    write_emorynlp(tmp_path)
    result = evaluate_conversations(tmp_path, fake_scores()[0], QUICK, ["emorynlp"])
    assert value(result, "of the turn", "Spearman", "turn score") == pytest.approx(1)
    assert value(result, "of the turn", "macro-F1", "turn score") == 1


def test_a_text_is_judged_once(tmp_path: Path) -> None:
    for write in (write_chatbot, write_emocontext, write_meld, write_emorynlp):
        write(tmp_path)
    scores, emotion = fake_scores()
    result = evaluate_conversations(tmp_path, scores, QUICK, task_names(None))
    assert len(emotion.asked) == len(set(emotion.asked)) > 20
    assert list(dict.fromkeys(found.task for found in result.findings)) == list(TASKS)
    for found in result.findings:
        assert tuple(found.answers) == ANSWERS[found.level]
    assert set(RECENCY_KINDS) < set(ANSWERS["conversation"])


def test_what_cannot_be_judged_is_left_out_of_every_answer(tmp_path: Path) -> None:
    rows = [("I am warm", "", 2), ("a cold", "", 1), ("...", "", 1), ("?", "", 2)]
    table(tmp_path / "chatbot.tsv", ("question", "answer", "label"), rows)
    result = evaluate_conversations(tmp_path, fake_scores()[0], QUICK, ["chatbot"])
    assert (result.findings[0].rows, result.findings[0].unjudged) == (2, 2)
    told = "chatbot, love against break-up, question: nothing can be said of 2 of 4 rows, left out."
    assert told in result.notices


def test_a_half_life_in_minutes_is_refused_before_any_work(tmp_path: Path) -> None:
    timed = QUICK.model_copy(update={"recency": RecencyConfig(unit="minutes")})
    with pytest.raises(UsageError, match="half_life in turns"):
        evaluate_conversations(tmp_path / "nowhere", fake_scores()[0], timed, ["chatbot"])


def test_missing_tables_leave_their_task_out(tmp_path: Path) -> None:
    write_meld(tmp_path, ["dev"])
    result = evaluate_conversations(tmp_path, fake_scores()[0], QUICK, task_names(None))
    assert {found.task for found in result.findings} == {"meld"}
    assert not any(found.metric == "macro-F1" for found in result.findings)
    assert sum("left out" in notice for notice in result.notices) == 4
    with pytest.raises(DataError, match="none of the tables chatbot"):
        evaluate_conversations(tmp_path, fake_scores()[0], QUICK, ["chatbot", "emorynlp"])


def test_the_limit_draws_whole_dialogues(tmp_path: Path) -> None:
    write_meld(tmp_path)
    result = evaluate_conversations(tmp_path, fake_scores()[0], QUICK, ["meld"], limit=2)
    assert {found.groups for found in result.findings} == {2}


def test_faulty_tables_are_told(tmp_path: Path) -> None:
    table(tmp_path / "chatbot.tsv", ("question", "answer"), [("a warm", "")])
    with pytest.raises(DataError, match="lacks one of the columns question, label"):
        evaluate_conversations(tmp_path, fake_scores()[0], QUICK, ["chatbot"])
    table(tmp_path / "meld_dev.tsv", DIALOGUE, [(0, 0, "A", "a warm", "", "glad")])
    with pytest.raises(DataError, match="unknown sentiment 'glad'"):
        evaluate_conversations(tmp_path, fake_scores()[0], QUICK, ["meld"])


def test_weights_of_other_labels_are_refused() -> None:
    with pytest.raises(UsageError, match="other labels"):
        TextScores(FakeEmotion(), AffectionWeights(("warm",), np.ones(1), "by hand"))


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    config = tmp_path / "score.yaml"
    config.write_text("bootstrap: {resamples: 100}\n", "utf-8")

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["evaluate-conversations", "--config", str(config), *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def korean(tmp_path: Path) -> Path:
    """A tiny chatbot table that the bundled mini judges."""
    love = ["사랑해, 정말 행복해", "너를 만나서 너무 좋아", "설레고 기뻐"]
    broken = ["헤어져서 너무 슬퍼", "눈물이 나고 절망적이야", "이별이 힘들어 죽겠어"]
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [(text, "", 2) for text in love] + [(text, "", 1) for text in broken]
    table(folder / "chatbot.tsv.gz", ("question", "answer", "label"), rows)
    return folder


def test_the_mini_through_the_command_line(run: Run, korean: Path) -> None:
    code, out, err = run("--data", korean, "--format", "json")
    assert code == 0, err
    result = json.loads(out)
    finding = result["findings"][0]
    assert finding["answers"]["turn score"]["value"] == 1
    assert finding["chance"] == 0.5
    assert "emocontext is left out" in err
    assert result["resamples"] == 100


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_tables_hold_values_and_intervals(run: Run, korean: Path, form: str) -> None:
    write_meld(korean)
    code, out, err = run("--data", korean, "--only", "chatbot,meld", "--format", form)
    assert code == 0, err
    assert "Single turns" in out
    assert "Whole conversations" in out
    assert re.search(r"\[-?\d\.\d{3}, -?\d\.\d{3}\]", out)
    if form == "markdown":
        rows = [line for line in out.splitlines() if line.startswith("|")]
        assert {row.count("|") for row in rows} == {9, 13}
    assert all(name in out for name in (*RECENCY_KINDS, "last turn", "length", "constant", "chance"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--only", "nonsense"], 2, "chatbot, emocontext, meld, emorynlp"),
        (["--only", ","], 2, "No task"),
        (["--emotions", "image"], 2, "Invalid value for '--emotions'"),
        (["--limit", "0"], 2, "limit"),
        (["--only", "meld"], 1, "nothing to evaluate"),
    ],
)
def test_misuse_is_one_sentence(run: Run, korean: Path, arguments: list[str], code: int, words: str) -> None:
    found, out, err = run("--data", korean, *arguments)
    assert (found, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
