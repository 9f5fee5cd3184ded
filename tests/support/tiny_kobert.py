"""A tiny KoBERT on disk, in the real one's layout: a BERT with random weights and a SentencePiece vocabulary."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

SENTENCES = (
    "나는 오늘 정말 행복해요",
    "너무 화가 나서 참을 수 없다",
    "비가 와서 조금 슬픈 하루였다",
    "깜짝이야, 정말 놀랐잖아",
    "보고 싶어, 사랑해 그리고 고마워",
    "설렘과 관심, 호감 그리고 사랑",
    "친구가 나를 속여서 분노와 절망을 느꼈다",
    "버스 요금은 1,500원이고 10분 걸려요",
)
MARKERS = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]")
"""KoBERT's vocabulary starts with these, in this order; SentencePiece's own three are left out."""


def build_tiny_kobert(folder: Path, *, seed: int = 0, safetensors: bool = True) -> Path:
    """Write a tiny KoBERT (hidden width 32, 2 layers, 64 positions) into a folder and return the folder.

    Skips the test where the extra ``kobert`` is not installed.
    """
    need_kobert()
    folder.mkdir(parents=True, exist_ok=True)
    words = _write_tokenizer(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=words,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=1,
        initializer_range=0.3,  # far enough from zero that texts differ
    )
    BertModel(config).save_pretrained(folder, safe_serialization=safetensors)
    return folder


def need_kobert() -> None:
    """Skip the test where the extra ``kobert`` is not installed."""
    for package in ("kobert_transformers", "sentencepiece"):
        pytest.importorskip(package, reason="the extra kobert is not installed")


def _write_tokenizer(folder: Path) -> int:
    """Write the SentencePiece model and vocab.txt, and return the number of words."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_writer=model,
        vocab_size=140,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "tokenizer_78b3253a26.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(position) for position in range(3, processor.get_piece_size())]
    (folder / "vocab.txt").write_text("\n".join([*MARKERS, *pieces]) + "\n", "utf-8")
    return len(MARKERS) + len(pieces)
