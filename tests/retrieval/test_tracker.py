"""Who is who from frame to frame, and words smoothed along a face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_emotion.arrays import Float32Array
from clip_emotion.retrieval.video.appearance import appearance, unlikeness
from clip_emotion.retrieval.video.smoothing import Smoothing
from clip_emotion.retrieval.video.tracker import Detection, Tracker, overlap, state_of
from clip_emotion.types import FaceBox


def looks(colour: tuple[int, int, int]) -> Float32Array:
    return appearance(Image.new("RGB", (48, 48), colour))


ONE, OTHER = looks((200, 150, 120)), looks((120, 90, 80))


def face(x: float, y: float = 100, side: int = 40, look: Float32Array = ONE) -> Detection:
    return Detection(FaceBox(round(x - side / 2), round(y - side / 2), side, side), look)


def test_two_who_cross_keep_their_numbers() -> None:
    """At the crossing the one behind is not found for some frames; both look alike, so that the way alone tells."""
    tracker = Tracker()
    seen = []
    for step in range(41):
        left, right = face(100 + 10 * step), face(500 - 10 * step, look=ONE + 1)
        hidden = abs(left.box.x - right.box.x) < 40
        seen.append(tracker.step([left] if hidden else [left, right], step * 0.2))
    assert [entry for entry in seen if len(entry) == 2] == [[1, 2]] * sum(len(entry) == 2 for entry in seen)
    assert sum(len(entry) == 1 for entry in seen) >= 3
    assert tracker.next_number == 3


def test_two_who_meet_and_turn_back_are_told_apart_by_their_looks() -> None:
    tracker = Tracker()
    for at, step in enumerate([*range(15), *range(15, -1, -1)]):
        left, right = face(100 + 10 * step, look=ONE), face(420 - 10 * step, look=OTHER)
        # The order in which a finder names them says nothing.
        found, numbers = ([left, right], [1, 2]) if at % 3 == 0 else ([right, left], [2, 1])
        assert tracker.step(found, at * 0.2) == numbers


def test_a_face_comes_back_within_the_time_and_not_later() -> None:
    for away, number in ((2.5, 1), (3.5, 2)):
        tracker = Tracker()
        assert tracker.step([face(100)], 0.0) == [1]
        for time in (0.5, 1.0):
            assert tracker.step([], time) == []
        assert tracker.step([face(110)], away) == [number]


def test_another_person_in_the_same_place_is_another_track() -> None:
    """After a cut someone else sits where one sat."""
    tracker = Tracker()
    assert tracker.step([face(100)], 0.0) == [1]
    assert tracker.step([face(102, look=OTHER)], 0.2) == [2]
    assert tracker.step([face(101)], 0.4) == [1]


def test_a_face_hidden_in_part_stays_who_it_is() -> None:
    half = (ONE + 2 * OTHER) / 3
    assert 26 < unlikeness(half, ONE) < 45
    alone, near = Tracker(), Tracker()
    for tracker in (alone, near):
        tracker.step([face(100)], 0.0)
    assert alone.step([face(102, look=half)], 0.2) == [2]
    assert near.step([face(102, look=half), face(140, look=OTHER)], 0.2) == [1, 2]
    assert near.step([face(104), face(180, look=OTHER)], 0.4) == [1, 2], "its looks are remembered as they were"


def test_a_far_or_far_larger_face_is_another() -> None:
    for other in (face(300), face(100, side=120)):
        tracker = Tracker()
        tracker.step([face(100)], 0.0)
        assert tracker.step([other], 0.1) == [2]


def test_numbers_given_before_are_taken() -> None:
    tracker = Tracker(next_number=8)
    first, second = face(100), face(300, look=OTHER)
    assert tracker.step([first, second], 0.0, {first.box: 5}) == [5, 8]
    assert tracker.step([face(104), face(298, look=OTHER)], 0.2) == [5, 8]


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 400), st.integers(10, 90)), max_size=5), max_size=6)
)
def test_no_two_faces_of_a_frame_are_one_track(frames: list[list[tuple[int, int, int]]]) -> None:
    tracker, seen = Tracker(), 0
    for step, places in enumerate(frames):
        numbers = tracker.step([face(x, y, side) for x, y, side in places], step * 0.3)
        assert len(set(numbers)) == len(numbers)
        seen = max([seen, *numbers])
    assert tracker.next_number == seen + 1


def test_overlap_is_the_share_in_common() -> None:
    square, half = state_of(FaceBox(0, 0, 10, 10)), state_of(FaceBox(5, 0, 10, 10))
    assert overlap(square, square) == pytest.approx(1)
    assert overlap(square, half) == pytest.approx(1 / 3)
    assert overlap(square, state_of(FaceBox(20, 20, 5, 5))) == 0


def test_smoothing_halves_the_past_in_each_half_life() -> None:
    smoothing = Smoothing(2.0)
    one, other = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert smoothing.step(1, one, 0.0).tolist() == [1, 0]
    assert smoothing.step(1, other, 2.0).tolist() == [0.5, 0.5]
    assert smoothing.step(1, other, 6.0).tolist() == [0.125, 0.875]
    assert smoothing.step(2, other, 6.0).tolist() == [0, 1], "each track has a past of its own"
    assert Smoothing(0).step(1, one, 0.0).tolist() == [1, 0]
    raw = Smoothing(0)
    raw.step(1, one, 0.0)
    assert raw.step(1, other, 0.1).tolist() == [0, 1]


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=30), st.floats(0, 5))
def test_smoothed_probabilities_are_probabilities(steps: list[tuple[float, float]], half_life: float) -> None:
    smoothing, time = Smoothing(half_life), 0.0
    for passed, share in steps:
        time += passed
        smoothed = smoothing.step(1, np.array([share, 1 - share]), time)
        assert smoothed.sum() == pytest.approx(1)
        assert (smoothed >= -1e-12).all()


def test_smoothing_does_not_depend_on_the_rate_of_frames() -> None:
    ends = []
    for rate in (2, 10):
        smoothing = Smoothing(1.0)
        smoothing.step(1, np.array([1.0, 0.0]), 0.0)
        for step in range(1, 3 * rate + 1):
            smoothed = smoothing.step(1, np.array([0.0, 1.0]), step / rate)
        ends.append(smoothed[0])
    assert ends[0] == pytest.approx(ends[1]) == pytest.approx(0.125)


def test_memory_of_ended_tracks_is_let_go() -> None:
    smoothing, tracker = Smoothing(1.0), Tracker()
    for step in range(1000):
        (number,) = tracker.step([face(1000 * (step % 2))], step * 4.0)
        smoothing.step(number, np.array([1.0]), step * 4.0)
    assert len(tracker.tracks) == 1
    assert len(smoothing._last) < 100
