"""Formatting of scored conversations, on records made by hand."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.csv_text import FORMULA
from clip_emotion.errors import UsageError
from scoring.config import EverydayRange, RecencyConfig, ScoreConfig
from scoring.conversation import Fault, Turn
from scoring.output.formats import CSV_HEAD, as_dict, csv_table, json_document, json_lines
from scoring.output.ranking import ranking
from scoring.output.wording import (
    everyday_sentence,
    excerpt_turns,
    fault_sentence,
    headline,
    interval,
    scale_line,
    shift_sentence,
    shown_emotion,
    signed,
    sparkline,
    strongest_labels,
)
from scoring.result import ConversationScore, Failure, Shift, Summary, TurnScore
from scoring.speakers import only_speakers

LABELS = {"joy": "기쁨", "anger": "화남"}
WHEN = datetime(2026, 3, 2, 8, 12)


def turn(index: int, speaker: str = "하린", joy: float = 0.75, text: str = "좋아") -> TurnScore:
    said = Turn(index, speaker, text, WHEN)
    score = joy - (1 - joy)
    return TurnScore(said, score, score / 2, {"joy": joy, "anger": 1 - joy}, {"joy": joy, "anger": joy - 1})


def scored(name: str = "chat.txt", value: float = 0.5) -> ConversationScore:
    silent = TurnScore(Turn(3, "도윤", "", None, media="photo"), None, None, {}, {}, "photo: the export left it out")
    part = Summary(1, -0.25, -0.1, None, {"joy": 0.0, "anger": -0.25})
    whole = Summary(2, value, 0.9, (0.1, 0.7), {"joy": 0.6, "anger": -0.1})
    return ConversationScore(
        name=name,
        conversation=whole,
        speakers={"하린": replace(whole, turns=1), "도윤": part},
        shifts=(Shift(2, 0.5, -0.25, (2,), WHEN),),
        turns=(turn(1), turn(2, "도윤", 0.375, '뭐, "진짜"?\n응'), silent),
        settings=ScoreConfig(recency=RecencyConfig(kind="exponential", half_life=30, unit="minutes")),
        emotions_from="text: mini",
        weights_from="mini",
        labels=LABELS,
        faults=(Fault(12, "no speaker", "???"),),
        system_lines=4,
    )


def test_json_has_the_documented_keys_and_values() -> None:
    document = json.loads(json_document([scored()], many=False))
    assert document == json.loads(json.dumps(as_dict(scored())))
    assert {"turns", "score", "raw", "recency", "ci95"} <= document["conversation"].keys()
    assert document["conversation"]["recency"] == "exponential"
    assert document["settings"]["recency"] == {"kind": "exponential", "half_life": 30.0, "unit": "minutes"}
    assert ScoreConfig.model_validate(document["settings"]) == scored().settings
    assert document["conversation"]["ci95"] == [0.1, 0.7]
    assert document["conversation"].keys() == document["speakers"]["도윤"].keys()
    assert document["speakers"]["도윤"]["ci95"] is None
    assert document["shifts"] == [
        {"index": 2, "time": "2026-03-02T08:12:00", "before": 0.5, "after": -0.25, "turns": [2]}
    ]
    first, _, silent = document["turns"]
    assert first == {
        "index": 1,
        "speaker": "하린",
        "time": "2026-03-02T08:12:00",
        "text": "좋아",
        "score": 0.5,
        "running": 0.25,
        "clear": True,
        "emotions": {"joy": 0.75, "anger": 0.25},
        "contributions": {"joy": 0.75, "anger": -0.25},
    }
    assert (silent["score"], silent["time"], silent["emotions"]) == (None, None, {})
    assert silent["error"].startswith("photo")
    assert document["faults"] == [{"line": 12, "reason": "no speaker", "excerpt": "???"}]


def test_json_is_an_object_for_one_and_a_list_for_many() -> None:
    listed = json.loads(json_document([scored("a"), Failure("b", "empty")], many=True))
    assert [entry["name"] for entry in listed] == ["a", "b"]
    assert listed[1] == {"name": "b", "error": "empty"}
    assert isinstance(json.loads(json_document([scored()], many=True)), list)
    with pytest.raises(ValueError, match="values"):
        json_document([scored(), scored()], many=False)


def test_rounding_keeps_sums() -> None:
    thirds = {str(label): 1 / 3 / 44 for label in range(44)}
    one = TurnScore(Turn(1, "a", "b"), sum(thirds.values()), 0.0, thirds, thirds)
    row = json.loads(json_lines([replace(scored(), turns=(one,))], many=False))
    assert sum(row["contributions"].values()) == pytest.approx(row["score"], abs=1e-6)


def test_json_lines_name_the_conversation_only_among_several() -> None:
    alone = [json.loads(line) for line in json_lines([scored()], many=False).splitlines()]
    among = [json.loads(line) for line in json_lines([scored("a"), Failure("b", "bad")], many=True).splitlines()]
    assert alone == as_dict(scored())["turns"]
    assert [row["conversation"] for row in among] == ["a", "a", "a", "b"]
    assert [{**row, "conversation": 0} for row in among[:3]] == [{**row, "conversation": 0} for row in alone]
    assert among[3] == {"conversation": "b", "error": "bad"}


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\0")))
def test_every_text_survives_csv_and_json_lines(text: str) -> None:
    one = replace(scored(), turns=(turn(1, text, 0.5, text),))
    (row,) = csv.DictReader(io.StringIO(csv_table([one], many=False, probabilities=True), newline=""))
    written = f"'{text}" if text.startswith(FORMULA) else text
    assert (row["text"], row["speaker"]) == (written, written)
    line = json_lines([one], many=False)
    assert line.count("\n") == 1
    assert json.loads(line)["text"] == text


@pytest.mark.parametrize("text", ["=)", '=HYPERLINK("http://a.b/?"&A1)', "+82 10", "-_-", "@SUM(1)", "＝1+1"])
def test_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    one = replace(scored(text), turns=(turn(1, text, 0.25, text),))
    rows = list(csv.DictReader(io.StringIO(csv_table([one, Failure(text, text)], many=True), newline="")))
    assert [rows[0][column] for column in ("conversation", "speaker", "text")] == [f"'{text}"] * 3
    assert [rows[1][column] for column in ("conversation", "error")] == [f"'{text}"] * 2
    assert float(rows[0]["score"]) == -0.5


def test_csv_has_a_row_per_turn_and_a_column_per_label() -> None:
    rows = list(
        csv.DictReader(
            io.StringIO(csv_table([scored(), Failure("b", "bad")], many=True, probabilities=True), newline="")
        )
    )
    assert list(rows[0]) == [*CSV_HEAD, "p_joy", "p_anger", "error"]
    assert [row["conversation"] for row in rows] == ["chat.txt"] * 3 + ["b"]
    assert (rows[1]["dominant"], float(rows[1]["score"]), float(rows[1]["p_anger"])) == ("anger", -0.25, 0.625)
    assert (rows[2]["score"], rows[2]["p_joy"], rows[2]["media"]) == ("", "", "photo")
    assert rows[3]["error"] == "bad"


def test_sentences() -> None:
    score = scored()
    assert headline(score.conversation, RecencyConfig(), 3) == (
        "affection +0.500 (95 % interval +0.100 to +0.700) on a scale of -1 to +1, from 2 of 3 turns, recency linear."
    )
    assert "from 1 turn, recency uniform" in headline(score.speakers["도윤"], RecencyConfig(kind="uniform"))
    assert headline(score.speakers["도윤"], score.settings.recency).endswith(
        "recency exponential (half-life 30 minutes)."
    )
    assert interval(score.speakers["도윤"]) == ""
    assert [signed(value) for value in (None, -0.0004, -0.0006)] == ["–", "+0.000", "-0.001"]
    assert strongest_labels(score.speakers["도윤"], LABELS) == "화남 -0.250"
    assert strongest_labels(score.conversation, LABELS, count=1) == "기쁨 +0.600"
    assert shift_sentence(score.shifts[0]) == "colder from turn 2 (2026-03-02 08:12) on: +0.500 before, -0.250 after"
    faults = [Fault(at, "no speaker.", "") for at in range(1, 8)]
    assert fault_sentence("a", faults[:1]) == "a: 1 line could not be read as turns (line 1: no speaker)."
    assert fault_sentence("a", faults).startswith("a: 7 lines")
    assert fault_sentence("a", faults).endswith("; and 2 more).")


def test_the_ranking_puts_the_warmest_first_and_failures_last() -> None:
    unscored = replace(scored("none"), conversation=Summary(0, None, None, None))
    outcomes = [Failure("x", "bad"), scored("cold", -0.9), unscored, scored("warm", 0.9), Failure("y", "bad")]
    assert [row.name for row in ranking(outcomes)] == ["warm", "cold", "none", "x", "y"]
    by_speaker = ranking([scored("a"), Failure("x", "bad")], by_speaker=True)
    assert [row.name for row in by_speaker] == ["a, 하린", "a, 도윤", "x"]


def test_only_speakers_keeps_the_whole_and_their_turns() -> None:
    part = only_speakers(scored(), ["도윤"])
    assert [entry.turn.index for entry in part.turns] == [2, 3]
    assert list(part.speakers) == ["도윤"]
    assert part.conversation == scored().conversation
    with pytest.raises(UsageError, match=r"no speaker '도운'. Perhaps '도윤'\? It has: 하린, 도윤"):
        only_speakers(scored(), ["도운"])


@given(st.lists(st.floats(-1, 1), max_size=120))
def test_excerpts_keep_the_order_the_edges_and_the_strongest(values: list[float]) -> None:
    turns = [replace(turn(at + 1, text=f"말 {at}"), score=value) for at, value in enumerate(values)]
    rows = excerpt_turns(turns, edge=3, strongest=4)
    shown = [row for row in rows if isinstance(row, TurnScore)]
    assert len(shown) + sum(row for row in rows if isinstance(row, int)) == len(turns)
    assert [row.turn.index for row in shown] == sorted(row.turn.index for row in shown)
    assert len(shown) == min(len(turns), 10)
    if len(turns) > 6:
        assert max(turns[3:-3], key=lambda entry: abs(entry.score)).score in [row.score for row in shown]
    assert not any(isinstance(a, int) and isinstance(b, int) for a, b in pairwise(rows))


def test_a_text_that_is_said_often_stands_once_among_the_strongest() -> None:
    values = [0.0] * 5 + [0.9] * 30 + [-0.5] + [0.0] * 5
    turns = [
        replace(turn(at + 1, text="사랑해 " if value > 0 else f"말 {at}"), score=value)
        for at, value in enumerate(values)
    ]
    rows = excerpt_turns(turns, edge=5, strongest=20)
    shown = [row for row in rows if isinstance(row, TurnScore)]
    assert [row.turn.text.strip() for row in shown[5:-5]] == ["사랑해", "말 35"]
    assert rows[6] == 29


def test_a_turn_that_is_not_clear_is_named_unclear() -> None:
    sure, unsure = turn(1), replace(turn(2), clear=False)
    assert [shown_emotion(one, LABELS) for one in (sure, unsure)] == ["기쁨", "불분명 unclear"]
    assert shown_emotion(TurnScore(Turn(3, "a", ""), None, None, {}, {}, "no words"), LABELS) == ""
    assert unsure.strongest(1) == [("joy", 0.75)]
    (row,) = csv.DictReader(io.StringIO(csv_table([replace(scored(), turns=(unsure,))], many=False)))
    assert (row["dominant"], row["clear"]) == ("joy", "false")
    assert json.loads(json_lines([replace(scored(), turns=(unsure,))], many=False))["clear"] is False


def test_the_scale_shows_the_score_over_the_everyday_range() -> None:
    everyday = EverydayRange(mean=0.0, spread=0.4)
    assert scale_line(0.8, everyday, width=11) == "-1 ───▒▒┼▒▒─●─ +1"
    assert scale_line(-1.0, None, width=5) == "-1 ●─┼── +1"
    assert everyday_sentence(everyday) == "Two in three everyday messages score -0.400 to +0.400 (mean +0.000)."


def test_sparklines_rise_and_fall_with_the_values() -> None:
    assert sparkline([0, 1, 0]) == "▁█▁"
    assert sparkline([]) == ""
    assert len(set(sparkline([0.3] * 5))) == 1
    assert len(sparkline([float(at) for at in range(1000)], width=40)) == 40
    assert sparkline([0, 0, 1, 1], width=2) == "▁█"
