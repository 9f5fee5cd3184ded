"""Fifty people at the site at once: ``python benchmarks/web_load.py [--people 50] [--seconds 120]``.

Each signs up; when all have, each labels photographs (one to four at a time), looks at the result, and saves or
discards it, with a pause as short as the server's answer. Printed are what was answered, how long it took, and pictures
a second against the labeller's own over the same photographs, before and after, in the same run.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import io
import json
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
from PIL import Image
from web_server import Person, Server, serving

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.images import ImageSource
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.vocabulary import Vocabulary
from clip_emotion.web.labelling import MOST_FACES
from clip_emotion.web.settings import RATES

PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
WORDS = "basic8"
RATES_OFF = {"CLIP_EMOTION_WEB_RATES": json.dumps(dict.fromkeys(RATES, "1000000/minute"))}


@dataclass
class Seen:
    """What all people saw: statuses, the seconds of labelling and of pages, and how many pictures were labelled."""

    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    labelling: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    pictures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, status: int, seconds: float, pictures: int = 0) -> None:
        """Note one answer."""
        with self.lock:
            self.statuses[status] += 1
            (self.labelling if pictures else self.pages).append(seconds)
            self.pictures += pictures if status == 303 else 0


def photographs() -> list[bytes]:
    """Return photographs with a face at different places and sizes, as phones send them."""
    portrait, made = Image.open(PORTRAIT).convert("RGB"), []
    for number in range(12):
        side = 640 + 80 * (number % 4)
        sheet = Image.new("RGB", (side, side * 4 // 3), (180, 190, 200 - 5 * number))
        scale = 0.5 + 0.04 * number
        face = portrait.resize((int(portrait.width * scale), int(portrait.height * scale)))
        sheet.paste(face, (10 * number, 12 * number))
        stream = io.BytesIO()
        sheet.save(stream, "JPEG", quality=88)
        made.append(stream.getvalue())
    return made


def use(server: Server, number: int, files: list[bytes], seen: Seen, ready: threading.Barrier, seconds: float) -> None:
    """Sign up, wait until all have, and use the site until the time is over."""
    with Person(server.port, timeout=120) as person:
        person.sign_up(f"{number}@example.org")
        ready.wait()
        turn, end = number, time.monotonic() + seconds
        while time.monotonic() < end:
            turn += 1
            sent = [files[(turn * 5 + one) % len(files)] for one in range(1 + turn % 4)]
            begun = time.monotonic()
            try:
                answer = person.upload("/label", "pictures", sent, vocabulary=WORDS)
                seen.note(answer.status, time.monotonic() - begun, len(sent))
                if answer.status != 303:
                    time.sleep(1)
                    continue
                begun = time.monotonic()
                seen.note(person.get(answer.location).status, time.monotonic() - begun)
                begun = time.monotonic()
                settled = person.post(answer.location, do="save" if turn % 2 else "discard")
                seen.note(settled.status, time.monotonic() - begun)
            except (OSError, http.client.HTTPException):
                seen.note(599, time.monotonic() - begun)


def own_rate(files: list[bytes], seconds: float) -> float:
    """Return how many pictures a second the labeller does by itself, as ``label`` would."""
    labeller = ZeroShotLabeller(load_encoder("mini", "cpu"), Vocabulary.load(WORDS))
    config = StreamConfig(FaceOptions("each", max_faces=MOST_FACES))
    sources = [ImageSource(f"{number}.jpg", content) for number, content in enumerate(files)]
    list(labeller.stream(sources, 5, config))
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        list(labeller.stream(sources * 4, 5, config))
        done += 4 * len(sources)
    return done / (time.perf_counter() - begun)


def told(times: list[float]) -> str:
    """Return median and 95th percentile of times."""
    if len(times) < 2:
        return "none"
    return f"median {statistics.median(times):.2f} s, p95 {statistics.quantiles(times, n=20)[-1]:.2f} s"


def load(people: int, seconds: float, environment: dict[str, str] | None = None) -> tuple[Seen, float]:
    """Serve, let people use it, and return what they saw and the pictures a second."""
    files, seen = photographs(), Seen()
    settings = {**RATES_OFF, **(environment or {})}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "data", environment=settings) as server:
        with Person(server.port) as warm:
            warm.sign_up("warm@example.org")
            warm.upload("/label", "pictures", files[:2], vocabulary=WORDS)
        ready = threading.Barrier(people + 1)
        users = [threading.Thread(target=use, args=(server, one, files, seen, ready, seconds)) for one in range(people)]
        for user in users:
            user.start()
        ready.wait()
        begun = time.monotonic()
        for user in users:
            user.join()
        return seen, seen.pictures / (time.monotonic() - begun)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    asked = parser.parse_args()
    files = photographs()
    before = own_rate(files, asked.seconds / 6)
    seen, rate = load(asked.people, asked.seconds)
    own = (before + own_rate(files, asked.seconds / 6)) / 2
    failed = {status: count for status, count in seen.statuses.items() if status >= 500 and status != 503}
    print(f"{asked.people} people, {asked.seconds:.0f} s: answers {dict(sorted(seen.statuses.items()))}")
    print(f"labelling: {told(seen.labelling)}; pages: {told(seen.pages)}")
    print(f"{rate:.1f} pictures a second, the labeller by itself {own:.1f}: {rate / own:.2f} of it")
    print("No failure but 503." if not failed else f"Failures: {failed}")


if __name__ == "__main__":
    main()
