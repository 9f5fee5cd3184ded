"""Transcripts of every layout, read as conversations."""

from scoring.readers.detection import detect_layout
from scoring.readers.layouts import LAYOUTS
from scoring.readers.live import LiveReader
from scoring.readers.messages import Layout
from scoring.readers.reading import ReadOptions, read_conversations, read_stream

__all__ = ["LAYOUTS", "Layout", "LiveReader", "ReadOptions", "detect_layout", "read_conversations", "read_stream"]
