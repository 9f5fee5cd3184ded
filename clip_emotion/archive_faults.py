"""What reading a .zip that is damaged, locked, or packed in a way that Python does not know may raise."""

from __future__ import annotations

import lzma
import zipfile
import zlib

# A wrong byte reaches whichever part reads it: the directory, a decompressor, or the decoding of a name.
ARCHIVE_FAULTS = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""NotImplementedError, of an unknown compression, is a RuntimeError, as is a missing password."""
