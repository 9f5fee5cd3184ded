"""Whether memory and speed depend on a video's length: python benchmarks/video.py [--minutes 20] [--fps 1].

A minute of 720p is made of a portrait that moves and turns, and its packets are written so many times one after the
other. Each length is labelled in a process of its own, by the mini. What is compared: peak memory, and frames for each
second of processor time, which a busy machine stretches least. The exit code is 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import matplotlib
import numpy as np
from PIL import Image

SIZE, RATE, SECONDS = (1280, 720), 25, 60
MEMORY, SPEED = 1.1, 0.95
"""The most that memory, and the least that speed, may be of a long video, as shares of a short one's."""


def images(frames: int) -> Iterator[Image.Image]:
    """Draw a portrait that moves and turns over a ground with some texture."""
    with Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg") as opened:
        portrait = opened.convert("RGB").resize((300, 352))
    noise = np.random.default_rng(0).integers(60, 120, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
    ground = Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)
    for number in range(frames):
        angle = 2 * math.pi * number / frames
        image = ground.copy()
        place = (round(480 + 400 * math.sin(angle)), round(180 + 120 * math.sin(3 * angle)))
        image.paste(portrait.rotate(15 * math.sin(5 * angle)), place)
        yield image


def make(path: Path) -> None:
    """Write a minute of video."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *SIZE, "yuv420p", 2 * RATE
        for image in images(SECONDS * RATE):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")))
        container.mux(stream.encode())


def repeat(source: Path, path: Path, times: int) -> None:
    """Write a video's packets so many times one after the other."""
    with av.open(str(path), "w") as container:
        made: Any = None
        for turn in range(times):
            with av.open(str(source)) as opened:
                stream: Any = opened.streams.video[0]
                made = made or container.add_stream_from_template(stream)
                shift = round(Fraction(turn * SECONDS) / stream.time_base)
                for packet in opened.demux(stream):
                    if packet.size and packet.dts is not None and packet.pts is not None:
                        packet.dts, packet.pts, packet.stream = packet.dts + shift, packet.pts + shift, made
                        container.mux(packet)


def measure(path: Path, fps: float) -> dict[str, float]:
    """Label a video in this process and return what it took."""
    from clip_emotion import ZeroShotLabeller
    from clip_emotion.data.video_sampling import Sampling
    from clip_emotion.retrieval.video.labelling import VideoOptions, label_video

    labeller = ZeroShotLabeller.load("mini", "kote44")
    # What is loaded once is no part of the speed.
    rows = sum(1 for _ in label_video(path, labeller, VideoOptions(Sampling(every=1, end=1.0))))
    began, clock = time.process_time(), time.perf_counter()
    frames, tracks = set(), set()
    for row in label_video(path, labeller, VideoOptions(Sampling(fps=fps))):
        frames.add(row.frame)
        tracks.add(row.track)
    seconds, passed = time.process_time() - began, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows": rows, "frames": len(frames), "tracks": len(tracks - {None}), "peak": peak,
        "rate": len(frames) / seconds, "by_clock": len(frames) / passed,
    }  # fmt: skip


def measured(path: Path, fps: float) -> dict[str, float]:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--measure", str(path), "--fps", str(fps)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    values: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return values


def main() -> int:
    """Print a line a length, and the shares; the exit code is 1 where one of them misses its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=20, help="length of the long video")
    parser.add_argument("--fps", type=float, default=1, help="frames a second that are looked at")
    parser.add_argument("--times", type=int, default=3, help="so often the short one is measured; the middle counts")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measure(options.measure, options.fps)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        short, long = Path(folder) / "short.mp4", Path(folder) / "long.mp4"
        make(short)
        repeat(short, long, options.minutes)
        shorts = sorted((measured(short, options.fps) for _ in range(options.times)), key=lambda one: one["rate"])
        results = {"1 min": shorts[len(shorts) // 2], f"{options.minutes} min": measured(long, options.fps)}
    for name, values in results.items():
        print(
            f"{name:>7}: {values['frames']:.0f} frames, {values['tracks']:.0f} track(s), {values['peak']:.0f} MiB, "
            f"{values['rate']:.1f} frames for a second of the processor, {values['by_clock']:.1f} by the clock"
        )
    one, other = results.values()
    memory, speed = other["peak"] / one["peak"], other["rate"] / one["rate"]
    print(f"memory × {memory:.3f} (at most {MEMORY}), speed × {speed:.3f} (at least {SPEED})")
    return int(memory > MEMORY or speed < SPEED)


if __name__ == "__main__":
    sys.exit(main())
