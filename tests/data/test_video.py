"""Videos read frame by frame: true times, what is looked at, how it is turned, and what is said of broken ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clip_emotion.data.finding import find_images
from clip_emotion.data.video import Damage, Frame, read_video, video_facts
from clip_emotion.data.video_opening import Limits
from clip_emotion.data.video_sampling import Sampling, clock, is_time, seconds_of
from clip_emotion.data.video_sources import VideoSource, as_video, is_video, split_live, split_videos
from clip_emotion.errors import UsageError, VideoError
from tests.support.pictures import plain, save
from tests.support.rtsp import camera
from tests.support.videos import Encoding, av, write_video

SIZE = (96, 64)


def grey(number: int) -> Image.Image:
    """A frame whose upper half tells its number."""
    pixels = np.full((SIZE[1], SIZE[0], 3), 30, np.uint8)
    pixels[: SIZE[1] // 2] = 2 * number
    return Image.fromarray(pixels)


def shown(frame: Frame) -> float:
    return float(np.asarray(frame.image())[: SIZE[1] // 2].mean()) / 2


def frames(path: Path, sampling: Sampling | None = None, begin: float = 0.0) -> list[tuple[int, float]]:
    """The number and time of each frame that is looked at, whose picture is that of its number."""
    found = list(read_video(as_video(path), sampling or Sampling(every=1), begin=begin))
    assert all(isinstance(frame, Frame) and abs(shown(frame) - frame.number) < 2 for frame in found)
    return [(frame.number, frame.time) for frame in found if isinstance(frame, Frame)]


def damages(path: Path, sampling: Sampling | None = None) -> list[Damage]:
    return [one for one in read_video(as_video(path), sampling or Sampling(every=1)) if isinstance(one, Damage)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, 25 frames a second, a key frame every second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_video(path, map(grey, range(100)), Encoding(options={"movflags": "faststart"}))


def test_every_frame_has_its_number_and_time(clip: Path) -> None:
    assert frames(clip) == [(number, pytest.approx(number / 25)) for number in range(100)]
    facts = video_facts(as_video(clip))
    assert (facts.seconds, facts.rate) == (pytest.approx(4), 25)


@pytest.mark.parametrize(
    ("sampling", "numbers"),
    [
        (Sampling(), range(0, 100, 5)),
        (Sampling(fps=2), [0, 13, 25, 38, 50, 63, 75, 88]),  # of each half second the first
        (Sampling(every=30), [0, 30, 60, 90]),
        (Sampling(fps=1, start=1.0, end=3.0), [25, 50, 75]),
        (Sampling(every=20, start=2.5), [63, 83]),
        (Sampling(fps=1000, end=0.1), [0, 1, 2]),
    ],
)
def test_what_is_looked_at(clip: Path, sampling: Sampling, numbers: Sequence[int]) -> None:
    assert [number for number, _ in frames(clip, sampling)] == list(numbers)


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_what_begins_late_is_what_a_whole_reading_has_there(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"clip{suffix}", map(grey, range(100)), Encoding())
    whole = frames(path)
    for begin in (2.2, 3.96):
        later = [(number, time) for number, time in whole if time >= begin - 1e-6]
        assert frames(path, begin=later[0][1]) == later


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 1.0, 1.02, 1.9, 2.6, 2.61]
    path = write_video(tmp_path / "vfr.mkv", map(grey, range(8)), Encoding(times=times))
    assert [time for _, time in frames(path)] == pytest.approx(times)
    assert [number for number, _ in frames(path, Sampling(fps=1))] == [0, 3, 6]


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_a_phones_video_stands_upright(tmp_path: Path, turn: int) -> None:
    image = Image.new("RGB", SIZE, (20, 20, 20))
    image.paste((220, 20, 20), (0, 0, 48, 32))  # upper left, as the sensor sees it
    (frame,) = read_video(as_video(write_video(tmp_path / "turned.mp4", [image], Encoding(turn=turn))))
    assert isinstance(frame, Frame)
    upright, wanted = np.asarray(frame.image()), np.asarray(image.rotate(turn, expand=True))
    assert upright.shape == wanted.shape
    assert np.abs(upright.astype(int) - wanted).mean() < 12


def damaged(clip: Path, folder: Path) -> Path:
    """A copy with nonsense in its middle."""
    content = bytearray(clip.read_bytes())
    at = len(content) // 2
    content[at : at + 300] = random.Random(0).randbytes(300)
    path = folder / "broken.mp4"
    path.write_bytes(content)
    return path


def test_a_broken_stretch_is_told_and_the_rest_goes_on(clip: Path, tmp_path: Path) -> None:
    path = damaged(clip, tmp_path)
    found = list(read_video(as_video(path), Sampling(every=1)))
    (damage,) = (one for one in found if isinstance(one, Damage))
    good = [one for one in found if isinstance(one, Frame)]
    assert "damaged from" in damage.error
    assert "no frame of it can be decoded" in damage.error
    assert found.index(damage) > 10
    assert good[-1].number == 99
    assert all(abs(shown(frame) - frame.number) < 2 for frame in good), "what is shown after damage is whole"


def test_damage_that_reaches_into_what_is_looked_at_is_told(clip: Path, tmp_path: Path) -> None:
    broken = damaged(clip, tmp_path)
    (whole,) = damages(broken)
    begin = whole.time + 0.1
    assert damages(broken, Sampling(every=1, start=begin)) == [whole]
    assert damages(broken, Sampling(every=1, start=begin, end=begin + 0.1)) == [whole]
    assert damages(broken, Sampling(every=1, start=whole.time + 2)) == []


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        (Sampling(start=90), "No frame lies from 1:30.00 on: the video ends at 0:04.00."),
        (Sampling(start=5, end=6), "No frame lies from 0:05.00 to 0:06.00: the video ends at 0:04.00."),
        (Sampling(start=0.01, end=0.03), "No frame lies from 0:00.01 to 0:00.03."),
    ],
)
def test_a_time_without_frames_is_told(clip: Path, sampling: Sampling, said: str) -> None:
    assert [one.error for one in damages(clip, sampling)] == [said]


def test_a_truncated_file_says_so(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    found = list(read_video(as_video(path), Sampling(every=1)))
    assert isinstance(found[-1], Damage)
    assert "the file is cut off" in found[-1].error
    assert len(found) > 20
    whole = write_video(tmp_path / "late.mp4", map(grey, range(50)), Encoding())
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(VideoError, match="index, which an MP4 has at its end, is missing: the file is cut off"):
        damages(path)


def test_what_is_no_video_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello " * 100)
    cases = {"empty.mp4": "is empty", "text.mp4": "no video that can be read", "gone.mp4": "does not exist"}
    for name, said in cases.items():
        with pytest.raises(VideoError, match=said):
            damages(tmp_path / name)
    with pytest.raises(VideoError, match="a folder or a device"):
        damages(tmp_path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode()])
    with pytest.raises(VideoError, match="holds no moving pictures"):
        damages(tmp_path / "sound.mp4")


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile 'clip.mp4'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nclip.mp4\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ],
)
def test_no_file_leads_to_another(clip: Path, tmp_path: Path, content: str) -> None:
    """A playlist under a video's name would have FFmpeg open files and addresses that someone else chose."""
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "list.mp4").write_text(content)
    with pytest.raises(VideoError, match="no video that can be read"):
        damages(tmp_path / "list.mp4")


