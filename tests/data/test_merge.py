"""``data merge``: labels in one vocabulary, no picture twice, every row's source kept."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clip_emotion.cli.main import main
from clip_emotion.data.cards import load_card
from clip_emotion.data.cleaning import Contents
from clip_emotion.data.merge import MergeOptions, merge
from clip_emotion.data.merge_card import load_merged_card
from clip_emotion.data.merge_rules import SourceSplit, decide
from clip_emotion.data.prepare import PrepareOptions, prepare
from clip_emotion.data.prepared import load_prepared, load_record
from clip_emotion.errors import DataError, UsageError
from clip_emotion.models import registry
from tests.support.fakes import FakeEncoder
from tests.support.raw_files import png, write, zipped


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))


def bitmap(content: bytes) -> bytes:
    """The same pixels in another file format."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(content)).save(buffer, "BMP")
    return buffer.getvalue()


def fer(tmp_path):
    return zipped(
        tmp_path / "fer2013.zip",
        {
            "train/angry/Training_1.png": png(1),
            "train/happy/Training_2.png": png(2),
            "train/happy/Training_3.png": png(3),
            "train/happy/Training_4.png": png(4),
            "train/sad/blank.png": png(0),
            "validation/sad/PublicTest_1.png": png(10),
            "validation/sad/PublicTest_2.png": png(11),
            "validation/sad/PublicTest_3.png": png(11),
        },
    )


def mux(tmp_path, extra: dict[str, tuple[str, bytes]] | None = None):
    images = {
        "images/a.png": ("anger", bitmap(png(1))),  # FER has it in training under the same label
        "images/b.png": ("sadness", bitmap(png(2))),  # FER has it in training under another label
        "images/c.png": ("happiness", png(10)),  # FER has it in validation
        "images/d.png": ("contempt", png(20)),
        "images/e.png": ("neutral", png(21)),
        **(extra or {}),
    }
    table = "path,emotion\n" + "".join(f"{name},{label}\n" for name, (label, _) in images.items())
    files = {"labels.csv": table.encode(), **{name: content for name, (_, content) in images.items()}}
    return zipped(tmp_path / "muxspace96.zip", files)


def rows_of(prepared):
    return {
        split: sorted(
            (source, path.split("/")[-1], data.features["label"].int2str(label))
            for source, path, label in zip(data["source"], data["path"], data["label"], strict=True)
        )
        for split, data in prepared.items()
    }


def test_labels_are_harmonised_and_duplicates_go(tmp_path):
    card = merge([f"fer2013={fer(tmp_path)}", f"muxspace={mux(tmp_path)}"], tmp_path / "merged")
    merged = load_prepared(tmp_path / "merged")
    assert rows_of(merged) == {
        "train": [
            ("fer2013", "Training_1.png", "angry"),
            ("fer2013", "Training_3.png", "happy"),
            ("fer2013", "Training_4.png", "happy"),
            ("muxspace", "d.png", "contempt"),
            ("muxspace", "e.png", "neutral"),
        ],
        "validation": [("fer2013", f"PublicTest_{n}.png", "sad") for n in (1, 2, 3)],
    }
    assert card.dropped == {
        "fer2013": {"train": {"blank": 1, "conflicting": 1}, "validation": {}},
        "muxspace": {"train": {"repeated": 1, "conflicting": 1, "in_evaluation": 1}},
    }
    assert merged["train"][0]["image"].size == (6, 6)


def test_the_card_tells_sources_licences_and_counts(tmp_path):
    merge([f"fer2013={fer(tmp_path)}", f"muxspace={mux(tmp_path)}"], tmp_path / "merged")
    card = yaml.safe_load((tmp_path / "merged" / "card.yaml").read_text(encoding="utf-8"))
    assert [source["name"] for source in card["sources"]] == ["fer2013", "muxspace"]
    for source in card["sources"]:
        published = load_card(source["name"])
        assert (source["title"], source["licence"]) == (published.title, published.licence)
        assert published.licence in card["licence"]
        assert len(source["fingerprint"]) == 64
    assert card["counts"]["muxspace"]["train"] == {
        **dict.fromkeys(load_prepared(tmp_path / "merged")["train"].features["label"].names, 0),
        **{"contempt": 1, "neutral": 1},
    }
    record = load_record(tmp_path / "merged")
    assert record.fingerprint == card["fingerprint"]
    assert record.rows == card["rows"] == {"train": 5, "validation": 3}
    assert record.dropped.total == 5
    assert load_merged_card(tmp_path / "merged").model_dump(mode="json") == card


