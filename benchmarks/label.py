"""How fast ``label`` is, as ratios measured in one run: ``python benchmarks/label.py [--part pipeline|clip|cold]``.

1. ``pipeline``: pictures a second end to end (48-pixel files, decoding, batching) against the encoder alone.
2. ``clip``: the same files and the 44 KOTE labels through Hugging Face's zero-shot-image-classification pipeline at its
   defaults, through a straight open_clip loop, and through ours; all three share one random-weight ViT-B/32.
3. ``cold``: one picture from a fresh process with the mini, its bytecode compiled, in seconds and in peak memory.

Competing runs alternate and the best of each counts, so that a busy moment of the machine favours nobody.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import open_clip
import torch
from PIL import Image
from torch import Tensor

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import find_images
from clip_emotion.data.images import open_image
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.openclip.encoder import OpenClipEncoder
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.vocabulary import Vocabulary

TEMPLATE = "This is a photo of {}."
"""The default template of Hugging Face's pipeline, used by all three."""
ARCHITECTURE = "ViT-B-32"
PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
Contest = Mapping[str, Callable[[], object]]


def best_seconds(contest: Contest, repeats: int) -> dict[str, float]:
    """Run the contestants in turn, ``repeats`` rounds, and return the least seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in contest}
    for _ in range(repeats):
        for name, run in contest.items():
            gc.collect()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in seconds.items()}


def write_images(folder: Path, count: int, side: int) -> list[str]:
    """Write jittered crops of a portrait as JPEG files, no two alike."""
    portrait, random = Image.open(PORTRAIT).convert("RGB"), np.random.default_rng(0)
    paths = [folder / f"{number:04}.jpg" for number in range(count)]
    for path in paths:
        x, y, size = (int(value) for value in random.integers((120, 70, 200), (190, 130, 280)))
        portrait.crop((x, y, x + size, y + size)).resize((side, side)).save(path, quality=90)
    return [str(path) for path in paths]


def measure_pipeline(encoder: ImageTextEncoder, count: int, repeats: int) -> None:
    """Print pictures a second of the whole path against the encoder alone on the same batches."""
    config = StreamConfig(workers=2, batch_size=32)
    labeller = ZeroShotLabeller(encoder, Vocabulary.load("kote44"))
    with tempfile.TemporaryDirectory() as folder:
        sources = find_images(write_images(Path(folder), count, 48)).sources
        pixels = torch.stack([encoder.preprocess(open_image(Path(source.name))) for source in sources])
        batches = pixels.split(config.batch_size)
        contest: Contest = {
            "encoder alone": lambda: [encoder.encode_images(batch) for batch in batches],
            "end to end": lambda: list(labeller.stream(sources, 5, config)),
        }
        best_seconds(contest, 1)
        seconds = best_seconds(contest, repeats)
    for name, value in seconds.items():
        print(f"{name:<28} {count / value:9.1f} pictures a second")
    print(f"{'end to end / encoder alone':<28} {seconds['encoder alone'] / seconds['end to end']:9.2f}   (aim: 0.8)")


def shared_clip() -> tuple[Any, Any, Any, OpenClipEncoder]:
    """Return one ViT-B/32 of random weights, its preprocessing and tokenizer, and the same model as our encoder."""
    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms(ARCHITECTURE)
    tokenizer = open_clip.get_tokenizer(ARCHITECTURE)
    model.eval()
    encoder = OpenClipEncoder(model, tokenizer, open_clip.get_model_config(ARCHITECTURE), ARCHITECTURE)
    return model, preprocess, tokenizer, encoder


def one_template() -> Vocabulary:
    """Return KOTE's 44 words, each in the one sentence that every contestant puts it into."""
    return replace(Vocabulary.load("kote44"), templates={"ko": (TEMPLATE,), "en": (TEMPLATE,)})


def measure_clip(count: int, repeats: int) -> None:
    """Print the same pictures' seconds through the pipeline, the loop and ours, and the ratios."""
    model, preprocess, tokenizer, encoder = shared_clip()
    vocabulary = one_template()
    names = vocabulary.names("en")

    def loop(paths: Sequence[str]) -> list[str]:
        with torch.no_grad():
            words = model.encode_text(tokenizer([TEMPLATE.format(name) for name in names]), normalize=True)
            found: list[str] = []
            for start in range(0, len(paths), 32):
                images = [preprocess(Image.open(path)) for path in paths[start : start + 32]]
                seen = model.encode_image(torch.stack(images), normalize=True)
                shares = (model.logit_scale.exp() * seen @ words.T).softmax(dim=-1)
                found.extend(names[position] for position in shares.argmax(dim=-1).tolist())
        return found

    def ours(paths: Sequence[str]) -> list[str]:
        labeller = ZeroShotLabeller(encoder, vocabulary, "en")
        rows = labeller(list(paths), config=StreamConfig(FaceOptions("none"), batch_size=32, workers=2))
        return [row.labels[0].name for row in rows]

    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(Path(folder), count, 224)
        pipe = hugging_face_pipeline(model, Path(folder))

        def pipeline(paths: Sequence[str]) -> list[str]:
            return [answer[0]["label"] for answer in pipe(list(paths), candidate_labels=names)]

        answers = {name: run(paths[:4]) for name, run in (("pipeline", pipeline), ("loop", loop), ("ours", ours))}
        if not answers["pipeline"] == answers["loop"] == answers["ours"]:
            raise SystemExit(f"The three do not compute the same: {answers}")
        seconds = best_seconds({"loop": lambda: loop(paths), "ours": lambda: ours(paths)}, repeats)
        seconds |= best_seconds({"pipeline": lambda: pipeline(paths)}, 1)
    for name, value in seconds.items():
        print(f"{name:<28} {count / value:9.1f} pictures a second")
    print(f"{'ours / pipeline':<28} {seconds['pipeline'] / seconds['ours']:9.2f}   (aim: 10)")
    print(f"{'ours / open_clip loop':<28} {seconds['loop'] / seconds['ours']:9.2f}   (aim: 1.0)")


