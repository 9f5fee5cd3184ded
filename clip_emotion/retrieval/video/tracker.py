"""Which face of a frame is which of the frames before: faces keep the number of their track.

Each track says where its face will be (constant velocity), and faces are given to tracks by the Hungarian method, so
that overlap with that place and likeness are greatest together. A track without a face waits for some seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from clip_emotion.arrays import Float32Array, FloatArray
from clip_emotion.retrieval.video.appearance import unlikeness
from clip_emotion.types import FaceBox

LOST = 3.0
"""So many seconds a track waits for its face."""
ALIKE, APART = 13.0, 26.0
"""How unlike two appearances may be where nothing else speaks for one face, and where their boxes overlap well."""
HIDDEN = 45.0
"""How unlike they may be where another face is near, which may hide a part of this one."""
NEAR = 1.5
"""Faces whose middles are less than so many of their sides apart are near."""
WELL = 0.5
"""The share of two boxes in common from which they overlap well."""
REACH, SPEED = 1.0, 2.0
"""A face may be found so many of its sides from where it is looked for, and so many more for each second."""
LARGER = 2.0
"""A face grows or shrinks by this factor at most from one frame to the next, and twice if it may be hidden in part."""
ADAPTED = 0.5
"""How much of a new velocity, and of a new appearance, enters what a track knows."""
NEVER = 1e6


@dataclass(frozen=True, slots=True)
class Detection:
    """One face of a frame: its box and its appearance."""

    box: FaceBox
    appearance: Float32Array


@dataclass(slots=True)
class Track:
    """One face through the frames: its state is centre x, y and the logarithms of width and height, per second."""

    number: int
    state: FloatArray
    velocity: FloatArray
    appearance: Float32Array
    time: float

    def at(self, time: float) -> FloatArray:
        """Return where the track's face is looked for; long after its last frame it is not taken to go on and on."""
        return self.state + self.velocity * min(time - self.time, 1.0)

    def follow(self, found: Detection, time: float) -> None:
        """Take a face as the track's own; one that is hidden in part does not change how the track's face looks."""
        state, passed = state_of(found.box), time - self.time
        if passed > 0:
            velocity = (state - self.state) / passed
            self.velocity = (1 - ADAPTED) * self.velocity + ADAPTED * velocity
        if unlikeness(found.appearance, self.appearance) <= APART:
            self.appearance = (1 - ADAPTED) * self.appearance + ADAPTED * found.appearance
        self.state, self.time = state, time


@dataclass
class Tracker:
    """Numbers the faces of one video, frame by frame; ``lost`` is how many seconds a track waits for its face."""

    lost: float = LOST
    tracks: list[Track] = field(default_factory=list)
    next_number: int = 1

    def step(self, found: Sequence[Detection], time: float, known: Mapping[FaceBox, int] | None = None) -> list[int]:
        """Return the number of each face's track in a frame at this time in seconds.

        ``known`` are the numbers that faces of this frame had before, by their boxes: a run that is gone on with.
        """
        self.tracks = [track for track in self.tracks if time - track.time <= self.lost]
        given = [(known or {}).get(one.box) for one in found]
        by_number = {track.number: track for track in self.tracks}
        numbers: list[int | None] = list(given)
        free = [track for track in self.tracks if track.number not in given]
        open_faces = [at for at, number in enumerate(given) if number is None]
        for at, track in self._assigned([found[at] for at in open_faces], free, time):
            numbers[open_faces[at]] = track.number
        settled = []
        for one, number in zip(found, numbers, strict=True):
            own = by_number.get(number) if number is not None else None
            if own is None:
                own = self._new(one, time, number)
            else:
                own.follow(one, time)
            settled.append(own.number)
        return settled

    def _new(self, found: Detection, time: float, number: int | None) -> Track:
        number = self.next_number if number is None else number
        self.next_number = max(self.next_number, number + 1)
        track = Track(number, state_of(found.box), np.zeros(4), found.appearance, time)
        self.tracks.append(track)
        return track

    @staticmethod
    def _assigned(found: Sequence[Detection], tracks: Sequence[Track], time: float) -> list[tuple[int, Track]]:
        """Return which faces go to which tracks; a pair that cannot be is left out."""
        if not found or not tracks:
            return []
        from scipy.optimize import linear_sum_assignment

        states = [state_of(one.box) for one in found]
        places = [*states, *(track.at(time) for track in tracks)]
        # A face and its own track are two of the places.
        hidden = [sum(_near(state, place) for place in places) > 2 for state in states]
        costs = np.array([[cost(one, track, time, hidden[at]) for track in tracks] for at, one in enumerate(found)])
        rows, columns = linear_sum_assignment(costs)
        pairs = zip(rows.tolist(), columns.tolist(), strict=True)
        return [(row, tracks[column]) for row, column in pairs if costs[row, column] < NEVER]


def cost(found: Detection, track: Track, time: float, hidden: bool = False) -> float:
    """Return how badly a face fits a track: 1 less the overlap, and how unlike they are; ``NEVER`` where it cannot.

    ``hidden`` says that another face is so near that it may hide a part of this one.
    """
    state, there, passed = state_of(found.box), track.at(time), time - track.time
    side = math.exp(max(state[2], state[3], there[2], there[3]))
    distance = min(math.dist(state[:2], there[:2]), math.dist(state[:2], track.state[:2])) / side
    grown = abs(state[2] - track.state[2]) / math.log(LARGER)
    if distance > REACH + SPEED * passed or grown > (1 + hidden) * (1 + passed):
        return NEVER
    shared = max(overlap(state, there), overlap(state, track.state))
    unlike = unlikeness(found.appearance, track.appearance)
    most = HIDDEN if hidden else APART
    if unlike > ALIKE + (most - ALIKE) * min(shared / WELL, 1.0):
        return NEVER
    return 1 - shared + unlike / ALIKE


def _near(one: FloatArray, other: FloatArray) -> bool:
    side = math.exp(max(one[2], one[3], other[2], other[3]))
    return math.dist(one[:2], other[:2]) < NEAR * side


def state_of(box: FaceBox) -> FloatArray:
    """Return a box as centre x, y and the logarithms of width and height."""
    return np.array(
        [box.x + box.width / 2, box.y + box.height / 2, math.log(max(box.width, 1)), math.log(max(box.height, 1))]
    )


def overlap(one: FloatArray, other: FloatArray) -> float:
    """Return the share of two boxes, as states, that they have in common (intersection over union)."""
    halves, other_halves = np.exp(one[2:]) / 2, np.exp(other[2:]) / 2
    low = np.maximum(one[:2] - halves, other[:2] - other_halves)
    high = np.minimum(one[:2] + halves, other[:2] + other_halves)
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / float(4 * np.prod(halves) + 4 * np.prod(other_halves) - shared)
