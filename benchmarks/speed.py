"""How fast pictures become rows, as ratios in one run: ``python benchmarks/speed.py [--part clip|photographs|…]``.

1. ``clip``: pictures and 44 words, one random-weight ViT-B/32 shared by Hugging Face's zero-shot pipeline (at its
   defaults and at its best batch size), a straight batched open_clip loop, and ours in fp32, bf16 and int8.
2. ``photographs``: 1280×960 photographs with a face, ``--face auto``, the mini, end to end.
3. ``share``: end to end against the encoder alone on ready tensors: ViT-B/32 on JPEGs of 640×480, the mini on
   48-pixel files.
4. ``cold``: one picture from a fresh process, through ONNX Runtime and through torch, in seconds and peak memory.
5. ``memory``: the peak memory of labelling many pictures against that of few.

Contestants alternate in rounds, and the median of the rounds' ratios counts. Fewer pictures than 2,000 are the default.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import label
from label import ARCHITECTURE, PORTRAIT, TEMPLATE, hugging_face_pipeline, run_fresh, write_images

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import find_images
from clip_emotion.data.images import ImageSource, open_image
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.embedding import embed_pixels
from clip_emotion.models.onnx.card import IMAGE, read_card
from clip_emotion.models.onnx.encoder import load_export
from clip_emotion.models.onnx.export import export_encoder
from clip_emotion.models.onnx.quantise import quantise
from clip_emotion.models.openclip.encoder import OpenClipEncoder
from clip_emotion.models.precision import InPrecision
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.vocabulary import Vocabulary

CPU = torch.device("cpu")
LABEL = (sys.executable, "-c", "from clip_emotion.cli.main import run; run()", "label")
Contest = Mapping[str, Callable[[], object]]


def rounds(contest: Contest, count: int) -> dict[str, list[float]]:
    """Run the contestants in turn, ``count`` rounds after one that does not count; return the seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in contest}
    for number in range(count + 1):
        for name, run in contest.items():
            gc.collect()
            start = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """Return how many times as long one contestant took as another: the median over the rounds."""
    return statistics.median(one / two for one, two in zip(seconds[slow], seconds[fast], strict=True))


def tell(what: str, value: str, bar: str = "") -> None:
    """Print one line of the table."""
    print(f"{what:<58} {value:>12}   {bar}", flush=True)


def tell_rates(seconds: Mapping[str, list[float]], pictures: int) -> None:
    """Print each contestant's pictures a second, in its best round."""
    for name, values in seconds.items():
        tell(name, f"{pictures / min(values):.1f}/s")


def measure_clip(options: argparse.Namespace) -> None:
    """Print a shared ViT-B/32 through the pipeline, the loop and ours."""
    model, preprocess, tokenizer, encoder = label.shared_clip()
    words = label.one_template()
    names = words.names("en")

    @torch.no_grad()
    def loop(visual: Any, dtype: torch.dtype) -> list[int]:
        texts = model.encode_text(tokenizer([TEMPLATE.format(name) for name in names]), normalize=True)
        found: list[int] = []
        for start in range(0, len(paths), 32):
            images = torch.stack([preprocess(Image.open(path)) for path in paths[start : start + 32]]).to(dtype)
            seen = torch.nn.functional.normalize(visual(images).float(), dim=-1)
            found += (model.logit_scale.exp() * seen @ texts.T).softmax(dim=-1).argmax(dim=-1).tolist()
        return found

    def ours(chosen: ImageTextEncoder) -> list[str]:
        rows = ZeroShotLabeller(chosen, words, "en")(
            paths, config=StreamConfig(FaceOptions("none"), workers=options.workers)
        )
        return [row.labels[0].name for row in rows]

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        paths = write_images(folder, options.pictures, 224)
        pipe = hugging_face_pipeline(model, folder)
        contest: dict[str, Callable[[], object]] = {
            "Hugging Face, batch 1 (its default)": lambda: pipe(paths, candidate_labels=names),
            "Hugging Face, batch 8": lambda: pipe(paths, candidate_labels=names, batch_size=8),
            "Hugging Face, batch 32": lambda: pipe(paths, candidate_labels=names, batch_size=32),
            "open_clip loop, fp32": lambda: loop(model.visual, torch.float32),
            "ours, fp32": lambda: ours(encoder),
        }
        if "bf16" in options.precisions:
            visual = deepcopy(model.visual).to(torch.bfloat16)
            contest["open_clip loop, bf16"] = lambda: loop(visual, torch.bfloat16)
            contest["ours, bf16"] = partial(ours, cast(ImageTextEncoder, InPrecision(encoder, "bf16", CPU, apart=True)))
        if "int8" in options.precisions:
            contest["ours, int8"] = partial(ours, in_int8(encoder, folder / "export"))
        seconds = rounds(contest, options.rounds)
    tell_clip(seconds, options.pictures)


