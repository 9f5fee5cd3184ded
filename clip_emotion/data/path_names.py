"""Names that come from data (splits, classes, data sets), checked or changed before they become parts of a path."""

from __future__ import annotations

import re

from clip_emotion.text import nfc

LONGEST = 200
"""Most bytes of a name; file systems stop at 255, and a suffix may follow."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
"""What some file system refuses in a name, or takes for a separator."""
_UNSAFE = re.compile(r'[\s<>:"/\\|?*\x00-\x1f\x7f]+')


def path_fault(name: str) -> str | None:
    """Return why a name cannot be a part of a path, or None where it can be one."""
    if not name.strip():
        return "it is empty"
    if name in (".", "..") or _FORBIDDEN.search(name):
        return "it holds a path, or a character that no file name may have"
    if name[0] in ". " or name[-1] in ". ":
        return "it begins or ends with a dot or a space"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "it holds half of a character"
    return None if size <= LONGEST else f"it is longer than {LONGEST} bytes"


def file_name(label: str) -> str:
    """Return a label as a part of a file name that every system accepts; 화남/분노 becomes 화남_분노."""
    text = nfc(label).encode("utf-8", "replace").decode()
    return _UNSAFE.sub("_", text).strip("._ ").encode()[:LONGEST].decode("utf-8", "ignore") or "label"
