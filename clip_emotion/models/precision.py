"""Pictures embedded in half precision where the machine is quicker at it: chosen by name, or measured once and kept.

Only the image side computes so; words stay in single precision. Embeddings move by some 1e-3, which is more than two
runs may differ by, so that the fingerprint tells the precision: a store or a file of rows never mixes them.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from clip_emotion.errors import UsageError
from clip_emotion.files import write_atomic
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.resources import cache_dir

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
WORTH = 1.15
"""How many times as fast a half precision must be to be picked."""
PROBED, ROUNDS = 16, 3
"""Pictures in the probe's batch, and how often each precision embeds them; the best time counts."""
logger = logging.getLogger(__name__)


class InPrecision:
    """An encoder whose pictures are embedded in half precision; all else is the encoder's own."""

    def __init__(self, encoder: ImageTextEncoder, precision: str, device: torch.device, *, apart: bool = False) -> None:
        self._encoder = encoder
        self.fingerprint = f"{encoder.fingerprint}+{precision}"
        self._embed = _image_side(encoder, DTYPES[precision], device, apart)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Embed pictures: [N, 3, H, W] as ``preprocess`` gives them → float32 [N, D], L2-normalised, on the CPU."""
        return F.normalize(self._embed(pixels).float(), dim=-1).cpu()


def _image_side(encoder: Any, dtype: torch.dtype, device: torch.device, apart: bool) -> Callable[[Tensor], Tensor]:
    """Return what embeds pictures in a precision; ``apart`` leaves the encoder's own weights as they are.

    The weights of an open_clip tower are cast, which is quicker there than casting at every layer; convolutions of
    others are left to autocast, which is quicker there than cast weights.
    """
    model = getattr(encoder, "model", None)
    owner: Any = model if hasattr(model, "visual") else getattr(getattr(model, "backbone", None), "model", None)
    if not hasattr(owner, "visual"):

        def automatically(pixels: Tensor) -> Tensor:
            with torch.autocast(device.type, dtype):
                embedding: Tensor = encoder.encode_images(pixels)
            return embedding

        return automatically
    visual = (copy.deepcopy(owner.visual) if apart else owner.visual).to(dtype).eval()
    head = getattr(model, "image_head", None)
    flips = bool(getattr(getattr(encoder, "card", None), "flip_average", False))

    def features(pixels: Tensor) -> Tensor:
        found: Tensor = visual(pixels).float()
        return F.normalize(found if head is None else head(found), dim=-1)

    def by_weights(pixels: Tensor) -> Tensor:
        cast_pixels = pixels.to(device, dtype, non_blocking=True)
        one = features(cast_pixels)
        return one + features(cast_pixels.flip(3)) if flips else one

    return by_weights


def in_precision(encoder: ImageTextEncoder, precision: str, device: torch.device) -> ImageTextEncoder:
    """Return the encoder in a precision: ``bf16``, ``fp16`` (GPUs alone), or ``auto``, which measures.

    Raises UsageError for a precision that the device does not have.
    """
    if precision == "auto":
        precision = _chosen(encoder, device)
    if precision == "fp32":
        return encoder
    if precision == "fp16" and device.type == "cpu":
        raise UsageError("fp16 is for GPUs: use --precision bf16 or fp32 on a processor.")
    return cast(ImageTextEncoder, InPrecision(encoder, precision, device))


def candidates(device: torch.device) -> tuple[str, ...]:
    """Return the half precisions that a device may be quicker at, without measuring."""
    if device.type == "cuda":
        return ("fp16", "bf16") if torch.cuda.is_bf16_supported() else ("fp16",)
    if device.type == "mps":
        return ("fp16",)
    # torch tells it by functions of its own alone; where they are gone, half precision is no candidate.
    asked = (getattr(torch.cpu, f"_is_{name}_supported", lambda: False) for name in ("avx512_bf16", "amx_tile"))
    return ("bf16",) if any(has() for has in asked) else ()


def _chosen(encoder: ImageTextEncoder, device: torch.device) -> str:
    """Return the precision that is quickest here: as measured before on this machine, else measured now and kept."""
    tried = candidates(device)
    if not tried:
        logger.info("Precision: fp32, since this %s has no half precision of its own.", device.type)
        return "fp32"
    kept = _kept_probe(encoder, device)
    seconds, when = _read(kept, tried), "measured before"
    if seconds is None:
        seconds, when = _measure(encoder, tried, device), "measured just now and kept"
        try:
            write_atomic(kept, json.dumps(seconds))
        except OSError as error:
            logger.info("The probe of precisions is not kept (%s).", error.strerror or error)
    best = min(tried, key=lambda name: seconds[name])
    picked = best if seconds["fp32"] >= WORTH * seconds[best] else "fp32"
    told = ", ".join(f"{name} {PROBED / max(value, 1e-9):.0f}" for name, value in seconds.items())
    logger.info("Precision: %s (pictures a second: %s; %s).", picked, told, when)
    return picked


def _kept_probe(encoder: ImageTextEncoder, device: torch.device) -> Path:
    """Return the file of a probe: another for each encoder, machine, number of threads and version of torch."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    described = [encoder.fingerprint, device.type, name, torch.get_num_threads(), os.cpu_count(), torch.__version__]
    key = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:32]
    return cache_dir() / "precision" / f"{key}.json"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return f"{platform.machine()} {platform.processor()}"


def _read(path: Path, tried: tuple[str, ...]) -> dict[str, float] | None:
    try:
        seconds = {name: float(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return seconds if {*seconds} == {"fp32", *tried} and min(seconds.values()) > 0 else None


def _measure(encoder: ImageTextEncoder, tried: tuple[str, ...], device: torch.device) -> dict[str, float]:
    """Return the least seconds of each precision for a batch, the precisions in turn."""
    from PIL import Image

    one = torch.as_tensor(encoder.preprocess(Image.new("RGB", (64, 64), (128, 128, 128))))
    pixels = torch.rand(PROBED, *one.shape)
    contest: dict[str, Any] = {"fp32": encoder}
    contest |= {name: InPrecision(encoder, name, device, apart=True) for name in tried}
    seconds = dict.fromkeys(contest, float("inf"))
    for _ in range(ROUNDS):
        for name, contestant in contest.items():
            started = time.perf_counter()
            contestant.encode_images(pixels)
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    return seconds