def test_sources_fingerprint_is_that_of_the_prepared_set(tmp_path):
    prepare("fer2013", fer(tmp_path), tmp_path / "alone")
    card = merge([f"fer2013={tmp_path / 'alone'}"], tmp_path / "merged")
    assert card.sources[0].fingerprint == load_record(tmp_path / "alone").fingerprint
    assert merge([f"fer2013={fer(tmp_path)}"], tmp_path / "again").fingerprint == card.fingerprint


@pytest.mark.parametrize("one_in", [2, 5])
def test_hold_out_is_decided_by_content_and_disjoint(tmp_path, one_in):
    extra = {f"images/x{n}.png": ("happiness", png(100 + n)) for n in range(60)}
    options = MergeOptions(hold_out={"muxspace": one_in})
    card = merge([f"fer2013={fer(tmp_path)}", f"muxspace={mux(tmp_path, extra)}"], tmp_path / "merged", options)
    merged = load_prepared(tmp_path / "merged")
    assert set(merged["test"]["source"]) == {"muxspace"}
    assert all(int(sha[:8], 16) % one_in == 0 for sha in merged["test"]["sha"])
    assert not set(merged["test"]["sha"]) & {*merged["train"]["sha"], *merged["validation"]["sha"]}
    alone = prepare("muxspace", mux(tmp_path, extra), tmp_path / "alone", PrepareOptions(drop_duplicates=True))["train"]
    kept_out = {sha for sha in alone["sha"] if int(sha[:8], 16) % one_in == 0}
    in_fer = {*prepare("fer2013", fer(tmp_path), tmp_path / "fer")["validation"]["sha"]}
    conflicting = {sha for sha in kept_out if sha not in merged["test"]["sha"]} - in_fer
    assert len(kept_out) > 60 / one_in / 2
    assert len(conflicting) <= 1, "the one picture on which the sources differ"
    for source, sha in zip(merged["train"]["source"], merged["train"]["sha"], strict=True):
        assert source == "fer2013" or int(sha[:8], 16) % one_in != 0
    assert card.sources[1].held_out_one_in == one_in


def test_a_published_test_split_wins_over_validation(tmp_path):
    one = write(tmp_path / "one", {"validation/sad/a.png": png(1), "validation/sad/b.png": png(2)})
    two = write(tmp_path / "two", {"test/sad/a.png": png(1), "train/happy/b.png": png(2), "train/happy/c.png": png(3)})
    prepare("image_folder", one, tmp_path / "p1")
    prepare("image_folder", two, tmp_path / "p2")
    card = merge([f"one={tmp_path / 'p1'}", f"two={tmp_path / 'p2'}"], tmp_path / "merged")
    assert rows_of(load_prepared(tmp_path / "merged")) == {
        "train": [("two", "c.png", "happy")],
        "validation": [("one", "b.png", "sad")],
        "test": [("two", "a.png", "sad")],
    }
    assert card.dropped["one"] == {"validation": {"in_evaluation": 1}}


KEYS = st.integers(0, 11).map(lambda n: f"{n:064x}")
ROWS = st.lists(st.tuples(KEYS, st.sampled_from("xy")), max_size=12)


def part(source: str, split: str, published: bool, rows: list[tuple[str, str]]) -> SourceSplit:
    # Blankness is a fact of the content.
    contents = Contents([key for key, _ in rows], [label for _, label in rows], [int(key, 16) == 11 for key, _ in rows])
    return SourceSplit(source, split, None, published, list(range(len(rows))), contents)


