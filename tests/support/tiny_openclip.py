"""Tiny random open_clip architectures, and what wakes the parts of them that start at zero."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig

from tests.support.minis import tiny_tokenizer

VISION = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 2}
TINY = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
RESNET = {**TINY, "vision_cfg": {"image_size": 32, "layers": [1, 1, 2, 1], "width": 4, "head_width": 32}}
TIMM = {**TINY, "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "avg", "image_size": 160}}


def awake(model: nn.Module, seed: int = 0) -> None:
    """Give also what starts at zero something to say."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)


def hugging_face(folder: Path) -> dict[str, object]:
    """A tiny XLM-RoBERTa's configuration and tokenizer, without weights."""
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    XLMRobertaConfig(vocab_size=130, max_position_embeddings=40, pad_token_id=0, **size).save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.post_processor = TemplateProcessing(single="$A <unk>", special_tokens=[("<unk>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>").save_pretrained(folder)
    names = {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder), "hf_proj_type": "mlp"}
    return {**TINY, "text_cfg": {**names, "hf_pooler_type": "mean_pooler", "context_length": 12}}
