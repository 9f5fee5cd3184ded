"""ONNX Runtime behind one door: a tower's file opened as a function from arrays to embeddings."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from clip_emotion.arrays import Float32Array
from clip_emotion.errors import MissingExtraError, ModelError
from clip_emotion.files import sha256_of
from clip_emotion.runtime import available_cpus

INPUT, OUTPUT = "input", "embedding"
"""What every tower calls what it takes and what it gives."""


def has_onnx_runtime() -> bool:
    """Tell whether ONNX Runtime is installed, without importing it."""
    return find_spec("onnxruntime") is not None


def threads() -> int:
    """Return how many threads a tower uses: ``OMP_NUM_THREADS`` where it is set, as torch does, else the processors."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else available_cpus()


class Tower:
    """An exported tower: an array of inputs [N, …] in, embeddings [N, D] of unit length out."""

    def __init__(self, path: Path, sha256: str | None = None) -> None:
        """Open a tower's file; raises ModelError where it is missing, damaged or not what ``sha256`` says."""
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("Running an export", "onnxruntime", "onnx") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait by spinning would take the processors from those that read pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            if sha256 is not None and sha256_of(path) != sha256:
                raise ModelError(f"{path} is not what was exported: delete its folder and export the model again.")
            # By its path: read into memory first, a file would lie there twice while it is opened.
            self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"ONNX Runtime cannot read {path} ({type(error).__name__}): delete its folder, export the model again."
            ) from error

    def __call__(self, inputs: np.ndarray[Any, Any]) -> Float32Array:
        """Return the embeddings [N, D] of inputs [N, …]."""
        return np.asarray(self._session.run([OUTPUT], {INPUT: inputs})[0], dtype=np.float32)
