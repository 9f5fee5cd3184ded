"""The plane of valence and arousal: where faces stand, which are pictures, and how much is drawn."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.data.faces.parts import NO_FACE
from clip_emotion.retrieval.labelling.plane import APART, DOTS, PICTURES, Plane, place_on_plane
from clip_emotion.types import Dimensions, FaceRegion, Prediction

AXIS = st.floats(-1, 1)


def rows(*places: tuple[float, float] | None) -> list[Prediction]:
    return [Prediction("p", (), "m", dimensions=None if place is None else Dimensions(*place)) for place in places]


def plane_of(*places: tuple[float, float] | None) -> Plane:
    plane = place_on_plane(rows(*places))
    assert plane is not None
    return plane


def test_without_dimensions_there_is_no_plane() -> None:
    assert place_on_plane(rows(None, None)) is None
    assert place_on_plane([]) is None


def test_a_picture_without_a_face_is_left_out() -> None:
    faceless = Prediction("p", (), "m", FaceRegion(note=NO_FACE), dimensions=Dimensions(0.1, 0.1))
    assert place_on_plane([faceless]) is None


def test_pleasant_is_right_and_excited_is_above() -> None:
    plane = plane_of((-0.3, 0.2), None, (0.3, -0.1))
    assert set(plane.x) == {0, 2}
    assert plane.x[0] < plane.x[2]
    assert plane.y[0] < plane.y[2]
    assert set(plane.shown) == {0, 2}
    zero = plane.valence.zero
    assert zero is not None
    assert plane.x[0] < zero < plane.x[2]


@given(st.lists(st.tuples(AXIS, AXIS), min_size=1, max_size=60))
def test_all_faces_lie_within_and_pictures_apart(places: list[tuple[float, float]]) -> None:
    plane = plane_of(*places)
    for axis, at, values in ((plane.valence, 0, plane.x), (plane.arousal, 1, plane.y)):
        assert axis.low < axis.high
        assert 2 <= len(axis.lines) <= 9
        for row, value in values.items():
            assert 0 <= value <= 100
            # The place says the number again, to what a tenth of a hundredth is.
            share = value / 100 if at == 0 else 1 - value / 100
            assert axis.low + share * (axis.high - axis.low) == pytest.approx(places[row][at], abs=2e-3)
    assert len(plane.shown) <= PICTURES
    for one in plane.shown:
        for other in set(plane.shown) - {one}:
            near = abs(plane.x[one] - plane.x[other]) < APART[0] and abs(plane.y[one] - plane.y[other]) < APART[1]
            assert not near


def test_of_very_many_faces_some_are_drawn() -> None:
    plane = plane_of(*[(at / 50_000 - 0.5, 0.1) for at in range(50_000)])
    assert plane.drawn == DOTS
    assert len(plane.dots) < 50_000
    drawn = [float(x) for x in re.findall(r"M([\d.]+) ", plane.dots)]
    assert (drawn[0], drawn[-1]) == (plane.x[0], plane.x[49_999])
