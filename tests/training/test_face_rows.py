"""Faces as rows: how an epoch draws them, and how raw sets become targets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.data.prepared import load_prepared
from clip_emotion.errors import DataError
from clip_emotion.training.mini.faces import FaceRows, load_faces
from clip_emotion.training.mini.faces_config import FacesConfig
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import EMOTIONS, VOTES, face, table, vote_row, write_images, zipped

BASIC = Vocabulary.load("basic8")


def rows_with(rates: list[float]) -> FaceRows:
    count = len(rates)
    return FaceRows(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.eye(count), torch.tensor(rates))


def drawn(rows: FaceRows, steps: range, size: int, seed: int = 0) -> list[int]:
    return torch.cat([rows.batch(step, size, seed) for step in steps]).tolist()


@given(st.integers(0, 500), st.integers(1, 30), st.integers(0, 5))
def test_a_batch_follows_from_seed_and_step_alone(step: int, size: int, seed: int) -> None:
    rates = [0.3, 1.0, 2.5, 1.0, 0.5, 1.0, 1.0]
    fresh, used = rows_with(rates), rows_with(rates)
    drawn(used, range(step % 9 + 1), size, seed + 1)
    batch = fresh.batch(step, size, seed)
    assert len(batch) == size
    assert torch.equal(batch, used.batch(step, size, seed))


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_an_epoch_draws_every_row_once(epoch: int) -> None:
    rows = rows_with([1.0] * 24)
    assert rows.epoch_size == len(rows) == 24
    assert sorted(drawn(rows, range(epoch * 6, epoch * 6 + 6), 4)) == list(range(24))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    rows = rows_with([1.0] * 24)
    orders = [drawn(rows, range(6), 4), drawn(rows, range(6, 12), 4), drawn(rows, range(6), 4, seed=1)]
    assert len({tuple(order) for order in orders}) == 3
    assert orders[0] != list(range(24))


def test_whole_rates_are_kept_in_every_epoch() -> None:
    rows = rows_with([0.0, 1.0, 2.0, 3.0])
    assert rows.epoch_size == 6
    for epoch in range(5):
        assert Counter(drawn(rows, range(2 * epoch, 2 * epoch + 2), 3)) == {1: 1, 2: 2, 3: 3}


def test_fractional_rates_are_kept_on_average() -> None:
    rates = [0.25] * 40 + [1.0] * 40 + [1.5] * 40
    rows, epochs = rows_with(rates), 200
    steps = rows.epoch_size // 10
    counts = Counter(drawn(rows, range(epochs * steps), 10))
    for first, rate in ((0, 0.25), (40, 1.0), (80, 1.5)):
        mean = sum(counts[row] for row in range(first, first + 40)) / 40 / epochs
        assert mean == pytest.approx(rate, rel=0.05)


def test_a_batch_larger_than_an_epoch_begins_again() -> None:
    batch = rows_with([1.0] * 3).batch(5, 7, 0)
    assert sorted(Counter(batch.tolist()).values()) == [2, 2, 3]


def test_parts_and_joins_keep_rows_together() -> None:
    rows = rows_with([1.0, 2.0, 3.0])
    part = rows.part(torch.tensor([False, True, True]))
    assert part.repeats.tolist() == [2.0, 3.0]
    joined = part.joined(rows)
    assert joined.repeats.tolist() == [2.0, 3.0, 1.0, 2.0, 3.0]
    assert torch.equal(joined.targets, torch.eye(3)[[1, 2, 0, 1, 2]])
    assert len(joined.images) == 5


def settings(folder: Path, **changes: object) -> FacesConfig:
    values = {"folder": folder, "prepared": folder / "prepared", "tuning_share": 3, "held_out_share": 4}
    return FacesConfig.model_validate({**values, **changes})


def of_class(rows: FaceRows, key: str) -> torch.Tensor:
    return rows.targets[rows.targets.argmax(dim=1) == BASIC.index(key)]


def test_sources_become_splits(tmp_path: Path) -> None:
    config = settings(write_images(tmp_path, a_class=6), vote_weight=0.25, muxspace_cap=2)
    splits = load_faces(config, BASIC)
    assert len(splits.validation) == 7 * 6
    assert splits.validation.images.shape[1:] == (1, 48, 48)
    assert splits.validation.images.dtype == torch.uint8
    torch.testing.assert_close(splits.training.targets.sum(dim=1), torch.ones(len(splits.training)))
    # What validates and what tunes has one label; votes soften what trains.
    for rows in (splits.validation, splits.tuning):
        assert set(rows.targets.unique().tolist()) == {0.0, 1.0}
    wanted = torch.zeros(len(BASIC))
    wanted[BASIC.index("happy")], wanted[BASIC.index("neutral")] = 0.75, 0.25 * 0.4
    wanted[BASIC.index("contempt")] = 0.25 * 0.6
    assert of_class(splits.training, "happy").shape[0] > 0
    for target in of_class(splits.training, "happy"):
        torch.testing.assert_close(target, wanted)


def test_hold_outs_follow_from_the_content(tmp_path: Path) -> None:
    """Which pictures tune and which are kept out is a matter of their hash, in whatever order they come."""
    config = settings(write_images(tmp_path, a_class=6))
    splits = load_faces(config, BASIC)
    fer = load_prepared(config.raw()["fer2013"].folder)["train"]
    chosen = [int(sha[:8], 16) % 3 == 0 for sha in fer["sha"]]
    assert 0 < sum(chosen) == len(splits.tuning) < len(fer)
    mux = load_prepared(config.raw()["muxspace"].folder)["train"]
    kept = sum(int(sha[:8], 16) % 4 != 0 for sha in mux["sha"])
    assert kept < len(mux)
    assert len(splits.training) == len(fer) - sum(chosen) + kept
    trained = {bytes(picture.flatten().tolist()) for picture in splits.training.images}
    assert not trained & {bytes(picture.flatten().tolist()) for picture in splits.tuning.images}


def test_rates_repeat_a_class_and_cap_another_set(tmp_path: Path) -> None:
    config = settings(write_images(tmp_path, a_class=6), repeat={"disgust": 3.0}, muxspace_cap=2)
    training = load_faces(config, BASIC).training
    classes = training.targets.argmax(dim=1)
    assert set(training.repeats[classes == BASIC.index("disgust")].tolist()) == {3.0}
    assert set(training.repeats[classes == BASIC.index("happy")].tolist()) == {1.0}
    contempt = training.repeats[classes == BASIC.index("contempt")]  # muxspace alone has it
    assert float(contempt.sum()) == pytest.approx(min(2, len(contempt)))


def test_few_votes_soften_nothing_and_unknown_ones_do_not_count(tmp_path: Path) -> None:
    write_images(tmp_path, a_class=4)
    names = [f"train/{emotion}/Training_{at}.png" for emotion in EMOTIONS for at in range(1, 60)]
    rows = [vote_row(name, anger=3, unknown=6, NF=1) for name in names]
    table(tmp_path / "ferplus_votes.csv", ("path", *VOTES), rows)
    training = load_faces(settings(tmp_path), BASIC).training
    assert set(training.targets.unique().tolist()) == {0.0, 1.0}
    enough = load_faces(settings(tmp_path, least_votes=3, vote_weight=0.4), BASIC).training
    assert float(of_class(enough, "happy")[0][BASIC.index("angry")]) == pytest.approx(0.4)


def test_what_stands_in_validation_does_not_train(tmp_path: Path) -> None:
    write_images(tmp_path, a_class=3)
    files = {
        f"train/{emotion}/Training_{at}{copy}.png": face(10 * at + copy)
        for at, emotion in enumerate(EMOTIONS)
        for copy in range(6)
    }
    files["validation/sad/PublicTest_1.png"] = face(3)  # Training_03, filed as angry
    zipped(tmp_path / "fer2013.zip", files)
    splits = load_faces(settings(tmp_path), BASIC)
    same = [torch.equal(picture, splits.validation.images[0]) for picture in splits.training.images]
    assert not any(same)


def test_a_share_that_leaves_nothing_to_tune_on_is_told_before_training(tmp_path: Path) -> None:
    write_images(tmp_path, a_class=1)
    with pytest.raises(DataError, match=r"0 of 7 training images are for tuning: change tuning_share\."):
        load_faces(settings(tmp_path, tuning_share=1_000_003), BASIC)


def test_a_set_without_validation_is_told(tmp_path: Path) -> None:
    write_images(tmp_path, a_class=1)
    zipped(tmp_path / "fer2013.zip", {"train/happy/Training_1.png": face(1)})
    with pytest.raises(DataError, match=r"fer2013\.zip lacks the split train or validation"):
        load_faces(settings(tmp_path), BASIC)


def test_another_source_is_prepared_anew(tmp_path: Path) -> None:
    first = settings(write_images(tmp_path / "a", a_class=4), prepared=tmp_path / "prepared")
    second = settings(write_images(tmp_path / "b", a_class=6), prepared=tmp_path / "prepared")
    assert len(load_faces(first, BASIC).validation) == 7 * 4
    assert len(load_faces(second, BASIC).validation) == 7 * 6
    assert len(load_faces(first, BASIC).validation) == 7 * 4