@given(st.lists(st.tuples(ROWS, ROWS, ROWS, ROWS), min_size=1, max_size=3))
def test_no_picture_stands_in_two_splits_and_none_is_lost(sources):
    parts = []
    for number, (test, validation, held, train) in enumerate(sources):
        rows_of = [("test", True, test), ("validation", True, validation)]
        rows_of += [("test", False, held), ("train", False, train)]
        parts += [part(str(number), split, published, rows) for split, published, rows in rows_of]
    decide(parts)
    places: dict[str, set[tuple[str, bool]]] = {}
    for one in parts:
        for row, _ in one.kept():
            places.setdefault(one.contents.keys[row], set()).add((one.split, one.published))
    assert all(len(found) == 1 for found in places.values())
    unpublished = [(one.contents.keys[row], label) for one in parts if not one.published for row, label in one.kept()]
    assert len(unpublished) == len({key for key, _ in unpublished}), "cleaned rows stand once"
    assert not any(int(key, 16) == 11 for key, _ in unpublished)
    every = {(key, label, one.published) for one in parts for key, label in contents_rows(one)}
    lost = {key for key, *_ in every} - set(places)
    for key in lost:
        labels = {label for other, label, _ in every if other == key}
        assert len(labels) > 1 or int(key, 16) == 11, "only contradictory and blank pictures vanish"
        assert not any(published for other, _, published in every if other == key)
    assert all(len(one.reasons) == len(one.rows) for one in parts)


def contents_rows(one: SourceSplit):
    return zip(one.contents.keys, one.contents.labels, strict=True)


@given(ROWS, ROWS)
def test_a_single_sources_evaluation_stays_as_published(test, validation):
    parts = [part("a", "validation", True, validation), part("a", "test", True, test)]
    decide(parts)
    assert parts[1].reasons == [None] * len(test)
    in_test = {key for key, _ in test}
    assert [reason is None for reason in parts[0].reasons] == [key not in in_test for key, _ in validation]


def test_unknown_labels_are_refused_by_name_or_left_out(tmp_path):
    sources = [f"fer2013={fer(tmp_path)}", f"muxspace={mux(tmp_path)}"]
    with pytest.raises(UsageError, match=r"muxspace: No label of vocabulary 'basic7' matches 'contempt'.*--leave-out"):
        merge(sources, tmp_path / "merged", MergeOptions(vocabulary="basic7"))
    assert not (tmp_path / "merged").exists()
    card = merge(sources, tmp_path / "merged", MergeOptions(vocabulary="basic7", leave_out=["contempt"]))
    assert card.dropped["muxspace"]["train"]["left_out"] == 1
    assert card.sources[1].labels["contempt"] == ""
    assert "contempt" not in load_prepared(tmp_path / "merged")["train"].features["label"].names


@pytest.mark.parametrize("hold_out", [{}, {"muxspace": 2}])
def test_both_cards_account_for_every_row(tmp_path, hold_out):
    again = write(tmp_path / "again", {"validation/sad/a.png": png(10), "test/sad/b.png": png(11)})
    prepare("image_folder", again, tmp_path / "p")
    sources = [f"fer2013={fer(tmp_path)}", f"muxspace={mux(tmp_path)}", f"again={tmp_path / 'p'}"]
    options = MergeOptions(vocabulary="basic7", leave_out=["contempt"], hold_out=hold_out)
    card = merge(sources, tmp_path / "merged", options)
    sums = sum((Counter(reasons) for splits in card.dropped.values() for reasons in splits.values()), Counter())
    assert sums["in_evaluation"] >= 3, "published evaluation rows are among them"
    assert sums["left_out"] == 1
    dropped = load_record(tmp_path / "merged").dropped
    assert {reason: count for reason, count in dropped if count} == dict(sums)
    assert sum(sum(source.rows.values()) for source in card.sources) == sum(card.rows.values()) + dropped.total


def test_rows_that_cannot_be_used_are_named_and_in_both_cards(tmp_path, capsys):
    source = write(tmp_path / "faces", {"happy/a.png": png(1), "sad/damaged.jpg": b"no"})
    assert main(["data", "merge", f"image_folder={source}", "--to", str(tmp_path / "merged")]) == 0
    err = capsys.readouterr().err
    assert "Skipped 1 row(s) of image_folder that cannot be used:\n  sad/damaged.jpg: Not a picture" in err
    assert f"The whole account is in {tmp_path / 'merged' / 'card.yaml'}." in err
    assert "card.json" not in err
    (own,) = load_merged_card(tmp_path / "merged").sources
    assert [row.path for row in own.skipped] == ["sad/damaged.jpg"]
    assert [row.path for row in load_record(tmp_path / "merged").skipped] == ["image_folder: sad/damaged.jpg"]


