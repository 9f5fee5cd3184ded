"""A store is brought up to date by what changed alone, holds every picture whole, and lets nothing be mixed in."""

from __future__ import annotations

import os
import shutil
import sqlite3
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.images import open_image
from clip_emotion.errors import ClipEmotionError, DataError, UsageError
from clip_emotion.retrieval.store import database
from clip_emotion.retrieval.store.database import PAGE_SIZE
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.records import VECTOR, StoreCard
from clip_emotion.retrieval.store.upkeep import prune, store_info, verify
from clip_emotion.types import FaceBox
from tests.support.fakes import FakeEncoder
from tests.support.pictures import noise, plain, save
from tests.support.stores import WHOLE, content_of, embed, names_of, write_noise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "pictures", 6)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "faces.db"


def test_vectors_are_the_encoders_in_half_precision(folder: Path, store: Path) -> None:
    embed(store, folder)
    encoder, rows = FakeEncoder(), content_of(store)
    assert [path for path, _, _ in rows] == sorted(map(str, folder.iterdir()))
    for path, _, vector in rows:
        pixels = encoder.preprocess(open_image(Path(path)))[None]
        expected = encoder.encode_images(pixels).numpy()[0].astype(VECTOR).astype(np.float32)
        np.testing.assert_allclose(np.frombuffer(vector or b"", np.float32), expected, atol=1e-3)


def test_only_what_changed_is_embedded(folder: Path, store: Path) -> None:
    first = embed(store, folder)
    assert (first.embedded, first.faces, first.unchanged, first.known) == (6, 6, 0, 0)
    encoder = FakeEncoder()
    again = embed(store, folder, encoder=encoder)
    assert (again.embedded, again.unchanged, encoder.image_calls) == (0, 6, 0)
    save(plain("red"), folder / "01.png")
    save(noise((48, 48), 99), folder / "new.png")
    shutil.copy(folder / "02.png", folder / "02_copy.png")
    (folder / "deep").mkdir()
    (folder / "03.png").rename(folder / "deep" / "03.png")
    changed = embed(store, folder, encoder=encoder)
    assert (changed.embedded, changed.known, changed.unchanged) == (2, 2, 4)
    assert encoder.image_calls == 1
    there = {path.name for path in folder.rglob("*.png")}
    assert sorted(names_of(content_of(store))) == sorted(there)


def test_rows_of_a_moved_folder_move_with_it(folder: Path, store: Path) -> None:
    embed(store, folder)
    before = content_of(store)
    folder = folder.rename(folder.with_name("elsewhere"))
    encoder = FakeEncoder()
    assert embed(store, folder, encoder=encoder).known == 6
    assert encoder.image_calls == 0
    after = content_of(store)
    assert names_of(after) == names_of(before)
    assert [row[1:] for row in after] == [row[1:] for row in before]
    assert all(Path(path).parent == folder for path, _, _ in after)


def test_very_many_moved_files_behind_a_new_one_are_not_held(tmp_path: Path, store: Path) -> None:
    folder = write_noise(tmp_path / "pictures", 40)
    embed(store, folder)
    before = content_of(store)
    folder = folder.rename(folder.with_name("elsewhere"))
    save(plain("red"), folder / "000_first.png")
    shutil.copy(folder / "000_first.png", folder / "000_second.png")
    held: list[int] = []

    class Watcher(FakeEncoder):
        def encode_images(self, pixels):
            with EmbeddingStore.open(store) as opened:
                held.append(sum(not path.is_relative_to(folder) for path in map(Path, names_in(opened))))
            return super().encode_images(pixels)

    counts = embed(store, folder, encoder=Watcher(), batch_size=2)
    assert (counts.embedded, counts.known, counts.errors) == (1, 41, [])
    assert held[0] <= 16
    after = content_of(store)
    assert names_of(after)[:40] == names_of(before)
    assert names_of(after)[40:] == ["000_first.png", "000_second.png"]


def names_in(store: EmbeddingStore) -> list[str]:
    return [place for (place,) in store.connection.execute("SELECT place FROM files")]


def test_a_touched_file_is_not_embedded_again(folder: Path, store: Path) -> None:
    embed(store, folder)
    os.utime(folder / "00.png", ns=(1, 1))
    encoder = FakeEncoder()
    assert embed(store, folder, encoder=encoder).known == 1
    assert embed(store, folder, encoder=encoder).unchanged == 6
    assert encoder.image_calls == 0


def test_copies_within_one_run_are_embedded_once_and_keep_their_order(tmp_path: Path, store: Path) -> None:
    for name in "abcdef":
        save(plain("red" if name in "bde" else "blue"), tmp_path / "p" / f"{name}.png")
    encoder = FakeEncoder()
    counts = embed(store, tmp_path / "p", encoder=encoder, batch_size=1)
    assert (counts.embedded, counts.known, encoder.image_calls) == (2, 4, 2)
    assert names_of(content_of(store)) == [f"{name}.png" for name in "abcdef"]


