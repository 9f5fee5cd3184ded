"""``clip-emotion label`` where videos are named, with pictures beside them: one form of rows for all."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion import outputs
from clip_emotion.cli.common import progress_bar, say
from clip_emotion.cli.label_output import Output
from clip_emotion.cli.options import EngineName
from clip_emotion.cli.video_options import VideoArguments
from clip_emotion.cli.video_table import VideoTable
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.data.images import ImageSource
    from clip_emotion.data.video_sources import VideoSource
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.retrieval.labelling.rows import RunCard
    from clip_emotion.retrieval.labelling.stream import StreamConfig
    from clip_emotion.retrieval.video.labelling import Earlier, LabelledFrame, VideoOptions
    from clip_emotion.retrieval.video.row_files import Done, VideoRowWriter
    from clip_emotion.retrieval.video.sinks import FrameSink

ADVICE = "Videos in a folder are looked at when they are named themselves, as in clips/*.mp4."


def find_all(paths: Sequence[str]) -> tuple[list[ImageSource], list[VideoSource]]:
    """Return the pictures and the videos that arguments mean, cameras and streams last; raises as ``find_images``."""
    from clip_emotion.data.finding import VIDEO_SUFFIXES, find_images
    from clip_emotion.data.video_sources import split_live, split_videos

    rest, live = split_live(paths)
    if live and not rest:
        return [], live
    found = find_images(rest, typer.get_binary_stream("stdin"), ADVICE)
    notice = found.notice()
    if notice:
        say(notice + (f" {ADVICE}" if VIDEO_SUFFIXES & found.passed_over.keys() else ""))
    pictures, videos = split_videos(found.sources)
    return pictures, [*videos, *live]


@dataclass(frozen=True)
class VideoJob:
    """One call that names videos."""

    pictures: Sequence[ImageSource]
    videos: Sequence[VideoSource]
    arguments: VideoArguments
    config: StreamConfig
    top: int
    output: Output

    def check(self, engine: EngineName) -> None:
        """Raise UsageError or MissingExtraError for what cannot be, before any work begins."""
        from clip_emotion.data.video_opening import load_av
        from clip_emotion.retrieval.video.looking import of_videos

        load_av()
        if engine is not EngineName.local:
            raise UsageError("Videos are read in this process: leave --engine ray out.")
        of_videos(self.config.faces)
        self.options(self.top)
        if self.arguments.show:
            from clip_emotion.cli.video_window import refuse_without_display

            refuse_without_display()

    def claim(self, inputs: Sequence[Path]) -> None:
        """See that the annotated video may be written; raises UsageError else."""
        annotate, rows = self.arguments.annotate, self.output.path
        if annotate is None:
            return
        from clip_emotion.retrieval.video.annotate import codec_of

        codec_of(annotate)
        if rows is not None and annotate.absolute() == rows.absolute():
            raise UsageError(f"--out and --annotate both name {rows}: give two files.")
        outputs.claim_file(annotate, self.output.writing, inputs=inputs)

    def options(self, top: int) -> VideoOptions:
        """Return how videos are labelled."""
        from clip_emotion.retrieval.video.labelling import VideoOptions

        return VideoOptions(self.arguments.sampling(), top, self.arguments.half_life, stream=self.config)

    def run(self, labeller: ZeroShotLabeller) -> int:
        """Label pictures and videos, write what was asked for, and return how many rows failed."""
        options = self.options(min(self.top, len(labeller.vocabulary)))
        run = _Run(self, labeller, options)
        started = time.perf_counter()
        with ExitStack() as stack:
            writer, done = stack.enter_context(self._rows(labeller, options))
            sinks = [stack.enter_context(sink) for sink in self._sinks(labeller, options)]
            run.label(writer, sinks, done)
        seconds = time.perf_counter() - started
        rate = run.frames / max(seconds, 1e-9)
        say(f"{run.frames} frames and pictures in {seconds:.1f} s, {rate:.1f} a second; {run.failed} failed.")
        return run.failed

    @contextmanager
    def _rows(
        self, labeller: ZeroShotLabeller, options: VideoOptions
    ) -> Iterator[tuple[VideoTable | VideoRowWriter, Done]]:
        """Hand out what writes rows, and the rows of the run that is continued."""
        from clip_emotion.retrieval.labelling.row_files import Target
        from clip_emotion.retrieval.video.row_files import Done, VideoRowWriter, open_rows
        from clip_emotion.retrieval.video.row_formats import PIPED_FORMATS

        output = self.output
        if output.format == "table":
            yield VideoTable(), Done()
        elif output.path is None:
            stream = typer.get_binary_stream("stdout")
            writer = VideoRowWriter(stream, PIPED_FORMATS[output.format], self._card(labeller, options))
            writer.start()
            yield writer, Done()
        else:
            target = Target(output.path, output.format, output.writing.resume)
            with open_rows(target, self._card(labeller, options), options) as opened:
                yield opened

    def _card(self, labeller: ZeroShotLabeller, options: VideoOptions) -> RunCard:
        from clip_emotion.retrieval.labelling.cards import run_card

        card = run_card(labeller, options.top, self.config.faces.written())
        own = {"frames": options.sampling.written(), "half_life": f"{options.half_life:g}"}
        return replace(card, settings={**card.settings, **own})

    def _sinks(self, labeller: ZeroShotLabeller, options: VideoOptions) -> Iterator[FrameSink]:
        if self.output.report is not None:
            from clip_emotion.retrieval.video.report import VideoReport

            yield VideoReport(self.output.report, labeller, say)
        if self.arguments.annotate is not None:
            from clip_emotion.retrieval.video.annotate import Annotator

            yield Annotator(self.videos[0], self.arguments.annotate, options.sampling, say, options.limits)
        if self.arguments.show:
            from clip_emotion.cli.video_window import Window

            yield Window()


@dataclass
class _Run:
    """What a call has done so far."""

    job: VideoJob
    labeller: ZeroShotLabeller
    options: VideoOptions
    frames: int = 0
    failed: int = 0

    def label(self, writer: VideoTable | VideoRowWriter, sinks: Sequence[FrameSink], done: Done) -> None:
        """Label what is not done yet; a camera goes on until it is interrupted or its window is closed."""
        from clip_emotion.retrieval.labelling.row_files import place_of
        from clip_emotion.retrieval.video.sinks import Closed, earlier_frames

        self.failed += done.failed
        for frame in earlier_frames(done.rows()) if sinks else ():
            for sink in sinks:
                sink.take(frame)
        finished = done.finished
        pictures = [source for source in self.job.pictures if place_of(source.name) not in finished]
        self._take(self._pictures(pictures), writer, sinks, "Labelling pictures", len(pictures))
        for video in self.job.videos:
            if place_of(video.name) in finished:
                continue
            earlier = done.earlier if done.unfinished == place_of(video.name) else None
            try:
                with closing(self._video(video, earlier)) as frames:
                    self._take(frames, writer, sinks, video.name, self._seconds(video))
            except Closed:
                return
            except KeyboardInterrupt:
                if not video.live:
                    raise
                say(f"{video.name} was stopped.")

    def _take(
        self,
        frames: Iterator[LabelledFrame],
        writer: VideoTable | VideoRowWriter,
        sinks: Sequence[FrameSink],
        name: str,
        total: int | None,
    ) -> None:
        quiet = self.job.output.path is None and sys.stdout.isatty()
        shown = 0
        with nullcontext(_no_bar) if quiet or total == 0 else progress_bar(name, total) as advance:
            for frame in frames:
                for row in frame.rows:
                    writer.write(row)
                    self.failed += row.error is not None
                self.frames += any(row.error is None for row in frame.rows)
                for sink in sinks:
                    sink.take(frame)
                reached = shown + 1 if frame.time is None else int(frame.time)
                advance(max(0, reached - shown))
                shown = max(shown, reached)

    def _pictures(self, pictures: Sequence[ImageSource]) -> Iterator[LabelledFrame]:
        from clip_emotion.retrieval.video.labelling import LabelledFrame
        from clip_emotion.retrieval.video.rows import of_picture

        for prediction in self.labeller.stream(pictures, self.options.top, self.job.config):
            yield LabelledFrame(prediction.path, None, (of_picture(prediction),))

    def _video(self, video: VideoSource, earlier: Earlier | None) -> Generator[LabelledFrame, None, None]:
        from clip_emotion.retrieval.video.labelling import label_frames
        from clip_emotion.retrieval.video.looking import Kept

        drawn = self.job.arguments.annotate is not None and video.live
        kept = Kept(self.job.output.report is not None, self.job.arguments.show or drawn)
        return label_frames(video, self.labeller, self.options, kept, earlier)

    def _seconds(self, video: VideoSource) -> int | None:
        """Return a video's length in whole seconds, None where it has none or cannot be read."""
        from clip_emotion.data.video import video_facts
        from clip_emotion.errors import VideoError

        if video.live:
            return None
        try:
            seconds = video_facts(video).seconds
        except VideoError:
            return None
        return None if seconds is None else int(seconds)


def _no_bar(steps: int) -> None:
    """Stand in for a progress bar."""
