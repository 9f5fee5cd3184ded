"""Probabilities smoothed along a face's track: what was seen before counts half after each half-life."""

from __future__ import annotations

from dataclasses import dataclass, field

from clip_emotion.arrays import FloatArray

HALF_LIFE = 0.5
"""Seconds."""


@dataclass
class Smoothing:
    """Exponential smoothing in time: s ← a·s + (1 − a)·p with a = 0.5^(passed / half-life), begun with the first p.

    ``half_life`` in seconds; 0 leaves everything as it is. It holds nothing of tracks that ended ``kept`` seconds ago.
    """

    half_life: float = HALF_LIFE
    kept: float = 60.0
    _last: dict[int, tuple[float, FloatArray]] = field(default_factory=dict)

    def step(self, track: int, probabilities: FloatArray, time: float) -> FloatArray:
        """Return a track's smoothed probabilities [L] at a time in seconds, and keep them for the next."""
        before = self._last.get(track)
        smoothed = probabilities
        if before is not None and self.half_life > 0:
            share = 0.5 ** (max(time - before[0], 0.0) / self.half_life)
            smoothed = share * before[1] + (1 - share) * probabilities
        self._last[track] = time, smoothed
        if len(self._last) > 64:
            self._last = {key: entry for key, entry in self._last.items() if time - entry[0] <= self.kept}
        return smoothed

    def last(self, track: int | None) -> FloatArray | None:
        """Return a track's smoothed probabilities as they were last, or None where there are none."""
        return self._last[track][1] if track in self._last else None