def test_every_face_is_kept_and_a_picture_whole(tmp_path: Path, store: Path) -> None:
    boxes = {
        "many.png": tuple(FaceBox(side, side, 8 + side, 9) for side in range(11)),
        "one.png": (FaceBox(1, 2, 9, 9),),
    }
    for at, name in enumerate(boxes):
        save(noise((64, 64), at), tmp_path / "p" / name)
    save(noise((64, 64), 5), tmp_path / "p" / "none.png")
    embed(store, tmp_path / "p", faces=FaceOptions("each", boxes=boxes), batch_size=2)
    rows = content_of(store)
    assert names_of(rows) == ["many.png"] * 11 + ["none.png", "one.png"]
    assert [row[1].index for row in rows] == [*range(11), None, 0]
    assert rows[-1][1].box == FaceBox(1, 2, 9, 9)
    assert rows[-2][1].note == "no face found, whole picture used"


def test_copies_under_other_boxes_are_other_faces(tmp_path: Path, store: Path) -> None:
    picture = save(noise((64, 64)), tmp_path / "p" / "a.png")
    shutil.copy(picture, tmp_path / "p" / "b.png")
    boxes = {"a.png": (FaceBox(0, 0, 20, 20),), "b.png": (FaceBox(30, 30, 20, 20),)}
    assert embed(store, tmp_path / "p", faces=FaceOptions("auto", boxes=boxes)).embedded == 2
    with pytest.raises(UsageError, match="another --boxes file"):
        embed(store, tmp_path / "p", faces=FaceOptions("auto", boxes={"a.png": ()}))


def test_a_bad_picture_is_kept_with_its_reason_and_tried_again_when_asked(folder: Path, store: Path) -> None:
    (folder / "00.png").write_bytes(b"no picture")
    counts = embed(store, folder, folder / "missing.png")
    assert counts.embedded == 5
    assert [error.split(": ")[0] for error in counts.errors] == [str(folder / "missing.png"), str(folder / "00.png")]
    again = embed(store, folder)
    assert (again.unchanged, again.failed_before, again.errors) == (6, 1, [])
    assert len(embed(store, folder, retry=True).errors) == 1
    with sqlite3.connect(store) as raw:
        raw.execute("UPDATE contents SET error = 'a fault of then' WHERE id = 2")
    retried = embed(store, folder, retry=True)
    assert (retried.embedded, len(retried.errors)) == (1, 1)
    assert [row[2] is None for row in content_of(store)] == [True, *[False] * 5]


def test_a_picture_that_changes_while_it_is_read_is_not_kept(folder: Path, store: Path) -> None:
    class Meddler(FakeEncoder):
        def encode_images(self, pixels):
            save(noise((48, 48), 77 + self.image_calls), folder / "03.png")
            return super().encode_images(pixels)

    counts = embed(store, folder, encoder=Meddler())
    assert counts.errors == [f"{folder / '03.png'}: The file or the store changed meanwhile: run again."]
    assert embed(store, folder).embedded == 1
    assert len(content_of(store)) == 6


def test_names_of_any_bytes_and_forms_are_kept(tmp_path: Path, store: Path) -> None:
    folder = tmp_path / "p"
    decomposed = save(plain("red"), folder / unicodedata.normalize("NFD", "한글.png"))
    odd = os.fsencode(folder) + b"/\xff.png"
    Path(os.fsdecode(odd)).write_bytes(decomposed.read_bytes())
    assert embed(store, folder).errors == []
    assert embed(store, folder).unchanged == 2
    assert "한글.png" in names_of(content_of(store))
    with EmbeddingStore.open(store) as opened:
        assert prune(opened).files == []


def test_other_encoders_and_other_faces_are_refused(folder: Path, store: Path) -> None:
    embed(store, folder)
    other = FakeEncoder()
    other.name, other.fingerprint = "other", "other-1"
    with pytest.raises(UsageError, match=r"holds embeddings of fake \(fake-.*use --model fake"):
        embed(store, folder, encoder=other)
    with pytest.raises(UsageError, match="faces found with 'none', not with 'auto'"):
        embed(store, folder, faces=FaceOptions("auto"))
    assert embed(store, folder, faces=WHOLE).unchanged == 6


def test_a_model_of_ones_own_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mini", "run"):
        (tmp_path / name).mkdir()
    cards = [StoreCard.of(FakeEncoder(), model, WHOLE).model for model in ("mini", "run", "ViT-B-32/openai")]
    assert cards == ["mini", str(tmp_path / "run"), "ViT-B-32/openai"]


def _foreign(store: Path) -> None:
    with sqlite3.connect(store) as other:
        other.execute("CREATE TABLE mine (x)")


