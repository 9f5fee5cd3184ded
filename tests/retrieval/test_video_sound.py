"""The drawn video keeps the sound: all of it, or what lies between two times, in step with the picture."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from clip_emotion.data.video_sampling import Sampling
from clip_emotion.data.video_sources import as_video
from clip_emotion.errors import DataError
from clip_emotion.retrieval.video import sound
from clip_emotion.retrieval.video.annotate import Annotator
from clip_emotion.retrieval.video.labelling import LabelledFrame
from tests.support.videos import Flash, av, flash_of, sound_packets, two_people, write_video

FLASH = Flash()
FRAMES, FRAME = 32, 1 / FLASH.fps


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FLASH.write(tmp_path_factory.mktemp("sound") / "flash.mp4")


def drawn(source: Path, out: Path, sampling: Sampling | None = None) -> list[str]:
    """Draw a video in which nobody was found, and return what was said of it."""
    said: list[str] = []
    with Annotator(as_video(source), out, sampling or Sampling(), said.append):
        pass
    assert said[0] == f"Annotated video: {out}"
    assert [path for path in out.parent.iterdir() if path.name.startswith(".")] == []
    return said[1:]


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_every_packet_of_sound_is_there_as_it_was(flash: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    assert drawn(flash, out) == []
    assert [content for _, content in sound_packets(out)] == [content for _, content in sound_packets(flash)]
    seen, heard = flash_of(out)
    assert heard == pytest.approx(seen, abs=0.005)
    assert seen == pytest.approx(FLASH.at, abs=0.03), "Matroska has no time before zero, where AAC's first packet is"
    assert frames_of(out) == FRAMES


@pytest.mark.parametrize(
    "sampling", [Sampling(start=2.3, end=3.1), Sampling(fps=2, start=2.31, end=3.1), Sampling(every=4, start=0.5)]
)
def test_a_cut_has_the_sound_between_its_times_in_step(flash: Path, tmp_path: Path, sampling: Sampling) -> None:
    out = tmp_path / "out.mp4"
    assert drawn(flash, out, sampling) == []
    within = [
        content
        for time, content in sound_packets(flash)
        if sampling.start <= time and (sampling.end is None or time <= sampling.end)
    ]
    assert [content for _, content in sound_packets(out)] == within
    seen, heard = flash_of(out)
    assert heard == pytest.approx(seen, abs=0.005)
    assert seen == pytest.approx(FLASH.at - sampling.start, abs=FRAME)


@pytest.mark.parametrize(("made", "suffix", "codec"), [("aac", ".webm", "opus"), ("pcm_s16le", ".mp4", "aac")])
@pytest.mark.parametrize("start", [0.0, 2.3])
def test_what_a_container_does_not_hold_is_encoded_anew(
    tmp_path: Path, made: str, suffix: str, codec: str, start: float
) -> None:
    source = Flash(sound=made).write(tmp_path / "flash.mov")
    out = tmp_path / f"out{suffix}"
    assert drawn(source, out, Sampling(start=start)) == []
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == codec
        assert container.streams.audio[0].codec_context.channels == 1
    seen, heard = flash_of(out)
    assert heard == pytest.approx(seen, abs=0.01)


def test_times_that_do_not_begin_at_zero_stay_in_step(tmp_path: Path) -> None:
    source = Flash(first=90).write(tmp_path / "flash.ts")
    with av.open(str(source)) as container:
        assert container.start_time == pytest.approx(90e6, abs=1e5)
    assert drawn(source, tmp_path / "out.mkv", Sampling(start=2.3)) == []
    seen, heard = flash_of(tmp_path / "out.mkv")
    assert heard == pytest.approx(seen, abs=0.03), "MPEG transport streams lead by AAC's first packet"
    assert [content for _, content in sound_packets(tmp_path / "out.mkv")]


def test_a_video_without_sound_has_none(tmp_path: Path) -> None:
    source = write_video(tmp_path / "mute.mp4", two_people(0.4).images())
    assert drawn(source, tmp_path / "out.mp4") == []
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio


def test_damaged_sound_is_told_once_and_the_picture_is_whole(flash: Path, tmp_path: Path) -> None:
    content = bytearray(flash.read_bytes())
    with av.open(str(flash)) as container:
        packets = [(one.pos, one.size) for one in container.demux(audio=0) if one.size]
    for at, size in packets[60:80]:
        content[at : at + size] = bytes(255 - byte for byte in content[at : at + size])
    source = tmp_path / "damaged.mp4"
    source.write_bytes(content)
    for suffix in (".mp4", ".webm"):
        out = tmp_path / f"out{suffix}"
        (said,) = drawn(source, out)
        assert said.startswith(f"The sound of {source} is damaged from 0:01.2")
        assert frames_of(out) == FRAMES
        seen, heard = flash_of(out)
        assert heard == pytest.approx(seen, abs=0.01)


def test_sound_that_can_be_had_in_no_way_is_told(flash: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "_takes", lambda name, add: False)
    out = tmp_path / "out.mov"
    assert drawn(flash, out) == [f"{out} has no sound: .mov cannot hold aac, nor can it be re-encoded."]
    assert frames_of(out) == FRAMES


def test_a_full_disk_is_no_damage(flash: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: sound.SoundTrack, packet: Any, frames: list[Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sound.SoundTrack, "_copy", full)
    with pytest.raises(DataError, match="No space left on device"):
        drawn(flash, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_sound_goes_along_with_the_picture_and_is_never_gathered(flash: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    with Annotator(as_video(flash), out, Sampling(), str) as annotator:
        for number in range(4, FRAMES, 4):
            annotator.take(LabelledFrame(str(flash), number / FLASH.fps, ()))
            assert annotator.sound is not None
            assert annotator.sound.waiting is not None
            assert annotator.sound.waiting.time == pytest.approx((number - 1) / FLASH.fps, abs=FRAME)
    with av.open(str(out)) as container:
        reached = {"audio": 0.0, "video": 0.0}
        for packet in container.demux():
            if packet.size:
                reached[packet.stream.type] = float(packet.pts * packet.time_base)
                assert abs(reached["audio"] - reached["video"]) < 1.0, "a player finds both side by side"
