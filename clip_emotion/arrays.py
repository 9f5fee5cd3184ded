"""Names of array types: one name means one type wherever it stands."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
"""Numbers in double precision, as every score, weight and probability here is computed."""
FloatingArray: TypeAlias = NDArray[np.floating[Any]]
"""Numbers in any precision, as functions take them."""
Float32Array: TypeAlias = NDArray[np.float32]
"""Numbers in single precision, as encoders give them."""
IntArray: TypeAlias = NDArray[np.intp]
"""Positions and counts."""
IntegerArray: TypeAlias = NDArray[np.integer[Any]]
"""Whole numbers of any width, as functions take them."""
BoolArray: TypeAlias = NDArray[np.bool_]