def _truncated(store: Path) -> None:
    store.write_bytes(store.read_bytes()[: -PAGE_SIZE // 2])


def _overwritten(store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[PAGE_SIZE : 5 * PAGE_SIZE] = bytes(4 * PAGE_SIZE)
    store.write_bytes(content)


def _of_another_size(store: Path) -> None:
    with sqlite3.connect(store) as raw:
        raw.execute("UPDATE card SET value = '12' WHERE key = 'dim'")


def _of_other_settings(store: Path) -> None:
    with sqlite3.connect(store) as raw:
        raw.execute("UPDATE card SET value = '{}' WHERE key = 'face_options'")


def _of_another_release(store: Path) -> None:
    with sqlite3.connect(store) as raw:
        raw.execute("PRAGMA user_version = 99")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda store: store.unlink(), "There is no store"),
    "empty": (lambda store: store.write_bytes(b""), "is empty"),
    "folder": (lambda store: (store.unlink(), store.mkdir()), "is a folder"),
    "text": (lambda store: store.write_text("path,label\n"), "no store of embeddings"),
    "head": (lambda store: store.write_bytes(store.read_bytes()[:50]), "damaged or truncated"),
    "foreign": (lambda store: (store.unlink(), _foreign(store)), "another program"),
    "truncated": (_truncated, "damaged or truncated"),
    "overwritten": (_overwritten, "damaged or truncated"),
    "dimension": (_of_another_size, "damaged or truncated"),
    "settings": (_of_other_settings, "damaged or truncated"),
    "release": (_of_another_release, "format 99 of another release"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_no_sound_store_is_told_in_one_sentence(folder: Path, store: Path, fault: str) -> None:
    embed(store, folder)
    breaks, sentence = BROKEN[fault]
    breaks(store)
    with pytest.raises(ClipEmotionError, match=sentence) as told:
        content_of(store)
    assert str(told.value).count("\n") == 0
    if fault in ("text", "head", "foreign", "truncated", "release", "folder"):
        with pytest.raises(ClipEmotionError, match=sentence):
            embed(store, folder)


def test_an_empty_file_becomes_a_store(folder: Path, store: Path) -> None:
    store.touch()
    assert embed(store, folder).embedded == 6


def test_vectors_of_another_size_are_not_written(folder: Path, store: Path) -> None:
    embed(store, folder / "00.png")

    class Wider(FakeEncoder):
        dim = 16

    with pytest.raises(DataError, match="vectors of 8 numbers, not 16"):
        embed(store, folder, encoder=Wider())
    assert len(content_of(store)) == 1


def test_two_writers_at_once(folder: Path, store: Path) -> None:
    write_noise(folder, 24)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(embed, store, folder, batch_size=2) for _ in range(2)]
    counts = [run.result() for run in runs]
    assert [one.errors for one in counts] == [[], []]
    assert sorted(names_of(content_of(store))) == sorted(path.name for path in folder.iterdir())
    with EmbeddingStore.open(store) as opened:
        assert verify(opened) == []
        assert store_info(opened).contents == 24


def test_a_store_that_another_writer_makes_meanwhile_is_taken(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any look of one process at a new file, the other makes it a store, where it holds no lock on it."""

    class Watched(sqlite3.Connection):
        looks = 0

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:  # type: ignore[override]
            if sql.startswith(("PRAGMA application_id", "SELECT count(*) FROM sqlite_master")):
                Watched.looks += 1
                if Watched.looks == second and not self.in_transaction:
                    with monkeypatch.context() as other:
                        other.setattr(sqlite3, "connect", connect)
                        database.create(store).close()
            return super().execute(sql, *values)

    connect = sqlite3.connect
    for second in (1, 2):
        store.unlink(missing_ok=True)
        Watched.looks = 0
        with monkeypatch.context() as patched:
            patched.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, factory=Watched, **named))
            database.create(store).close()
        assert Watched.looks >= second


def test_verify_sees_faults(folder: Path, store: Path) -> None:
    embed(store, folder)
    with sqlite3.connect(store) as raw:
        raw.execute("UPDATE faces SET vector = zeroblob(16) WHERE content = 2")
        raw.execute("UPDATE faces SET vector = x'00' WHERE content = 3")
        raw.execute("UPDATE files SET content = 99 WHERE id = 6")
    with EmbeddingStore.open(store) as opened:
        faults = verify(opened)
    assert [fault.split()[-1] for fault in faults] == ["nothing.", "1.", "16."]


def test_prune_takes_out_what_is_gone_and_nothing_else(folder: Path, store: Path) -> None:
    embed(store, folder)
    (folder / "00.png").unlink()
    save(plain("red"), folder / "01.png")
    embed(store, folder)
    assert len(content_of(store)) == 6
    with EmbeddingStore.open(store) as opened:
        assert store_info(opened).unused == 1
        for dry in (True, False):
            gone = prune(opened, dry=dry)
            assert ([Path(place).name for place in gone.files], gone.contents) == (["00.png"], 2)
        assert verify(opened) == []
        assert store_info(opened).contents == 5
        assert prune(opened).files == []
    shutil.move(folder, folder.with_name("away"))
    with EmbeddingStore.open(store) as opened:
        with pytest.raises(UsageError, match="as where a drive is missing"):
            prune(opened)
        assert len(prune(opened, everything=True).files) == 5