def test_a_label_to_leave_out_that_no_source_has_is_refused_by_name(tmp_path, capsys):
    command = ["data", "merge", f"muxspace={mux(tmp_path)}", "--vocab", "basic7", "--to", str(tmp_path / "merged")]
    assert main([*command, "--leave-out", "contmpt"]) == 2
    err = capsys.readouterr().err
    assert "No source has the label 'contmpt' to leave out: there are angry, " in err
    assert "contempt" in err
    assert not (tmp_path / "merged").exists()


def test_prepared_sets_are_named_without_a_path(tmp_path, capsys):
    prepare("fer2013", fer(tmp_path))
    prepare("muxspace", mux(tmp_path), tmp_path / "mine")
    assert main(["data", "merge", "fer2013", str(tmp_path / "mine"), "--to", str(tmp_path / "merged")]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "merged")
    assert "mine: train 2. Dropped 3 of train (1 repeated, 1 conflicting, 1 in evaluation)." in err
    assert set(load_prepared(tmp_path / "merged")["train"]["source"]) == {"fer2013", "mine"}


def test_a_merged_set_works_in_the_other_verbs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(registry, "load_encoder", lambda spec="mini", device="auto": FakeEncoder())
    merged = str(tmp_path / "merged")
    sources = [f"fer2013={fer(tmp_path)}", f"muxspace={mux(tmp_path)}"]
    assert main(["data", "merge", *sources, "--hold-out", "muxspace=2", "--to", merged]) == 0
    capsys.readouterr()
    assert main(["data", "stats", merged, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows["validation"] == 3
    assert main(["evaluate", "--data", merged, "--split", "test", "--vocab", "basic8", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == rows["test"]
    assert main(["data", "check", merged]) == 1, "validation's own repeats are left as published"
    assert main(["data", "merge", merged, "--to", str(tmp_path / "twice")]) == 0
    assert load_record(tmp_path / "twice").fingerprint == load_record(merged).fingerprint


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing=x.zip"], 2, "Unknown data set 'nothing': write image_folder=x.zip for your own pictures"),
        (["nowhere/faces"], 1, "nowhere/faces does not exist"),
        (["nothing"], 2, "neither a prepared folder nor a known data set"),
        (["fer2013"], 1, "not prepared yet"),
        (["fer2013=missing.zip"], 1, "does not exist"),
        (["kote=x.tsv"], 2, "only picture sets"),
        (["=x.zip"], 2, "NAME=PATH"),
        (["fer2013=a", "fer2013=b"], 2, "Two sources are called 'fer2013'"),
        (["fer2013=a", "--hold-out", "muxspace=5"], 2, "is no source"),
        (["fer2013=a", "--hold-out", "fer2013=1"], 2, "give 2 or more"),
        (["fer2013=a", "--hold-out", "fer2013"], 2, "NAME=N"),
        (["fer2013=a", "--vocab", "basic9"], 2, "Unknown vocabulary"),
    ],
)
def test_misuse_is_one_sentence(arguments, code, words, capsys, tmp_path):
    assert main(["data", "merge", *arguments, "--to", str(tmp_path / "merged")]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == []


def test_sets_of_texts_and_sets_without_training_rows(tmp_path):
    table = "id\ttext\tlabels\n1\t가\t4\n".encode()
    prepare("kote", write(tmp_path / "raw", {"kote.tsv": table}), tmp_path / "kote")
    with pytest.raises(DataError, match="lacks image"):
        merge([str(tmp_path / "kote")], tmp_path / "merged")
    prepare("image_folder", write(tmp_path / "v", {"validation/sad/a.png": png(1)}), tmp_path / "p")
    with pytest.raises(UsageError, match="no training split"):
        merge([f"v={tmp_path / 'p'}"], tmp_path / "merged", MergeOptions(hold_out={"v": 5}))
