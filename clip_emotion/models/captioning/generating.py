"""Captioners of transformers: a model that reads an image and a prompt, and writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.files import expanded
from clip_emotion.models.captioning.config import GeneratingConfig
from clip_emotion.models.faults import LOADING_FAULTS, short
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.hub import knock
from clip_emotion.models.quiet import quietly

PROBE_SIDE = 64
PIXELS = "pixel_values"


class GeneratingCaptioner:
    """A model of transformers with its processor; ``side`` makes every image a square of so many pixels first.

    What the processor makes of the prompt is taken once, with a black image, and repeated for each image of a batch.
    Raises ModelError for a processor that makes no pixels of one size.
    """

    def __init__(self, config: GeneratingConfig, model: Any, processor: Any, side: int | None = None) -> None:
        self.config, self.batch, self.prompt, self.side = config, config.batch, config.prompt, side
        self._network, self._processor = model.eval(), processor
        settings = {**config.model_dump(mode="json", exclude={"batch", "prompt"}), "side": side}
        self.model = f"{config.model}-{fingerprint(settings, model.state_dict())[:16]}"
        self._text = {name: value for name, value in self._read(self._black()).items() if name != PIXELS}
        self.preprocess: Callable[[Image.Image], Any] = self._preprocess

    def _black(self) -> Image.Image:
        return Image.new("RGB", (PROBE_SIDE, PROBE_SIDE))

    def _preprocess(self, image: Image.Image) -> Tensor:
        pixels: Tensor = self._read(image)[PIXELS][0]
        return pixels

    def _read(self, image: Image.Image) -> dict[str, Tensor]:
        if self.side is not None:
            image = image.resize((self.side, self.side), Image.Resampling.BICUBIC)
        text = self._asked()
        try:
            read = self._processor(images=image, **({"text": text} if text else {}), return_tensors="pt")
        except LOADING_FAULTS as error:
            raise ModelError(
                f"The processor of {self.config.model} reads no image with its prompt: {short(error)}."
            ) from error
        if PIXELS not in read or len(read[PIXELS]) != 1:
            raise ModelError(
                f"The processor of {self.config.model} makes more than one picture of an image: use another captioner."
            )
        return dict(read)

    def _asked(self) -> str:
        """Return the prompt, within the model's template of a chat where it has one."""
        if not self.prompt or not getattr(self._processor, "chat_template", None):
            return self.prompt
        said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": self.prompt}]}]
        asked: str = self._processor.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
        return asked

    @torch.inference_mode()
    def caption(self, pixels: Tensor) -> list[str]:
        """Return a caption of each image [N, 3, H, W], as ``preprocess`` gives them."""
        device, count = self._network.device, len(pixels)
        text = {name: value.repeat(count, *[1] * (value.ndim - 1)).to(device) for name, value in self._text.items()}
        written = self._network.generate(
            **{PIXELS: pixels.to(device, self._network.dtype)},
            **text,
            max_new_tokens=self.config.most_tokens,
            num_beams=self.config.beams,
            do_sample=False,
        )
        asked = text.get("input_ids")
        # Decoders repeat what they were asked, encoder-decoders do not.
        if (
            asked is not None
            and written.shape[1] >= asked.shape[1]
            and bool((written[:, : asked.shape[1]] == asked).all())
        ):
            written = written[:, asked.shape[1] :]
        return [" ".join(line.split()) for line in self._processor.batch_decode(written, skip_special_tokens=True)]


def open_pretrained(config: GeneratingConfig, family: str, processor: str, device: torch.device) -> tuple[Any, Any]:
    """Load a model and its processor by the names of their classes in transformers.

    Raises UsageError where 8 bits cannot be had, ModelError where the weights cannot.
    """
    import transformers

    place = expanded(config.model)
    local = place.is_dir()
    name = str(place) if local else config.model
    options: dict[str, Any] = {"local_files_only": local}
    try:
        with quietly():
            if not local and not _is_kept(name):
                knock()
            read = getattr(transformers, processor).from_pretrained(name, **options)
            extra = _eight_bit(device) if config.eight_bit else {"torch_dtype": _dtype(device)}
            model = getattr(transformers, family).from_pretrained(name, use_safetensors=True, **options, **extra)
    except LOADING_FAULTS as error:
        raise ModelError(
            f"The captioner {config.model} cannot be loaded ({short(error)}): name a folder that holds its weights as "
            "safetensors, its tokenizer and its processor, or connect to the Hugging Face Hub."
        ) from error
    return (model if config.eight_bit else model.to(device)), read


def _is_kept(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def _dtype(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "cpu" else torch.float16


def _eight_bit(device: torch.device) -> dict[str, Any]:
    from importlib.util import find_spec

    if device.type != "cuda" or find_spec("bitsandbytes") is None:
        raise UsageError(
            'eight_bit needs a CUDA GPU and bitsandbytes: pip install "clip-emotion[eight-bit]", or leave it out.'
        )
    from transformers import BitsAndBytesConfig

    return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True), "device_map": {"": device}}