def hugging_face_pipeline(model: Any, folder: Path) -> Any:
    """Return Hugging Face's pipeline at its defaults over the very weights of an open_clip ViT-B/32."""
    # Untyped on purpose: half of the library's constructors have no annotations.
    library: Any = importlib.import_module("transformers")
    towers = {"text_config": {"hidden_act": "gelu", "eos_token_id": 49407}, "vision_config": {"hidden_act": "gelu"}}
    twin = library.CLIPModel(library.CLIPConfig(**towers))
    twin.load_state_dict(to_hugging_face(model.state_dict()))
    bpe = open_clip.tokenizer.SimpleTokenizer()
    (folder / "vocab.json").write_text(json.dumps(bpe.encoder), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in bpe.bpe_ranks)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    tokenizer = library.CLIPTokenizerFast(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        bos_token="<start_of_text>",
        eos_token="<end_of_text>",
        unk_token="<end_of_text>",
        pad_token="<end_of_text>",
        model_max_length=77,
    )
    processor = library.CLIPImageProcessor()
    return library.pipeline(
        "zero-shot-image-classification",
        model=twin,
        tokenizer=tokenizer,
        image_processor=processor,
        device="cpu",
    )


def to_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename an open_clip ViT's tensors to those of Hugging Face's CLIPModel, and split its fused projections."""
    plain = {
        "logit_scale": "logit_scale",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "ln_final.weight": "text_model.final_layer_norm.weight",
        "ln_final.bias": "text_model.final_layer_norm.bias",
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
        "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
        "visual.ln_post.weight": "vision_model.post_layernorm.weight",
        "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    }
    renamed = {new: state[old] for old, new in plain.items()}
    renamed["text_projection.weight"] = state["text_projection"].T.contiguous()
    renamed["visual_projection.weight"] = state["visual.proj"].T.contiguous()
    parts = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    parts["attn.out_proj"] = "self_attn.out_proj"
    for name, tensor in state.items():
        tower = "vision_model" if name.startswith("visual.") else "text_model"
        _, found, rest = name.partition("transformer.resblocks.")
        if not found:
            continue
        layer, _, part = rest.partition(".")
        start = f"{tower}.encoder.layers.{layer}"
        if part.startswith("attn.in_proj_"):
            kind = part.removeprefix("attn.in_proj_")
            for letter, piece in zip("qkv", tensor.chunk(3), strict=True):
                renamed[f"{start}.self_attn.{letter}_proj.{kind}"] = piece.contiguous()
        else:
            stem, _, kind = part.rpartition(".")
            renamed[f"{start}.{parts[stem]}.{kind}"] = tensor
    return renamed


HELPER = """
import os, sys, time
start = time.perf_counter()
silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), time.perf_counter() - start, usage.ru_maxrss)
"""
"""Starts a command and prints its exit code, its seconds and its peak memory.

The kernel keeps a parent's size across fork and exec in ``ru_maxrss``: what starts the command must be smaller than it.
"""


def run_fresh(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Run a command from a small process of its own; return its seconds and its peak memory in MiB."""
    helper = [sys.executable, "-I", "-S", "-c", HELPER, *command]
    answer = subprocess.run(helper, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    if answer[0] != "0":
        raise SystemExit(f"{' '.join(command)} failed: run it by hand to see why.")
    # Linux counts in KiB, macOS in bytes.
    return float(answer[1]), float(answer[2]) * (1 if sys.platform == "darwin" else 1024) / 2**20


def measure_cold(repeats: int) -> None:
    """Print the seconds and the peak memory of labelling one picture from a fresh process, its bytecode compiled."""
    command = [sys.executable, "-c", "from clip_emotion.cli.main import run; run()", "label", str(PORTRAIT)]
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "bytecode")
        # An installed package is compiled already; the first run, which compiles here, does not count.
        caches = [str(Path(folder) / f"cache{number}") for number in range(repeats + 1)]
        found = [run_fresh(command, {**environment, "CLIP_EMOTION_CACHE": cache}) for cache in caches][1:]
    seconds, memory = statistics.median(one[0] for one in found), max(one[1] for one in found)
    print(f"{'cold label, one picture':<28} {seconds:9.2f} s, peak {memory:.0f} MiB")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("pipeline", "clip", "cold"), action="append", help="only this part")
    parser.add_argument("--model", default="mini", help="the encoder of the first part")
    parser.add_argument("--pictures", type=int, default=512, help="48-pixel files of the first part")
    parser.add_argument("--clip-pictures", type=int, default=64, help="224-pixel files of the second part")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    parts = options.part or ["pipeline", "clip", "cold"]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    if "pipeline" in parts:
        measure_pipeline(load_encoder(options.model, "cpu"), options.pictures, options.repeats)
    if "clip" in parts:
        measure_clip(options.clip_pictures, options.repeats)
    if "cold" in parts:
        measure_cold(options.repeats)


if __name__ == "__main__":
    main()
