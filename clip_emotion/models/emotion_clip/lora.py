"""LoRA (Hu et al., 2106.09685) on a backbone's towers through peft: W + (α/r)·B·A, with B zero at first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from clip_emotion.errors import MissingExtraError, UsageError
from clip_emotion.models.emotion_clip.config import LoraSettings

ADAPTER = "default"
PROJECTION = "text_projection"
_ADAPTED = re.compile(r"\.lora_[AB]\.[^.]+\.weight$")


def add_adapters(backbone: nn.Module, settings: LoraSettings, inside: Iterable[str]) -> None:
    """Put adapters into a backbone; its embeddings stay what they are, and its own weights are frozen.

    ``inside`` are the parameter names among which layers are taken by default. Raises MissingExtraError without peft,
    UsageError for a target that names no layer.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ModuleNotFoundError as error:
        raise MissingExtraError("LoRA", "peft", "lora") from error
    names = chosen_layers(backbone, settings.targets, inside)
    config = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=names)
    inject_adapter_in_model(config, backbone, ADAPTER)


def chosen_layers(backbone: nn.Module, targets: Iterable[str] | None, inside: Iterable[str]) -> list[str]:
    """Return the full names of the layers that get adapters; raises UsageError for a target that names none."""
    layers = adaptable_layers(backbone)
    if targets is None:
        reached = set(inside)
        return [name for name in layers if f"{name}.weight" in reached]
    chosen: set[str] = set()
    for target in targets:
        named = {name for name in layers if name == target or name.endswith(f".{target}")}
        if not named:
            known = sorted({name.rpartition(".")[2] for name in layers} - {str(at) for at in range(100)})
            raise UsageError(f"LoRA has no layer '{target}' to adapt here: choose among {', '.join(known)}.")
        chosen |= named
    return sorted(chosen)


def adaptable_layers(backbone: nn.Module) -> list[str]:
    """Return the full names of the layers that an adapter would act on."""
    found = []
    for parent_name, parent in backbone.named_modules():
        if _reads_weights_itself(parent):
            continue
        for name, layer in parent.named_children():
            if name == PROJECTION and _asks_for_a_linear_projection(parent):
                continue
            if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1):
                found.append(f"{parent_name}.{name}" if parent_name else name)
    return found


def _reads_weights_itself(module: nn.Module) -> bool:
    from open_clip.modified_resnet import AttentionPool2d

    # timm's attention with separate biases hands the weights of its linear layer to a function as well.
    return isinstance(module, (nn.MultiheadAttention, AttentionPool2d)) or getattr(module, "q_bias", None) is not None


def _asks_for_a_linear_projection(module: nn.Module) -> bool:
    from open_clip import CLIP
    from open_clip.transformer import TextTransformer

    # They multiply by the projection itself where it is no nn.Linear, and a layer with an adapter is none.
    return isinstance(module, (CLIP, TextTransformer))


def plain_name(name: str) -> str:
    """Return what a parameter would be called without adapters; an adapter's goes by the weight that it adapts."""
    return _ADAPTED.sub(".weight", name).replace(".base_layer.", ".")


def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's state with every adapter folded into its weight, under the names that it has without them."""
    state = {plain_name(name): tensor for name, tensor in module.state_dict().items() if not _is_adapter(name)}
    for name, layer in adapted_layers(module):
        weight = state[f"{name}.weight"]
        delta: Tensor = layer.get_delta_weight(ADAPTER)
        state[f"{name}.weight"] = weight + delta.detach().to(weight.dtype)
    return state


def _is_adapter(name: str) -> bool:
    return _ADAPTED.search(name) is not None


def adapted_layers(module: nn.Module) -> list[tuple[str, Any]]:
    """Return the layers that carry an adapter, with their names."""
    return [(name, layer) for name, layer in module.named_modules() if hasattr(layer, "get_delta_weight")]


def remove_adapters(module: nn.Module) -> None:
    """Take the adapters out and drop what they learned; ``plain_state`` keeps it."""
    for name, layer in adapted_layers(module):
        parent, _, last = name.rpartition(".")
        setattr(module.get_submodule(parent), last, layer.get_base_layer())
