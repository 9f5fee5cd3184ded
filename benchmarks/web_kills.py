"""Kill the site under load and see what is left: ``python benchmarks/web_kills.py [--kills 50]``.

A server is used by several people at once, who sign up, label, save and discard, and is killed (SIGKILL) at a
random instant. After each kill the database must open and be sound, everything that was answered must be there, and
after the next start no row may lack a part of it and no picture its row.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import random
import sqlite3
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from web_server import Person, Server, start

from clip_emotion.web.settings import RATES

PEOPLE = 4
LONGEST = 2.0
"""Seconds after the first answer within which a server is killed."""
PATIENCE = 120.0
SETTINGS = {"CLIP_EMOTION_WEB_RATES": json.dumps(dict.fromkeys(RATES, "100000/minute"))}


@dataclass
class Promises:
    """What the server said is done: how many pictures of a batch are saved; 0 for what is discarded."""

    saved: dict[str, int] = field(default_factory=dict)
    working: threading.Event = field(default_factory=threading.Event)


def picture(number: int) -> bytes:
    """Return a small picture of its own."""
    values = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG")
    return stream.getvalue()


def use(server: Server, number: int, promises: Promises) -> None:
    """Use the site until it is gone."""
    with contextlib.suppress(OSError, http.client.HTTPException), Person(server.port) as person:
        person.sign_up(f"{number}@example.org")
        for turn in range(10_000):
            files = [picture(number + turn + one) for one in range(1 + turn % 12)]
            place = person.upload("/label", "pictures", files, words="calm, afraid, proud").location
            batch = place.rsplit("/", 1)[-1]
            promises.working.set()
            deed = "discard" if turn % 4 == 3 else "save"
            if person.post(place, do=deed).status == 303:
                promises.saved[batch] = len(files) if deed == "save" else 0
            person.get("/account")


def check(data: Path, promises: Promises, *, swept: bool) -> int:
    """Return how many results are whole; raises AssertionError for anything that is not as it should be."""
    with contextlib.closing(sqlite3.connect(data / "site.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        results = db.execute("SELECT id, batch, saved, payload FROM results").fetchall()
        pictures = db.execute("SELECT result_id, file, size FROM pictures").fetchall()
    assert sorted(result for result, _, _ in pictures) == sorted(key for key, *_ in results), (
        "a row without its picture"
    )
    assert all(json.loads(payload)["rows"][0]["labels"] for *_, payload in results)
    for _, file, size in pictures:
        assert (data / "pictures" / file).stat().st_size == size, "a picture that is not whole"
    found = {batch: [saved for _, one, saved, _ in results if one == batch] for _, batch, _, _ in results}
    for batch, count in promises.saved.items():
        assert found.get(batch, []) == [1] * count, "what was answered is not there"
    for batch, marks in found.items():
        assert len(set(marks)) == 1, f"{batch} is saved in part"
    if swept:
        assert {path.name for path in (data / "pictures").iterdir()} == {file for _, file, _ in pictures}, "orphans"
        assert list((data / "temporary").iterdir()) == []
    return len(results)


def kill_once(data: Path, promises: Promises, number: int) -> tuple[int, int]:
    """Start, see that all is swept, use, kill, check; return the results and the orphans that the kill left."""
    server = start(data, environment=SETTINGS)
    try:
        check(data, promises, swept=True)
        users = [
            threading.Thread(target=use, args=(server, number * PEOPLE + one, promises), daemon=True)
            for one in range(PEOPLE)
        ]
        for user in users:
            user.start()
        assert promises.working.wait(PATIENCE), "nobody was answered"
        promises.working.clear()
        time.sleep(random.uniform(0, LONGEST))
    finally:
        server.kill()
    for user in users:
        user.join(30)
    results = check(data, promises, swept=False)
    with contextlib.closing(sqlite3.connect(data / "site.db")) as db:
        (known,) = db.execute("SELECT count(*) FROM pictures").fetchone()
    return results, len(list((data / "pictures").iterdir())) - known


def run(data: Path, kills: int) -> str:
    """Kill as often as asked, and say what was seen."""
    promises, orphans, results, begun = Promises(), 0, 0, time.perf_counter()
    for number in range(kills):
        results, left = kill_once(data, promises, number)
        orphans += left
    server = start(data, environment=SETTINGS)
    results = check(data, promises, swept=True)
    server.stop()
    seconds = time.perf_counter() - begun
    return (
        f"{kills} kills in {seconds:.0f} s: sound each time; {results} results whole, "
        f"{len(promises.saved)} answers kept, {orphans} files without rows left by kills, none after the next start."
    )


def main() -> None:
    """Kill, check, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    wanted = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder:
        print(run(Path(folder) / "data", wanted))


if __name__ == "__main__":
    main()
