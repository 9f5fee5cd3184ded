"""How fast ``score`` is with the mini: ``python benchmarks/score.py [--data FOLDER] [--turns 10000]``.

1. Loading: the mini, the vocabulary's words and the labels' weights.
2. A KakaoTalk export of distinct messages, in seconds for reading, emotions, arithmetic (with intervals and shifts) and
   output as JSON. The messages are the questions and answers of ``chatbot.tsv.gz`` in the folder of ``--data``, else
   made from a few phrases.
3. The same messages through what one would write without it: a loop that labels one text at a time.
4. One live update, median and 95th percentile, after 100 and after 100,000 turns; in one thread, as ``--follow`` does.

Competing runs alternate and the best of each counts, so that a busy moment of the machine favours nobody; beside the
seconds on the clock stand those of the processors, which tell how busy the machine was.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import torch

from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.scorer import AffectionScorer
from scoring.affection.weights import affection_weights
from scoring.config import ScoreConfig
from scoring.conversation import Turn
from scoring.embedders import load_embedder
from scoring.emotions.base import Judgement, TurnEmotion
from scoring.emotions.loading import EmotionOptions, load_emotion
from scoring.output.formats import json_document
from scoring.readers import read_conversations

SPEAKERS = ("하린", "도윤")
START = datetime(2026, 3, 2, 8, 0)
LIVE_UPDATES = 300
PHRASES = (
    ("오늘", "어제", "요즘", "아까", "방금", "주말에", "아침부터", "하루 종일", "내일은", "이번 주는"),
    ("너무", "정말", "진짜", "좀", "완전", "은근히", "생각보다", "솔직히", "갑자기", "그냥"),
    (
        "행복했어",
        "화가 났어",
        "지쳤어",
        "보고 싶었어",
        "외로웠어",
        "고마웠어",
        "짜증 났어",
        "설렜어",
        "무서웠어",
        "웃겼어",
    ),
    ("ㅎㅎ", "ㅠㅠ", "ㅋㅋㅋ", "...", "!!", "^^", "너는 어땠어?", "그렇지?", "알지?", "미안해"),
)


@dataclass(frozen=True, order=True)
class Spent:
    """Seconds on the clock, and those of all processors together."""

    clock: float
    processors: float

    @classmethod
    def now(cls) -> Spent:
        """Return both clocks as they stand."""
        return cls(time.perf_counter(), time.process_time())

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.clock - other.clock, self.processors - other.processors)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.clock + other.clock, self.processors + other.processors)

    def __str__(self) -> str:
        return f"{self.clock:9.2f} s  ({self.processors:.2f} s of processors)"


class Timed:
    """A turn's emotion that adds up what it takes, or while ``canned`` gives the same row for every turn."""

    def __init__(self, inner: TurnEmotion) -> None:
        self.inner = inner
        self.name, self.vocabulary, self.notices = inner.name, inner.vocabulary, inner.notices
        self.spent = Spent(0, 0)
        self.canned = False

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        """Judge T turns."""
        if self.canned:
            return Judgement(np.full((len(turns), len(self.vocabulary)), 1 / len(self.vocabulary)))
        start = Spent.now()
        judgement = self.inner.emotions(turns)
        self.spent += Spent.now() - start
        return judgement


