"""Scoring from Python through the front door: two imports, the same numbers as the parts give."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path

import pytest

import scoring
from clip_emotion.errors import UsageError
from clip_emotion.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_of_the_package_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert doctest.testmod(scoring) == (0, 3)


def test_a_file_is_scored_with_two_imports(tmp_path: Path) -> None:
    words = ("기쁨", "슬픔")
    rows = [
        {"speaker": "A", "text": "x", "emotions": {"기쁨": 1.0}},
        {"speaker": "B", "text": "y", "emotions": {"슬픔": 1.0}},
    ]
    chat = tmp_path / "chat.jsonl"
    chat.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    config = scoring.ScoreConfig.model_validate({"weights": {"overrides": {"기쁨": 1.0, "슬픔": -0.5}}})
    options = scoring.ScorerOptions(emotions="given", vocabulary=Vocabulary.from_words(words))
    scorer = scoring.load_scorer(options, config)
    told: list[int] = []
    (score,) = scoring.score_file(str(chat), scorer, progress=told.append)
    assert [turn.score for turn in score.turns] == [1.0, -0.5]
    assert score.conversation.score == pytest.approx((0.5 * 1.0 - 1.0 * 0.5) / 1.5)
    assert told == [2]


def test_what_cannot_be_loaded_is_told_before_anything_is() -> None:
    with pytest.raises(UsageError, match="--kobert FOLDER"):
        scoring.load_scorer(scoring.ScorerOptions(emotions="kobert"))
    with pytest.raises(UsageError, match="Unknown embedder"):
        scoring.load_scorer(config=scoring.ScoreConfig.model_validate({"weights": {"embedder": "word2vec"}}))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = scoring.nothing  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing() -> None:
    heavy = "[name for name in ('torch', 'numpy', 'matplotlib', 'scoring.loading') if name in sys.modules]"
    code = f"import sys, scoring; print({heavy}, sorted(set(scoring.__all__) - set(dir(scoring))))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split("\n")[0] == "[] []"