def in_int8(encoder: ImageTextEncoder, folder: Path) -> ImageTextEncoder:
    """Return an encoder with its image tower exported and in 8 bits, unchecked: its weights are random."""
    folder.mkdir()
    export_encoder(encoder, ARCHITECTURE, folder)
    quantise(folder / IMAGE, folder / "8.onnx", [])
    (folder / "8.onnx").replace(folder / IMAGE)
    read_card(folder).sealed(folder).write(folder)
    return load_export(folder, lambda name: encoder)


def tell_clip(seconds: Mapping[str, list[float]], pictures: int) -> None:
    """Print the rates and ratios of the part ``clip``."""
    tell_rates(seconds, pictures)
    best = min((name for name in seconds if name.startswith("Hugging")), key=lambda name: min(seconds[name]))
    default = "Hugging Face, batch 1 (its default)"
    bars = {"ours, fp32": ("", ""), "ours, bf16": ("≥ 12", ""), "ours, int8": ("≥ 15", "≥ 3")}
    for name, (of_default, of_best) in bars.items():
        if name in seconds:
            tell(f"{name} / pipeline at its defaults", f"{ratio(seconds, default, name):.2f} ×", of_default)
            of_it = f"{ratio(seconds, best, name):.2f} ×"
            tell(f"{name} / pipeline at its best ({best.split(', ')[1]})", of_it, of_best)
    for name in ("fp32", "bf16"):
        if f"open_clip loop, {name}" in seconds:
            value = ratio(seconds, f"open_clip loop, {name}", f"ours, {name}")
            tell(f"ours / open_clip loop, {name}", f"{value:.2f} ×", "≥ 1.0")


def photographs(folder: Path, count: int, size: tuple[int, int], face: int) -> list[str]:
    """Write photographs of a size: a portrait, its face ``face`` pixels high, before a blurred ground."""
    portrait, random = Image.open(PORTRAIT).convert("RGB"), np.random.default_rng(0)
    part = portrait.resize([round(side * face / 219) for side in portrait.size])
    paths = []
    for number in range(count):
        ground = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        image = ground.resize(size, Image.Resampling.BICUBIC)
        room = [max(1, side - inner) for side, inner in zip(size, part.size, strict=True)]
        image.paste(part, (int(random.integers(room[0])), int(random.integers(room[1]))))
        paths.append(folder / f"{number:05}.jpg")
        image.save(paths[-1], quality=90)
    return [str(path) for path in paths]


def measure_photographs(options: argparse.Namespace) -> None:
    """Print photographs a second, end to end."""
    labeller = ZeroShotLabeller(load_encoder("mini", "cpu"), Vocabulary.load("kote44"))
    config = StreamConfig(workers=options.workers)
    with tempfile.TemporaryDirectory() as folder:
        sources = find_images(photographs(Path(folder), options.photographs, (1280, 960), options.face)).sources
        processor = time.process_time()
        seconds = rounds(
            {"1280×960, mini, --face auto": lambda: list(labeller.stream(sources, 5, config))}, options.rounds
        )
        processor = (time.process_time() - processor) / (options.photographs * (options.rounds + 1))
    tell_rates(seconds, options.photographs)
    tell("the processor's time for one", f"{1000 * processor:.1f} ms", "two cores at 33.5/s: ≤ 59.7 ms")


