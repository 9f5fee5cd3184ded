"""KoBERT with a head over KOTE's emotions: the probability of each of them for a Korean text."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from clip_emotion.config import Config, load_config
from clip_emotion.errors import DataError, ModelError, UsageError
from clip_emotion.files import sha256_of, write_atomic
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.kobert.config import KobertHeadConfig
from clip_emotion.models.kobert.loading import TOKENIZER_FILES, Kobert, load_kobert
from clip_emotion.models.quiet import quietly
from clip_emotion.models.weights_file import weights_bytes
from clip_emotion.text import nfc
from clip_emotion.text_batches import length_batches
from clip_emotion.vocabulary import Vocabulary

BATCH = 64
DESCRIPTION, WEIGHTS, ARCHITECTURE = "kobert_emotion.yaml", "model.safetensors", "config.json"
SMALL_PARTS = (ARCHITECTURE, *TOKENIZER_FILES)
PARTS = (DESCRIPTION, WEIGHTS, *SMALL_PARTS)
"""The files of a checkpoint's folder; without the first and the head's weights it is a KoBERT as any other."""
HEAD = "head."
STAMP = "clip_emotion"
"""The entry of the weights' metadata that says which description they belong to."""
AGAIN = "copy the whole folder again, or train it with clip-emotion train configs/train/kobert_kote.yaml"


class KobertEmotionConfig(Config):
    """What ``kobert_emotion.yaml`` says beside the weights: labels in order, the head, and where they come from.

    ``threshold`` is the probability from which a text is said to carry a label. ``metrics`` were measured on rows that
    trained nothing. ``weights`` is a hash of the weights that belong to this description, ``parts`` are the SHA-256 of
    the other files that do.
    """

    # A metric that is not defined is NaN.
    model_config = ConfigDict(allow_inf_nan=True)

    version: Literal[1] = 1
    name: str = "kobert-kote"
    vocabulary: str = "kote44"
    labels: tuple[str, ...] = Field(min_length=1)
    head: KobertHeadConfig = Field(default_factory=KobertHeadConfig)
    threshold: float = Field(0.3, gt=0, lt=1)
    weights: str = ""
    parts: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    trained_with: dict[str, Any] = Field(default_factory=dict)


