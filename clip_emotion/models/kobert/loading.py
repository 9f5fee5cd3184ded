"""The one door to KoBERT: its tokenizer and its BERT, from a local folder or from the Hugging Face Hub.

The packages behind it come with the extra ``kobert``; only this module and ``kobert_tokenizer`` touch them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clip_emotion.errors import MissingExtraError, ModelError
from clip_emotion.files import expanded
from clip_emotion.models.faults import LOADING_FAULTS, short
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.hub import knock
from clip_emotion.models.kobert.config import HUB_NAME
from clip_emotion.models.quiet import quietly
from clip_emotion.text_batches import length_batches

TOKENIZER_FILES = ("tokenizer_78b3253a26.model", "vocab.txt")
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
HOW_TO_GET = (
    f"on a connected machine run huggingface-cli download {HUB_NAME} --local-dir kobert, "
    "bring the folder here and name it as kobert:FOLDER"
)
_DESCRIPTION = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
"""Entries of config.json that change no embedding."""


@dataclass
class Kobert:
    """KoBERT, ready to embed Korean texts: a ``KoBertTokenizer``, a ``BertModel`` in eval mode, and their hash.

    ``dim`` is the width of a sentence vector, ``max_tokens`` what the model reads of a text at most, markers included.
    """

    tokenizer: Any
    model: Any
    fingerprint: str
    dim: int = field(init=False)
    max_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self.dim = int(self.model.config.hidden_size)
        self.max_tokens = int(self.model.config.max_position_embeddings)

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        device: torch.device = self.model.device
        return device

    def tokenize(self, texts: Sequence[str], max_tokens: int | None = None) -> dict[str, Tensor]:
        """Return what the model takes for at least one text, padded and cut to ``max_tokens``: int64 tensors [N, T].

        The keys are ``input_ids``, ``token_type_ids`` and ``attention_mask``; the tensors lie on the model's device.
        """
        longest = min(max_tokens or self.max_tokens, self.max_tokens)
        rows = self.tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        return {name: tensor.to(self.device) for name, tensor in rows.items()}

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], *, batch_size: int = 32) -> Tensor:
        """Embed texts: N strings → float32 [N, dim] on the CPU, not normalised.

        The vector is ``first-last-avg`` of Su et al. 2021 (Whitening Sentence Representations for Better Semantics and
        Faster Retrieval, 2103.15316): with h¹ and hᴸ the outputs of the first and the last Transformer layer,
        v = 1/|T| Σ_{t∈T} (h¹_t + hᴸ_t)/2. As in their code, T is every token but the padding, [CLS] and [SEP] among
        them, so that an empty text has a vector too.
        """
        vectors = torch.empty(len(texts), self.dim)
        for rows in length_batches([len(text) for text in texts], batch_size):
            vectors[rows] = self._embed(self.tokenize([texts[row] for row in rows])).float().cpu()
        return vectors

    def _embed(self, tokens: dict[str, Tensor]) -> Tensor:
        # hidden_states[0] is the embedding layer; the first Transformer layer's output comes after it.
        layers = self.model(**tokens, output_hidden_states=True).hidden_states
        states = (layers[1] + layers[-1]) / 2
        there = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        vectors: Tensor = (states * there).sum(dim=1) / there.sum(dim=1)
        return vectors

    def save(self, folder: Path) -> None:
        """Write ``config.json``, ``model.safetensors`` and the tokenizer's files, from which ``load_kobert`` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        with quietly():
            self.model.save_pretrained(folder, safe_serialization=True)
            self.tokenizer.save_pretrained(folder)


def load_kobert(source: str | Path = HUB_NAME, device: torch.device | str = "cpu") -> Kobert:
    """Load KoBERT from a folder, or by its Hub name from the Hub's cache or over the network (tried once).

    A folder holds ``config.json``, ``model.safetensors`` (or ``pytorch_model.bin``, of which tensors alone are read),
    ``tokenizer_78b3253a26.model`` and ``vocab.txt``. Raises MissingExtraError without kobert-transformers, ModelError
    where a part is missing, damaged, out of reach, or does not fit the others.
    """
    tokenizer_class = _tokenizer_class()
    folder = _from_hub() if str(source) == HUB_NAME else expanded(source)
    missing = _missing(folder)
    if missing:
        what = f"lacks {', '.join(missing)}" if folder.is_dir() else "does not exist"
        raise ModelError(f"The KoBERT folder {folder} {what}: {HOW_TO_GET}.")
    with quietly():
        model = _load_model(folder)
        tokenizer = _load_tokenizer(tokenizer_class, folder, model.config)
    return Kobert(tokenizer, model.to(device).eval(), _fingerprint(model, folder))