def measure_share(options: argparse.Namespace) -> None:
    """Print how much of the encoder's own speed is left end to end."""
    torch.manual_seed(0)
    model, _, _ = open_clip.create_model_and_transforms(ARCHITECTURE)
    config = open_clip.get_model_config(ARCHITECTURE)
    clip: Any = OpenClipEncoder(model, open_clip.get_tokenizer(ARCHITECTURE), config, ARCHITECTURE)
    with tempfile.TemporaryDirectory() as place:
        large, small = Path(place) / "large", Path(place) / "small"
        large.mkdir()
        small.mkdir()
        parts = (
            ("ViT-B/32, JPEG 640×480", clip, photographs(large, options.photographs, (640, 480), 200), "none", 0.9),
            ("mini, 48-pixel files", load_encoder("mini", "cpu"), write_images(small, options.small, 48), "auto", 0.9),
        )
        for name, encoder, paths, face, bar in parts:
            sources = find_images(paths).sources
            labeller = ZeroShotLabeller(encoder, Vocabulary.load("kote44"), "en")
            stream = StreamConfig(FaceOptions(face), workers=options.workers)
            pixels = [encoder.preprocess(open_image(Path(path))) for path in paths]
            batches = [pixels[start : start + 32] for start in range(0, len(pixels), 32)]
            contest: Contest = {
                "alone": partial(_embed_all, encoder, batches),
                "end to end": partial(_label_all, labeller, sources, stream),
            }
            seconds = rounds(contest, options.rounds)
            tell(f"end to end / encoder alone: {name}", f"{ratio(seconds, 'alone', 'end to end'):.2f}", f"≥ {bar}")


def _embed_all(encoder: ImageTextEncoder, batches: Sequence[Sequence[Any]]) -> None:
    for batch in batches:
        embed_pixels(encoder, batch)


def _label_all(labeller: ZeroShotLabeller, sources: Sequence[ImageSource], stream: StreamConfig) -> None:
    list(labeller.stream(sources, 5, stream))


def measure_cold(options: argparse.Namespace) -> None:
    """Print seconds and peak memory of one picture from a fresh process, its bytecode compiled and its cache warm."""
    start = [*LABEL, str(PORTRAIT)]
    for runtime, bar in (("onnx", "≤ 1.0 s, ≤ 300 MB"), ("torch", "")):
        with tempfile.TemporaryDirectory() as folder:
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            environment["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "bytecode")
            environment["CLIP_EMOTION_CACHE"] = str(Path(folder) / "cache")
            found = []
            for number in range(options.rounds + 1):
                # The export is made once on a machine, by the first run; the words are encoded anew in each.
                shutil.rmtree(Path(folder) / "cache" / "vocabularies", ignore_errors=True)
                before = os.times()
                one = run_fresh([*start, "--runtime", runtime], environment)
                after = os.times()
                spent = sum(after[2:4]) - sum(before[2:4])
                if number:
                    found.append((*one, spent))
        clock, memory, processor = (min(one[at] for one in found) for at in (0, 1, 2))
        tell(f"cold, one picture, mini, {runtime}", f"{clock:.2f} s", bar)
        tell("  the processor's time, and peak memory", f"{processor:.2f} s", f"{memory:.0f} MiB")


def measure_memory(options: argparse.Namespace) -> None:
    """Print the peak memory of labelling many 48-pixel files against that of few."""
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        originals = write_images(Path(folder), 50, 48)
        for count in (options.few, options.many):
            place = Path(folder) / str(count)
            for number in range(count):
                link = place / f"{number // 1000:03}" / f"{number:06}.jpg"
                link.parent.mkdir(parents=True, exist_ok=True)
                os.link(originals[number % len(originals)], link)
            command = [*LABEL, str(place), "--labels", "기쁨,슬픔", "--out", str(place / "rows.jsonl")]
            peaks.append(run_fresh(command, {**os.environ, "CLIP_EMOTION_CACHE": folder})[1])
    tell(f"peak memory, {options.few:,} pictures", f"{peaks[0]:.0f} MiB")
    tell(f"peak memory, {options.many:,} pictures", f"{peaks[1]:.0f} MiB")
    tell("the ratio", f"{peaks[1] / peaks[0]:.2f} ×", "≤ 1.1 (100,000 against 1,000)")


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "clip": measure_clip,
    "photographs": measure_photographs,
    "share": measure_share,
    "cold": measure_cold,
    "memory": measure_memory,
}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part")
    parser.add_argument("--pictures", type=int, default=64, help="224-pixel files of the part clip")
    parser.add_argument("--photographs", type=int, default=64, help="large photographs")
    parser.add_argument("--small", type=int, default=512, help="48-pixel files")
    parser.add_argument("--face", type=int, default=300, help="height of the face in a large photograph, in pixels")
    parser.add_argument("--few", type=int, default=1000, help="pictures of the smaller run of the part memory")
    parser.add_argument("--many", type=int, default=10_000, help="pictures of its larger run")
    parser.add_argument("--precisions", default="fp32,bf16,int8", help="those of the part clip")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    for part in options.part or PARTS:
        PARTS[part](options)


if __name__ == "__main__":
    main()
