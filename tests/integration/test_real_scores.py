"""What the conversation score must hold on real data with the bundled mini: the bars of docs/results.md.

The data lies in ``CLIP_EMOTION_REAL_DATA``, by default in ``shared/data`` beside the checkout.
"""

import json
import os
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

DATA = Path(os.environ.get("CLIP_EMOTION_REAL_DATA") or Path(__file__).parents[3] / "shared" / "data")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not (DATA / "chatbot.tsv.gz").is_file(), reason=f"no real data in {DATA}"),
]


@cache
def turn_scores_of(task: str) -> dict[tuple[str, str], float]:
    """What ``clip-emotion evaluate-conversations`` says of single turns, by (what, metric)."""
    from clip_emotion.cli.main import app

    call = ["evaluate-conversations", "--data", str(DATA), "--only", task, "--format", "json", "--device", "cpu"]
    result = CliRunner().invoke(app, call, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    findings = json.loads(result.stdout)["findings"]
    return {
        (row["about"], row["metric"]): row["answers"]["turn score"]["value"]
        for row in findings
        if row["level"] == "turn"
    }


@pytest.mark.parametrize("rows", ["", ", never trained on"])
def test_love_against_break_up(rows: str) -> None:
    assert turn_scores_of("chatbot")[f"love against break-up, question{rows}", "AUC"] >= 0.90


@pytest.mark.parametrize("rows", ["", ", never trained on"])
def test_happy_against_angry_and_sad(rows: str) -> None:
    assert turn_scores_of("emocontext")[f"happy against angry and sad, last turn{rows}", "AUC"] >= 0.95


def test_sentiment_of_dialogue_turns() -> None:
    assert turn_scores_of("meld")["sentiment of the turn, dev", "Spearman"] >= 0.29