def _tokenizer_class() -> Any:
    try:
        import sentencepiece  # noqa: F401 - the tokenizer asks for it only when it is built

        with quietly():
            from clip_emotion.models.kobert.tokenizer import KobertTokenizer
    except ModuleNotFoundError as error:
        raise MissingExtraError("KoBERT", "kobert-transformers", "kobert") from error
    return KobertTokenizer


def _missing(folder: Path) -> list[str]:
    """Return what a folder lacks of KoBERT's files."""
    missing = [name for name in ("config.json", *TOKENIZER_FILES) if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in WEIGHT_FILES):
        missing.append(" or ".join(WEIGHT_FILES))
    return missing


def _from_hub() -> Path:
    """Return the Hub's folder of KoBERT in the local cache, after fetching it where it is not whole."""
    from huggingface_hub import constants, snapshot_download

    parts = ["config.json", "tokenizer_config.json", "special_tokens_map.json", *TOKENIZER_FILES]
    cached = _cached()
    if cached and not _missing(cached):
        return cached
    try:
        with quietly():
            knock()
            for weights in WEIGHT_FILES:
                folder = Path(snapshot_download(HUB_NAME, allow_patterns=[*parts, weights]))
                if (folder / weights).is_file():
                    break
    except (OSError, ValueError) as error:
        raise ModelError(
            f"KoBERT is not in the cache folder {constants.HF_HUB_CACHE} and the Hub cannot be reached: {HOW_TO_GET}."
        ) from error
    return folder


def _cached() -> Path | None:
    """Return the Hub's folder of KoBERT in the local cache, whole or not, or None where nothing of it is there."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(HUB_NAME, local_files_only=True))
    except (OSError, ValueError):
        return None


def _load_model(folder: Path) -> Any:
    from transformers import BertModel

    safe = (folder / WEIGHT_FILES[0]).is_file()
    try:
        model, report = BertModel.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=safe, weights_only=True, output_loading_info=True
        )
    except LOADING_FAULTS as error:
        raise ModelError(f"The KoBERT in {folder} cannot be loaded ({short(error)}): fetch it again.") from error
    # transformers would fill them with random numbers.
    absent = sorted(report["missing_keys"])
    if absent:
        raise ModelError(
            f"The KoBERT in {folder} lacks {len(absent)} of its weights, {absent[0]} among them: fetch it again."
        )
    return model


def _load_tokenizer(tokenizer_class: Any, folder: Path, config: Any) -> Any:
    try:
        tokenizer = tokenizer_class.from_pretrained(
            str(folder),
            local_files_only=True,
            # Without it a text of any length would pass, and fail in the model.
            model_max_length=config.max_position_embeddings,
            split_special_tokens=True,
        )
    except LOADING_FAULTS as error:
        raise _unread(folder, short(error)) from error
    if not tokenizer:  # what transformers gives for a damaged SentencePiece model
        raise _unread(folder, f"{TOKENIZER_FILES[0]} is no SentencePiece model")
    unknown = [marker for marker in tokenizer.all_special_tokens if marker not in tokenizer.token2idx]
    if unknown or len(tokenizer) > config.vocab_size:
        what = f"lacks {', '.join(unknown)}" if unknown else f"has {len(tokenizer)} words"
        raise ModelError(
            f"The vocab.txt in {folder} {what}, and the model was built for {config.vocab_size}: fetch KoBERT again."
        )
    return tokenizer


def _unread(folder: Path, reason: str) -> ModelError:
    return ModelError(f"The tokenizer of the KoBERT in {folder} cannot be read ({reason}): fetch it again.")


def _fingerprint(model: Any, folder: Path) -> str:
    config = {name: value for name, value in model.config.to_dict().items() if name not in _DESCRIPTION}
    for name in TOKENIZER_FILES:
        config[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return f"kobert-{fingerprint(config, model.state_dict())[:16]}"