class KobertEmotionNetwork(nn.Module):
    """A BertModel, dropout and one linear layer over the pooled text (1810.04805, section 4.1)."""

    def __init__(self, bert: nn.Module, labels: int, config: KobertHeadConfig) -> None:
        super().__init__()
        self.bert = bert
        self.dropout = nn.Dropout(config.dropout)
        width = int(bert.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.head = nn.Linear(width, labels).to(next(bert.parameters()).device)
        self.pooling = config.pooling

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """Return logits [N, labels] for ``input_ids`` and ``attention_mask``, both [N, T]."""
        output = self.bert(**tokens)
        pooled: Tensor = output.pooler_output
        if self.pooling == "mean":
            there = tokens["attention_mask"].unsqueeze(-1).to(output.last_hidden_state.dtype)
            pooled = (output.last_hidden_state * there).sum(dim=1) / there.sum(dim=1)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits


@dataclass
class KobertEmotionModel:
    """A trained network with its tokenizer: texts in, a probability for each label out."""

    config: KobertEmotionConfig
    network: KobertEmotionNetwork
    tokenizer: Any
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        self.network.eval()
        stamp = self.config.weights or stamp_of(self.network)
        settings = self.config.model_dump(mode="json", include={"labels", "head"})
        self.fingerprint = f"kobert-emotion-{fingerprint({**settings, 'weights': stamp}, {})[:16]}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels' keys, in the order of the columns that ``predict`` returns."""
        return self.config.labels

    @property
    def threshold(self) -> float:
        """The probability from which a text is said to carry a label."""
        return self.config.threshold

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 probabilities [N, labels] in (0, 1), each label's for itself, so that rows sum to anything.

        A text longer than ``max_tokens`` is cut at its end.
        """
        return predict_ids(self.network, self.tokenizer, token_ids(self.tokenizer, texts, self.config.head.max_tokens))

    def save(self, folder: Path) -> None:
        """Write the folder that ``load_kobert_emotion`` reads; each file is written whole or not at all.

        The description is written last and holds hashes of the others: a folder whose writing was cut short is refused
        when it is loaded, not mixed up.
        """
        stamp, bert = stamp_of(self.network), self.network.bert
        with tempfile.TemporaryDirectory() as scratch, quietly():
            for written in self.tokenizer.save_pretrained(scratch):
                path = Path(written)
                if path.is_file():
                    write_atomic(folder / path.name, path.read_bytes())
        write_atomic(folder / ARCHITECTURE, bert.config.to_json_string())  # type: ignore[union-attr, operator]
        write_atomic(folder / WEIGHTS, weights_bytes(_tensors(self.network), {"format": "pt", STAMP: stamp}))
        config = self.config.model_copy(update={"weights": stamp, "parts": _hashes(folder)})
        values = config.model_dump(mode="json")
        write_atomic(folder / DESCRIPTION, yaml.safe_dump(values, allow_unicode=True, sort_keys=False))


def _hashes(folder: Path) -> dict[str, str]:
    return {name: sha256_of(folder / name) for name in SMALL_PARTS}


def token_ids(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Return each text's token numbers, [CLS] and [SEP] included, cut to ``max_tokens``; the text is NFC-normalised."""
    if not texts:
        return []
    rows = tokenizer([nfc(text) for text in texts], truncation=True, max_length=max_tokens)
    ids: list[list[int]] = rows["input_ids"]
    return ids


def pad_batch(tokenizer: Any, ids: Sequence[Sequence[int]], device: torch.device) -> dict[str, Tensor]:
    """Return ``input_ids`` and ``attention_mask``, int64 [N, longest], of rows of token numbers."""
    rows = [torch.tensor(row) for row in ids]
    padded = pad_sequence(rows, batch_first=True, padding_value=int(tokenizer.pad_token_id))
    there = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return {"input_ids": padded.to(device), "attention_mask": there.to(device)}


@torch.inference_mode()
def predict_ids(network: KobertEmotionNetwork, tokenizer: Any, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Return float32 probabilities [N, labels] for rows of token numbers; rows of like length share a batch."""
    device = network.head.weight.device
    probabilities = np.empty((len(ids), network.head.out_features), dtype=np.float32)
    for rows in length_batches([len(row) for row in ids], BATCH):
        logits = network(pad_batch(tokenizer, [ids[row] for row in rows], device))
        probabilities[rows] = logits.float().sigmoid().cpu().numpy()
    return probabilities


def stamp_of(network: KobertEmotionNetwork) -> str:
    """Return a hash of the network's weights: 16 hexadecimal digits."""
    return fingerprint({}, network.state_dict())[:16]


def _tensors(network: KobertEmotionNetwork) -> dict[str, Tensor]:
    # The backbone's names are its own, so that the folder can be read as a KoBERT too.
    named = {f"{HEAD}{name}": tensor for name, tensor in network.head.state_dict().items()}
    named |= network.bert.state_dict()
    return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}


def load_kobert_emotion(folder: Path, device: torch.device | str = "cpu") -> KobertEmotionModel:
    """Load what ``save`` or the training stage ``kobert_kote`` wrote; needs no network.

    Raises MissingExtraError without kobert-transformers, and ModelError with one sentence where a part is missing,
    damaged, of another run than the description, or does not fit the others.
    """
    missing = [name for name in PARTS if not (folder / name).is_file()]
    if missing:
        what = f"lacks {', '.join(missing)}" if folder.is_dir() else "does not exist"
        raise ModelError(f"The KoBERT emotion model {folder} {what}: {AGAIN}.")
    config = _read_description(folder)
    head = _read_head(folder, config)
    kobert = _read_kobert(folder, config, device)
    network = KobertEmotionNetwork(kobert.model, len(config.labels), config.head)
    try:
        network.head.load_state_dict(head)
    except RuntimeError as error:
        raise ModelError(
            f"The head in {folder / WEIGHTS} does not fit its {len(config.labels)} labels or its KoBERT: {AGAIN}."
        ) from error
    return KobertEmotionModel(config, network, kobert.tokenizer)


def _read_description(folder: Path) -> KobertEmotionConfig:
    try:
        config = load_config(KobertEmotionConfig, folder / DESCRIPTION)
        known = Vocabulary.load(config.vocabulary).keys
    except (UsageError, DataError) as error:
        raise ModelError(str(error)) from error
    strange = [label for label in config.labels if label not in known]
    if strange or len(set(config.labels)) < len(config.labels):
        what = f"'{strange[0]}' is not one of them" if strange else "one stands there twice"
        raise ModelError(f"The labels in {folder / DESCRIPTION} are not {config.vocabulary}'s ({what}): {AGAIN}.")
    changed = [name for name, there in _hashes(folder).items() if config.parts.get(name) != there]
    if changed:
        raise ModelError(f"{folder / changed[0]} is not the file that {DESCRIPTION} beside it describes: {AGAIN}.")
    return config


def _read_head(folder: Path, config: KobertEmotionConfig) -> dict[str, Tensor]:
    """Read the head's weights, and see that the whole file is there and belongs to the description."""
    path = folder / WEIGHTS
    try:
        with safe_open(str(path), framework="pt") as weights:
            stamp = (weights.metadata() or {}).get(STAMP)
            head = {name: weights.get_tensor(f"{HEAD}{name}") for name in ("weight", "bias")}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The weights {path} cannot be read ({error}): {AGAIN}.") from error
    if stamp != config.weights or not stamp:
        raise ModelError(f"The weights {path} are not those that {DESCRIPTION} beside them describes: {AGAIN}.")
    return head


def _read_kobert(folder: Path, config: KobertEmotionConfig, device: torch.device | str) -> Kobert:
    try:
        kobert = load_kobert(folder, device)
    except ModelError as error:
        raise ModelError(f"The KoBERT emotion model {folder} is damaged: {AGAIN}.") from error
    if config.head.max_tokens > kobert.max_tokens:
        raise ModelError(
            f"{folder / DESCRIPTION} has head.max_tokens {config.head.max_tokens}, but its KoBERT reads "
            f"{kobert.max_tokens} at most: {AGAIN}."
        )
    return kobert
