"""A tiny BLIP-2 and a tiny BLIP with random weights, saved as transformers saves released ones."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipImageProcessor,
    OPTConfig,
    PreTrainedTokenizerFast,
)

from clip_emotion.models.captioning.config import PROMPT

WORDS = ("Question:", "Answer:", *PROMPT.split(), "happy", "sad", "angry", "a", "face", "calm")
SIGNS = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
SIDE, QUERIES = 16, 4


def tokenizer() -> PreTrainedTokenizerFast:
    known = {word: place for place, word in enumerate(dict.fromkeys((*SIGNS, *WORDS)))}
    made = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", known["<s>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        padding_side="left",
    )


def tiny_blip2(folder: Path, seed: int = 0) -> Path:
    """Save a BLIP-2 of a few thousand weights with its processor."""
    words = tokenizer()
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text = OPTConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=16,
        word_embed_proj_dim=16,
        max_position_embeddings=64,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    config = Blip2Config(
        vision_config={**small, "image_size": SIDE, "patch_size": 8},
        qformer_config={**small, "encoder_hidden_size": 16, "vocab_size": len(words)},
        text_config={**text.to_dict(), "model_type": "opt"},
        num_query_tokens=QUERIES,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(seed)
    model = Blip2ForConditionalGeneration(config)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.3)
        # Words are more probable than special signs, so that there is something to read.
        model.language_model.get_output_embeddings().weight[: len(SIGNS)] = 0
    model.save_pretrained(folder, safe_serialization=True)
    images = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    Blip2Processor(images, words, num_query_tokens=QUERIES).save_pretrained(folder)
    return folder
