"""What operating systems, file managers and storage boxes leave in a folder, which is nobody's data."""

from __future__ import annotations

_NAMES = frozenset(
    name.casefold()
    for name in (
        "__MACOSX",
        "@eaDir",
        "@Recycle",
        "@tmp",
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "RECYCLER",
        "System Volume Information",
        "lost+found",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
    )
)


def is_system_name(name: str) -> bool:
    """Tell whether a file or folder is hidden or a system's own: thumbnails, recycle bins, indices."""
    return name.startswith((".", "__MACOSX")) or name.casefold() in _NAMES