def messages(folder: Path | None, count: int) -> list[str]:
    """Return distinct Korean messages, from the chatbot's table as far as it goes."""
    found: dict[str, None] = {}
    if folder is not None:
        with gzip.open(folder / "chatbot.tsv.gz", "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        found = dict.fromkeys([row["question"] for row in rows] + [row["answer"] for row in rows])
    made = (" ".join(parts) for parts in itertools.product(*PHRASES))
    numbered = (f"{text} {number}" for number in itertools.count(2) for text in list(found) or ["그래"])
    for text in itertools.chain(made, numbered):
        if len(found) >= count:
            break
        found.setdefault(text)
    return list(found)[:count]


def write_export(path: Path, texts: Sequence[str]) -> None:
    """Write the messages as an Android export of KakaoTalk, one each two minutes."""
    lines = ["하린 님과 카카오톡 대화", "저장한 날짜 : 2026년 4월 1일 오전 9:00", ""]
    for number, text in enumerate(texts):
        when = START + timedelta(minutes=2 * number)
        half, hour = ("오전", "오후")[when.hour // 12], when.hour % 12 or 12
        stamp = f"{when.year}년 {when.month}월 {when.day}일 {half} {hour}:{when.minute:02}"
        lines.append(f"{stamp}, {SPEAKERS[number % 2]} : {text}")
    path.write_text("\n".join(lines) + "\n", "utf-8")


@contextmanager
def measured(spent: dict[str, list[Spent]], what: str) -> Iterator[None]:
    """Note what a block takes, by name."""
    start = Spent.now()
    yield
    spent.setdefault(what, []).append(Spent.now() - start)


def load(config: ScoreConfig) -> tuple[AffectionScorer, Timed]:
    """Load the mini as the command line does."""
    emotion = Timed(load_emotion("auto", EmotionOptions(vocabulary=Vocabulary.load(config.vocabulary), device="cpu")))
    weights = affection_weights(emotion.vocabulary, load_embedder("mini", "cpu"), config.weights)
    return AffectionScorer(emotion, weights, config), emotion


def measure_whole(scorer: AffectionScorer, emotion: Timed, texts: Sequence[str], repeats: int) -> None:
    """Print what a whole chat takes, part by part, and the ratio to labelling its texts one at a time."""
    spent: dict[str, list[Spent]] = {}
    labeller = ZeroShotLabeller(load_encoder("mini", "cpu"), emotion.vocabulary)
    alone = texts[:: max(1, len(texts) // 1000)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chat.txt"
        write_export(path, texts)
        for _ in range(repeats):
            with measured(spent, "reading"):
                (conversation,) = read_conversations(path)
            emotion.spent = Spent(0, 0)
            with measured(spent, "scoring"):
                score = scorer.score(conversation)
            spent.setdefault("emotions", []).append(emotion.spent)
            spent.setdefault("arithmetic", []).append(spent["scoring"][-1] - emotion.spent)
            with measured(spent, "output as JSON"):
                json_document([score], many=False)
            with measured(spent, "loop"):
                for text in alone:
                    labeller.message_probabilities([text])
    best = {what: min(several) for what, several in spent.items()}
    for what in ("reading", "emotions", "arithmetic", "output as JSON"):
        print(f"{len(texts)} turns: {what:<28} {best[what]}")
    print(f"{len(texts)} turns: {'all':<28} {best['reading'] + best['scoring'] + best['output as JSON']}")
    each, one = best["emotions"].clock / len(texts), best["loop"].clock / len(alone)
    print(f"{'a loop, one text at a time, per text':<41} {one * 1000:9.2f} ms, {one / each:.1f} x ours")


def measure_live(scorer: AffectionScorer, emotion: Timed, texts: Sequence[str]) -> None:
    """Print the milliseconds of one live update after few and after many turns."""
    torch.set_num_threads(1)
    for before in (100, 100_000):
        scorer.reset()
        emotion.canned = True
        for index in range(1, before + 1):
            scorer.update(_turn(index, "그래"))
        emotion.canned = False
        taken: list[float] = []
        for index, text in enumerate(itertools.islice(itertools.cycle(texts), LIVE_UPDATES), start=before + 1):
            start = time.perf_counter()
            scorer.update(_turn(index, text))
            taken.append((time.perf_counter() - start) * 1000)
        middle, high = np.percentile(taken, [50, 95])
        print(f"live update after {before:>7} turns        {middle:9.2f} ms median, {high:.2f} ms 95th percentile")


def _turn(index: int, text: str) -> Turn:
    return Turn(index, SPEAKERS[index % 2], text, START + timedelta(minutes=index))


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with chatbot.tsv.gz")
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    start = Spent.now()
    scorer, emotion = load(ScoreConfig())
    print(f"{'loading the mini, words and weights':<41} {Spent.now() - start}")
    texts = messages(options.data, options.turns)
    measure_whole(scorer, emotion, texts, options.repeats)
    measure_live(scorer, emotion, texts)


if __name__ == "__main__":
    main()
