"""The window of ``label --show``: frames with boxes and words while they are labelled, by Python's own Tk.

OpenCV's windows are not used: the headless build that everything here needs has none, and its other build clashes.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.retrieval.video.labelling import LabelledFrame

LARGEST = (1280, 800)
"""Larger frames are shown smaller."""
HIDDEN = "leave --show out; --annotate out.mp4 writes the same into a file"


def refuse_without_display() -> None:
    """Raise UsageError where no window can be opened."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UsageError(f"--show needs a display, and this machine has none: {HIDDEN}.")
    try:
        import tkinter
    except ImportError as error:
        raise UsageError(f"--show needs Python's Tk (Debian's python3-tk): install it, or {HIDDEN}.") from error
    try:
        tkinter.Tk().destroy()
    except tkinter.TclError as error:
        raise UsageError(f"--show cannot open a window ({error}): {HIDDEN}.") from error


class Window:
    """Shows frames as they come; closing it, or q or Escape in it, ends the run."""

    def __init__(self) -> None:
        self.root: Any = None
        self.label: Any = None
        self.picture: Any = None
        self.closed = False

    def __enter__(self) -> Window:
        """Open the window."""
        import tkinter

        self.root = tkinter.Tk()
        self.root.title("clip-emotion")
        self.root.protocol("WM_DELETE_WINDOW", self.close)
        for key in ("q", "<Escape>"):
            self.root.bind(key, lambda _: self.close())
        self.label = tkinter.Label(self.root, borderwidth=0)
        self.label.pack()
        # Without it no key reaches the window where nothing manages windows.
        self.root.focus_force()
        return self

    def close(self) -> None:
        """Want no more frames."""
        self.closed = True

    def take(self, frame: LabelledFrame) -> None:
        """Show a frame; raises ``Closed`` where the window was closed."""
        from PIL import ImageTk

        from clip_emotion.retrieval.video.drawing import draw, faces_of
        from clip_emotion.retrieval.video.sinks import Closed

        if frame.image is not None and not self.closed:
            image = draw(frame.image, faces_of(frame.rows))
            image.thumbnail(LARGEST)
            # Tk shows a picture only as long as someone holds it.
            self.picture = ImageTk.PhotoImage(image, master=self.root)
            self.label.configure(image=self.picture)
        self.root.update()
        if self.closed:
            raise Closed

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the window away."""
        self.picture = None
        self.root.destroy()
