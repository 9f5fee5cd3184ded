"""Tests with a real server: what measures it in ``benchmarks/`` is what checks it here."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