def test_no_name_of_a_file_is_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b", "http:x", "비디오 #1.mp4"):
        Path(name).write_bytes(clip.read_bytes())
        assert len(frames(Path(name), Sampling(fps=1))) == 4


def test_large_frames_are_refused_before_they_are_decoded(clip: Path) -> None:
    with pytest.raises(VideoError, match=r"96 × 64 have more than 6,000 pixels: raise --max-pixels"):
        list(read_video(as_video(clip), limits=Limits(max_pixels=6000)))


def test_cameras_and_streams_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"camera:97 cannot be opened \(.+\): see that .* is there and may be read"):
        damages_of("camera:97")
    with pytest.raises(VideoError, match=r"rtsp://127\.0\.0\.1:1/live cannot be opened") as told:
        damages_of("rtsp://me:secret@127.0.0.1:1/live?token=secret")
    assert "secret" not in str(told.value)


def damages_of(name: str) -> None:
    (source,) = split_live([name])[1]
    assert source.live
    list(read_video(source))


def test_a_stream_is_read_while_it_comes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "camera.ts", map(grey, range(60)), Encoding())
    with camera(path) as address:
        (source,) = split_live([address])[1]
        found = [one for one in read_video(source, Sampling(fps=5)) if isinstance(one, Frame)]
    assert [frame.time for frame in found] == pytest.approx([number / 5 for number in range(12)], abs=1e-3)
    assert all(abs(shown(frame) - frame.number) < 2 for frame in found)


def test_arguments_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("video", "clip.MOV", "camera:3"):
        Path(name).write_bytes(clip.read_bytes())
    save(plain("red"), tmp_path / "picture.png")
    (tmp_path / "really.mp4").write_bytes((tmp_path / "picture.png").read_bytes())
    Path("notes.txt").write_text("no video")
    rest, live = split_live(["video", "clip.MOV", "really.mp4", "picture.png", "notes.txt", "camera:3", "camera:4"])
    assert live == [VideoSource("camera:4", live[0].place, "camera")]
    pictures, videos = split_videos(find_images(rest).sources)
    assert [source.name for source in pictures] == ["really.mp4", "picture.png", "notes.txt"]
    assert [source.name for source in videos] == ["video", "clip.MOV", "camera:3"]
    with pytest.raises(UsageError, match="named twice"):
        split_live(["rtsp://a/b", "rtsp://a/b"])


def test_other_containers_are_known_by_their_content(tmp_path: Path) -> None:
    for suffix in (".mkv", ".ts", ".avi", ".flv"):
        path = write_video(tmp_path / f"clip{suffix}", map(grey, range(30)), Encoding())
        assert is_video(path.rename(tmp_path / f"{suffix[1:]}"))


def test_a_folder_of_videos_says_how_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UsageError, match=r"holds no pictures .* name them"):
        find_images([str(tmp_path)], advice="Videos: name them.")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1:30", 90), ("1:02:03.5", 3723.5), ("0.25", 0.25), (" 7 ", 7)]
)
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
    assert seconds_of(clock(seconds, 2)) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-1", "1:2:3:4", "1:75:00", "ten", "rows.csv", "nan", "1e3"])
def test_what_is_no_time(text: str) -> None:
    assert not is_time(text)
    with pytest.raises(UsageError, match="is no time"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"fps": 5, "every": 2}, "either --fps"),
        ({"fps": 0}, "--fps"),
        ({"fps": float("nan")}, "--fps"),
        ({"every": 0}, "--every"),
        ({"start": 5, "end": 5}, "later than --from"),
        ({"start": -1}, "not below 0"),
    ],
)
def test_samplings_that_cannot_be(made: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Sampling(**made)  # type: ignore[arg-type]
