"""An exported image tower in 8 bits: convolutions with ranges that pictures gave, products with measured ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_emotion.arrays import Float32Array
from clip_emotion.errors import ModelError
from clip_emotion.models.onnx.session import INPUT
from clip_emotion.models.quiet import quietly

CONVOLUTIONS = ("Conv", "Add", "Relu", "Clip")
"""What is computed in 8 bits with ranges that pictures gave: sums too, or each would go back to single precision."""
PRODUCTS = ("MatMul", "Gemm")
"""What is computed in 8 bits with ranges that are measured as it runs."""


def quantise(source: Path, target: Path, batches: Sequence[Float32Array]) -> str:
    """Write an exported tower in 8 bits and return how: ``static`` for convolutions, ``dynamic`` for products.

    ``batches`` [N, 3, H, W] of prepared pictures tell a convolutional tower its ranges; a tower of matrix products
    needs none. Raises ModelError where ONNX Runtime cannot do it.
    """
    try:
        import onnx
        from onnxruntime import quantization

        convolutions = sum(node.op_type == "Conv" for node in onnx.load(source).graph.node)
        with quietly():
            if convolutions > 1:
                _static(quantization, source, target, batches)
                return "static"
            # The one convolution of a vision transformer cuts its patches; all else are products.
            quantization.quantize_dynamic(
                source,
                target,
                op_types_to_quantize=[*PRODUCTS],
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
            )
            return "dynamic"
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        logging.getLogger(__name__).debug("Quantising %s", source, exc_info=True)
        raise ModelError(
            f"ONNX Runtime cannot put {source.name} into 8 bits ({type(error).__name__}): export fp32."
        ) from error


@dataclass
class _Reader:
    """What calibration reads its batches from, in the form that ONNX Runtime takes."""

    left: Iterator[Float32Array]

    def get_next(self) -> dict[str, Float32Array] | None:
        batch = next(self.left, None)
        return None if batch is None else {INPUT: batch}


def _static(quantization: Any, source: Path, target: Path, batches: Sequence[Float32Array]) -> None:
    quantization.quantize_static(
        source,
        target,
        _Reader(iter(batches)),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=[*CONVOLUTIONS],
        # Unsigned by signed is what processors multiply four at a time; signed by signed is hardly quicker than fp32.
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )
